"""The one exception a running program can cause: a broken rule, with the lanes that broke it."""

from __future__ import annotations

from typing import Any

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
    """

    def __init__(
        self, code: str, message: str, lanes: Vector | None = None, *, by_order: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.lanes = lanes
        self.by_order = by_order


def offenders(bad: Any, ids: Vector) -> Vector | None:
    """The core numbers where ``bad`` (a flag, or one per lane) holds; None when it is uniform."""
    if isinstance(bad, np.ndarray) and bad.ndim == 1 and len(bad) == len(ids):
        return ids[bad]
    return None
