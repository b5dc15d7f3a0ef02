"""Who touched which page last: one write, and the reads since that nothing orders.

A page is a tensor's page, or a slot of a circular buffer on one core. Checks are those of FastTrack
(one epoch for the last write and, usually, for the last read).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.engine.clocks import PENDING, Clocks
from simulator.engine.lanes import Vector

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
    """The last access of one kind to every page."""

    def __init__(self, pages: int) -> None:
        self.core = np.full(pages, -1, np.int32)
        self.agent = np.zeros(pages, np.int8)
        self.time = np.zeros(pages, np.int32)
        self.place = np.zeros(pages, np.int32)

    def known(self, clocks: Clocks, actor: Actor, ids: Any) -> Any:
        """Per page whether the actor is after it."""
        me = actor.cores[:, None]
        return clocks.knows(actor.agent, me, self.core[ids], self.agent[ids], self.time[ids])

    def own(self, actor: Actor, ids: Any) -> Any:
        """Per page whether the actor did it itself."""
        return (self.core[ids] == actor.cores[:, None]) & (self.agent[ids] == actor.agent)

    def put(self, actor: Actor, ids: Any, time: Any) -> None:
        """Remember an access."""
        self.core[ids] = actor.cores[:, None]
        self.agent[ids], self.time[ids], self.place[ids] = actor.agent, time, actor.place

    def finish(self, cores: Any, agent: int, ids: Any, times: Any) -> None:
        """Transfers of an agent are complete at its ``times``."""
        hit = (self.core[ids] == cores) & (self.agent[ids] == agent) & (self.time[ids] == PENDING)
        self.time[ids[hit]] = np.broadcast_to(times, ids.shape)[hit]


class Records:
    """The accesses of one tensor, or one circular buffer on all cores."""

    def __init__(self, clocks: Clocks, pages: int) -> None:
        self.clocks = clocks
        self.writes = Side(pages)
        self.reads = Side(pages)
        self.more: dict[int, dict[tuple[int, int], tuple[int, int]]] = {}

    def after_writes(self, actor: Actor, ids: Any, *, own: bool = True) -> Clash | None:
        """The clash of a read, or None. ``own``: transfers of the actor itself do not count."""
        good = self.writes.known(self.clocks, actor, ids)
        if own:
            good |= self.writes.own(actor, ids)
        return None if good.all() else self._clash(self.writes, ~good, ids, write=True)

    def after_reads(self, actor: Actor, ids: Any, *, own: bool = False) -> Clash | None:
        """The clash of a write with earlier reads, or None."""
        good = self.reads.known(self.clocks, actor, ids)
        if own:
            good |= self.reads.own(actor, ids)
        if not good.all():
            return self._clash(self.reads, ~good, ids, write=False)
        return self._after_more(actor, ids, own=own) if self.more else None

    def _after_more(self, actor: Actor, ids: Any, *, own: bool) -> Clash | None:
        for row, column in np.argwhere(np.isin(ids, list(self.more))).tolist():
            page, me = int(ids[row, column]), int(actor.cores[row])
            for (core, agent), (time, place) in self.more[page].items():
                mine = own and (core, agent) == (me, actor.agent)
                if not mine and not self.clocks.knows(actor.agent, me, core, agent, time):
                    rows = np.zeros(len(ids), np.bool_)
                    rows[row] = True
                    return Clash(row, page, rows, Access(core, agent, place, write=False))
        return None

    def _clash(self, side: Side, bad: Any, ids: Any, *, write: bool) -> Clash:
        row, column = (int(v) for v in np.argwhere(bad)[0])
        page = int(ids[row, column])
        other = Access(int(side.core[page]), int(side.agent[page]), int(side.place[page]), write)
        return Clash(row, page, bad.any(axis=1), other)

    def read(self, actor: Actor, ids: Any) -> None:
        """Remember reads under way."""
        reads = self.reads
        lost = ~(reads.known(self.clocks, actor, ids) | reads.own(actor, ids))
        for page in ids[lost].tolist():
            key = int(reads.core[page]), int(reads.agent[page])
            kept = int(reads.time[page]), int(reads.place[page])
            self.more.setdefault(page, {})[key] = kept
        reads.put(actor, ids, PENDING)
        for row, column in np.argwhere(~reads.own(actor, ids)).tolist():  # several in one step
            key = int(actor.cores[row]), actor.agent
            self.more.setdefault(int(ids[row, column]), {})[key] = PENDING, actor.place

    def write(self, actor: Actor, ids: Any, time: Any = PENDING) -> Flags:
        """Remember writes that were checked; returns rows another row's write overlapped."""
        self.writes.put(actor, ids, time)
        self.reads.core[ids] = -1
        if self.more:
            for page in ids.reshape(-1).tolist():
                self.more.pop(page, None)
        lost: Flags = (~self.writes.own(actor, ids)).any(axis=1)
        return lost

    def reads_done(self, cores: Any, agent: int, ids: Any, times: Any) -> None:
        """Reads of an agent are complete."""
        self.reads.finish(cores, agent, ids, times)
        if self.more:
            wide = np.broadcast_to(cores, ids.shape)
            whens = np.broadcast_to(times, ids.shape)
            for at in np.argwhere(np.isin(ids, list(self.more))).tolist():
                spot = tuple(at)
                found, key = self.more[int(ids[spot])], (int(wide[spot]), agent)
                if key in found and found[key][0] == PENDING:
                    found[key] = int(whens[spot]), found[key][1]
