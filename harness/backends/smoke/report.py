"""What a smoke run found: a data object, and the same as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from simulator.findings import Finding

Status = Literal["pass", "fail", "skip"]
MARK = {"pass": "PASS", "fail": "FAIL", "skip": "skip"}


@dataclass(frozen=True)
class Step:
    """One step of a plan.

    Attributes:
        name: ``compile``, ``simulate exact``, ``descriptor``, ``device exact`` and the like.
        status: passed, failed, or not done.
        detail: what was seen, or why it was not done.
        seconds: time spent.
    """

    name: str
    status: Status
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class PlanResult:
    """One plan's steps.

    Attributes:
        name: of the smoke plan.
        adds: what it exercises.
        steps: in order.
        findings: of simulator and device.
        case: directory of the saved disagreement, if there is one.
    """

    name: str
    adds: str
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...] = ()
    case: str | None = None

    @property
    def status(self) -> Status:
        """Failed if a step did; passed if every step did; else skipped in part."""
        states = [step.status for step in self.steps]
        return "fail" if "fail" in states else "skip" if "skip" in states else "pass"


@dataclass(frozen=True)
class SmokeReport:
    """The whole run.

    Attributes:
        backend: what was compared with the simulator.
        device: the plans' device.
        facts: the steps that compare the device with the architecture table.
        plans: one per plan.
        findings: about the device itself.
        seconds: wall time.
        paths: files written, by what they are.
    """

    backend: str
    device: str
    facts: tuple[Step, ...]
    plans: tuple[PlanResult, ...]
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    paths: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step of the run."""
        return (*self.facts, *(step for plan in self.plans for step in plan.steps))

    @property
    def ok(self) -> bool:
        """Nothing failed; what was skipped is counted, not hidden."""
        return all(step.status != "fail" for step in self.steps)

    def counts(self) -> dict[str, int]:
        """Steps by status."""
        return {state: sum(s.status == state for s in self.steps) for state in MARK}

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        plain = msgspec.to_builtins
        return {"ok": self.ok, "counts": self.counts(), "backend": self.backend,
                "device": self.device, "seconds": self.seconds, "paths": dict(self.paths),
                "facts": plain(self.facts), "findings": plain(self.findings),
                "plans": [{"status": p.status, **plain(p)} for p in self.plans]}  # fmt: skip

    def __str__(self) -> str:
        """Plans with their steps; a reason stands once where many steps share it."""
        lines = [f"smoke: {self.backend} against the simulator, plans for {self.device}"]
        said: dict[str, str] = {}
        width = max(len(step.name) for step in self.steps)

        def line(step: Step) -> str:
            detail = step.detail
            if step.status == "skip":
                first = said.setdefault(detail, step.name)
                detail = detail if first is step.name else f"as {first}"
            seconds = f"{step.seconds:6.2f} s" if step.seconds else " " * 8
            return f"  {MARK[step.status]}  {step.name:{width}}  {seconds}  {detail}".rstrip()

        lines += [line(step) for step in self.facts]
        for plan in self.plans:
            lines.append(f"{plan.name}: {plan.adds}")
            lines += [line(step) for step in plan.steps]
            if plan.case:
                lines.append(f"  case saved in {plan.case}")
        counts = self.counts()
        lines.append(f"{counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped"
                     f" in {self.seconds:.0f} s")  # fmt: skip
        return "\n".join(lines)
