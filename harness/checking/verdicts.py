"""The verdict that the rounds of a check come to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.checking.case import STAGES, Case
from harness.checking.quality import quality
from harness.verdict import Verdict

if TYPE_CHECKING:
    from golden import Judgement


def verdict_of(
    case: Case, judgements: list[Judgement], *, oracle: str, kind: str,
    seed: int | None,
) -> Verdict:  # fmt: skip
    """All a check has found, in one object; ends the case."""
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


def _reason(case: Case, last: Judgement | None) -> str:
    if last is None:
        return "nothing was compared"
    return (case.opinions.doubt if last.passed else "") or last.reason


def _quality(case: Case) -> dict[str, Any]:
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
