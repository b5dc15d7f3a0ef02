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

from simulator.engine.cursors import link
from simulator.engine.group import Diverge, Group, merge
from simulator.engine.schedule import MERGE, UNLOCK, Picker, RoundRobin, Schedule
from simulator.engine.violation import FAULTS, broken

if TYPE_CHECKING:
    from simulator.engine.machine import Machine

QUOTA = 4096
"""Steps a group runs before the time budget is looked at; that of steps is exact."""


class Scheduler:
    """Runs the groups of a machine under a schedule and within budgets."""

    def __init__(
        self,
        machine: Machine,
        max_steps: int,
        max_seconds: float | None,
        schedule: Schedule | None = None,
    ) -> None:
        self.machine = machine
        self.max_steps = max_steps
        self.deadline = None if max_seconds is None else time.monotonic() + max_seconds
        self.picker = Picker(schedule or RoundRobin())
        self.steps = 0
        self.splits = 0
        self.merges = 0
        self.spent: str | None = None

    def run(self) -> None:
        """Run until every group has ended, or nothing can."""
        machine = self.machine
        if self.picker.single or machine.cursors:
            self._single()
            link(machine.groups)
        if not self.picker.in_turn:
            self._explore()
            return
        while True:
            progress = False
            for group in list(machine.groups):
                if group.done or group.halted:
                    continue
                if not self._over_budget() and self._turn(group):
                    progress = True
                if self.spent is not None:
                    machine.report_budget(self.spent, group)
                    return
            if progress and len(machine.groups) == machine.programs:
                continue  # nothing to merge
            live = [g for g in machine.groups if not (g.done or g.halted)]
            if not live:
                return
            if len(live) > machine.programs and not machine.cursors:
                self._merge(live)
            if not progress and not self._unlock(live):
                machine.report_deadlock(live)
                return

    def _explore(self) -> None:
        """Follow the schedule's choices; groups found waiting rest until another made progress."""
        machine, picker = self.machine, self.picker
        waiting: set[int] = set()
        while True:
            live = {g.serial: g for g in machine.groups if not g.finished}
            if not live:
                return
            choice = picker.scripted()
            if choice is None:
                able = [serial for serial in live if serial not in waiting]
                choice = picker.pick(able, QUOTA) if able else (UNLOCK, 0)
            serial, quota = choice
            if serial == MERGE:
                self._merge(list(live.values()))
                continue
            group = live.get(serial)
            if group is not None:
                if self._over_budget():
                    machine.report_budget(self.spent or "", group)
                    return
                machine.late = picker.late or bool(group.local.late)
                if self._turn(group, quota):
                    waiting.clear()
                else:
                    waiting.add(serial)
                continue
            waiting.clear()
            if not self._unlock(list(live.values())):
                machine.report_deadlock(list(live.values()))
                return

    def _single(self) -> None:
        """Make every lane of every group a group of its own."""
        for group in list(self.machine.groups):
            for core in group.lanes.ids[1:].tolist():
                self.machine.spawn([group.split_off(group.table.of_mask(1 << core))])

    def _turn(self, group: Group, quota: int | None = None) -> bool:
        """Run one group until it waits, ends, breaks a rule or has had its quota.

        Returns whether it did anything.
        """
        steps, lanes, start, before = group.code.steps, group.lanes, group.pc, self.steps
        pc, count, following = start, 0, 0
        limit, room = QUOTA if quota is None else quota, self.max_steps - before
        try:
            while True:
                for count in range(1, (min(room, limit)) + 1):
                    following = steps[pc](group)
                    if following < 0:
                        if not group.done:
                            count -= 1  # noqa: PLW2901 - the op that waits was not executed
                        break
                    pc = following
                else:
                    if quota is None:
                        self.steps += count
                        room -= count
                        count = 0
                        if not self._over_budget():
                            continue
                break
        except Diverge as diverge:
            group.pc = pc
            self._diverge(group, diverge)
        except FAULTS as fault:
            group.halted = True
            group.pc = pc
            self.machine.report(broken(fault), group, self.steps + count)
        group.pc = pc
        self.steps += count
        done = self.steps - before
        if done:
            self.picker.record(group.serial, done, group.code.key, lanes.mask, start, pc)
        return done > 0

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
        self.picker.record(UNLOCK, 0)
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
        self.picker.record(MERGE, 0)
        by_place: dict[tuple[int, int], list[Group]] = {}
        for group in live:
            by_place.setdefault((id(group.code), group.pc), []).append(group)
        for groups in by_place.values():
            first = groups[0]
            for other in groups[1:]:
                if merge(first, other):
                    self.machine.groups.remove(other)
                    self.merges += 1
