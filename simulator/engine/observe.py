"""Looking at a run: where the simulator's time went, and what ran when.

Neither costs anything unless asked for. Time here is the simulator's own; the machine has no clock,
and the step count stands for it in traces.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.engine.code import Step
from simulator.engine.group import Group

if TYPE_CHECKING:
    from simulator.engine.machine import Machine


@dataclass
class OpTime:
    """Executions of one op by one program, and the seconds they took.

    Deferred products are computed by the op that looks at them first, usually a pack or a store.
    """

    program: str
    op: str
    calls: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Turn:
    """One group running until it had to wait, ended, or had its quota.

    Attributes:
        program, thread: what ran. cores: where, as (x, y).
        first_step, steps: when and for how long, in steps of the whole run.
        start, end: places in the program tree it ran from and to.
        waits: what it needs to go on, None if it need not wait.
        occupancy: pages in each circular buffer at the end, the most of any of these cores.
    """

    program: str
    thread: str
    cores: tuple[tuple[int, int], ...]
    first_step: int
    steps: int
    start: str
    end: str
    waits: str | None
    occupancy: dict[int, int]


def profile(machine: Machine) -> dict[tuple[str, str], OpTime]:
    """Time every op of a machine that has not run yet; the table fills as it runs."""
    table: dict[tuple[str, str], OpTime] = {}
    for code in {id(group.code): group.code for group in machine.groups}.values():
        for number, step in enumerate(code.steps):
            name = code.places[number].text
            row = table.setdefault((code.program, name), OpTime(code.program, name))
            code.steps[number] = _timed(step, row)
    return table


def _timed(step: Step, row: OpTime) -> Step:
    clock = time.perf_counter

    def timed(group: Group) -> int:
        began = clock()
        try:
            return step(group)
        finally:
            row.seconds += clock() - began
            row.calls += 1

    return timed


def turn(machine: Machine, group: Group, lanes: int, start: int, first: int, steps: int) -> Turn:
    """What a group has just done, ``lanes`` being the bits of the lanes it began with."""
    code = group.code
    wait = None if group.finished else code.waits.get(group.pc)
    cores = tuple(core for number, core in enumerate(machine.cores) if lanes >> number & 1)
    occupancy = {}
    for number, cb in machine.cbs.items():
        here = [strand.occ for strand in cb.strands if strand.lanes.mask & lanes]
        if here:
            occupancy[number] = max(here)
    return Turn(
        code.program,
        code.thread,
        cores,
        first,
        steps,
        code.places[start].path,
        code.places[group.pc].path,
        None if wait is None else wait.describe(group),
        occupancy,
    )
