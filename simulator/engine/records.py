"""Who touched which page last: one write, and the reads since that nothing orders.

A page is a tensor's page, or a slot of a circular buffer on one core. Checks are those of FastTrack
(one epoch for the last write and, usually, for the last read).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.engine.clocks import PENDING, Clocks
from simulator.engine.lanes import Vector

KEPT: Final = 64
"""Patterns of rows an actor remembers."""
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
        rows: where their rows of the clocks begin, as a column.
    """

    def __init__(self, clocks: Clocks, agent: int, cores: Vector, place: int) -> None:
        self.agent = agent
        self.cores = cores
        self.place = place
        self.me = cores[:, None]
        self.rows = self.me * clocks.width
        self._clocks = clocks
        self.of = lru_cache(KEPT)(self._of)

    def _of(self, rows: bytes) -> Actor:
        """The same for other rows: positions in these."""
        cores = self.cores[np.frombuffer(rows, np.int64)]
        return Actor(self._clocks, self.agent, cores, self.place)

    @cached_property
    def who(self) -> Any:
        """The numbers of the agents, as a column; the agent is an acting one."""
        return self._clocks.who[self.agent][self.cores][:, None]


@dataclass(frozen=True)
class Clash:
    """Accesses that nothing orders: the row and page of the first, and the earlier access."""

    row: int
    page: int
    rows: Flags
    other: Access


class Side:
    """The last access of one kind to every page: who (0: nobody), when, and at which place."""

    def __init__(self, clocks: Clocks, pages: int) -> None:
        self._clocks = clocks
        self._who = np.zeros(pages, np.int64)
        self._time = np.zeros(pages, np.int32)
        self._place = np.zeros(pages, np.int32)

    def of(self, page: int) -> tuple[int, int, int]:
        """(who, time, place) of a page's last access; who is 0 if there is none."""
        return int(self._who[page]), int(self._time[page]), int(self._place[page])

    def known(self, actor: Actor, ids: Any, *, own: bool) -> Any:
        """Per page whether the actor is after it; ``own``: or did it itself. None: all of it is."""
        who = self._who.take(ids)
        times = self._time.take(ids)
        good = self._clocks.reaches(actor.agent, actor.me, actor.rows, who, times)
        if np.count_nonzero(good) == good.size:
            return None
        if own:
            good |= who == actor.who
        return None if good.all() else good

    def clash(self, bad: Any, ids: Any, *, write: bool) -> Clash:
        """What some of the pages clash with."""
        row, column = (int(v) for v in np.argwhere(bad)[0])
        page = int(ids[row, column])
        who, _, place = self.of(page)
        other = Access(*self._clocks.named(who), place, write)
        return Clash(row, page, bad.any(axis=1), other)

    def put(self, actor: Actor, ids: Any, time: Any) -> None:
        """Remember an access."""
        self._who[ids] = actor.who
        self._time[ids] = time
        self._place[ids] = actor.place

    def lost(self, actor: Actor, ids: Any) -> Any:
        """The pages where another access of the step came after the one just put, if any."""
        stays = self._who.take(ids) == actor.who
        return None if np.count_nonzero(stays) == stays.size else ~stays

    def clear(self, ids: Any) -> None:
        """Forget."""
        self._who[ids] = 0
        self._time[ids] = 0

    def finish(self, actor: Actor, ids: Any, times: Any) -> None:
        """Transfers of an actor are complete at its ``times``, a row each."""
        hit = (self._who.take(ids) == actor.who) & (self._time.take(ids) == PENDING)
        count = np.count_nonzero(hit)
        if count == hit.size:
            self._time[ids] = times
        elif count:  # of a page's several readers only the last is here
            self._time[ids[hit]] = np.broadcast_to(times, ids.shape)[hit]


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

    def read(self, actor: Actor, ids: Any, time: Any = PENDING) -> Clash | None:
        """Remember reads, by default under way, or return what they clash with."""
        clash = self.after_writes(actor, ids)
        if clash:
            return clash
        self._set_aside(actor, ids)
        self.reads.put(actor, ids, time)
        lost = self.reads.lost(actor, ids)
        if lost is not None:  # several cores in one step
            whos, whens = (np.broadcast_to(one, ids.shape)[lost] for one in (actor.who, time))
            for page, who, when in zip(ids[lost].tolist(), whos.tolist(), whens.tolist(),
                                       strict=True):  # fmt: skip
                self.more.setdefault(page, {})[who] = when, actor.place
        return None

    def _set_aside(self, actor: Actor, ids: Any) -> None:
        """Keep the last reads which the actor's, about to replace them, are not after."""
        good = self.reads.known(actor, ids, own=True)
        if good is not None:
            for page in ids[~good].tolist():
                who, when, place = self.reads.of(page)
                self.more.setdefault(page, {})[who] = when, place

    def write(
        self, actor: Actor, ids: Any, time: Any = PENDING, *, own: bool = False
    ) -> Clash | None:
        """Remember writes, by default under way, or return what they clash with.

        ``own``: reads under way of the actor itself do not count.
        """
        clash = self.after_writes(actor, ids) or self.after_reads(actor, ids, own=own)
        if clash:
            return clash
        self.writes.put(actor, ids, time)
        self.reads.clear(ids)
        if self.more:
            for page in ids.reshape(-1).tolist():
                self.more.pop(page, None)
        return None

    def after_writes(self, actor: Actor, ids: Any) -> Clash | None:
        """The clash with earlier writes, or None. Transfers of the actor itself do not count."""
        good = self.writes.known(actor, ids, own=True)
        return None if good is None else self.writes.clash(~good, ids, write=True)

    def after_reads(self, actor: Actor, ids: Any, *, own: bool = False) -> Clash | None:
        """The clash of a write with earlier reads, or None."""
        good = self.reads.known(actor, ids, own=own)
        if good is not None:
            return self.reads.clash(~good, ids, write=False)
        return self._after_more(actor, ids, own=own) if self.more else None

    def _spots(self, ids: Any) -> list[tuple[int, int]]:
        """Row and page of those with more than one read."""
        return [
            (row, page)
            for row, pages in enumerate(ids.tolist())
            for page in pages
            if page in self.more
        ]

    def _after_more(self, actor: Actor, ids: Any, *, own: bool) -> Clash | None:
        reads = [
            (row, page, who, time, place)
            for row, page in self._spots(ids)
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

    def reads_done(self, actor: Actor, ids: Any, times: Any) -> None:
        """Reads of an agent are complete."""
        self.reads.finish(actor, ids, times)
        if self.more:
            for row, page in self._spots(ids):
                found, who = self.more[page], int(actor.who[row, 0])
                if who in found and found[who][0] == PENDING:
                    found[who] = int(times[row, 0]), found[who][1]
