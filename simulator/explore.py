"""Trying schedules: does timing change what an indeterminate program computes?

Determinate programs need none of this: one run stands for all. For others every schedule tried is
one more timing under which the result was the same, and the first that differs is kept as a value
that replays it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.engine.schedule import Explicit, LateNoc, Schedule, Seeded
from simulator.outcome import RunOptions, RunResult
from simulator.plan.schema import Plan
from simulator.program import Program, ProgramFile
from simulator.run import execute

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Exploration:
    """What trying schedules gave.

    Attributes:
        tried: schedules run, the given one included.
        first: the result under the given schedule.
        other: the first result that differs in outputs, findings or completion; None if all agree.
        replay: the explicit schedule that gives ``other`` again.
        difference: one sentence on how they differ, empty if they do not.
    """

    tried: int
    first: RunResult
    other: RunResult | None = None
    replay: Explicit | None = None
    difference: str = ""


def explore(
    plan: Plan,
    programs: ProgramFile | Sequence[Program],
    inputs: Mapping[str, Array],
    options: RunOptions | None = None,
    *,
    schedules: int = 16,
    seed: int = 0,
) -> Exploration:
    """Run under the options' schedule and ``schedules`` others; stop at the first difference.

    The others alternate between random interleavings of single cores and a NoC that delivers as
    late as it may. A determinate program is run once.

    Raises:
        InputError: arrays that do not fit the plan.
        ArtifactError: a plan and programs that do not fit together.
    """
    options = options or RunOptions()
    first = execute(plan, programs, inputs, options)
    if first.determinate and not first.findings:
        return Exploration(1, first)
    for number in range(schedules):
        schedule: Schedule = LateNoc(seed + number) if number % 2 else Seeded(seed + number)
        other = execute(plan, programs, inputs, replace(options, schedule=schedule))
        difference = compare(first, other)
        if difference:
            replay = Explicit(other.choices, single=True, late=isinstance(schedule, LateNoc))
            return Exploration(number + 2, first, other, replay, difference)
    return Exploration(schedules + 1, first)


def compare(one: RunResult, two: RunResult) -> str:
    """How two results of one program differ; empty if they do not."""
    codes = [sorted({item.code for item in result.findings}) for result in (one, two)]
    if codes[0] != codes[1]:
        return f"findings {codes[1] or 'none'} instead of {codes[0] or 'none'}"
    if one.completed != two.completed:
        return "one run completed, the other did not"
    for name, array in one.outputs.items():
        if not np.array_equal(array, two.outputs[name], equal_nan=array.dtype.kind == "f"):
            return f"tensor {name} holds other values"
        if not np.array_equal(one.written[name], two.written[name]):
            return f"other elements of tensor {name} were written"
    return ""
