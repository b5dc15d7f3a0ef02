"""Schedules as a case file holds them: which group runs when, and which transfers are late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.fuzz.case import CaseError
from simulator.engine.schedule import LateNoc, RoundRobin, Schedule, Seeded, Turns


def machine_schedule(given: Mapping[str, Any]) -> Schedule:
    """The schedule a case file holds.

    Raises:
        CaseError: anything else.
    """
    try:
        if not given:
            return RoundRobin()
        ((kind, value),) = given.items()
        if kind == "turns":
            return Turns(tuple((int(a), int(b), bool(c)) for a, b, c in value))
        if kind in ("late", "seeded"):
            return LateNoc(int(value)) if kind == "late" else Seeded(int(value))
    except (TypeError, ValueError):
        pass
    raise CaseError(f"schedule {dict(given)!r}", location="$.schedule",
                    next_step='write {"turns": [[which, steps, late], …]}, {"late": seed}, '
                    'or {"seeded": seed}')  # fmt: skip


def other_schedule(seed: int) -> Schedule:
    """A schedule to try an indeterminate plan under besides its own."""
    return LateNoc(seed) if seed % 8 else Seeded(seed)
