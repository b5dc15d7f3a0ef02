"""One minimal failing plan for every rule that a run alone does not break.

Each is a sound artifact with the values at some paths changed, or its programs. ``copy`` and
``product`` are the samples of ``tests/simulator/plan/samples.py``, ``compiled`` is compiled here.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import pytest

from harness import check
from harness.artifact import Artifact
from harness.artifact import compile as compile_kernel
from harness.compiler.options import CompileOptions
from harness.kernels.gemm import matmul
from simulator.findings import RULES, Finding
from simulator.job import unwritten
from simulator.plan.load import programs_sha256
from simulator.plan.schema import Plan
from simulator.plan.validate import validate_artifact
from simulator.program import Loop, ProgramFile, Stmt
from simulator.program.text import program_lines
from simulator.run import execute
from tests.simulator.engine.test_protocol import BROKEN, OUTSIDE
from tests.simulator.plan.editing import edited, spelled_out
from tests.simulator.plan.samples import copy_artifact, gemm_artifact

GRID: Final = CompileOptions(grid=(2, 1))


@dataclass(frozen=True)
class Example:
    """A rule's failing artifact: what it is made of, and the values changed, by path.

    ``last`` blocks are left out by every program of the artifact.
    """

    title: str
    base: str
    values: dict[str, Any] = field(default_factory=dict)
    last: int = 0

    def artifact(self) -> tuple[Plan, ProgramFile]:
        """Plan and programs, sealed anew."""
        plan, programs = _sound(self.base)
        for place, new in self.values.items():
            plan = edited(plan, place, new)
        if self.last:
            programs = _shortened(programs, self.last)
            plan = edited(plan, "programs_sha256", programs_sha256(programs))
        return plan, programs

    def lines(self) -> Iterator[str]:
        """The example as the page shows it."""
        plan, programs = _sound(self.base)
        if self.values:
            yield f"tt.plan.json ({WHAT[self.base]}):"
            for place, new in self.values.items():
                yield f"    {place}: {_text(_at(plan, place))} -> {_text(new)}"
        if self.last:
            for program in _shortened(programs, self.last).programs:
                yield f"{program.name} ({program.thread}) of {WHAT[self.base]}:"
                yield from program_lines(program.body, "    ")


WHAT: Final = {
    "copy": "a copy of 2x3 tiles on one core",
    "product": "a product on 2x3 cores",
    "compiled": "the packaged gemm",
}

PLANS: Final[dict[str, Example]] = {
    "InvalidPlan": Example("a page that is no tile", "copy",
                           {"circular_buffers.0.page_bytes": 1024}),
    "PlanInconsistent": Example("a core that is told of fewer blocks than it is listed with",
                                "copy", {"work_descriptors.(0,0).count": 5}),
    "Unwritten": Example("the last block left out", "copy", last=1),
    "NumericModeMismatch": Example("a lower fidelity than the source and its options ask for",
                                   "compiled", {"kernels.1.compute.math_fidelity": "LoFi"}),
    "ErratumWH38306": Example(
        "four phases into 32-bit DST on Wormhole", "product",
        {"kernels.1.compute.math_fidelity": "HiFi4", "options.fidelity": "HiFi4"},
    ),
}  # fmt: skip
"""Code to example."""


def findings(example: Example) -> tuple[Finding, ...]:
    """What is found: in the artifact, else in its run, or by the judge who knows the source."""
    plan, programs = example.artifact()
    if example.base == "compiled":
        edited_artifact = dataclasses.replace(_compiled(), plan=plan)
        return tuple(check(_kernel(), artifact=edited_artifact, options=GRID).findings)
    found = validate_artifact(plan, programs)
    if any(item.severity == "error" for item in found):
        return found
    rng = np.random.default_rng(0)
    inputs = {name: rng.integers(-9, 10, layout.logical_shape).astype(np.float32)
              for name, layout in plan.layouts.items() if layout.role == "input"}  # fmt: skip
    result = execute(plan, programs, inputs)
    return (*found, *result.findings, *unwritten(plan, result.written))


def _sound(base: str) -> tuple[Plan, ProgramFile]:
    if base == "compiled":
        made = _compiled()
        return made.plan, made.programs
    return copy_artifact() if base == "copy" else gemm_artifact()


def _kernel() -> Any:
    return matmul(M=64, N=64, K=64, block_M=32, block_N=32)


@functools.cache
def _compiled() -> Artifact:
    return compile_kernel(_kernel(), grid=GRID.grid)


def _shortened(programs: ProgramFile, last: int) -> ProgramFile:
    """The programs with ``last`` blocks less in their outermost loop."""

    def cut(stmt: Stmt) -> Stmt:
        assert isinstance(stmt, Loop)
        return Loop(var=stmt.var, start=stmt.start, stop=["-", stmt.stop, last], body=stmt.body)

    listed = (msgspec.structs.replace(p, body=tuple(cut(s) for s in p.body))
              for p in programs.programs)  # fmt: skip
    return msgspec.structs.replace(programs, programs=tuple(listed))


def _at(plan: Plan, place: str) -> Any:
    value = spelled_out(plan)
    for step in place.split("."):
        value = value[int(step)] if step.isdigit() else value.get(step)
    return value


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@pytest.mark.parametrize("code", PLANS)
def test_every_rule_of_plans_has_its_finding(code: str) -> None:
    """The example breaks its rule, is located, and nothing else is wrong with it."""
    found = findings(PLANS[code])
    assert {item.code for item in found} == {code}
    assert all(item.location and item.message and item.next_step for item in found)


@pytest.mark.parametrize("code", PLANS)
def test_the_change_shown_is_what_is_wrong(code: str) -> None:
    """Without it the artifact passes."""
    assert findings(dataclasses.replace(PLANS[code], values={}, last=0)) == ()


def test_every_rule_has_a_minimal_program() -> None:
    """No page of a rule without a program or plan that breaks it."""
    assert {code for code, _ in BROKEN.values()} | {*OUTSIDE} | {*PLANS} == {*RULES}
