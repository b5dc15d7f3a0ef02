"""Compute programs with a cursor per part: unpacker, math and packer run ahead of each other."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from simulator.program import Program, Stmt
from simulator.run import RunOptions
from tests.simulator.builders import Sketch, layout, loop, op, plus
from tests.simulator.pipes import codes, pipe, run


def test_packer_and_math_are_cursors_of_their_own() -> None:
    """Math may commit a third time before the text comes to the packer; one cursor cannot."""
    tiles = 3
    math = (
        op("cb_wait_front", 0, 1),
        op("tile_regs_acquire"),
        op("copy_tile", 0, 0, 0),
        op("tile_regs_commit"),
        op("cb_pop_front", 0, 1),
    )
    pack = (
        op("cb_reserve_back", 1, 1),
        op("tile_regs_wait"),
        op("pack_tile", 0, 1),
        op("tile_regs_release"),
        op("cb_push_back", 1, 1),
    )
    head = pipe(1).programs["compute"].body[:2]
    ahead = pipe(tiles, compute=(*head, loop("t", tiles, *math), loop("u", tiles, *pack)))
    result = run(ahead)
    assert codes(result) == []
    assert result.completed
    assert result.written["C"].all()
    behind = pipe(tiles, compute=(*head, loop("u", tiles, *pack), loop("t", tiles, *math)))
    assert codes(run(behind)) == []
    twice = pipe(tiles, compute=(*head, loop("t", tiles, *pack, *pack), loop("u", tiles, *math)))
    assert codes(run(twice))[:1] in (["DstProtocol"], ["Deadlock"])


def held_back(after: int, tiles: int = 9) -> Sketch:
    """The pipe with buffers of one page, whose writer begins when the reader has read ``after``."""
    read: tuple[Stmt, ...] = pipe(1).programs["reader"].body[0].body  # type: ignore[union-attr]
    later = op("noc_async_read_page", plus("t", after), "A", ["get_write_ptr", 0])
    token = (
        op("cb_reserve_back", 2, 1),
        op("noc_async_read_page", 0, "A", ["get_write_ptr", 2]),
        op("noc_async_read_barrier"),
        op("cb_push_back", 2, 1),
    )
    return pipe(
        tiles,
        reader=(loop("t", after, *read), *token,
                loop("t", tiles - after, read[0], later, *read[2:])),
        writer=(op("cb_wait_front", 2, 1), op("cb_pop_front", 2, 1),
                *pipe(tiles).programs["writer"].body),
        buffers={0: ("Float16_b", 1, "ncrisc", "compute"), 1: ("Float16_b", 1, "compute", "brisc"),
                 2: ("Float16_b", 1, "ncrisc", "brisc")},
    )  # fmt: skip


@pytest.mark.parametrize("after", range(1, 9))
def test_how_far_the_parts_of_compute_get_ahead(after: int) -> None:
    """Packer held: 1 tile packed, 2 in DST, 2 in Src, 1 in the buffer: a seventh is a deadlock."""
    result = run(held_back(after))
    assert result.completed == (after <= 6)
    assert codes(result) == ([] if after <= 6 else ["Deadlock"])
    if result.completed:
        np.testing.assert_array_equal(result.outputs["C"], run(pipe(9)).outputs["C"])


def test_a_busy_machine_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where three cursors get further, and which depth helps, no clock decides."""
    ahead, stuck = held_back(5), held_back(7)
    idle = [run(ahead), run(stuck)]
    ticks = itertools.count(step=3600)
    for clock in ("monotonic", "perf_counter"):
        monkeypatch.setattr(time, clock, lambda: float(next(ticks)))
    busy = [run(ahead), run(stuck)]
    assert [result.findings for result in busy] == [result.findings for result in idle]
    assert [result.completed for result in busy] == [True, False]


def test_three_cursors_that_spend_the_budget_prove_no_deadlock() -> None:
    """Whatever the budget of steps, the verdict is the full one or that the budget is spent."""
    for after, full in ((5, []), (7, ["Deadlock"])):
        verdicts = [codes(run(held_back(after), RunOptions(max_steps=n))) for n in range(1, 500, 7)]
        turn = verdicts.index(full)
        assert 10 < turn < 60
        assert verdicts == [["BudgetSpent"]] * turn + [full] * (len(verdicts) - turn)
    said = run(held_back(5), RunOptions(max_steps=150)).findings[0].message
    assert said.endswith("one cursor ends in Deadlock")


def test_what_goes_to_dst_is_not_unpacked_ahead() -> None:
    """UnpackToDestFp32: the unpacker waits for math to hold DST, so two tiles less get through."""
    plain, direct = held_back(5), held_back(4)
    for sketch in (plain, direct):
        sketch.tensors = {
            "A": layout("float32", (32, 288), "input"), "C": layout("float32", (32, 288), "output")
        }  # fmt: skip
        sketch.buffers = {n: ("Float32", *rest) for n, (_, *rest) in sketch.buffers.items()}  # type: ignore[misc]
        sketch.unpack_to_dest = frozenset({0})
    assert run(direct).completed
    assert codes(run(plain)) == ["Deadlock"]


def test_a_rule_broken_beyond_the_text_order() -> None:
    """Where three cursors get further and break another rule, that is what is reported."""
    sketch = held_back(5)
    writer = sketch.programs["writer"]
    sketch.programs["writer"] = Program(
        name="writer",
        thread="brisc",
        accessors=("C",),
        body=(*writer.body, op("cb_pop_front", 1, 1)),
    )
    assert codes(run(sketch)) == ["CBUnderflow"]
