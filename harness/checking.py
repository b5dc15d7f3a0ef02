"""Check a kernel: compile, simulate, and judge the answer against the source's golden."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from harness import inputs as drawn
from harness.artifact import Artifact, compile_all
from harness.artifact import compile as compile_kernel
from harness.declared import declared
from harness.errors import OptionError
from harness.opinions import ORACLE as SECOND
from harness.opinions import Opinions
from harness.quality import quality
from harness.rungs import RUNGS, Asked, judge_by
from harness.sequences import check_sequence
from harness.timings import timing_findings
from harness.verdict import Verdict
from simulator.artifact import load_artifact
from simulator.errors import ArtifactError
from simulator.findings import Finding
from simulator.run import RunOptions, RunResult, Workspace, execute

if TYPE_CHECKING:
    from golden import GoldenResult, Judgement, NumericContract
    from harness.backends.protocol import Backend
    from harness.compiler.options import CompileOptions
    from simulator.plan.schema import Plan
    from simulator.program import ProgramFile

_JUDGING: Final = frozenset(
    ("inputs", "oracle", "input_kind", "seed", "numbers", "run_options", "backend", "draws")
)
"""Keywords of :func:`check` that are not the compiler's."""


ORACLES: Final = ("auto", "exact", "tagged", "replay", "bound", "freivalds", "metamorphic", "llvm")
"""The ladder: what may be asked to judge; ``llvm`` is ``auto`` with a second opinion on golden."""


@dataclass
class _Case:
    """One check under way."""

    artifact: Artifact
    plan: Plan
    programs: ProgramFile
    contract: NumericContract
    draws: drawn.Draws
    timings: dict[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    run: RunResult | None = None
    notes: tuple[str, ...] = ()
    opinions: Opinions = field(default_factory=Opinions)
    backend: Backend | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    completed: bool = False
    timed_otherwise: bool = False
    workspace: Workspace = field(default_factory=Workspace)

    @property
    def source(self) -> Any:
        """The kernel's PrimFunc."""
        return self.artifact.source

    def timed(self, stage: str, started: float) -> None:
        """Add the time since ``started`` to a stage."""
        spent = time.perf_counter() - started
        self.timings[stage] = self.timings.get(stage, 0.0) + spent


STAGES: Final = ("compile", "golden", "simulate", "device", "judge", "second")
"""Stages of a check in the order they are shown; parts of one are named after it."""


def check(
    kernel: Any,
    inputs: Mapping[str, Any] | None = None,
    *,
    artifact: Artifact | Path | str | None = None,
    oracle: str = "auto",
    input_kind: str | None = None,
    seed: int = 0,
    numbers: str = "fast",
    function: str | None = None,
    options: CompileOptions | None = None,
    run_options: RunOptions | None = None,
    backend: Backend | None = None,
    draws: drawn.Draws | None = None,
    **keywords: Any,
) -> Verdict:
    """Does the compiled kernel compute what its source says?

    Args:
        kernel: a PrimFunc or IRModule; of a sequence (``harness.sequence``) every kernel is judged
            on what the ones before it answered; an Artifact is judged as it was compiled.
        inputs: arrays by tensor name; drawn where absent: exact integers first, judged by
            equality, then reals, judged by the derived bound.
        input_kind: draw one kind only, of ``harness.inputs.KINDS``.
        seed: seed of drawn inputs.
        run_options: number model, checking level and budgets of the machine.
        artifact: judge this artifact (or directory) instead of what the compiler makes now; of a
            sequence a directory that holds one directory per kernel.
        oracle: one of :data:`ORACLES`; ``auto`` is exact, then bound; ``llvm`` is the same, and
            golden's answers are held against the source compiled by LLVM.
        numbers: the machine's number model, ``fast`` or ``exact``.
        function: which kernel, where a module has several.
        options: compile options as one object.
        backend: what executes instead of the simulator; of ``harness.backends.find_backend``.
        draws: where inputs of this very kernel and these options come from, if not drawn anew.
        **keywords: compile options one by one.

    Raises:
        HarnessError: source, options or inputs that do not fit.
        golden.GoldenError: a source or inputs the golden cannot judge.
        harness.backends.protocol.NotRun: the backend executes nothing here.
        simulator.errors.SimulatorError: an artifact that cannot be read, inputs of a wrong shape.
    """
    from harness.compiler.sequence import order_of

    _known("oracle", oracle, ORACLES)
    _known("numbers", numbers, ("fast", "exact"))
    if input_kind is not None:
        _known("input_kind", input_kind, drawn.KINDS)
    order = order_of(kernel) if function is None else ()
    if order:
        return check_sequence(
            kernel, order, inputs, drawn.kinds_for(input_kind, oracle), oracle=oracle, seed=seed,
            artifact=_directory(artifact), numbers=numbers, options=options, backend=backend,
            run_options=run_options, overflow=input_kind is None and oracle == "auto", **keywords,
        )  # fmt: skip
    started = time.perf_counter()
    made = kernel if isinstance(kernel, Artifact) else compile_kernel(
        kernel, function=function, options=options, **keywords)  # fmt: skip
    draws = draws or drawn.Draws(made.source, made.contract)
    case = _Case(made, made.plan, made.programs, made.contract, draws, backend=backend)
    passes = {f"compile.{p.name}": p.seconds for p in made.compilation.passes}
    if made is kernel:  # compiled before: what its passes took then
        case.timings["compile"] = sum(passes.values())
    else:
        case.timed("compile", started)
    case.timings |= passes
    if artifact is not None:
        try:
            given = artifact if isinstance(artifact, Artifact) else load_artifact(artifact)
        except ArtifactError as error:
            case.findings = list(error.findings)
            return _verdict(case, [], oracle="none", kind="none", seed=None)
        case.plan, case.programs = given.plan, given.programs
    started = time.perf_counter()
    case.findings += declared(case.plan, made.source, made.options, case.contract, case.programs,
                              name=made.name)  # fmt: skip
    case.timed("judge", started)
    return _judged(
        case,
        inputs,
        oracle,
        input_kind,
        seed,
        run_options or RunOptions(numbers=cast(Any, numbers)),
    )


def _known(what: str, value: object, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise OptionError(f"unknown {what} {value!r}", location=what,
                          next_step=f"use one of {', '.join(accepted)}")  # fmt: skip


def check_kept(kernel: Any, artifacts: Path | None, **keywords: Any) -> Verdict:
    """:func:`check` with its keywords; plan, programs and IR are kept in ``artifacts``, if given.

    Of a sequence, every kernel's in a directory of its name.

    Raises:
        HarnessError, golden.GoldenError, simulator.errors.SimulatorError: as :func:`check`.
    """
    from harness.compiler.sequence import order_of

    if artifacts is not None:
        compiled = {k: v for k, v in keywords.items() if k not in _JUDGING}
        if order_of(kernel) and compiled.get("function") is None:
            for one in compile_all(kernel, **compiled):
                one.save(artifacts / one.name)
            keywords["artifact"] = artifacts
        else:
            keywords["artifact"] = compile_kernel(kernel, **compiled)
            keywords["artifact"].save(artifacts)
    return check(kernel, **keywords)


def _directory(artifact: Artifact | Path | str | None) -> Path | str | None:
    if isinstance(artifact, Artifact):
        raise OptionError("one artifact for a sequence of kernels", location="artifact",
                          next_step="give the directory that holds one per kernel")  # fmt: skip
    return artifact


def _judged(
    case: _Case, inputs: Mapping[str, Any] | None, oracle: str, kind: str | None, seed: int,
    options: RunOptions,
) -> Verdict:  # fmt: skip
    from golden import GoldenError

    if any(f.severity == "error" for f in case.findings):
        return _verdict(case, [], oracle="none", kind="none", seed=None)
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
    case: _Case, inputs: Mapping[str, Any] | None, oracle: str, kind: str | None, seed: int,
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
    return _verdict(case, listed, oracle=oracle if listed else "none", kind=drew, seed=seed)


def _oracle(kind: str, asked: str) -> str:
    """Which oracle judges inputs of a kind."""
    if kind in drawn.EXACT:
        return "exact"
    if kind != "given":
        return "bound"
    return {"tagged": "exact", SECOND: "auto"}.get(asked, asked)


def _finish(
    case: _Case, rounds: list[tuple[str, dict[str, Any], GoldenResult | None]], oracle: str,
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
    return _verdict(case, judgements, oracle=name, kind="+".join(kinds), seed=seed)


def _execute(case: _Case, arrays: Mapping[str, Any], options: RunOptions) -> Any:
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


def _verdict(
    case: _Case, judgements: list[Judgement], *, oracle: str, kind: str,
    seed: int | None,
) -> Verdict:  # fmt: skip
    case.workspace.close()
    errors = [f for f in case.findings if f.severity == "error"]
    passed = bool(judgements) and all(j.passed for j in judgements) and not errors
    passed = passed and case.completed and case.opinions.agreed
    last = judgements[-1] if judgements else None
    if passed:  # of rounds that all passed, the last of those that compared most
        last = max(reversed(judgements), key=lambda j: j.compared)
    ordered = sorted(case.findings, key=lambda f: f.severity != "error")
    stats: dict[str, Any] = {}
    if case.run is not None:
        s = case.run.stats
        stats = {k: getattr(s, k) for k in s.__dataclass_fields__}
        for stage in ("upload", "run", "download"):
            case.timings[f"simulate.{stage}"] = getattr(s, f"{stage}_seconds")
    tensors = {} if last is None else _tensors(last)
    return Verdict(
        verdict="pass" if passed else "fail",
        kernel=case.artifact.name,
        device=case.artifact.options.device,
        oracle=oracle,
        max_error=_worst([j.max_error for j in judgements]),
        bound_ratio=_worst([j.bound_ratio for j in judgements]),
        pcc=None if last is None else last.pcc,
        tensors=tensors,
        findings=tuple(ordered),
        timings=dict(
            sorted(case.timings.items(), key=lambda item: STAGES.index(item[0].split(".")[0]))
        ),
        input_kind=kind or "none",
        seed=seed,
        determinate=None if case.run is None else case.run.determinate,
        stats=stats,
        quality=_quality(case),
        outputs=case.outputs if case.completed else {},
        notes=case.notes,
        opinions=case.opinions.texts,
        reason=_reason(case, last),
    )


def _reason(case: _Case, last: Judgement | None) -> str:
    if last is None:
        return "nothing was compared"
    return (case.opinions.doubt if last.passed else "") or last.reason


def _quality(case: _Case) -> dict[str, Any]:
    return {} if case.run is None else quality(case.source, case.plan, case.run.stats)


def _tensors(judgement: Judgement) -> dict[str, Any]:
    data = judgement.to_json()
    out = {name: dict(counts) for name, counts in data["tensors"].items()}
    for name, entry in out.items():
        entry["worst"] = [w for w in data["worst"] if w["tensor"] == name]
    return out


def _worst(values: list[float | None]) -> float | None:
    numbers = [v for v in values if v is not None]
    if not numbers:
        return None
    return max(numbers, key=lambda v: math.inf if math.isnan(v) else v)
