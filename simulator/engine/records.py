"""Who touched which page last: one write, and the reads since that nothing orders.

A page is a tensor's page, or a slot of a circular buffer on one core. Checks are those of FastTrack
(one epoch for the last write and, usually, for the last read).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.engine.clocks import PENDING, Clocks
from simulator.engine.lanes import Vector

WHO: Final = 31
PLACE: Final = 45
NUMBERS: Final = (1 << PLACE - WHO) - 1
"""Bits of an access: 31 of time, 14 of who (a number of the clocks), the rest its place."""

Flags = npt.NDArray[np.bool_]


class Access(NamedTuple):
    """One side of a race."""

    core: int
    agent: int
    place: int
    write: bool


@dataclass(frozen=True)
class Actor:
    """Who accesses: an agent of some cores, one per row of pages, at a place of its program."""

    agent: int
    cores: Vector
    place: int


@dataclass(frozen=True)
class Clash:
    """Accesses that nothing orders: the row and page of the first, and the earlier access."""

    row: int
    page: int
    rows: Flags
    other: Access


class Side:
    """The last access of one kind to every page, packed: place, who, time."""

    def __init__(self, clocks: Clocks, pages: int) -> None:
        self._clocks = clocks
        self._last = np.zeros(pages, np.int64)

    def of(self, page: int) -> tuple[int, int, int]:
        """(who, time, place) of a page's last access; who is 0 if there is none."""
        last = int(self._last[page])
        return last >> WHO & NUMBERS, last & PENDING, last >> PLACE

    def known(self, actor: Actor, ids: Any, *, own: bool) -> Any:
        """Per page whether the actor is after it; ``own``: or did it itself. None: all of it is."""
        last = self._last[ids]
        if not last.any():
            return None
        who, clocks = last >> WHO & NUMBERS, self._clocks
        good = clocks.knows(actor.agent, actor.cores[:, None], who, last & PENDING)
        if own and not good.all():
            good |= who == clocks.who[actor.agent][actor.cores][:, None]
        return None if good.all() else good

    def put(self, actor: Actor, ids: Any, time: Any) -> Any:
        """Remember an access; returns the pages where another of this step came after it."""
        who = self._clocks.who[actor.agent][actor.cores][:, None]
        value = actor.place << PLACE | who << WHO | time
        self._last[ids] = value
        return self._last[ids] != value

    def clear(self, ids: Any) -> None:
        """Forget."""
        self._last[ids] = 0

    def finish(self, cores: Any, agent: int, ids: Any, times: Any) -> None:
        """Transfers of an agent are complete at its ``times``, a row each."""
        last = self._last[ids]
        under_way = self._clocks.who[agent][cores] << WHO | PENDING
        hit = last & ((1 << PLACE) - 1) == under_way
        done = last - PENDING + times
        if hit.all():
            self._last[ids] = done
        else:  # of a page's several readers only the last is here
            self._last[ids[hit]] = done[hit]


class Records:
    """The accesses of one tensor, or one circular buffer on all cores.

    Attributes:
        more: reads beside the last one of a page that nothing orders: (time, place) by who.
    """

    def __init__(self, clocks: Clocks, pages: int) -> None:
        self.clocks = clocks
        self.writes = Side(clocks, pages)
        self.reads = Side(clocks, pages)
        self.more: dict[int, dict[int, tuple[int, int]]] = {}

    def after_writes(self, actor: Actor, ids: Any, *, own: bool = True) -> Clash | None:
        """The clash of a read, or None. ``own``: transfers of the actor itself do not count."""
        good = self.writes.known(actor, ids, own=own)
        return None if good is None else self._clash(self.writes, ~good, ids, write=True)

    def after_reads(self, actor: Actor, ids: Any, *, own: bool = False) -> Clash | None:
        """The clash of a write with earlier reads, or None."""
        good = self.reads.known(actor, ids, own=own)
        if good is not None:
            return self._clash(self.reads, ~good, ids, write=False)
        return self._after_more(actor, ids, own=own) if self.more else None

    def _after_more(self, actor: Actor, ids: Any, *, own: bool) -> Clash | None:
        for row, column in np.argwhere(np.isin(ids, list(self.more))).tolist():
            page, me = int(ids[row, column]), int(actor.cores[row])
            for who, (time, place) in self.more[page].items():
                mine = own and who == self.clocks.who[actor.agent][me]
                if not mine and not self.clocks.knows(actor.agent, me, who, time):
                    rows = np.zeros(len(ids), np.bool_)
                    rows[row] = True
                    other = Access(*self.clocks.named(who), place, write=False)
                    return Clash(row, page, rows, other)
        return None

    def _clash(self, side: Side, bad: Any, ids: Any, *, write: bool) -> Clash:
        row, column = (int(v) for v in np.argwhere(bad)[0])
        page = int(ids[row, column])
        who, _, place = side.of(page)
        return Clash(row, page, bad.any(axis=1), Access(*self.clocks.named(who), place, write))

    def read(self, actor: Actor, ids: Any, time: Any = PENDING) -> None:
        """Remember reads that were checked; by default they are under way."""
        reads = self.reads
        good = reads.known(actor, ids, own=True)
        if good is not None:
            for page in ids[~good].tolist():
                who, when, place = reads.of(page)
                self.more.setdefault(page, {})[who] = when, place
        lost = reads.put(actor, ids, time)
        if lost.any():  # several cores in one step
            whens = np.broadcast_to(time, ids.shape)
            for row, column in np.argwhere(lost).tolist():
                who = int(self.clocks.who[actor.agent][actor.cores[row]])
                when = int(whens[row, column])
                self.more.setdefault(int(ids[row, column]), {})[who] = when, actor.place

    def write(self, actor: Actor, ids: Any, time: Any = PENDING) -> Flags:
        """Remember writes that were checked; returns rows another row's write overlapped."""
        lost: Flags = self.writes.put(actor, ids, time).any(axis=1)
        self.reads.clear(ids)
        if self.more:
            for page in ids.reshape(-1).tolist():
                self.more.pop(page, None)
        return lost

    def reads_done(self, cores: Any, agent: int, ids: Any, times: Any) -> None:
        """Reads of an agent are complete."""
        self.reads.finish(cores, agent, ids, times)
        if self.more:
            wide = np.broadcast_to(cores, ids.shape)
            whens = np.broadcast_to(times, ids.shape)
            for at in np.argwhere(np.isin(ids, list(self.more))).tolist():
                spot = tuple(at)
                found, who = self.more[int(ids[spot])], int(self.clocks.who[agent][wide[spot]])
                if who in found and found[who][0] == PENDING:
                    found[who] = int(whens[spot]), found[who][1]
