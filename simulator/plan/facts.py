"""What the checks of one plan share: the device, the cores and the work grid, worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from simulator.arch import Arch
from simulator.plan.coords import Core
from simulator.plan.report import Report
from simulator.plan.schema import CoreRange, Plan
from simulator.plan.work import Grid, range_cores

MAX_CORES: Final = 4096
"""More cores than any device of the table has; larger ranges are refused before they are listed."""


@dataclass(frozen=True)
class Facts:
    """A plan with what follows from it.

    Attributes:
        plan: the plan.
        arch: its device.
        cores: cores of ``core_ranges``, in order.
        grid: the work grid.
    """

    plan: Plan
    arch: Arch
    cores: tuple[Core, ...]
    grid: Grid


def cells(ranges: Sequence[CoreRange]) -> int:
    """How many cores ``ranges`` have, without listing them; shared ones count each time."""
    return sum(r.extent[0] * r.extent[1] for r in ranges)


def overlap(a: CoreRange, b: CoreRange) -> bool:
    """Whether two rectangles share a core."""
    return all(
        a.start[i] < b.start[i] + b.extent[i] and b.start[i] < a.start[i] + a.extent[i]
        for i in (0, 1)
    )


def check_ranges(
    ranges: Sequence[CoreRange], limit: tuple[int, int], path: str, report: Report, *, grid: str
) -> tuple[Core, ...]:
    """Cores of ``ranges`` after checking them; empty when they cannot be listed.

    Args:
        ranges: rectangles to check.
        limit: columns and rows they must lie in.
        path: JSON path of the list.
        report: where findings go.
        grid: what ``limit`` is called in messages.
    """
    if not ranges:
        report.add(path, "there are no core ranges", expected="at least one")
        return ()
    listable = True
    for i, r in enumerate(ranges):
        if any(r.start[axis] + r.extent[axis] > limit[axis] for axis in (0, 1)):
            report.add(
                f"{path}[{i}]",
                f"the core range reaches outside the {grid}",
                found=f"start {list(r.start)} extent {list(r.extent)}",
                expected=f"start + extent within {limit[0]} columns x {limit[1]} rows",
            )
            listable = False
        for j in range(i if len(ranges) <= MAX_CORES else 0):
            if overlap(r, ranges[j]):
                report.add(f"{path}[{i}]", f"the core range overlaps {path}[{j}]",
                           expected="disjoint ranges")  # fmt: skip
                break
    if not listable or cells(ranges) > MAX_CORES:
        return ()
    return range_cores(ranges)


def check_placed(
    ranges: Sequence[CoreRange], facts: Facts, path: str, report: Report
) -> tuple[Core, ...]:
    """Cores of ``ranges``, which must also belong to the plan's ``core_ranges``."""
    if ranges == facts.plan.core_ranges:
        return facts.cores
    cores = check_ranges(ranges, facts.plan.core_grid, path, report, grid="core_grid")
    known = set(facts.cores)
    for core in cores:
        if core not in known:
            report.add(path, f"core {core} is not in the plan's core_ranges", core=core)
            break
    return tuple(core for core in cores if core in known)
