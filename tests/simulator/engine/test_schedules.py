"""Schedules as values, replay, levels, repairs of deadlocks, races through DRAM."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from simulator import depths
from simulator.engine.schedule import Explicit, LateNoc, RoundRobin, Schedule, Seeded, Turns
from simulator.explore import explore
from simulator.plan.schema import Plan
from simulator.run import RunOptions, advise_depths, execute
from tests.simulator.builders import gemm, layout, let, loop, op, plus
from tests.simulator.engine.test_control import stages
from tests.simulator.engine.test_network import multicast
from tests.simulator.pipes import COPY, READ, WRITE, codes, compute_of, pipe, run

SCHEDULES: list[Schedule] = [
    RoundRobin(),
    Seeded(1),
    Seeded(2, longest=3),
    Seeded(3, single=False),
    LateNoc(4),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_determinate_programs_do_not_care(schedule: Schedule) -> None:
    """A product has the same bits under every schedule; that is what determinate means."""
    sketch = gemm(96, 128, 96, (32, 64, 32), (3, 2))
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((96, 96), (96, 128)))
    inputs = {"A": a, "B": b}
    plain = execute(sketch.plan(), sketch.listed(), inputs)
    result = execute(sketch.plan(), sketch.listed(), inputs, RunOptions(schedule=schedule))
    assert codes(result) == []
    assert result.determinate
    np.testing.assert_array_equal(result.outputs["C"], plain.outputs["C"])


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_recorded_choices_replay_the_run(schedule: Schedule) -> None:
    """An explicit schedule of the recorded choices has the same trace hash, time after time."""
    sketch = multicast((3, 2), 2)
    first = run(sketch, RunOptions(schedule=schedule))
    assert codes(first) == []
    again = Explicit(
        first.choices,
        single=getattr(schedule, "single", False),
        late=isinstance(schedule, LateNoc),
    )
    for _ in range(3):
        replay = run(sketch, RunOptions(schedule=again))
        assert replay.trace_hash == first.trace_hash
        assert replay.choices == first.choices
        np.testing.assert_array_equal(replay.outputs["C"], first.outputs["C"])


HASH = """
from simulator.engine.schedule import Seeded
from simulator.run import RunOptions
from tests.simulator.engine.test_network import multicast
from tests.simulator.pipes import run
print(run(multicast((2, 2), 2), RunOptions(schedule=Seeded(7, longest=5))).trace_hash)
"""


def test_a_thousand_replays_are_one_run() -> None:
    """An explicit schedule gives one trace hash, a thousand times."""
    sketch = pipe(1)
    first = run(sketch, RunOptions(schedule=Seeded(7, longest=5)))
    replay = RunOptions(schedule=Explicit(first.choices, single=True))
    assert {run(sketch, replay).trace_hash for _ in range(1000)} == {first.trace_hash}


def test_a_schedule_is_the_same_in_any_process() -> None:
    """The hash does not depend on what differs from process to process: hash seed, addresses."""
    hashes = {
        subprocess.run(
            [sys.executable, "-c", HASH], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(hashes) == 1


def test_seeds_differ() -> None:
    """Two seeds choose differently; the hash sees it."""
    hashes = {run(pipe(4), RunOptions(schedule=Seeded(seed))).trace_hash for seed in range(5)}
    assert len(hashes) == 5


def test_turns_choose_and_delay() -> None:
    """Turns as data: another list is another run, and the same list the same run."""
    sketch = multicast((3, 1), 2)
    lists = [(), ((0, 3, False),), ((1, 1, True), (2, 5, False)), ((1, 1, False), (2, 5, False))]
    runs = [[run(sketch, RunOptions(schedule=Turns(turns))) for _ in range(2)] for turns in lists]
    assert all(codes(one) == [] for pair in runs for one in pair)
    assert all(one.trace_hash == two.trace_hash for one, two in runs)
    assert len({one.trace_hash for one, _ in runs[:3]}) == 3


def test_a_late_turn_delays_what_is_sent_in_it() -> None:
    """Data that overtakes nothing is right; without the wait a late turn lets the flag pass it."""
    hasty = multicast((3, 1), 2, wait=())
    late = Turns(tuple((which, 3, True) for which in (0, 1, 2, 3, 4, 5) * 6))
    assert codes(run(multicast((3, 1), 2), RunOptions(schedule=late))) == []
    assert codes(run(hasty, RunOptions(schedule=late)))


def test_a_late_noc_shows_a_missing_barrier() -> None:
    """A flag sent by increment may overtake data sent before it, unless a barrier waits."""
    width, page = 2, 2048
    other = ["-", 1, "x"]
    send = (
        op("cb_reserve_back", 0, 2),
        op("noc_async_read_page", "x", "A", ["get_write_ptr", 0]),
        op("noc_async_read_barrier"),
        op("noc_semaphore_inc", other, 0, 0, 1),
        op("noc_semaphore_wait", 0, 1),
        op("noc_async_write", ["get_write_ptr", 0], other, 0, plus(["get_write_ptr", 0], page),
           page),
    )  # fmt: skip
    done = (
        op("noc_semaphore_inc", other, 0, 1, 1),
        op("noc_semaphore_wait", 1, 1),
        op("cb_push_back", 0, 2),
    )
    barrier = (op("noc_async_write_barrier"),)
    from tests.simulator.engine.test_network import everywhere, network

    def sketch(*body: object) -> object:
        made = network((width, 1), 1, body, width,  # type: ignore[arg-type]
                       extra={"semaphores": everywhere((width, 1), 0, 0)})  # fmt: skip
        compute = made.programs["compute"]
        *head, tiles = compute.body
        skip = (op("cb_wait_front", 0, 2), op("cb_pop_front", 0, 1))
        made.programs["compute"] = compute.__class__(
            name="compute", thread="compute", runtime_args=("x", "y"), body=(*head, *skip, tiles)
        )
        return made

    right = sketch(*send, *barrier, *done)
    wrong = sketch(*send, *done, *barrier)
    late = [RunOptions(schedule=LateNoc(seed)) for seed in range(4)]
    assert all(codes(run(right, options)) == [] for options in late)  # type: ignore[arg-type]
    assert any(codes(run(wrong, options)) for options in late)  # type: ignore[arg-type]


def test_exploring_finds_a_timing_and_keeps_it() -> None:
    """A flag that overtakes its data is found by trying schedules, and the finding replays."""
    sketch = multicast((3, 1), 2, wait=())
    inputs = {"A": np.zeros(sketch.tensors["A"].logical_shape, np.float32)}
    found = explore(sketch.plan(), sketch.listed(), inputs)
    assert found.first.findings or found.other is not None
    right = multicast((3, 1), 2)
    assert explore(right.plan(), right.listed(), inputs, schedules=6).other is None
    if found.other is not None and found.replay is not None:
        again = execute(sketch.plan(), sketch.listed(), inputs,
                        RunOptions(schedule=found.replay))  # fmt: skip
        assert codes(again) == codes(found.other)


def test_determinate_programs_are_run_once() -> None:
    """There is nothing to explore where one schedule stands for all."""
    sketch = pipe(2)
    found = explore(sketch.plan(), sketch.listed(), {"A": np.ones((32, 64), np.float32)})
    assert (found.tried, found.other) == (1, None)


def test_hardware_level_permits_what_hardware_does() -> None:
    """Pushing free pages without reserving, and leaving pages behind, are legal in tt-metal."""
    body = (READ, op("noc_async_read_barrier"), op("cb_push_back", 0, 1))
    sketch = pipe(2, reader=(loop("t", 2, *body),))
    assert codes(run(sketch))[:1] == ["CBWindow"]
    assert codes(run(sketch, RunOptions(level="hardware"))) == []
    left = pipe(2, writer=(op("cb_wait_front", 1, 1), let("t", 0), WRITE,
                           op("noc_async_write_barrier"), op("cb_pop_front", 1, 1)))  # fmt: skip
    assert codes(run(left)) == ["DirtyExit"]
    assert codes(run(left, RunOptions(level="hardware"))) == []
    over = pipe(4, reader=(loop("t", 4, *body),))
    result = run(over, RunOptions(level="hardware"))
    assert codes(result)[0] in ("CBWindow", "CBOverflow", "Race")


def test_a_deadlock_is_mended_by_the_smallest_depth() -> None:
    """The reader wants three pages before compute takes one: depth 3 is tried and found."""
    body = (
        op("cb_reserve_back", 0, 1),
        READ,
        op("noc_async_read_barrier"),
        op("cb_push_back", 0, 1),
    )
    compute = pipe(6).programs["compute"].body
    *head, tiles = compute
    inner = tiles.body  # type: ignore[union-attr]
    tail = (loop("u", 3, *inner),)
    waiting = (op("cb_wait_front", 2, 1), op("cb_pop_front", 2, 1))
    buffers = {
        0: ("Float16_b", 2, "ncrisc", "compute"),
        1: ("Float16_b", 2, "compute", "brisc"),
        2: ("Float16_b", 1, "ncrisc", "compute"),
    }
    signal = (
        op("cb_reserve_back", 2, 1),
        op("fill_tile_l1", 2, ["get_write_ptr", 2], 0.0),
        op("cb_push_back", 2, 1),
    )
    store = (op("cb_wait_front", 1, 1), WRITE, op("noc_async_write_barrier"),
             op("cb_pop_front", 1, 1))  # fmt: skip
    sketch = pipe(
        3,
        reader=(loop("t", 3, *body), *signal),
        compute=(*head, *waiting, *tail),
        writer=(loop("t", 3, *store),),
        buffers=buffers,
    )
    result = run(sketch)
    assert codes(result) == ["Deadlock"]
    assert "A depth of 3 instead of 2 pages for circular buffer 0" in str(
        result.findings[0].next_step
    )
    silent = run(sketch, RunOptions(repair=False))
    assert "depth of 3" not in str(silent.findings[0].next_step)


def test_a_search_for_a_repair_keeps_to_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a deadlock leaves of --max-steps is all that looking for another depth may take."""
    given: list[int] = []
    monkeypatch.setattr(depths, "repair", lambda *words: given.append(words[-1]))
    body = (op("cb_reserve_back", 0, 1), READ, op("noc_async_read_barrier"),
            op("cb_push_back", 0, 1))  # fmt: skip
    sketch = pipe(4, reader=(loop("t", 4, *body),), compute=compute_of(1, *COPY), writer=())
    spent = run(sketch, RunOptions(repair=False)).stats.steps
    for budget in (10**8, 10**6, 10 * spent):
        assert codes(run(sketch, RunOptions(max_steps=budget))) == ["Deadlock"]
    assert given == [10 * depths.SHORT, 10 * depths.SHORT, 9 * spent]


def test_a_search_for_a_repair_counts_what_its_runs_take() -> None:
    """Runs are tried until their steps together have spent the budget, on any machine."""
    plan = pipe(4).plan()
    tried: list[int] = []

    def attempt(_: Plan, steps: int) -> tuple[bool, int]:
        tried.append(steps)
        return False, 40

    assert depths.repair(plan, [0], attempt, 100) is None
    assert tried == [100, 60, 20]


def test_writes_under_way_at_the_end_arrive() -> None:
    """A run that stops before the barrier of its writes: what it says was written holds values."""
    store = (op("cb_wait_front", 1, 1), WRITE, op("cb_pop_front", 1, 1))
    stopped = pipe(2, writer=(loop("t", 2, *store),))
    result = run(stopped, RunOptions(schedule=LateNoc(3)))
    assert codes(result) == ["Unbarriered"]
    told = result.written["C"]
    assert told.sum() == 1024
    whole = run(pipe(2)).outputs["C"]
    np.testing.assert_array_equal(result.outputs["C"][told], whole[told])


def test_depth_advice() -> None:
    """One page each is enough for the pipe; two let its stages overlap."""
    sketch = pipe(4)
    a = np.zeros((32, 128), np.float32)
    advice = advise_depths(sketch.plan(), sketch.listed(), {"A": a})
    assert [(item.cb, item.least, item.overlapping) for item in advice] == [(0, 1, 2), (1, 1, 2)]


def test_reading_what_another_core_writes_is_a_race() -> None:
    """Core 1 reads the page of an inout tensor that core 0 writes, in either order."""
    tensors = {
        "A": layout("bfloat16", (32, 64), "inout"),
        "C": layout("bfloat16", (32, 64), "output"),
    }
    same = stages("me", lambda body: body, 2, (2, 1), tensors=tensors)
    for name, target in (("writer", "A"),):
        program = same.programs[name]
        read_back = op("noc_async_write_page", ["-", 1, "me"], target, ["get_read_ptr", 1])
        same.programs[name] = program.__class__(
            name=name, thread=program.thread, accessors=("A",), runtime_args=("me",),
            body=(op("cb_wait_front", 1, 1), read_back, op("noc_async_write_barrier"),
                  op("cb_pop_front", 1, 1)),
        )  # fmt: skip
    result = run(same)
    assert codes(result) == ["Race"]
    assert "on core (0, 0)" in result.findings[0].message
    assert "on core (1, 0)" in result.findings[0].message


def test_reading_back_before_the_barrier() -> None:
    """A thread sees its own write only after the write barrier."""
    tensors = {
        "A": layout("bfloat16", (32, 32), "input"),
        "C": layout("bfloat16", (32, 32), "inout"),
    }
    back = (
        op("cb_reserve_back", 2, 1),
        op("noc_async_read_page", 0, "C", ["get_write_ptr", 2]),
        op("noc_async_read_barrier"),
        op("cb_push_back", 2, 1),
        op("cb_wait_front", 2, 1),
        op("cb_pop_front", 2, 1),
    )
    buffers = {
        0: ("Float16_b", 2, "ncrisc", "compute"),
        1: ("Float16_b", 2, "compute", "brisc"),
        2: ("Float16_b", 1, "brisc", "brisc"),
    }
    store = (op("cb_wait_front", 1, 1), op("noc_async_write_page", 0, "C", ["get_read_ptr", 1]))
    barrier = (op("noc_async_write_barrier"),)
    pop = (op("cb_pop_front", 1, 1),)
    wrong = pipe(1, writer=(*store, *back, *barrier, *pop), tensors=tensors, buffers=buffers)
    right = pipe(1, writer=(*store, *barrier, *back, *pop), tensors=tensors, buffers=buffers)
    assert codes(run(wrong))[:1] == ["Unbarriered"]
    assert codes(run(right)) == []
