"""One protocol for everything that can run an artifact, and the findings of devices.

A backend takes plan, programs and arrays and gives arrays, findings and times. What it cannot do it
says beforehand, as a reason; a run that did not happen is never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol

import msgspec
import numpy.typing as npt

from harness.errors import HarnessError
from simulator.findings import Finding, Rule
from simulator.plan.schema import Plan
from simulator.program import ProgramFile

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]


class NotRun(HarnessError):  # noqa: N818  (not a fault: the reason nothing ran)
    """Nothing ran, so there is no verdict; the message says why."""

    code = "NotRun"


class Compiled(Protocol):
    """Anything with a plan and its programs: an artifact of the harness or of the simulator."""

    @property
    def plan(self) -> Plan:
        """What runs where."""
        ...

    @property
    def programs(self) -> ProgramFile:
        """What each thread does."""
        ...


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do here and now.

    Attributes:
        executes: whether :meth:`Backend.run` yields outputs.
        numbers: where they come from.
        reason: why it does not execute, and what would help; None where it does.
        facts: what was found, as plain data: versions, device, grid.
    """

    executes: bool
    numbers: Literal["model", "device", "none"]
    reason: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a backend made of an artifact.

    Attributes:
        backend: its name.
        outputs: arrays by tensor name in logical shape, float32 for real dtypes.
        findings: what was held against the run, in order.
        timings: seconds by step.
        completed: every program ran to its end.
        skipped: why nothing ran; None where something did.
    """

    backend: str
    outputs: Mapping[str, Array] = field(default_factory=dict, repr=False)
    findings: tuple[Finding, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    completed: bool = False
    skipped: str | None = None

    @property
    def ok(self) -> bool:
        """Ran to the end without an error (whether the outputs are right is another question)."""
        return self.completed and not any(item.severity == "error" for item in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain data, outputs by shape and dtype."""
        return {
            "backend": self.backend,
            "outputs": {n: {"shape": list(a.shape), "dtype": str(a.dtype)}
                        for n, a in self.outputs.items()},
            "findings": [msgspec.to_builtins(item) for item in self.findings],
            "timings": dict(self.timings),
            "completed": self.completed,
            "skipped": self.skipped,
        }  # fmt: skip


class Backend(Protocol):
    """Something that runs artifacts."""

    name: str

    def capabilities(self) -> Capabilities:
        """What it can do here and now."""
        ...

    def run(self, artifact: Compiled, inputs: Arrays) -> Outcome:
        """Run an artifact on arrays by tensor name, in logical shape."""
        ...


DEVICE_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        rule.code: rule
        for rule in (
            Rule("DeviceError", "error", "The device, its driver or ttnn failed.",
                 "Read the log the message quotes; reset the board if the next run fails too."),
            Rule("DeviceTimeout", "error", "The device did not answer in time.",
                 "A deadlocked kernel never returns: reset the board, then run the plan on the"
                 " simulator."),
            Rule("DeviceMismatch", "error", "Device and architecture table differ.",
                 "Compile for the device that is there, or correct the table."),
            Rule("DeviceDisagrees", "error", "Device and simulator differ.",
                 "The case file holds both outputs; start from the tile the message names."),
        )
    }
)  # fmt: skip
"""Codes only a device can raise, beside those of :mod:`simulator.findings`."""


def device_finding(code: str, message: str, **where: Any) -> Finding:
    """A finding of :data:`DEVICE_RULES`, with the rule's severity and remedy."""
    rule = DEVICE_RULES[code]
    where.setdefault("next_step", rule.remedy)
    return Finding(code=code, severity=rule.severity, message=message, **where)
