"""The releases that wait for whom they concern: of a circular buffer's slot, of a semaphore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from simulator.engine.clocks import Clocks, Covered, Event, Times
from simulator.engine.lanes import Lanes

if TYPE_CHECKING:
    from simulator.engine.standing import Standing
    from simulator.engine.values import Value

COVERED: Final = 8
"""Accesses that added events name; those before them are judged by the clocks alone."""
Held = dict[Lanes, Event]
"""An event for each of some sets of cores, which are disjoint; the event may be of more cores."""


class Queue:
    """The last release that concerned each slot of a circular buffer, of DST, or a semaphore."""

    def __init__(self, clocks: Clocks, slots: int) -> None:
        self._clocks = clocks
        self._slots: list[Held] = [{} for _ in range(slots)]

    def put(self, lanes: Lanes, slot: Value, count: int, event: Event) -> None:
        """An event that concerns ``count`` slots from ``slot`` on."""
        for some, first in self._by_slot(lanes, slot):
            for at in range(first, first + count):
                self._set(self._slots[at % len(self._slots)], some, event)

    def _set(self, held: Held, lanes: Lanes, event: Event) -> None:
        if held and lanes not in held:
            self._drop(held, lanes)
        held[lanes] = event

    def forget(self, lanes: Lanes) -> None:
        """Nothing concerns the first slot of these cores."""
        self._drop(self._slots[0], lanes)

    def add(self, lanes: Lanes, known: Times, *covers: Covered) -> None:
        """What concerns the first slot, as before, and ``known`` as well, a row per lane.

        ``known`` is the queue's from then on; for what it ``covers`` see :class:`Event`.
        """
        held = self._slots[0]
        before = held.get(lanes)
        if before is not None:
            np.maximum(known, self._rows(lanes, before), out=known)
            covers = (*before.covers, *covers)[-COVERED:]
        else:
            for some, event in self._of(held, lanes):
                rows = self._clocks.table.rows(some, lanes)
                known[rows] = np.maximum(known[rows], self._rows(some, event))
        self._set(held, lanes, Event(lanes, known, covers))

    def join(self, agent: int, lanes: Lanes, slot: Value) -> None:
        """``agent`` is after what concerned ``slot`` last."""
        if isinstance(slot, int):
            event = self._slots[slot].get(lanes)
            if event is not None:  # as nearly always
                self._learn(agent, lanes, event)
                return
        for some, at in self._by_slot(lanes, slot):
            for part, event in self._of(self._slots[at], some):
                self._learn(agent, part, event)

    def describe(self, standing: Standing, first: int = 0) -> None:
        """What is held, from a slot on, for :class:`~simulator.engine.standing.Standing`."""
        first %= len(self._slots)
        for held in (*self._slots[first:], *self._slots[:first]):
            standing.tell(tuple((lanes, standing.event(event)) for lanes, event in held.items()))

    def turn(self, slots: int) -> None:
        """What concerned a slot concerns the one so many further on."""
        slots %= len(self._slots)
        self._slots = [*self._slots[-slots:], *self._slots[:-slots]]

    def _learn(self, agent: int, part: Lanes, event: Event) -> None:
        self._clocks.learn(agent, part, self._rows(part, event))
        for access in event.covers:
            access.hear(agent, part.mask)

    def _rows(self, part: Lanes, event: Event) -> Times:
        if part is event.lanes:
            return event.known
        return event.known.take(self._clocks.table.rows(part, event.lanes), 0)

    def _of(self, held: Held, lanes: Lanes) -> list[tuple[Lanes, Event]]:
        event = held.get(lanes)
        if event is not None:
            return [(lanes, event)]
        table = self._clocks.table
        return [
            (table.of_mask(common), event)
            for other, event in held.items()
            if (common := other.mask & lanes.mask)
        ]

    def _drop(self, held: Held, lanes: Lanes) -> None:
        if held.pop(lanes, None) is not None:
            return
        for other in [other for other in held if other.mask & lanes.mask]:
            event = held.pop(other)
            rest = other.mask & ~lanes.mask
            if rest:
                held[self._clocks.table.of_mask(rest)] = event

    def _by_slot(self, lanes: Lanes, slot: Value) -> list[tuple[Lanes, int]]:
        """Parts of the lanes, and the slot each means."""
        if isinstance(slot, int):
            return [(lanes, slot)]
        table = self._clocks.table
        return [(table.of_ids(lanes.ids[slot == one]), one) for one in np.unique(slot).tolist()]
