"""Kernels in turn: what a sequence is without a mutant, what notices a fault, and whom it blames.

Faults of one step are those of any kernel. What is between them is of the source, which says who
reads what; of the plans, which say where it lies; and of what runs one kernel after another.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import tvm

from golden import GoldenError
from harness.artifact import Artifact, compile_all
from harness.checking.sequences import check_sequence, step_inputs
from harness.compiler.options import CompileOptions
from harness.compiler.sequence import kernel_of, order_of
from harness.errors import HarnessError
from harness.mutants.baseline import OPTIONS
from harness.mutants.judging import Kill
from harness.mutants.registry import PASSES, Kind, Mutant, Where
from harness.mutants.result import Outcome
from harness.mutants.subjects.sources import SOURCES
from harness.verdict import Verdict
from simulator.errors import SimulatorError

RUNS: Final[tuple[tuple[str, Mapping[str, int]], ...]] = (
    ("handed", MappingProxyType({})), ("handed", MappingProxyType({"M": 50, "N": 70})),
)  # fmt: skip
"""The sequences faults between kernels are tried on, smallest first."""


@dataclass(frozen=True)
class InTurn:
    """A sequence: its kernels, and each as compiled; those not in ``made`` are compiled anew."""

    module: tvm.IRModule
    made: Mapping[str, Artifact]

    def edited(self, name: str, **changes: Any) -> InTurn:
        """With another plan or other programs of one kernel."""
        return replace(self, made={**self.made, name: replace(self.made[name], **changes)})


@dataclass(frozen=True, eq=False)
class Whole:
    """A sequence that passes.

    Attributes:
        name: of the sequence and its sizes.
        turns: as it is.
        reference: what the last kernel gives, of what the sequence begins with.
    """

    name: str
    turns: InTurn
    reference: Any
    options: CompileOptions

    @cached_property
    def begun(self) -> dict[str, Any]:
        """Exact inputs, drawn for each kernel."""
        found: dict[str, Any] = {}
        written: set[str] = set()
        for name in order_of(self.turns.module):
            made = self.turns.made[name]
            given = step_inputs(made.source, found, "exact", 0, made.contract)
            found |= {n: a for n, a in given.items() if n not in written}
            written |= {n for n, la in made.plan.layouts.items() if la.role != "input"}
        return found

    @property
    def tiles(self) -> int:
        """Tiles along the longest axis of its tensors."""
        plans = [made.plan for made in self.turns.made.values()]
        return max(-(-d // 32) for p in plans for la in p.layouts.values()
                   for d in la.padded_shape[-2:])  # fmt: skip

    @property
    def cores(self) -> int:
        """Most cores with work in a kernel."""
        return max(sum(1 for items in made.plan.work_partition.values() if items)
                   for made in self.turns.made.values())  # fmt: skip


@lru_cache(maxsize=4)
def wholes() -> tuple[Whole, ...]:
    """The sequences faults between kernels are tried on, each of which passes."""
    options = CompileOptions(grid=(2, 1))
    out = []
    for name, params in RUNS:
        packaged = SOURCES[name]
        module = packaged.factory(**params)
        made = {a.name: a for a in compile_all(module, options)}
        title = " ".join([name, *(f"{k}={v}" for k, v in params.items())])
        whole = Whole(title, InTurn(module, made), packaged.reference, options)
        found = noticed(whole.turns, whole)
        if found is not None:
            raise AssertionError(f"{title} does not pass: {found}")
        out.append(whole)
    return tuple(out)


def noticed(turns: InTurn, whole: Whole) -> Kill | None:
    """What notices a fault, asked as ``check`` asks: drawn inputs, then the reference's."""
    settings = {"options": whole.options, "run_options": OPTIONS}
    try:
        drawn = _check(turns, None, settings)
        if not drawn.passed:
            return _kill(drawn)
        given = _check(turns, whole.begun, settings)
    except (HarnessError, SimulatorError, GoldenError) as error:
        return Kill("refused", str(getattr(error, "code", type(error).__name__)), str(error))
    if not given.passed:
        return _kill(given)
    want = whole.reference(*(a.astype(np.float64) for a in whole.begun.values()))
    result = _result(whole.turns.module)
    if result not in given.outputs:
        return Kill("reference", "Missing", f"{result} is not written")
    if not np.array_equal(given.outputs[result], want):
        return Kill("reference", "Disagrees", f"{result} is another")
    return None


def _check(turns: InTurn, inputs: Any, settings: dict[str, Any]) -> Verdict:
    order = order_of(turns.module)
    return check_sequence(turns.module, order, inputs, ["exact"], made=turns.made, **settings)


def _kill(verdict: Verdict) -> Kill:
    failed = next((step for step in verdict.steps if not step.passed), verdict)
    errors = [f for f in failed.findings if f.severity == "error"]
    if not errors:
        return Kill(failed.oracle, "WrongAnswer", failed.reason)
    return Kill("finding" if failed.stats else "validation", errors[0].code, errors[0].message)


def _result(module: Any) -> str:
    last = kernel_of(module, order_of(module)[-1])
    return str(last.params[-1].name)


def blame(turns: InTurn, whole: Whole) -> str:
    """Which part is to blame, found by putting trusted parts in the place of others."""
    if noticed(turns, whole) is None:
        return Where.SEQUENCES.value  # kernels are right, and were not run as they are
    if noticed(InTurn(turns.module, {}), whole) is not None:
        return Where.LANGUAGE.value
    return PASSES[-1].value


def is_in_turn(mutant: Mutant) -> bool:
    """Whether a mutant is of kernels in turn, and none of one kernel."""
    return mutant.kind is Kind.IN_TURN or mutant.where is Where.SEQUENCES


def try_in_turn(mutant: Mutant) -> Outcome:
    """One mutant's fate on the sequences at hand, each of which it is tried on."""
    began, examples, crashes = time.perf_counter(), 0, []
    for whole in wholes():
        try:
            with ExitStack() as stack:
                turns: InTurn | None = whole.turns
                if mutant.kind is Kind.SUBSTITUTE:
                    for owner, name, new in mutant.apply(whole):
                        stack.enter_context(patch.object(owner, name, new))
                else:
                    turns = mutant.apply(turns)
                if turns is None:
                    continue
                examples += 1
                kill = noticed(turns, whole)
        except Exception as error:  # noqa: BLE001  (a crash is reported, and is no kill)
            crashes.append(f"{whole.name}: {type(error).__name__}: {error}"[:300])
            continue
        if kill is not None:
            return Outcome(
                mutant.name, mutant.family, mutant.where.value, "killed", kill.oracle, kill.code,
                kill.detail[:200], whole.name, whole.tiles, whole.cores, examples,
                round(time.perf_counter() - began, 4), blame(turns, whole), tuple(crashes[:3]),
            )  # fmt: skip
    status = "crashed" if crashes else "survived" if examples else "not applied"
    return Outcome(mutant.name, mutant.family, mutant.where.value, status,  # type: ignore[arg-type]
                   examples=examples, seconds=round(time.perf_counter() - began, 4),
                   crashes=tuple(crashes[:3]))  # fmt: skip
