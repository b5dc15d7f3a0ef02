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

AGENT: Final = 31
CORE: Final = 33
PLACE: Final = 45
CORES: Final = (1 << PLACE - CORE) - 1
WHO: Final = (1 << PLACE) - 1
"""Bits of an access: 31 of time, 2 of agent, 12 of core + 1, the rest its place."""

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
    """The last access of one kind to every page, packed: place, core + 1, agent, time."""

    def __init__(self, pages: int) -> None:
        self._last = np.zeros(pages, np.int64)

    def of(self, page: int) -> tuple[int, int, int, int]:
        """(core, agent, time, place) of a page's last access; core -1 if there is none."""
        last = int(self._last[page])
        agent, core = last >> AGENT & 3, (last >> CORE & CORES) - 1
        return core, agent, last & PENDING, last >> PLACE

    def known(self, clocks: Clocks, actor: Actor, ids: Any, *, own: bool) -> Any:
        """Per page whether the actor is after it; ``own``: or did it itself."""
        last = self._last[ids]
        core, agent = (last >> CORE & CORES) - 1, last >> AGENT & 3
        me = actor.cores[:, None]
        good = clocks.knows(actor.agent, me, core, agent, last & PENDING)
        if own:
            good |= (core == me) & (agent == actor.agent)
        return good

    def put(self, actor: Actor, ids: Any, time: Any) -> Any:
        """Remember an access; returns the pages where another of this step came after it."""
        who = actor.place << PLACE | (actor.cores[:, None] + 1) << CORE | actor.agent << AGENT
        value = who | time
        self._last[ids] = value
        return self._last[ids] != value

    def clear(self, ids: Any) -> None:
        """Forget."""
        self._last[ids] = 0

    def finish(self, cores: Any, agent: int, ids: Any, times: Any) -> None:
        """Transfers of an agent are complete at its ``times``, a row each."""
        last = self._last[ids]
        under_way = (cores + 1) << CORE | agent << AGENT | PENDING
        hit = (last & WHO) == under_way
        done = last - PENDING + times
        self._last[ids[hit]] = done[hit]


class Records:
    """The accesses of one tensor, or one circular buffer on all cores."""

    def __init__(self, clocks: Clocks, pages: int) -> None:
        self.clocks = clocks
        self.writes = Side(pages)
        self.reads = Side(pages)
        self.more: dict[int, dict[tuple[int, int], tuple[int, int]]] = {}

    def after_writes(self, actor: Actor, ids: Any, *, own: bool = True) -> Clash | None:
        """The clash of a read, or None. ``own``: transfers of the actor itself do not count."""
        good = self.writes.known(self.clocks, actor, ids, own=own)
        return None if good.all() else self._clash(self.writes, ~good, ids, write=True)

    def after_reads(self, actor: Actor, ids: Any, *, own: bool = False) -> Clash | None:
        """The clash of a write with earlier reads, or None."""
        good = self.reads.known(self.clocks, actor, ids, own=own)
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
        core, agent, _, place = side.of(page)
        return Clash(row, page, bad.any(axis=1), Access(core, agent, place, write))

    def read(self, actor: Actor, ids: Any) -> None:
        """Remember reads under way."""
        reads = self.reads
        good = reads.known(self.clocks, actor, ids, own=True)
        if not good.all():
            for page in ids[~good].tolist():
                core, agent, time, place = reads.of(page)
                self.more.setdefault(page, {})[core, agent] = time, place
        lost = reads.put(actor, ids, PENDING)
        if lost.any():  # several cores in one step
            for row, column in np.argwhere(lost).tolist():
                key = int(actor.cores[row]), actor.agent
                self.more.setdefault(int(ids[row, column]), {})[key] = PENDING, actor.place

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
                found, key = self.more[int(ids[spot])], (int(wide[spot]), agent)
                if key in found and found[key][0] == PENDING:
                    found[key] = int(whens[spot]), found[key][1]
