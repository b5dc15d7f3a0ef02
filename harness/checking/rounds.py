"""The rounds of a check: inputs drawn or given, run, and judged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness import inputs as drawn
from harness.checking.case import Case
from harness.checking.opinions import ORACLE as SECOND
from harness.checking.opinions import Opinions
from harness.checking.rungs import RUNGS, Asked, judge_by
from harness.checking.timings import timing_findings
from harness.checking.verdicts import verdict_of
from harness.errors import OptionError
from harness.verdict import Verdict
from simulator.run import RunOptions, RunResult, execute

if TYPE_CHECKING:
    from golden import GoldenResult, Judgement


def judged_by_rounds(
    case: Case, inputs: Mapping[str, Any] | None, oracle: str, kind: str | None, seed: int,
    options: RunOptions,
) -> Verdict:  # fmt: skip
    """Inputs of one kind after another, until one is judged wrong or none is left."""
    from golden import GoldenError

    if any(f.severity == "error" for f in case.findings):
        return verdict_of(case, [], oracle="none", kind="none", seed=None)
    if oracle in RUNGS:
        return _climbed(case, inputs, oracle, kind, seed, options)
    if inputs is not None:
        used = case.artifact.in_used_shapes(inputs)
        return _finish(case, [("given", used, None)], oracle, None, options)
    rounds: list[tuple[str, dict[str, Any], GoldenResult | None]] = []
    kinds = drawn.kinds_for(kind, oracle)
    for one in kinds:
        started = time.perf_counter()
        try:
            told = one if kind is not None else case.draws.telling(one, seed)
            rounds += [] if told is None else [(told, *case.draws.draw(told, seed))]
        except GoldenError as error:
            if error.code != "NoExactRange" or kind is not None or oracle in drawn.EXACT:
                raise
            # In place of integers, reals that leave fewer faults alone, if they say something.
            kinds.append("scaled")
        case.timed("golden", started)
    if kind is None and oracle == "auto":
        started = time.perf_counter()
        rounds += drawn.farther(case.draws, [told for told, *_ in rounds], seed)
        case.timed("golden", started)
    return _finish(case, rounds, oracle, seed, options)


def _climbed(
    case: Case, inputs: Mapping[str, Any] | None, oracle: str, kind: str | None, seed: int,
    options: RunOptions,
) -> Verdict:  # fmt: skip
    """The verdict of a rung that draws its own inputs and may run more than once."""
    if inputs is not None or kind is not None:
        raise OptionError(f"oracle {oracle} draws its own inputs", location="oracle",
                          next_step="leave inputs and their kind out")  # fmt: skip

    def run(arrays: Mapping[str, Any], exact: bool) -> Mapping[str, Any] | None:
        started = time.perf_counter()
        _execute(case, arrays, replace(options, numbers="exact") if exact else options)
        case.timed("simulate" if case.backend is None else "device", started)
        errors = any(f.severity == "error" for f in case.findings)
        return dict(case.outputs) if case.completed and not errors else None

    asked = Asked(case.source, case.contract, case.artifact.options, seed, run, case.draws)
    judged, drew = judge_by(oracle, asked)
    listed = [] if judged is None else [judged]
    return verdict_of(case, listed, oracle=oracle if listed else "none", kind=drew, seed=seed)


def _oracle(kind: str, asked: str) -> str:
    """Which oracle judges inputs of a kind."""
    if kind in drawn.EXACT:
        return "exact"
    if kind != "given":
        return "bound"
    return {"tagged": "exact", SECOND: "auto"}.get(asked, asked)


def _finish(
    case: Case, rounds: list[tuple[str, dict[str, Any], GoldenResult | None]], oracle: str,
    seed: int | None, options: RunOptions,
) -> Verdict:  # fmt: skip
    from golden import evaluate, judge
    from golden.explain import explain

    case.opinions = Opinions.on(case.source, oracle)
    judgements: list[Judgement] = []
    kinds: list[str] = []
    for kind, arrays, known in rounds:
        started = time.perf_counter()
        result = known
        if result is None:
            result = (evaluate(case.source, arrays, case.contract) if seed is None  # were given
                      else case.draws.answer(kind, seed))  # fmt: skip
            case.timed("golden", started)
        started = time.perf_counter()
        written = _execute(case, arrays, options)
        case.timed("simulate" if case.backend is None else "device", started)
        kinds.append(kind)
        if not case.completed:
            break
        started = time.perf_counter()
        judged = judge(case.outputs, result, written=written, oracle=_oracle(kind, oracle))
        judgements.append(replace(judged, oracle="tagged") if kind == "tagged" else judged)
        if not judged.passed:
            case.notes = explain(case.source, arrays, case.outputs, result, judged)
        case.timed("judge", started)
        case.opinions.ask(arrays, result)
        broken = any(f.severity == "error" for f in case.findings)
        if broken or not (judged.passed and case.opinions.agreed):
            break
    if case.opinions.said:
        case.timings["second"] = case.opinions.seconds
    names = [*(j.oracle for j in judgements), *(case.opinions.name for _ in case.opinions.said)]
    name = "+".join(dict.fromkeys(names)) or "none"
    return verdict_of(case, judgements, oracle=name, kind="+".join(kinds), seed=seed)


def _execute(case: Case, arrays: Mapping[str, Any], options: RunOptions) -> Any:
    """Run once, here or on the backend; returns which elements were written, where that is known.

    Raises:
        NotRun: the backend executed nothing.
    """
    from harness.backends.protocol import NotRun, Outcome

    done: RunResult | Outcome
    written = None
    if case.backend is None:
        done = case.run = execute(case.plan, case.programs, dict(arrays), options, case.workspace)
        written = case.run.written
        if not case.timed_otherwise:
            case.timed_otherwise = True
            case.findings += timing_findings(case, arrays, options)
    else:
        done = case.backend.run(case, arrays)
        if done.skipped is not None:
            raise NotRun(f"no device executes kernels here: {done.skipped}")
    case.findings += [f for f in done.findings if f not in case.findings]
    case.outputs, case.completed = dict(done.outputs), done.completed
    return written
