"""Bad programs give findings or load errors, never a traceback."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.schedule import LateNoc, RoundRobin, Schedule
from simulator.errors import ArtifactError
from simulator.findings import RULES
from simulator.isa import OPS
from simulator.program import If, Let, Loop, Op, Program, Stmt
from simulator.run import RunOptions, execute
from tests.simulator.builders import gemm
from tests.simulator.engine.test_collectives import reduction_tree
from tests.simulator.engine.test_extents import BARRIER, copying, from_core, to_core
from tests.simulator.engine.test_network import multicast
from tests.simulator.pipes import pipe

BUDGET = RunOptions(max_steps=20_000, max_seconds=2.0, repair=False)

VALUES: tuple[Any, ...] = (
    0, 1, -1, 2, 3, 7, 31, 32, 64, 1000, 2048, 2**31, 2**62, -(2**62), 2**70, 10**30, 0.5, -1e300,
    float("inf"), "x", "nobody", "A", "t", True, None, [], ["+"], ["+", 1], ["//", 1, 0],
    ["%", "me", 0], ["get_write_ptr", 0], ["get_read_ptr", 9], ["get_write_ptr", "t"],
    ["get_semaphore", 0], ["get_semaphore", 99], ["?", 1, 2, 3], ["*", 2**40, 2**40], {"a": 1},
    ["+", ["get_write_ptr", 0], ["get_read_ptr", 1]], ["min", "t", 2**61], ["!", "t"],
)  # fmt: skip


class Vandal:
    """Damages a program in a few random places."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - damage, not secrets

    def program(self, program: Program) -> Program:
        """One program with one to three damages."""
        body = program.body
        for _ in range(self.rng.randint(1, 3)):
            body = self.body(body, self.rng.randint(0, 4))
        return Program(
            name=program.name, thread=program.thread, accessors=program.accessors,
            compile_args=program.compile_args, common_args=program.common_args,
            runtime_args=program.runtime_args, body=body,
        )  # fmt: skip

    def body(self, body: tuple[Stmt, ...], depth: int) -> tuple[Stmt, ...]:
        """Damage somewhere in a body, ``depth`` levels down if there are so many."""
        if not body:
            return (Op(name="cb_push_back", args=(0, 1)),)
        at = self.rng.randrange(len(body))
        stmt = body[at]
        if depth and isinstance(stmt, Loop):
            new: tuple[Stmt, ...] = (self.loop(stmt, self.body(stmt.body, depth - 1)),)
        elif depth and isinstance(stmt, If):
            new = (If(cond=stmt.cond, then=self.body(stmt.then, depth - 1), orelse=stmt.orelse),)
        else:
            new = self.statement(stmt)
        return (*body[:at], *new, *body[at + 1 :])

    def loop(self, loop: Loop, body: tuple[Stmt, ...]) -> Loop:
        """A loop with another body."""
        return Loop(var=loop.var, start=loop.start, stop=loop.stop, step=loop.step, body=body)

    def statement(self, stmt: Stmt) -> tuple[Stmt, ...]:
        """Something else in the place of a statement."""
        rng = self.rng
        kind = rng.randrange(6)
        if kind == 0:
            return ()
        if kind == 1:
            return (stmt, stmt)
        if kind == 2:
            name = rng.choice(list(OPS))
            count = len(OPS[name].operands) + (rng.random() < 0.05)
            return (Op(name=name, args=tuple(self.value() for _ in range(count))),)
        if isinstance(stmt, Op) and stmt.args:
            args = list(stmt.args)
            args[rng.randrange(len(args))] = self.value()
            return (Op(name=stmt.name, args=tuple(args)),)
        if isinstance(stmt, Loop):
            field = rng.choice(["start", "stop", "step"])
            changes: dict[str, Any] = {"start": stmt.start, "stop": stmt.stop, "step": stmt.step}
            changes[field] = rng.choice([0, -1, 3]) if field == "step" else self.value()
            return (Loop(var=stmt.var, body=stmt.body, **changes),)
        if isinstance(stmt, Let):
            return (Let(var=stmt.var, value=self.value()),)
        if isinstance(stmt, If):
            return (If(cond=self.value(), then=stmt.orelse, orelse=stmt.then),)
        return (stmt,)

    def value(self) -> Any:
        """Some operand."""
        if self.rng.random() < 0.3:
            return ["+", self.rng.choice(VALUES), self.rng.choice(VALUES)]
        return self.rng.choice(VALUES)


SKETCHES = (
    pipe(3),
    gemm(64, 64, 64, (64, 64, 32), (1, 1)),
    gemm(64, 128, 64, (32, 32, 32), (2, 2)),
    multicast((3, 1), 2),
    reduction_tree(2),
    copying(from_core("peer", 0, 0, 100), from_core("peer", 116, 100, 700), BARRIER,
            to_core("peer", 4000, 4096, 320), to_core("x", 16, 8100, 92)),
)  # fmt: skip


@given(st.integers(0, 2**32), st.integers(0, len(SKETCHES) - 1), st.booleans(), st.booleans())
def test_damaged_programs(seed: int, which: int, cursors: bool, late: bool) -> None:
    """Whatever is done to a program, the run ends with findings that have a code and a place."""
    sketch = SKETCHES[which]
    vandal = Vandal(seed)
    programs = list(sketch.listed())
    at = vandal.rng.randrange(len(programs))
    programs[at] = vandal.program(programs[at])
    inputs = {
        name: np.ones(item.logical_shape, np.float32 if "float" in item.dtype else np.uint32)
        for name, item in sketch.tensors.items()
        if item.role == "input"
    }
    schedule: Schedule = LateNoc(seed) if late else RoundRobin()
    try:
        result = execute(
            sketch.plan(), programs, inputs, replace(BUDGET, cursors=cursors, schedule=schedule)
        )
    except ArtifactError:
        return
    for item in result.findings:
        assert item.code in RULES
    assert result.completed or result.findings
