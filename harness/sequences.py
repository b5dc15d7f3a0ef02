"""Checking a sequence of kernels: every kernel on what the ones before it really answered.

A kernel that answers rightly whatever it is given, given the right answers, answers rightly; so the
whole sequence is right where each step is. Each step is judged against its own source.

Whether each was given the right answers, golden tells where nothing rounds: it answers kernel after
kernel from what the sequence began with, and what the last ones left must be the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from harness.errors import OptionError
from harness.inputs import EXACT
from harness.verdict import Verdict

if TYPE_CHECKING:
    from golden import NumericContract
    from harness.artifact import Artifact

WHOLE: Final = "whole"
"""The oracle that holds kernels in turn against golden as one."""


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
    from harness.compiler.sequence import check_sequence_of
    from harness.rungs import RUNGS

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
            done, begun = _run(
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
        if kind in EXACT and all(step.passed for step in done):
            wrong = _mixed_up(module, order, begun, done, settings, made or {})
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
) -> tuple[list[Verdict], dict[str, Any]]:  # fmt: skip
    """The verdicts of the steps, and the arrays none of them wrote."""
    from harness.checking import check
    from harness.compiler.sequence import kernel_of

    arrays = dict(inputs or {})
    begun: dict[str, Any] = {}
    steps: list[Verdict] = []
    for name in order:
        func = kernel_of(module, name)
        one = made.get(name)
        contract = _contract(func, settings) if one is None else one.contract
        given = step_inputs(func, arrays, kind, seed, contract)
        place = None if artifact is None else Path(artifact) / name
        verdict = check(one or func, given, artifact=place, oracle=oracle, **settings)
        steps.append(replace(verdict, input_kind=kind))
        if not verdict.passed:
            break
        begun |= {n: array for n, array in given.items() if n not in arrays}
        arrays |= given | dict(verdict.outputs)
    return steps, begun


def _mixed_up(
    module: Any, order: tuple[str, ...], begun: Mapping[str, Any], steps: list[Verdict],
    settings: Mapping[str, Any], made: Mapping[str, Artifact],
) -> str:  # fmt: skip
    """What the kernels left that is not what their sources answer one after another.

    Empty where all is, and from a step on that rounds.
    """
    from golden import evaluate
    from golden.exact_inputs import inexactness
    from golden.inputs import as_parameter
    from harness.compiler.sequence import order_of
    from harness.language.inturn import steps as sources

    left = {n: array for step in steps for n, array in step.outputs.items()}
    known = dict(begun)
    for name, func in zip(order_of(module), sources(module), strict=True):
        one = made.get(name)
        contract = _contract(func, settings) if one is None else one.contract
        names = {str(p.name) for p in func.params}
        answer = evaluate(func, {n: a for n, a in known.items() if n in names}, contract)
        if inexactness(answer):
            return ""
        for tensor, result in answer.outputs.items():
            want = as_parameter(result.answer.value, result.dtype)
            have = left.get(tensor)
            if have is None or not np.array_equal(want[result.written], have[result.written]):
                return (f"{tensor} is not what {' and then '.join(order)} answer in turn, though"
                        " each is right alone")  # fmt: skip
            known[tensor] = np.where(result.written, want, have).astype(want.dtype)
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
