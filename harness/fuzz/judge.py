"""Running one case: compile, simulate, judge, and where it failed find the first bad pass."""

from __future__ import annotations

import re
import time
import traceback
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from harness.checking.opinions import ORACLE as LLVM
from harness.checking.sequences import WHOLE
from harness.errors import HarnessError
from harness.fuzz import inturn, legacy, second
from harness.fuzz import outcome as o
from harness.fuzz.case import Case
from harness.fuzz.outcome import Outcome
from harness.fuzz.refusals import is_needless, refusing_pass
from harness.fuzz.schedules import machine_schedule
from harness.fuzz.text import parse_kernel
from harness.inputs import Draws

STEPS: Final = 2_000_000
"""Ops a case may execute."""
SAMPLE: Final = 8
"""One in so many passing cases has the IR after every pass checked."""
RUNGS: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType({
    1: ("replay", "tagged"), 2: ("metamorphic",), 3: ("freivalds",),
})  # fmt: skip
"""Which further rungs judge which sixteenth of the passing cases, the first that applies."""
READ_TWICE: Final = frozenset({4, 5, 6, 7})
"""Sixteenths of the passing cases whose text is read a second time, without the parser."""
LEGACY: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType({
    9: (legacy.WHOLE,), 25: legacy.STEPS,
})  # fmt: skip
"""Which legacy functions compile which 128th of the passing cases too: they take twice as long."""
SECOND: Final = frozenset({10, 74})
"""128ths of the passing cases whose source LLVM compiles too, which takes two thirds of a case."""
PARSER: Final = "parser"
"""Who is blamed where the two readings differ."""
EXECUTED: Final = frozenset({11, 12})
"""Sixteenths of the passing cases whose text NumPy executes too."""
READING: Final = "language"
"""Who is blamed where it answers otherwise: the dialect, or golden."""
RUNNER: Final = "sequences"
"""Who is blamed where each kernel is right, and was not given what the one before it left."""
PLACED: Final = "GridToPersistentTT"
"""Who is blamed where only placement or buffering makes a difference."""
SECONDS: Final = 20.0
"""Seconds one simulation may take."""
_OPS: Final = ("gemm", "reduce_sum", "reduce_max", "reduce_min", "reduce_absmax", "reduce_abssum",
               "Parallel", "fill", "clear", "copy")  # fmt: skip
_DEFECTS: Final = "defect of the compiler"
_NOTHING: Final = "nothing of "


def run_case(case: Case, *, blame: bool = True) -> Outcome:
    """The verdict on a case; never raises.

    ``blame`` looks for the first bad pass of a failure.
    """
    started = time.perf_counter()
    try:
        if case.plan:
            from harness.fuzz.direct.plans import run_plan

            found = run_plan(case.plan, case.schedule)
        else:
            found = _judge(case, blame)
    except MemoryError:
        found = Outcome(o.BUDGET, "MemoryError", message="out of memory")
    except Exception as error:  # noqa: BLE001  (a crash is a verdict)
        found = _crashed(error)
    return _with(found, seconds=time.perf_counter() - started)


def compile_options(given: Any) -> dict[str, Any]:
    """Options of a case file as ``harness.check`` takes them."""
    from harness.compiler.attrs import CoreRange

    options = dict(given)
    if options.get("grid") is not None:
        options["grid"] = tuple(options["grid"])
    if options.get("core_ranges") is not None:
        options["core_ranges"] = tuple(CoreRange.from_json(r) for r in options["core_ranges"])
    return options


def source_of(case: Case, read: Callable[..., Any] = parse_kernel) -> Any:
    """The kernel a case is about: its text as IR, with what is attached from outside."""
    kernel = read(case.kernel, case.params)
    if not case.annotate:
        return kernel
    from harness.compiler import annotate_tt_schedule

    return annotate_tt_schedule(kernel, case.annotate)


def _judge(case: Case, blame: bool) -> Outcome:
    from golden import GoldenError
    from harness.artifact import compile_all
    from simulator.errors import SimulatorError

    kind = str(case.inputs.get("kind", "auto"))
    seed = int(case.inputs.get("seed", 0))
    oracle = str(case.inputs.get("oracle", "auto"))
    began = time.perf_counter()
    try:
        source = source_of(case)
        all_made = compile_all(source, **compile_options(case.options))
        compiled = _since(began)
        made = all_made[-1]
        draws = Draws(made.source, made.contract) if len(all_made) == 1 else None
        ask = partial(
            _asking(source, all_made, draws),
            oracle=oracle,
            seed=seed,
            run_options=_run_options(case, case.inputs.get("numbers", "fast")),
        )
        try:
            verdict = ask(input_kind=None if kind == "auto" else kind)
        except GoldenError as error:
            if error.code != "NoExactRange" or oracle not in ("auto", LLVM):
                raise
            kind = "random"
            verdict = ask(input_kind=kind)
        if inturn.step(verdict).reason.startswith(_NOTHING) and kind != "random":
            kind = "random"  # where these leave no number: on others the kernel is judged
            verdict = ask(input_kind=kind)
        verdict = inturn.step(verdict)
        made = next(one for one in all_made if one.name == verdict.kernel)
    except GoldenError as error:
        return Outcome(o.UNJUDGED, error.code, message=str(error), pipeline=_since(began))
    except HarnessError as error:
        defect = _DEFECTS in (error.next_step or "")
        kind = o.DEFECT if defect else o.REFUSED
        where = PLACED if defect else ""
        if not defect and is_needless(error, case):
            kind, where = o.DEFECT, _refusing(case)
        return Outcome(kind, error.code, where, message=str(error), pipeline=_since(began))
    except SimulatorError as error:
        return Outcome(o.DEFECT, str(getattr(error, "code", "")), message=str(error))
    facts: dict[str, Any] = {"oracle": verdict.oracle, "ratio": verdict.bound_ratio,
             "timings": dict(verdict.timings), "pipeline": compiled + _worked(verdict)}  # fmt: skip
    if verdict.passed:
        more = Outcome(o.PASS)
        if blame:
            more = _more_in_turn(all_made, source, case, seed) if draws is None else (
                _more(made, case, seed, draws))  # fmt: skip
        if more.oracle:
            facts["oracle"] = f"{verdict.oracle}+{more.oracle}"
        facts["pipeline"] += more.pipeline
        return _with(more, **facts)
    errors = [f for f in verdict.findings if f.severity == "error"]
    if errors:
        first = errors[0]
        kind = o.BUDGET if first.code == "BudgetSpent" else o.FINDING
        message = f"{first.message} ({first.program or ''}/{first.path or ''})"
        found = Outcome(kind, first.code, op=_op_of(first.message), message=message)
    elif verdict.reason.startswith(_NOTHING):
        return _with(Outcome(o.UNJUDGED, "NothingCompared", message=verdict.reason), **facts)
    elif verdict.doubted:
        return _with(_doubted(case, verdict.doubted), **facts)
    else:
        judges = [name for name in verdict.oracle.split("+") if name != LLVM]
        found = Outcome(o.WRONG, judges[-1], op=main_op(case.kernel),
                        message="; ".join([verdict.reason, *verdict.notes]))  # fmt: skip
    if found.code == WHOLE:
        return _with(found, bad_pass=RUNNER, op="", **facts)
    if blame:
        from harness.fuzz.stages import first_bad_pass

        found = _with(found, bad_pass=first_bad_pass(made, kind, seed, draws))
    return _with(found, **facts)


def _asking(source: Any, made: Sequence[Any], draws: Draws | None) -> Callable[..., Any]:
    """What judges a compiled kernel, or several in turn."""
    from harness.checking import check

    if draws is None:
        return partial(inturn.verdict_of, source, made)
    return partial(check, made[0], draws=draws)


def _refusing(case: Case) -> str:
    """Who refuses a kernel: a pass, or the parser."""
    try:
        return refusing_pass(source_of(case), compile_options(case.options))
    except HarnessError:
        return PARSER


def _worked(verdict: Any) -> float:
    """Seconds in golden, simulator and judge, and where it was asked in LLVM."""
    stages = ("golden", "simulate", "judge", "second")
    return float(sum(verdict.timings.get(s, 0.0) for s in stages))


def _since(began: float) -> float:
    return time.perf_counter() - began


def _more(made: Any, case: Case, seed: int, draws: Draws) -> Outcome:
    """The verdict on a case that passed: of some, more is asked, by the kernel's text.

    The IR after every pass is checked, another rung of the ladder judges the kernel, its text is
    read in another way or executed by NumPy, legacy functions compile it, or LLVM gives a second
    opinion on golden.
    """
    number = zlib.crc32(case.kernel.encode())
    share = number % (2 * SAMPLE)
    if share % SAMPLE == 0:
        return _every_pass(made, case, seed, draws)
    if share in READ_TWICE:
        return _read_twice(made.source, case)
    if number % 128 in LEGACY:
        return _as_before(made, case, LEGACY[number % 128])
    if number % 128 in SECOND:
        return _asked_twice(case, seed, draws)
    if share in EXECUTED:
        return _executed(case, seed, draws)
    for rung in RUNGS.get(share, ()):
        found = _climbed(made, case, seed, rung, draws)
        if found is not None:
            return found
    return Outcome(o.PASS)


def _more_in_turn(made: Sequence[Any], source: Any, case: Case, seed: int) -> Outcome:
    """The verdict on kernels in turn that passed: each like a kernel alone, or all as one text."""
    share = zlib.crc32(case.kernel.encode()) % (2 * SAMPLE)
    found = Outcome(o.PASS)
    if share % SAMPLE == 0:
        for one in made:
            found = _every_pass(one, case, seed, Draws(one.source, one.contract))
            if found.failed:
                break
        return found
    if share in READ_TWICE:
        found = _read_twice(source, case)
        if found.failed:
            return found
    began = time.perf_counter()
    said = inturn.by_numpy(made, case.kernel, seed)
    if said.verdict == "disagreed":
        return Outcome(o.WRONG, second.NUMPY, READING, main_op(case.kernel), said.reason)
    names = [name for name in (found.oracle, second.NUMPY if said.verdict == "agreed" else "")
             if name]  # fmt: skip
    return Outcome(o.PASS, oracle="+".join(names), message=said.reason, pipeline=_since(began))


def _every_pass(made: Any, case: Case, seed: int, draws: Draws) -> Outcome:
    from harness.fuzz.stages import validate

    found = validate(made, seed, str(case.inputs.get("kind", "auto")), draws)
    if not found.name:
        return Outcome(o.PASS, oracle="passes")
    return Outcome(o.WRONG, "per-pass", found.name, main_op(case.kernel), found.reason)


def _read_twice(source: Any, case: Case) -> Outcome:
    from harness.language.parsing.built import NotDrawnError, build, difference

    try:
        found = difference(source, source_of(case, build))
    except NotDrawnError:  # a case somebody wrote
        return Outcome(o.PASS)
    if not found:
        return Outcome(o.PASS, oracle="text")
    return Outcome(o.WRONG, "text", PARSER, main_op(case.kernel), found)


def _as_before(made: Any, case: Case, steps: tuple[str, ...]) -> Outcome:
    began = time.perf_counter()
    found = legacy.difference(made.source, made.options.device, steps)
    if not found:
        oracle = "" if found is None else "legacy"
        return Outcome(o.PASS, oracle=oracle, pipeline=_since(began))
    return Outcome(o.WRONG, "legacy", "compat", main_op(case.kernel), found)


def _asked_twice(case: Case, seed: int, draws: Draws) -> Outcome:
    began = time.perf_counter()
    said = second.opinion(draws, str(case.inputs.get("kind", "auto")), seed)
    if said.verdict == "disagreed":
        return _doubted(case, said.reason)
    if said.verdict == "agreed":
        return Outcome(o.PASS, oracle=LLVM, pipeline=_since(began))
    return Outcome(o.PASS, message=said.reason, pipeline=_since(began))


def _executed(case: Case, seed: int, draws: Draws) -> Outcome:
    began = time.perf_counter()
    said = second.by_numpy(draws, case.kernel, str(case.inputs.get("kind", "auto")), seed)
    if said.verdict == "disagreed":
        return Outcome(o.WRONG, second.NUMPY, READING, main_op(case.kernel), said.reason)
    oracle = second.NUMPY if said.verdict == "agreed" else ""
    return Outcome(o.PASS, oracle=oracle, message=said.reason, pipeline=_since(began))


def _doubted(case: Case, reason: str) -> Outcome:
    return Outcome(o.WRONG, LLVM, second.BLAMED, main_op(case.kernel), reason)


def _climbed(made: Any, case: Case, seed: int, rung: str, draws: Draws) -> Outcome | None:
    """The verdict of a rung; None where it does not apply to the kernel."""
    from golden import GoldenError
    from harness.checking import check
    from harness.checking.rungs import NoOracleError

    try:
        verdict = check(made, oracle=rung, seed=seed, draws=draws,
                        run_options=_run_options(case, "exact"))  # fmt: skip
    except (NoOracleError, GoldenError):
        return None
    if verdict.passed:
        return Outcome(o.PASS, oracle=rung, pipeline=_worked(verdict))
    reason = "; ".join(f.message for f in verdict.findings if f.severity == "error")
    return Outcome(o.WRONG, rung, PLACED, main_op(case.kernel), reason or verdict.reason)


def _run_options(case: Case, numbers: str) -> Any:
    from simulator.run import RunOptions

    return RunOptions(numbers=numbers, max_steps=STEPS, max_seconds=SECONDS,  # type: ignore[arg-type]  # a case file's
                      schedule=machine_schedule(case.schedule))  # fmt: skip


def main_op(kernel: str) -> str:
    """The op that gives a kernel its name: the first of a fixed order that it uses."""
    return next((op for op in _OPS if f"T.{op}(" in kernel), "")


def _op_of(message: str) -> str:
    from simulator.isa import OPS

    return next((word for word in re.findall(r"[a-z][a-z0-9_]+", message) if word in OPS), "")


def _crashed(error: Exception) -> Outcome:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if re.search(r"[/\\](harness|golden|simulator)[/\\]", f.filename)]
    place = ""
    if ours:
        parts = re.split(r"[/\\]", ours[-1].filename)
        root = next(i for i, p in enumerate(parts) if p in ("harness", "golden", "simulator")
                    and i >= len(parts) - 5)  # fmt: skip
        place = f"{'/'.join(parts[root:])}:{ours[-1].name}"
    lines = str(error).strip().splitlines() or [""]
    return Outcome(o.CRASH, type(error).__name__, op=place, message=f"{place}: {lines[-1][:200]}")


def _with(found: Outcome, **changes: Any) -> Outcome:
    return replace(found, **changes)
