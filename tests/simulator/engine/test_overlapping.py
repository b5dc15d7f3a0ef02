"""Cores that take one branch together and another with others: each keeps its own buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.engine.schedule import RoundRobin, Seeded
from simulator.program import Program, Stmt
from simulator.run import RunOptions
from tests.simulator.builders import Sketch, loop, plus, when
from tests.simulator.engine.hand import (
    READ_BARRIER,
    WRITE_BARRIER,
    fetch,
    pop,
    push,
    reserve,
    store,
    wait,
)
from tests.simulator.pipes import COPY, codes, compute_of, pipe, run

STEPS = 3
CORES = 4


def joined(branches: tuple[tuple[int, int], ...]) -> Sketch:
    """In every step, for each (first, last) core of ``branches``, those cores copy a tile."""
    each = [sum(low <= x <= high for low, high in branches) for x in range(CORES)]
    firsts = [STEPS * sum(each[:x]) for x in range(CORES)]

    def body(*one: Stmt) -> tuple[Stmt, ...]:
        """The branches of a step; page ``first + t * each + those before`` in turn."""
        out = []
        for number, (low, high) in enumerate(branches):
            test = ["&&", ["<=", low, "x"], ["<=", "x", high]]
            before: Any = plus(0, *(
                ["&&", ["<=", a, "x"], ["<=", "x", b]] for a, b in branches[:number]))  # fmt: skip
            page = plus("first", ["*", "t", "each"], before)
            out.append(when(test, *(_placed(stmt, page) for stmt in one)))
        return (loop("t", STEPS, *out),)

    bodies = {
        "reader": body(reserve(0), fetch("page"), READ_BARRIER, push(0)),
        "writer": body(wait(1), store("page"), WRITE_BARRIER, pop(1)),
        "compute": (*compute_of(0)[:2], loop("n", ["*", "each", STEPS], *COPY)),
    }  # fmt: skip
    sketch = pipe(STEPS * sum(each), cores=(CORES, 1))
    for name, program in list(sketch.programs.items()):
        sketch.programs[name] = Program(
            name=name, thread=program.thread, accessors=program.accessors,
            runtime_args=("x", "first", "each"), body=bodies[name],
        )  # fmt: skip
        sketch.args[name] = {(x, 0): (x, firsts[x], each[x]) for x in range(CORES)}
    return sketch


def _placed(stmt: Any, page: Any) -> Any:
    args = getattr(stmt, "args", ())
    if "page" not in args:
        return stmt
    return type(stmt)(name=stmt.name, args=tuple(page if a == "page" else a for a in args))


@pytest.mark.parametrize(
    "branches",
    [
        ((1, 3), (0, 2)),
        ((1, 3), (0, 2), (1, 3)),
        ((0, 1), (2, 3), (0, 3)),
        ((0, 0), (0, 3), (1, 2), (0, 1)),
        ((0, 3), (1, 1), (1, 2), (0, 2)),
    ],
)
def test_cores_in_changing_company_keep_their_own(branches: tuple[tuple[int, int], ...]) -> None:
    """What was common to some cores is not used once they have gone apart."""
    sketch = joined(branches)
    for schedule in (RoundRobin(), Seeded(1)):
        result = run(sketch, RunOptions(schedule=schedule))
        assert codes(result) == []
        source = np.arange(result.outputs["C"].size).reshape(result.outputs["C"].shape) % 251
        np.testing.assert_array_equal(result.outputs["C"], source)
        assert result.written["C"].all()
