"""Checking a sequence of kernels: every kernel on what the ones before it really answered.

A kernel that answers rightly whatever it is given, given the right answers, answers rightly; so the
whole sequence is right where each step is. Each step is judged against its own source.

Whether each was given what the ones before it left is asked afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.errors import OptionError
from harness.verdict import Verdict

if TYPE_CHECKING:
    from golden import NumericContract
    from harness.artifact import Artifact

WHOLE: Final = "whole"
"""The oracle that holds kernels in turn together: each was given what the others left."""


def check_sequence(
    module: Any, order: tuple[str, ...], inputs: Mapping[str, Any] | None, kinds: list[str], *,
    artifact: Path | str | None = None, oracle: str = "auto", seed: int = 0,
    overflow: bool = False, made: Mapping[str, Artifact] | None = None, **settings: Any,
) -> Verdict:  # fmt: skip
    """The verdict of all steps, in order; it stops at the first that fails.

    Args:
        module: the kernels.
        order: their names.
        inputs: arrays the caller gives; the others are drawn.
        kinds: kinds of inputs to draw, one run of the whole sequence for each; where a kernel has
            no exact inputs, reals of many magnitudes are drawn in their place.
        artifact: a directory with an artifact per kernel, in directories of their names.
        oracle: of every step.
        seed: of drawn inputs.
        overflow: draw inputs as well on which exponentials overflow without their maximum, if
            there are exponentials and they tell something.
        made: the kernels compiled before, by name.
        **settings: what ``harness.check`` takes, for every step alike.

    Raises:
        OptionError: an oracle that draws inputs of its own.
        What ``harness.check`` raises, for any step.
    """
    from golden import GoldenError
    from harness.checking.rungs import RUNGS
    from harness.compiler.sequence import check_sequence_of

    if not made:  # where they are, compiling them has asked
        check_sequence_of(module)
    if oracle in RUNGS:
        raise OptionError(f"oracle {oracle} draws its own inputs, and a kernel of a sequence has"
                          " those the ones before it made", location="oracle",
                          next_step=f"ask of one kernel: {', '.join(order)}")  # fmt: skip
    steps: list[Verdict] = []
    ran: list[str] = []
    rounds = list(kinds) if inputs is None else ["given"]
    alone = len(rounds) == 1
    if inputs is None and overflow:
        rounds += _overflowing(module, order, seed, settings)
    for kind in rounds:
        try:
            done, handed = _run(
                module, order, inputs, kind, seed, artifact, oracle, settings, made or {}
            )
        except GoldenError as error:
            if error.code != "NoExactRange" or alone:
                raise
            rounds.append("scaled")
            continue
        if kind == "scaled" and not alone and _says_nothing(done[-1]):
            continue  # as check leaves such inputs out
        ran.append(kind)
        if all(step.passed for step in done):
            wrong = _mixed_up(module, handed, done)
            if wrong:
                done[-1] = replace(done[-1], verdict="fail", oracle=WHOLE, reason=wrong)
        steps += done
        if not steps[-1].passed:
            break
    return _joined(order, steps, "+".join(ran), None if inputs is not None else seed)


def _says_nothing(verdict: Verdict) -> bool:
    """Whether a verdict failed because nothing of an output could be compared, and else nothing."""
    counts = verdict.tensors.values()
    silent = any(not c["compared"] for c in counts) and not any(c["wrong"] for c in counts)
    sound = not any(f.severity == "error" for f in verdict.findings)
    return not verdict.passed and silent and sound


def _run(
    module: Any, order: tuple[str, ...], inputs: Mapping[str, Any] | None, kind: str, seed: int,
    artifact: Path | str | None, oracle: str, settings: dict[str, Any],
    made: Mapping[str, Artifact],
) -> tuple[list[Verdict], list[dict[str, Any]]]:  # fmt: skip
    """The verdicts of the steps, and what each was given."""
    from harness.checking import check
    from harness.compiler.sequence import kernel_of

    arrays = dict(inputs or {})
    handed: list[dict[str, Any]] = []
    steps: list[Verdict] = []
    for name in order:
        func = kernel_of(module, name)
        one = made.get(name)
        contract = _contract(func, settings) if one is None else one.contract
        given = step_inputs(func, arrays, kind, seed, contract)
        handed.append(given)
        place = None if artifact is None else Path(artifact) / name
        verdict = check(one or func, given, artifact=place, oracle=oracle, **settings)
        steps.append(replace(verdict, input_kind=kind))
        if not verdict.passed:
            break
        arrays |= given | dict(verdict.outputs)
    return steps, handed


def _mixed_up(module: Any, handed: list[dict[str, Any]], steps: list[Verdict]) -> str:
    """Which kernel was given something else than the ones before it left; empty where none was.

    So that each is right on what it was given says that all are right together.
    """
    from golden.source import read_kernel
    from harness.compiler.sequence import order_of
    from harness.language.rewriting.inturn import steps as sources

    order = list(order_of(module))
    ran = [step.kernel for step in steps]
    if ran != order:
        return f"{' and then '.join(ran) or 'nothing'} ran, and not {' and then '.join(order)}"
    left: dict[str, Any] = {}
    for func, given, step in zip(sources(module), handed, steps, strict=True):
        kernel = read_kernel(func)
        for tensor in (t.name for t in kernel.tensors if t.name in left):
            have, want = given.get(tensor), left[tensor]
            if have is None or have.dtype != want.dtype or have.tobytes() != want.tobytes():
                return f"{step.kernel} was given another {tensor} than a kernel before it left"
        left |= given | {name: step.outputs[name] for name in kernel.outputs}
    return ""


def _contract(func: Any, settings: Mapping[str, Any]) -> NumericContract:
    """The precision owed to a step."""
    from golden import contract_for
    from harness.compiler.options import CompileOptions

    fields = CompileOptions.__dataclass_fields__
    chosen = settings.get("options") or CompileOptions(
        **{k: v for k, v in settings.items() if k in fields}
    )
    return contract_for(func, chosen.arch.family, chosen.fidelity, chosen.fp32_dest)


def step_inputs(
    func: Any, known: Mapping[str, Any], kind: str, seed: int, contract: NumericContract
) -> dict[str, Any]:
    """A step's inputs: what is known, and what has to be drawn for it."""
    from golden.source import read_kernel
    from harness import inputs as drawn

    kernel = read_kernel(func)
    wanted = [n for n in kernel.inputs if n not in known]
    found = {n: known[n] for n in (t.name for t in kernel.tensors) if n in known}
    if wanted and kind != "given":
        arrays, _ = drawn.draw(func, kind, contract, seed)
        found |= {n: arrays[n] for n in wanted}
    return found


def _overflowing(
    module: Any, order: tuple[str, ...], seed: int, settings: Mapping[str, Any]
) -> list[str]:
    """The kind of inputs on which exponentials overflow without their maximum, if that tells.

    It does not where golden, step after step on its own answers, rightly has much that is not
    finite.
    """
    from golden import evaluate
    from golden.inputs import as_parameter, overflowing
    from harness.compiler.sequence import kernel_of
    from harness.inputs import tells

    funcs = [kernel_of(module, name) for name in order]
    kind = overflowing(*funcs)
    arrays: dict[str, Any] = {}
    if kind is None:
        return []
    for func in funcs:
        contract = _contract(func, settings)
        given = step_inputs(func, arrays, kind, seed, contract)
        result = evaluate(func, given, contract)
        if not tells(result):
            return []
        arrays |= given | {
            n: as_parameter(t.answer.value, t.dtype) for n, t in result.outputs.items()
        }
    return [kind]


def _joined(order: tuple[str, ...], steps: list[Verdict], kind: str, seed: int | None) -> Verdict:
    """One verdict of many: it passes where all do."""
    failed = next((s for s in steps if not s.passed), None)
    last = failed or steps[-1]
    ratios = [s.bound_ratio for s in steps if s.bound_ratio is not None]
    errors = [s.max_error for s in steps if s.max_error is not None]
    timings: dict[str, float] = {}
    for step in steps:
        for stage, seconds in step.timings.items():
            timings[stage] = timings.get(stage, 0.0) + seconds
    oracles = [one for s in steps for one in s.oracle.split("+")]
    return replace(
        last,
        kernel=" -> ".join(order),
        verdict="pass" if failed is None else "fail",
        oracle="+".join(dict.fromkeys(oracles)),
        max_error=max(errors, default=None),
        bound_ratio=max(ratios, default=None),
        tensors={n: data for s in steps for n, data in s.tensors.items()},
        findings=tuple(dict.fromkeys(f for s in steps for f in s.findings)),
        timings=timings,
        input_kind=kind,
        seed=seed,
        determinate=all(s.determinate for s in steps),
        stats={},
        quality={s.kernel: s.quality for s in steps},
        outputs={n: a for s in steps for n, a in s.outputs.items()},
        reason=last.reason if failed is None else f"{failed.kernel}: {failed.reason}",
        opinions=tuple(one for s in steps for one in s.opinions),
        steps=tuple(steps),
    )
