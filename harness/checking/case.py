"""One check under way."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from harness import inputs as drawn
from harness.artifact import Artifact
from harness.checking.opinions import Opinions
from simulator.findings import Finding
from simulator.run import RunResult, Workspace

if TYPE_CHECKING:
    from golden import NumericContract
    from harness.backends.protocol import Backend
    from simulator.plan.schema import Plan
    from simulator.program import ProgramFile


@dataclass
class Case:
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
