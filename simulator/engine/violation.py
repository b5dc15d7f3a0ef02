"""The one exception a running program can cause: a broken rule, with the lanes that broke it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.int64]


class Violation(Exception):  # noqa: N818 - it is a finding on its way, not a fault of the engine
    """A rule broken by the op being executed.

    Attributes:
        code: key of ``simulator.findings.RULES``.
        message: what happened, with numbers.
        lanes: core numbers that broke the rule, or None for all lanes of the group.
        by_order: the compute program may be right with a cursor per part.
        place: number of the op that broke it, where that is not the one being executed.
    """

    def __init__(
        self, code: str, message: str, lanes: Vector | None = None, *, by_order: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.lanes = lanes
        self.by_order = by_order
        self.place: int | None = None


FAULTS: Final = (Violation, ZeroDivisionError, OverflowError, MemoryError)
"""What a running program can raise."""


def broken(fault: Exception) -> Violation:
    """The rule a fault breaks."""
    if isinstance(fault, Violation):
        return fault
    if isinstance(fault, ZeroDivisionError):
        return Violation("InvalidProgram", "division by zero")
    if isinstance(fault, OverflowError):
        return Violation("InvalidProgram", "an integer exceeds 64 bits")
    return Violation("BudgetSpent", "no memory is left")


def of_op(place: int, transfer: Callable[[], None]) -> Callable[[], None]:
    """A transfer that comes late: what it breaks is the fault of the op that started it."""

    def late() -> None:
        try:
            transfer()
        except Violation as found:
            found.place = place
            raise

    return late


def offenders(bad: Any, ids: Vector) -> Vector | None:
    """The core numbers where ``bad`` (a flag, or one per lane) holds; None when it is uniform."""
    if isinstance(bad, np.ndarray) and bad.ndim == 1 and len(bad) == len(ids):
        return ids[bad]
    return None
