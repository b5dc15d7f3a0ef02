"""Who touched which page last: one write, and the reads since that nothing orders.

A page is a tensor's page, or a slot of a circular buffer on one core. Checks are those of FastTrack
(one epoch for the last write and, usually, for the last read).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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


class Actor:
    """Who accesses: an agent of some cores, one per row of pages, at a place of its program.

    Attributes:
        me: the cores, as a column.
    """

    def __init__(self, clocks: Clocks, agent: int, cores: Vector, place: int) -> None:
        self.agent = agent
        self.cores = cores
        self.place = place
        self.me = cores[:, None]
        self._clocks = clocks

    def of(self, rows: Vector) -> Actor:
        """The same for other rows: positions in these."""
        return Actor(self._clocks, self.agent, self.cores[rows], self.place)

    @cached_property
    def who(self) -> Any:
        """The numbers of the agents, as a column; the agent is an acting one."""
        return self._clocks.who[self.agent][self.cores][:, None]

    @cached_property
    def stamp(self) -> Any:
        """An access but for its time, as a column."""
        return self.place << PLACE | self.who << WHO


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
        last, clocks = self._last.take(ids), self._clocks
        who = last >> WHO & NUMBERS
        good = clocks.knows(actor.agent, actor.me, who, last & PENDING)
        if np.count_nonzero(good) == good.size:
            return None
        if own:
            good |= who == actor.who
        return None if good.all() else good

    def put(self, actor: Actor, ids: Any, time: Any) -> None:
        """Remember an access."""
        self._last[ids] = actor.stamp | time

    def lost(self, actor: Actor, ids: Any, time: Any) -> Any:
        """The pages where another access of the step just put came after it; None: there are none."""
        stays = self._last.take(ids) == actor.stamp | time
        return None if np.count_nonzero(stays) == stays.size else ~stays

    def clear(self, ids: Any) -> None:
        """Forget."""
        self._last[ids] = 0

    def finish(self, actor: Actor, ids: Any, times: Any) -> None:
        """Transfers of an actor are complete at its ``times``, a row each."""
        last = self._last.take(ids)
        under_way = actor.who << WHO | PENDING
        hit = last & ((1 << PLACE) - 1) == under_way
        done = last - PENDING + times
        if np.count_nonzero(hit) == hit.size:
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

    def _spots(self, ids: Any) -> list[tuple[int, int, int]]:
        """Row, column and page of those with more than one read."""
        return [
            (row, column, page)
            for row, pages in enumerate(ids.tolist())
            for column, page in enumerate(pages)
            if page in self.more
        ]

    def _after_more(self, actor: Actor, ids: Any, *, own: bool) -> Clash | None:
        reads = [
            (row, page, who, time, place)
            for row, _, page in self._spots(ids)
            for who, (time, place) in self.more[page].items()
        ]
        if not reads:
            return None
        rows, _, whos, times, _ = np.array(reads, np.int64).T
        good = self.clocks.knows(actor.agent, actor.cores[rows], whos, times)
        if own:
            good |= actor.who[rows, 0] == whos
        if np.count_nonzero(good) == good.size:
            return None
        row, page, who, _, place = reads[int(np.argmin(good))]
        bad = np.zeros(len(ids), np.bool_)
        bad[row] = True
        return Clash(row, page, bad, Access(*self.clocks.named(who), place, write=False))

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
        reads.put(actor, ids, time)
        lost = reads.lost(actor, ids, time)
        if lost is not None:  # several cores in one step
            whens = np.broadcast_to(time, ids.shape)
            for page, who, when in zip(
                ids[lost].tolist(),
                np.broadcast_to(actor.who, ids.shape)[lost].tolist(),
                whens[lost].tolist(),
                strict=True,
            ):
                self.more.setdefault(page, {})[who] = when, actor.place

    def write(self, actor: Actor, ids: Any, time: Any = PENDING) -> None:
        """Remember writes that were checked."""
        self.writes.put(actor, ids, time)
        self.reads.clear(ids)
        if self.more:
            for page in ids.reshape(-1).tolist():
                self.more.pop(page, None)

    def reads_done(self, actor: Actor, ids: Any, times: Any) -> None:
        """Reads of an agent are complete."""
        self.reads.finish(actor, ids, times)
        if self.more:
            for row, column, page in self._spots(ids):
                found, who = self.more[page], int(actor.who[row, 0])
                if who in found and found[who][0] == PENDING:
                    found[who] = int(times[row, 0]), found[who][1]
