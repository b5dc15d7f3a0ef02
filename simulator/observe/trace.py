"""A trace that opens in Perfetto and chrome://tracing: who did what, who waited for whom.

The machine has no cycles, so the time axis is a *logical* clock of the programs themselves, not of
the host and not of the schedule. Each program on each core has its own clock. An op takes one step
per tile it handles, at least one; an op that waits starts when what it waits for is there by the
clock of who delivers it. Programs that talk through circular buffers alone therefore give the same
trace under every schedule.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from simulator.engine.cb import CircularBuffer
from simulator.engine.code import Code, Step
from simulator.engine.group import Group
from simulator.engine.machine import Machine
from simulator.engine.waits import PagesWait, SemaphoreWait
from simulator.errors import InputError
from simulator.isa import OPS
from simulator.observe.events import Events

CORES: Final = 4
"""Cores traced where none are named: enough to see neighbours, few enough to read."""

MAX_EVENTS: Final = 200_000
"""Events kept by default, some 40 MB of JSON; a trace beyond is cut and says so."""


class Flow:
    """What one end of a circular buffer has handed over on one core: running totals and times."""

    def __init__(self) -> None:
        self.totals: list[int] = []
        self.times: list[int] = []

    @property
    def total(self) -> int:
        """Pages handed over so far."""
        return self.totals[-1] if self.totals else 0

    def add(self, pages: int, time: int) -> None:
        """Hand over more pages."""
        self.totals.append(self.total + pages)
        self.times.append(time)

    def reached(self, total: int) -> int:
        """When the total was reached; 0 for a total that holds from the start or is unknown."""
        at = bisect_left(self.totals, total)
        return self.times[at] if total > 0 and at < len(self.times) else 0

    def at(self, time: int) -> int:
        """The total at a time."""
        at = bisect_right(self.times, time)
        return self.totals[at - 1] if at else 0


class Tracer:
    """Records the last run it watches.

    Args:
        cores: logical cores to trace; None for the first :data:`CORES` of the plan.
        max_events: events kept.
    """

    def __init__(
        self, cores: Sequence[tuple[int, int]] | None = None, max_events: int = MAX_EVENTS
    ) -> None:
        self.wanted = None if cores is None else tuple(cores)
        self.max_events = max_events
        self._machine: Machine | None = None

    def wrap(self, machine: Machine, code: Code) -> list[Step]:
        """See Observer.

        Raises:
            InputError: a core that runs nothing of the plan.
        """
        if machine is not self._machine:
            self._begin(machine)
        thread = code.thread if code.cursor == "all" else f"{code.thread} ({code.cursor})"
        for core in self._traced:
            self.events.track(core, machine.cores[core], thread)
        return [self._wrapped(code, thread, n, step) for n, step in enumerate(code.steps)]

    def _begin(self, machine: Machine) -> None:
        for core in self.wanted or ():
            if core not in machine.cores:
                raise InputError(f"core {core[0]},{core[1]} runs nothing of this plan",
                                 location="trace_cores")  # fmt: skip
        chosen = machine.cores[:CORES] if self.wanted is None else list(self.wanted)
        self._machine = machine
        self._traced = [machine.cores.index(core) for core in chosen]
        self._mask = sum(1 << core for core in set(self._traced))
        self._steps = 0
        self._clock: dict[tuple[str, int], int] = {}
        self._pushed: dict[tuple[int, int], Flow] = {}
        self._popped: dict[tuple[int, int], Flow] = {}
        self._semaphores = 0
        self.events = Events(self.max_events)

    def _wrapped(self, code: Code, thread: str, number: int, step: Step) -> Step:
        place = code.places[number]
        spec = OPS.get(place.text)
        if spec is None:
            return self._counted(step)
        machine = self._machine
        if machine is None:
            raise AssertionError("wrap began a machine")
        tally, slot = machine.tally, machine.slot(place.text)
        wait = code.waits.get(number)
        moves = {"cb_push_back": 1, "cb_pop_front": -1}.get(place.text, 0)
        late: set[int] = set()

        def traced(group: Group) -> int:
            mask = group.lanes.mask & self._mask
            if not mask:
                return self._count(step(group), group)
            lanes, before = group.lanes, tally[slot]
            held = self._held(lanes.mask & self._mask) if moves else {}
            need = wait.pages(group.regs) if isinstance(wait, PagesWait) else None
            why = "" if not isinstance(wait, SemaphoreWait) else wait.describe(group)
            following = self._count(step(group), group)
            if following < 0 and not group.done:
                late.update(core for core in self._traced if mask >> core & 1)
                return following
            tiles = (tally[slot] - before) // lanes.n
            args = {"path": place.path, "loc": place.loc, "step": self._steps, "tiles": tiles}
            for core in self._traced:
                if not mask >> core & 1:
                    continue
                key = (thread, core)
                now = self._clock.get(key, 0)
                if isinstance(wait, PagesWait):
                    row = int(np.searchsorted(lanes.ids, core))
                    pages = int(need[row]) if isinstance(need, np.ndarray) else int(need or 0)
                    now = self._await_pages(wait, pages, core, thread, now, args)
                elif isinstance(wait, SemaphoreWait) and core in late and self._semaphores > now:
                    stall = {"reason": why, "path": place.path, "loc": place.loc}
                    self.events.stall(f"semaphore {wait.number}", core, thread, now,
                                      self._semaphores, stall)  # fmt: skip
                    now = self._semaphores
                late.discard(core)
                end = now + max(tiles, 1)
                self.events.op(place.text, core, thread, now, end, args)
                self._clock[key] = end
                if spec.effect == "semaphore" and wait is None:
                    self._semaphores = max(self._semaphores, end)
            for (cb, core), occupied in held.items():
                change = (_occupied(machine.cbs[cb], core) - occupied) * moves
                if change > 0:
                    flows = self._pushed if moves > 0 else self._popped
                    flow = flows.setdefault((cb, core), Flow())
                    flow.add(change, self._clock[thread, core])
            return following

        return traced

    def _counted(self, step: Step) -> Step:
        def counted(group: Group) -> int:
            return self._count(step(group), group)

        return counted

    def _count(self, following: int, group: Group) -> int:
        if following >= 0 or group.done:
            self._steps += 1
        return following

    def _held(self, mask: int) -> dict[tuple[int, int], int]:
        """Pages in every circular buffer of the traced cores of a group."""
        machine = self._machine
        cbs = {} if machine is None else machine.cbs
        return {
            (number, core): _occupied(cb, core)
            for number, cb in cbs.items()
            for core in self._traced
            if mask >> core & cb.lanes.mask >> core & 1
        }

    def _await_pages(
        self, wait: PagesWait, pages: int, core: int, thread: str, now: int, args: dict[str, Any]
    ) -> int:
        """When a wait for pages is over; the time until then becomes a stall."""
        number, depth = wait.cb.number, wait.cb.depth
        pushed = self._pushed.get((number, core)) or Flow()
        popped = self._popped.get((number, core)) or Flow()
        if wait.producer:
            there = popped.reached(pushed.total + pages - depth)
            has = depth - pushed.total + popped.at(now)
        else:
            there = pushed.reached(popped.total + pages)
            has = pushed.at(now) - popped.total
        if there <= now:
            return now
        kind = "free pages" if wait.producer else "pages"
        self.events.stall(f"cb{number} {'full' if wait.producer else 'empty'}", core, thread, now,
                          there, {"reason": f"needs {pages} {kind} of circular buffer {number},"
                                  f" has {has}", "cb": number, "needs": pages, "has": has,
                                  "path": args["path"], "loc": args["loc"]})  # fmt: skip
        return there

    def ended(self, machine: Machine, seconds: float) -> None:
        """See Observer."""
        del seconds
        last = max([*self._clock.values(), 0]) + 1
        for group in machine.groups:
            wait = None if group.finished else group.code.waits.get(group.pc)
            if wait is None:
                continue
            code, place = group.code, group.code.places[group.pc]
            thread = code.thread if code.cursor == "all" else f"{code.thread} ({code.cursor})"
            args = {"reason": f"{wait.describe(group)}; it never comes", "path": place.path,
                    "loc": place.loc}  # fmt: skip
            for core in self._traced:
                if group.lanes.mask >> core & 1:
                    now = self._clock.get((thread, core), 0)
                    self.events.stall("for ever", core, thread, now, last, args)
        for item in machine.findings:
            core = machine.cores.index(item.core) if item.core in machine.cores else -1
            if core in self._traced and item.thread is not None:
                args = {"message": item.message, "path": item.path, "loc": item.location}
                now = self._clock.get((item.thread, core), 0)
                self.events.finding(item.code, core, item.thread, now, args)
        for number, core in sorted({*self._pushed, *self._popped}):
            changes = [
                (time, total - before)
                for flow, sign in ((self._pushed, 1), (self._popped, -1))
                if (number, core) in flow
                for time, total, before in _steps(flow[number, core], sign)
            ]
            self.events.counter(number, core, changes)

    def to_json(self) -> dict[str, Any]:
        """The trace as plain data; its schema is in docs/simulator.md.

        Raises:
            InputError: nothing was watched yet.
        """
        machine = self._machine
        if machine is None:
            raise InputError("nothing has run yet", location="trace")
        return self.events.to_json(
            plan=machine.plan.name,
            device=machine.plan.device.name,
            cores=[list(machine.cores[core]) for core in self._traced],
            cores_of_plan=len(machine.cores),
        )


def _occupied(cb: CircularBuffer, core: int) -> int:
    strand = cb.strand_at(core)
    return 0 if strand is None else strand.occ


def _steps(flow: Flow, sign: int) -> list[tuple[int, int, int]]:
    """(time, signed total, signed total before) of every hand-over."""
    befores = [0, *flow.totals[:-1]]
    return [(t, sign * a, sign * b) for t, a, b in zip(flow.times, flow.totals, befores,
                                                       strict=True)]  # fmt: skip
