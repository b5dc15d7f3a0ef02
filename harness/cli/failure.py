"""What went wrong, in the words and with the exit status that scripts rely on (decision 34)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.errors import HarnessError
from simulator.errors import ArtifactError
from simulator.findings import Finding
from simulator.job import BUDGET, FAIL, INTERNAL, USAGE, write_traceback

OPTIONS: Final = frozenset(
    (
        *("device", "grid", "core_ranges", "strategy", "double_buffer", "prefetch", "fidelity"),
        *(
            "frontend",
            "multicast",
            "fp32_dest",
            "function",
            "oracle",
            "backend",
            "input_kind",
            "numbers",
            "seed",
        ),
        *("inputs", "outputs", "break", "dump", "trace_cores"),
    )
)
"""Places that are options of the command line and are shown as one."""


@dataclass(frozen=True)
class Failure:
    """An error as a person and a script see it.

    Attributes:
        status: the exit status.
        code: stable name of the kind of error.
        message: what is wrong.
        location: file and line, option, JSON path or array; None where there is none.
        next_step: what would be accepted.
        findings: every broken rule, where the error is an invalid artifact.
    """

    status: int
    code: str
    message: str
    location: str | None = None
    next_step: str | None = None
    findings: tuple[Finding, ...] = ()

    def line(self) -> str:
        """Everything on one line."""
        known = self.location and not self.message.startswith(f"{self.location}:")
        place = f"{shown_place(str(self.location))}: " if known else ""
        advice = f"; {self.next_step}" if self.next_step else ""
        return f"{place}{self.message} [{self.code}]{advice}"

    def to_json(self) -> dict[str, Any]:
        """The ``error`` object of a report."""
        return {
            "code": self.code,
            "message": self.message,
            "location": self.location,
            "next_step": self.next_step,
        }


def shown_place(location: str) -> str:
    """A location as the user wrote it: a field of the options is an option."""
    return "--" + location.replace("_", "-") if location in OPTIONS else location


def failure_of(error: BaseException) -> Failure:
    """The failure an exception stands for.

    An error raised on purpose has a code and a message and is the user's to mend; anything else is
    a defect, and its traceback goes to a file that the message names.
    """
    if isinstance(error, ArtifactError):
        return _coded(error, FAIL, error.findings)
    if isinstance(error, MemoryError):
        return Failure(BUDGET, "BudgetSpent", "out of memory", None, "use smaller shapes")
    if hasattr(error, "code") and hasattr(error, "message") and hasattr(error, "next_step"):
        return _coded(error, USAGE)
    path = write_traceback()
    lines = str(error).strip().splitlines() or [""]
    words = f"{type(error).__name__}: {lines[-1][:200]}".rstrip(": ")
    return Failure(INTERNAL, "Internal", f"internal error: {words}; traceback in {path}")


class UsageError(HarnessError):
    """A wrong use of the command line itself."""

    code = "Usage"


def _coded(error: Any, status: int, findings: Sequence[Finding] = ()) -> Failure:
    return Failure(
        status,
        str(error.code),
        str(error.message),
        error.location,
        error.next_step,
        tuple(findings),
    )
