"""Check a kernel: compile, simulate, and judge the answer against the source's golden."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from harness import inputs as drawn
from harness.artifact import Artifact, compile_all
from harness.artifact import compile as compile_kernel
from harness.checking.case import Case
from harness.checking.declared import declared
from harness.checking.rounds import judged_by_rounds
from harness.checking.sequences import check_sequence
from harness.checking.verdicts import verdict_of
from harness.errors import OptionError
from harness.verdict import Verdict
from simulator.artifact import load_artifact
from simulator.errors import ArtifactError
from simulator.run import RunOptions

if TYPE_CHECKING:
    from harness.backends.protocol import Backend
    from harness.compiler.options import CompileOptions


_JUDGING: Final = frozenset(
    ("inputs", "oracle", "input_kind", "seed", "numbers", "run_options", "backend", "draws")
)
"""Keywords of :func:`check` that are not the compiler's."""


ORACLES: Final = ("auto", "exact", "tagged", "replay", "bound", "freivalds", "metamorphic", "llvm")
"""The ladder: what may be asked to judge; ``llvm`` is ``auto`` with a second opinion on golden."""


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
    case = Case(made, made.plan, made.programs, made.contract, draws, backend=backend)
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
            return verdict_of(case, [], oracle="none", kind="none", seed=None)
        case.plan, case.programs = given.plan, given.programs
    started = time.perf_counter()
    case.findings += declared(case.plan, made.source, made.options, case.contract, case.programs,
                              name=made.name)  # fmt: skip
    case.timed("judge", started)
    return judged_by_rounds(
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
