"""Other timings of a plan whose answer may depend on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from simulator.engine.schedule import LateNoc, RoundRobin, Seeded
from simulator.findings import Finding
from simulator.run import execute

if TYPE_CHECKING:
    from simulator.plan.schema import Plan
    from simulator.program import ProgramFile
    from simulator.run import RunOptions, RunResult

SCHEDULES: Final = 4
"""Schedules tried beside the given one, random interleavings and late NoCs in turn."""
WORK: Final = 30_000
"""Most ops times cores of a run that is tried again: schedules interleave single cores, each of
which takes the steps that a group took at once."""


class Ran(Protocol):
    """A plan, its programs, and what a run of them gave."""

    plan: Plan
    programs: ProgramFile
    run: RunResult | None


def timing_findings(case: Ran, arrays: Mapping[str, Any], options: RunOptions) -> Iterator[Finding]:
    """What other schedules find where one does not stand for all; nothing where it does.

    Values do not decide who races or waits, so none are computed. A schedule that was asked for is
    the only one run, and runs of more than :data:`WORK` are not tried again: the verdict says that
    timing may matter.
    """
    run = case.run
    asked = not isinstance(options.schedule, RoundRobin)
    if run is None or run.determinate or run.findings or not run.completed or asked:
        return
    if run.stats.steps * sum(1 for items in case.plan.work_partition.values() if items) > WORK:
        return
    dry = replace(options, arithmetic=False, observer=None, repair=False)
    for number in range(SCHEDULES):
        schedule = LateNoc(number) if number % 2 else Seeded(number)
        other = execute(case.plan, case.programs, arrays, replace(dry, schedule=schedule))
        errors = [f for f in other.findings if f.severity == "error" and f.code != "BudgetSpent"]
        if errors:
            yield from errors
            return
