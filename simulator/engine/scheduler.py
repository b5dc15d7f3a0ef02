"""Running groups: each until it must wait, in turn; splits only when nothing else can run.

Any order is legal for programs that talk through circular buffers alone (they form a Kahn
network), so a group that is only partly ready waits. At quiescence the ready lanes of such a
group go on alone, then lanes parked behind a mask are let go, and when that changes nothing the
run is deadlocked.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from simulator.engine.group import Diverge, Group, merge
from simulator.engine.violation import Violation

if TYPE_CHECKING:
    from simulator.engine.machine import Machine

QUOTA = 4096
"""Steps a group runs before budgets are looked at."""


class Scheduler:
    """Round robin over the groups of a machine."""

    def __init__(self, machine: Machine, max_steps: int, max_seconds: float | None) -> None:
        self.machine = machine
        self.max_steps = max_steps
        self.deadline = None if max_seconds is None else time.monotonic() + max_seconds
        self.steps = 0
        self.splits = 0
        self.merges = 0
        self.spent: str | None = None

    def run(self) -> None:
        """Run until every group has ended, or nothing can."""
        machine = self.machine
        while True:
            progress = False
            for group in list(machine.groups):
                if group.finished:
                    continue
                before = self.steps
                self._turn(group)
                progress |= self.steps > before or group.finished
                if self.spent is not None:
                    machine.report_budget(self.spent, group)
                    return
            live = [g for g in machine.groups if not g.finished]
            if not live:
                return
            if len(live) > machine.programs:
                self._merge(live)
            if not progress and not self._unlock(live):
                machine.report_deadlock(live)
                return

    def _turn(self, group: Group) -> None:
        """Run one group until it waits, ends, breaks a rule or has had its quota."""
        steps = group.code.steps
        pc = group.pc
        count = 0
        try:
            while True:
                for count in range(1, QUOTA + 1):  # noqa: B007 - counts the steps
                    following = steps[pc](group)
                    if following < 0:
                        break
                    pc = following
                else:
                    self.steps += QUOTA
                    count = 0
                    if self._over_budget():
                        break
                    continue
                count -= 1
                break
        except Violation as violation:
            group.halted = True
            group.pc = pc
            self.machine.report(violation, group, self.steps + count)
        except Diverge as diverge:
            group.pc = pc
            self._diverge(group, diverge)
            self.steps += 1
        except ZeroDivisionError:
            group.halted = True
            group.pc = pc
            self.machine.report(Violation("InvalidProgram", "division by zero"), group,
                                self.steps + count)  # fmt: skip
        group.pc = pc
        self.steps += count

    def _over_budget(self) -> bool:
        if self.steps >= self.max_steps:
            self.spent = f"{self.max_steps} steps"
        elif self.deadline is not None and time.monotonic() > self.deadline:
            self.spent = "the time budget"
        return self.spent is not None

    def _diverge(self, group: Group, diverge: Diverge) -> None:
        """One group per value the lanes disagree about."""
        values, ids = diverge.values, group.lanes.ids
        group.parted = group.pc
        for value in np.unique(values)[1:]:
            twin = group.split_off(group.table.of_ids(ids[values == value]))
            twin.parted = group.pc
            self.machine.spawn([twin])
            self.splits += 1

    def _unlock(self, live: list[Group]) -> bool:
        """Let some lanes go on; whether there were any."""
        for group in live:
            ready = self._ready(group)
            if ready:
                twin = group.split_off(group.table.of_mask(ready))
                self.machine.spawn([twin])
                self.splits += 1
                return True
        for group in live:
            released = group.release_parked()
            if released:
                self.machine.spawn(released)
                self.splits += len(released)
                return True
        return False

    def _ready(self, group: Group) -> int:
        """Bits of the lanes whose pending wait is fulfilled, a proper part of the group."""
        wait = group.code.waits.get(group.pc)
        if wait is None:
            return 0
        ready = wait.ready(group)
        return 0 if ready == group.lanes.mask else ready

    def _merge(self, live: list[Group]) -> None:
        """Join groups that reached the same place."""
        by_place: dict[tuple[int, int], list[Group]] = {}
        for group in live:
            by_place.setdefault((id(group.code), group.pc), []).append(group)
        for groups in by_place.values():
            first = groups[0]
            for other in groups[1:]:
                if merge(first, other):
                    self.machine.groups.remove(other)
                    self.merges += 1
