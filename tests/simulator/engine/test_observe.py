"""Profiles and traces of runs."""

from __future__ import annotations

from simulator.engine.schedule import Explicit, Seeded
from simulator.run import RunOptions
from tests.simulator.pipes import codes, pipe, run


def test_profile_counts_every_op() -> None:
    """Each op of each program has its calls; nothing is there unless asked for."""
    result = run(pipe(4), RunOptions(profile=True))
    calls = {(row.program, row.op): row.calls for row in result.profile}
    assert calls["compute", "copy_tile"] == 4
    assert calls["writer", "noc_async_write_page"] == 4
    assert calls["reader", "cb_reserve_back"] >= 4
    assert all(row.seconds >= 0 for row in result.profile)
    assert run(pipe(4)).profile == ()


def test_trace_tells_turns_and_waits() -> None:
    """The turns add up to the run, and say what each group waited for."""
    result = run(pipe(4), RunOptions(trace=True))
    assert codes(result) == []
    assert sum(turn.steps for turn in result.turns) == result.stats.steps
    first = result.turns[0]
    assert (first.program, first.thread, first.cores) == ("reader", "ncrisc", ((0, 0),))
    assert first.waits == "needs 1 free pages of circular buffer 0 and has 0"
    assert first.occupancy == {0: 2, 1: 0}
    assert result.turns[-1].end == "end"


def test_a_thousand_replays() -> None:
    """One recorded schedule gives one trace, a thousand times."""
    sketch = pipe(2)
    first = run(sketch, RunOptions(schedule=Seeded(7)))
    again = RunOptions(schedule=Explicit(first.choices, single=True))
    assert {run(sketch, again).trace_hash for _ in range(1000)} == {first.trace_hash}
