"""Trying one mutant on one example: what, if anything, notices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import tvm_ffi

from golden import GoldenError, evaluate, judge
from golden.exact_inputs import exact_inputs
from golden.second import compared
from harness.checking.declared import declared
from harness.compiler.pipeline import PassLike, kernels_of, sequential, tt_passes
from harness.errors import HarnessError
from harness.fuzz.plain import run as plain
from harness.language.parsing.built import build, difference
from harness.mutants.baseline import OPTIONS, Baseline, Round, answers, canaries
from harness.mutants.edit import Built
from harness.mutants.registry import PASSES, Kind, Mutant, Where
from harness.mutants.subjects.texts import DRAWN, texts
from simulator.arch import TILE
from simulator.errors import SimulatorError
from simulator.plan.load import dump_plan, load_plan
from simulator.plan.validate import validate_artifact
from simulator.run import RunResult, execute

TEXT: Final = "text"
"""The oracle that reads a drawn text without the parser."""


@dataclass(frozen=True)
class Kill:
    """What noticed.

    Attributes:
        oracle: ``refused``, ``validation``, ``finding``, ``exact``, ``bound``, ``llvm``,
            ``text``, ``numpy``, ``reference`` or ``canary``.
        code: of the refusal or finding, or what an oracle calls it.
        detail: a sentence.
    """

    oracle: str
    code: str
    detail: str


@dataclass(frozen=True)
class Faulty:
    """A mutant applied to a case.

    Attributes:
        source: the function golden reads.
        modules: the source module and the module after each pass, as far as the pipeline came.
        built: plan and programs, None where a pass refused.
        refusal: what a pass said.
        ran: names of the passes that ran or were asked to, where they were not the usual ones.
    """

    source: Any
    modules: list[Any]
    built: Built | None
    refusal: HarnessError | SimulatorError | None = None
    ran: tuple[str, ...] = ()


@contextmanager
def substituted(mutant: Mutant, base: Baseline) -> Iterator[bool]:
    """Objects of a substitution mutant in place; False where it does not apply to the case."""
    if mutant.kind is not Kind.SUBSTITUTE:
        yield True
        return
    with ExitStack() as stack:
        parts = mutant.apply(base)
        for owner, name, new in parts or ():
            stack.enter_context(patch.object(owner, name, new))
        yield parts is not None


def apply(mutant: Mutant, base: Baseline) -> Faulty | None:
    """The case with the mutant in it; None where the mutant does not apply."""
    source, clean = base.artifact.source, base.modules
    if mutant.kind is Kind.BUILT:
        built = mutant.apply(base.built)
        return None if built is None else Faulty(source, clean, built.sealed())
    if base.case.edit is not None and mutant.where not in (Where.GOLDEN, Where.SIMULATOR):
        return None
    if mutant.where in (Where.GOLDEN, Where.SIMULATOR):
        return Faulty(source, clean, base.built)
    passes: list[PassLike] = list(tt_passes(base.artifact.options))
    if mutant.kind is Kind.PIPELINE:
        changed = mutant.apply(passes, base.artifact.options)
        if changed is None:
            return None
        names = tuple(str(p.name) for p in changed)
        return replace(_run(source, [clean[0]], changed), ran=names)
    if mutant.where is Where.LANGUAGE and mutant.kind is Kind.SUBSTITUTE:
        return _read_anew(base, passes)
    if mutant.kind is Kind.SUBSTITUTE:
        index = PASSES.index(mutant.where)
        return _run(source, clean[: index + 1], passes[index:])
    if mutant.where is Where.LANGUAGE:
        changed = mutant.apply(source)
        if changed is None:
            return None
        return _run(changed, [_module_like(clean[0], changed)], passes)
    index = PASSES.index(mutant.where) + 1
    ((_, func),) = clean[index].functions_items()
    changed = mutant.apply(func)
    if changed is None:
        return None
    return _run(source, [*clean[:index], _module_like(clean[index], changed)], passes[index:])


def _read_anew(base: Baseline, passes: list[PassLike]) -> Faulty | None:
    """A drawn text as the dialect reads it now; None where it reads what it read before."""
    try:
        changed = base.case.source()
    except HarnessError as error:
        return Faulty(base.artifact.source, [], None, error)
    if tvm_ffi.structural_equal(changed, base.artifact.source, map_free_vars=True):
        return None
    return _run(changed, [_module_like(base.modules[0], changed)], passes)


def _module_like(module: Any, func: Any) -> Any:
    import tvm

    ((var, _),) = module.functions_items()
    return tvm.IRModule({var: func})


def _run(source: Any, modules: list[Any], passes: list[PassLike]) -> Faulty:
    """The rest of the pipeline."""
    try:
        for one in passes:
            modules = [*modules, sequential([one])(modules[-1])]
        return Faulty(source, modules, built_of(modules[-1]))
    except (HarnessError, SimulatorError) as error:
        return Faulty(source, modules, None, error)


def built_of(module: Any) -> Built:
    """Plan and programs of a lowered module."""
    (kernel,) = kernels_of(module)
    return Built(kernel.plan, kernel.programs)


def examine(faulty: Faulty, base: Baseline) -> Kill | None:
    """What tells before anything runs: a pass that refuses, or plan and programs as read."""
    if faulty.refusal is not None:
        code = getattr(faulty.refusal, "code", type(faulty.refusal).__name__)
        return Kill("refused", code, str(faulty.refusal))
    return static(faulty, base)


def try_round(faulty: Faulty, base: Baseline, mutant: Mutant, one: Round, seed: int) -> Kill | None:
    """Judge a faulty case on one round of inputs as ``check`` would; None if nothing notices."""
    golden, wrong = one.golden, None
    if mutant.where in (Where.LANGUAGE, Where.GOLDEN) or mutant.alike:
        try:
            golden = _again(faulty, base, one, seed)
        except GoldenError as error:
            return Kill("refused", error.code, str(error))
        if mutant.where is Where.LANGUAGE and base.case.kernel == DRAWN:
            wrong = _misread(faulty, base, one, golden)
        else:
            wrong = _doubted(base, one, golden)
        if wrong is None and not mutant.alike:
            wrong = _referred(golden, one)
        if wrong is not None:
            return wrong
    wrong = None if faulty.built is None else run(faulty.built, one, golden)
    if wrong is None and mutant.where is Where.GOLDEN:
        wrong = _insensitive(base, one, golden, seed)
    first = one.kind == "exact" or base.round("exact", seed) is None
    if wrong is None and mutant.where is Where.SIMULATOR and first:
        wrong = blind(base, one)
    return wrong


def static(faulty: Faulty, base: Baseline) -> Kill | None:
    """What reading plan and programs tells."""
    if faulty.built is None:
        return None
    plan, programs = faulty.built.plan, faulty.built.programs
    try:
        plan = load_plan(dump_plan(plan))
    except SimulatorError as error:
        return Kill("validation", "InvalidPlan", str(error))
    findings = list(validate_artifact(plan, programs))
    if base.case.edit is None:
        findings += declared(plan, faulty.source, base.artifact.options, base.contract, programs,
                             name=base.artifact.name)  # fmt: skip
    for item in findings:
        if item.severity == "error":
            return Kill("validation", item.code, item.message)
    return None


def run(built: Built, one: Round, golden: Any) -> Kill | None:
    """What running and judging tells."""
    return judged(machine(built, one), one, golden)


def machine(built: Built, one: Round) -> RunResult | SimulatorError:
    """What the machine answers, or why it refuses."""
    try:
        return execute(built.plan, built.programs, one.inputs, OPTIONS)
    except SimulatorError as error:
        return error


def judged(done: RunResult | SimulatorError, one: Round, golden: Any) -> Kill | None:
    """What is wrong with what the machine answered."""
    if isinstance(done, SimulatorError):
        return Kill("validation", getattr(done, "code", type(done).__name__), str(done))
    for item in done.findings:
        if item.severity == "error":
            return Kill("finding", item.code, item.message)
    if not done.completed:
        return Kill("finding", "BudgetSpent", "the run did not end")
    found = judge(done.outputs, golden, written=done.written, oracle=one.oracle)
    return None if found.passed else Kill(found.oracle, "WrongAnswer", found.reason)


def _again(faulty: Faulty, base: Baseline, one: Round, seed: int) -> Any:
    """Golden's answer as it is now."""
    if one.kind == "exact":  # where golden draws, its own claim of exactness is under test
        exact_inputs(faulty.source, base.contract, seed)
    return evaluate(faulty.source, one.inputs, base.contract)


def _doubted(base: Baseline, one: Round, golden: Any) -> Kill | None:
    """Golden's answer against the source compiled by LLVM."""
    said = None if base.second is None else base.second.ask(one.inputs, golden)
    if said is None or said.verdict != "disagreed":
        return None
    return Kill("llvm", "Disagrees", said.reason)


def _misread(faulty: Faulty, base: Baseline, one: Round, golden: Any) -> Kill | None:
    """A drawn text read without the parser, and executed without the dialect."""
    text = texts()[base.case.params["number"]]
    told = difference(faulty.source, build(text))
    if told:
        return Kill(TEXT, "Disagrees", told)
    said = compared("NumPy", *plain(text, one.inputs), golden)
    return Kill("numpy", "Disagrees", said.reason) if said.verdict == "disagreed" else None


def _referred(golden: Any, one: Round) -> Kill | None:
    """Golden's answer against the packaged NumPy reference."""
    for name, want in one.reference.items():
        if name not in golden.outputs:
            return Kill("reference", "Missing", f"{name} is no output any more")
        have = golden.outputs[name].answer.value
        trusted = one.golden.outputs[name].answer
        if have.shape != want.shape:
            return Kill("reference", "Shape", f"{name} has shape {have.shape}")
        slack = np.asarray(trusted.error) * 1.01 + 1e-9 * np.abs(want) + 1e-12
        free = np.zeros(want.shape, bool) if trusted.taint is None else trusted.taint != 0
        with np.errstate(invalid="ignore"):
            agreed = np.abs(trusted.value - want) <= slack
            far = ~(np.abs(have - want) <= slack) & agreed & ~free
        if far.any():
            return Kill("reference", "Disagrees", f"{int(far.sum())} elements of {name}")
    return None


def _insensitive(base: Baseline, one: Round, golden: Any, seed: int) -> Kill | None:
    """Wrong answers that the unmutated golden refuses and this one takes."""
    for what, outputs, written in _refused(base, one, seed):
        try:
            taken = judge(outputs, golden, written=written, oracle=one.oracle).passed
        except GoldenError as error:
            return Kill("refused", error.code, str(error))
        if taken:
            return Kill("canary", "TooLenient", f"accepts outputs with {what}")
    return None


def _refused(base: Baseline, one: Round, seed: int) -> list[tuple[str, Any, Any]]:
    key = (f"refused {one.kind}", seed)
    if key not in base.outputs:  # once per case, before any substitution
        done = answers(base, one.kind, seed)
        base.outputs[key] = [
            wrong for wrong in _wrong_answers(done)
            if not judge(wrong[1], one.golden, written=wrong[2]).passed
        ]  # fmt: skip
    known: list[tuple[str, Any, Any]] = base.outputs[key]
    return known


def _wrong_answers(done: Any) -> Iterator[tuple[str, Any, Any]]:
    for name, array in done.outputs.items():
        for what, change in _SPOILED:
            new = array.astype(np.float64) if array.dtype.kind in "iu" else array.copy()
            change(new.reshape(new.shape if new.ndim > 1 else (1, -1)))
            yield what, {**done.outputs, name: new}, done.written
        mask = {**done.written, name: done.written[name].copy()}
        mask[name][..., -1:] = False
        yield "an unwritten column", done.outputs, mask


def _zero_tile(a: Any) -> None:
    a[..., (a.shape[-2] - 1) // TILE * TILE :, (a.shape[-1] - 1) // TILE * TILE :] = 0


def _scaled(a: Any) -> None:
    a *= 1.03125


def _one_element(a: Any) -> None:
    a[..., -1, -1] += 1 + np.abs(a[..., -1, -1])


def _infinity(a: Any) -> None:
    a[..., 0, 0] = np.inf


_SPOILED: Final = (
    ("a zero tile", _zero_tile),
    ("a scale of 1.03", _scaled),
    ("one wrong element", _one_element),
    ("an infinity", _infinity),
)


def blind(base: Baseline, one: Round) -> Kill | None:
    """Faults in the artifact that the unmutated machine notices and this one does not."""
    for number, bad in enumerate(noticed(base, one)):
        if run(bad, one, one.golden) is None:
            return Kill("canary", "Blind", f"runs faulty program {number} without a finding")
    return None


def noticed(base: Baseline, one: Round) -> list[Built]:
    """Faulty artifacts that the unmutated judges notice on this round."""
    key = (f"canaries {one.kind}", 0)
    if key not in base.outputs:
        # Found once per case, before any substitution: the runner prepares it.
        base.outputs[key] = [bad for bad in canaries(base) if run(bad, one, one.golden) is not None]
    known: list[Built] = base.outputs[key]
    return known


def warm(base: Baseline, one: Round, seed: int) -> bool:
    """Whether the unmutated case passes; caches what mutants of the judges are compared with."""
    answers(base, one.kind, seed)
    faulty = Faulty(base.artifact.source, base.modules, base.built)
    if static(faulty, base) is not None or run(base.built, one, one.golden) is not None:
        return False
    noticed(base, one)
    _refused(base, one, seed)
    return True
