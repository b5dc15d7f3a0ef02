"""What the simulator raises: always a code, a place, and what the reader can do next.

Exit statuses (decision 34): :class:`ArtifactError` is 1, the others are 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from simulator.findings import Finding


class SimulatorError(Exception):
    """Base of every error the simulator raises on purpose.

    Attributes:
        code: stable name, for scripts.
        message: what is wrong, with the values concerned.
        location: file, JSON path or array name; None where there is none.
        next_step: what the reader can do now.
    """

    def __init__(
        self, code: str, message: str, *, location: str | None = None, next_step: str | None = None
    ) -> None:
        super().__init__(code, message, location, next_step)
        self.code = code
        self.message = message
        self.location = location
        self.next_step = next_step

    def __str__(self) -> str:
        """One line: place, message, code, and the next step where there is one."""
        place = f"{self.location}: " if self.location else ""
        advice = f" {self.next_step}" if self.next_step else ""
        return f"{place}{self.message} [{self.code}]{advice}"


class UnreadableError(SimulatorError):
    """A file that is missing, too large, or not JSON at all."""

    def __init__(self, message: str, *, location: str, next_step: str | None = None) -> None:
        super().__init__("Unreadable", message, location=location, next_step=next_step)


class InputError(SimulatorError):
    """Inputs of a run that do not fit the plan: names, shapes, dtypes, value ranges."""

    def __init__(
        self, message: str, *, location: str | None = None, next_step: str | None = None
    ) -> None:
        super().__init__("InvalidInput", message, location=location, next_step=next_step)


class ArtifactError(SimulatorError):
    """A plan or programs that are JSON but break their schema or their meaning.

    Attributes:
        findings: every broken rule, errors first.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        ordered = sorted(findings, key=lambda item: item.severity != "error")
        if not ordered:
            raise ValueError("an ArtifactError needs at least one finding")
        first = ordered[0]
        more = f" (and {len(ordered) - 1} more)" if len(ordered) > 1 else ""
        super().__init__(
            first.code,
            first.message + more,
            location=first.location or first.program,
            next_step=first.next_step,
        )
        self.findings = tuple(ordered)
