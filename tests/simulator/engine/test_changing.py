"""What an op met the first time is not what it meets the next: configuration, branches left."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.engine.schedule import LateNoc, RoundRobin, Schedule, Seeded
from simulator.program import Program, Stmt
from simulator.run import RunOptions
from tests.simulator.builders import Sketch, layout, loop, op, when
from tests.simulator.engine.hand import (
    READ_BARRIER,
    W0,
    WRITE_BARRIER,
    at_least,
    fetch,
    increment,
    mine,
    on_cores,
    pop,
    push,
    reserve,
    reset,
    send,
    wait,
)
from tests.simulator.pipes import codes, pipe, run

SQUARE = (
    wait(0), op("tile_regs_acquire"), op("matmul_tiles", 0, 0, 0, 0, 0), op("tile_regs_commit"),
    pop(0), reserve(1), op("tile_regs_wait"), op("pack_tile", 0, 1), op("tile_regs_release"),
    push(1),
)  # fmt: skip


def squares(*again: Stmt) -> Sketch:
    """Four tiles multiplied by themselves; ``again`` is done from the second on."""
    head = (op("compute_kernel_hw_startup", "Reverse", 0, 0, 1), op("matmul_init", 0, 0, 0))
    tensors = {"A": layout("bfloat16", (32, 128), "input"),
               "C": layout("float32", (32, 128), "output")}  # fmt: skip
    buffers = {0: ("Float16_b", 2, "ncrisc", "compute"), 1: ("Float32", 2, "compute", "brisc")}
    body = (*((when(["!=", "t", 0], *again),) if again else ()), *SQUARE)
    return pipe(4, compute=(*head, loop("t", 4, *body)), tensors=tensors, buffers=buffers)


@pytest.mark.parametrize("turned", [False, True])
def test_a_product_is_configured_anew(turned: bool) -> None:
    """The same op multiplies by tiles turned, once it is told to."""
    a = np.random.default_rng(0).integers(-3, 4, (32, 128)).astype(np.float32)
    result = run(squares(*([op("matmul_init", 0, 0, 1)] if turned else [])), A=a)
    assert codes(result) == []
    for number in range(4):
        tile = a[:, 32 * number : 32 * number + 32]
        other = tile.T if turned and number else tile
        np.testing.assert_array_equal(result.outputs["C"][:, 32 * number : 32 * number + 32],
                                      tile @ other)  # fmt: skip


@pytest.mark.parametrize(
    "other", [op("copy_init", 0), op("add_init", 0, 0), op("transpose_init", 0)]
)
def test_a_configuration_lost_on_the_way_is_found(other: Stmt) -> None:
    """An op that was configured when it came first, and is not the next time."""
    assert codes(run(squares(other))) == ["StaleConfig"]


def test_cores_that_go_on_alone_leave_the_others_their_branch() -> None:
    """Of two cores in one branch one waits for a third, whose branch is still to come."""
    start = (when(["==", "x", 1], reset(0, 1)),)
    meeting = when(["<=", "x", 1], at_least(0, 1), orelse=(increment(0, 0),))
    reader = (*start, meeting,
              loop("t", 2, reserve(0), fetch(mine()), READ_BARRIER, push(0)))  # fmt: skip
    result = run(on_cores(3, reader=reader))
    assert codes(result) == []
    assert result.written["C"].all()


def test_pages_that_another_core_fills_are_waited_for_together() -> None:
    """The wait for two pages is after both pushes, hence after both transfers."""
    sender = (at_least(1, 1), loop("t", 2, reserve(0), fetch("t"), READ_BARRIER, send(W0, 1, W0),
                                   WRITE_BARRIER, increment(1, 0), push(0)))  # fmt: skip
    receiver = (reserve(0, 2), increment(0, 1), at_least(0, 1), push(0), at_least(0, 2), push(0))
    sketch = on_cores(2, reader=(when(["==", "x", 0], *sender, orelse=receiver),))
    tile = (op("tile_regs_acquire"), op("copy_tile", 0, "i", 0), op("tile_regs_commit"),
            reserve(1), op("tile_regs_wait"), op("pack_tile", 0, 1), op("tile_regs_release"),
            push(1))  # fmt: skip
    compute = sketch.programs["compute"]
    sketch.programs["compute"] = Program(
        name="compute", thread="compute", runtime_args=compute.runtime_args,
        body=(*compute.body[:2], wait(0, 2), loop("i", 2, *tile), pop(0, 2)),
    )  # fmt: skip
    schedules: list[Schedule] = [RoundRobin(), LateNoc(0), LateNoc(1)]
    for schedule in (*schedules, *(Seeded(n) for n in range(6))):
        result = run(sketch, RunOptions(schedule=schedule))
        assert codes(result) == []
        left, right = (result.outputs["C"][:, at : at + 64] for at in (0, 64))
        np.testing.assert_array_equal(left, right)
