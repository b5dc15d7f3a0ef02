"""Who touched which page last: one write, and the reads since that nothing orders.

These are pages of tensors, of which every core has its own ones; for L1 see
:mod:`~simulator.engine.ledger`. Checks are those of FastTrack (one epoch for the last write and,
usually, for the last read).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.engine.actors import Access, Actor, Clash
from simulator.engine.clocks import COMING, GOING, Clocks, Times
from simulator.engine.lanes import Vector


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

    def known(self, actor: Actor, ids: Any, own: tuple[int, ...] = ()) -> Any:
        """Per page whether the actor is after it, or has it under way itself as one of ``own``.

        None: all of it is.
        """
        who = self._who.take(ids)
        times = self._time.take(ids)
        good = self._clocks.reaches(actor.agent, actor.me, actor.rows, who, times)
        if np.count_nonzero(good) == good.size:
            return None
        for kind in own:
            good |= (who == actor.who) & (times == kind)
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

    def finish(self, actor: Actor, ids: Any, times: Any, kind: int) -> None:
        """Transfers of a kind of an actor are complete at its ``times``, a row each."""
        hit = (self._who.take(ids) == actor.who) & (self._time.take(ids) == kind)
        count = np.count_nonzero(hit)
        if count == hit.size:
            self._time[ids] = times
        elif count:  # of a page's several readers only the last is here
            self._time[ids[hit]] = np.broadcast_to(times, ids.shape)[hit]


class Records:
    """The accesses of one tensor.

    Attributes:
        more: reads beside the last one of a page that nothing orders: (time, place) by who.
    """

    def __init__(self, clocks: Clocks, pages: int) -> None:
        self.clocks = clocks
        self.writes = Side(clocks, pages)
        self.reads = Side(clocks, pages)
        self.more: dict[int, dict[int, tuple[int, int]]] = {}

    def read(self, actor: Actor, ids: Any, time: int) -> None:
        """Remember reads under way.

        Raises:
            Clash: what they clash with.
        """
        self.after_writes(actor, ids)
        self._set_aside(actor, ids)
        self.reads.put(actor, ids, time)
        lost = self.reads.lost(actor, ids)
        if lost is not None:  # several cores in one step
            whos, whens = (np.broadcast_to(one, ids.shape)[lost] for one in (actor.who, time))
            for page, who, when in zip(ids[lost].tolist(), whos.tolist(), whens.tolist(),
                                       strict=True):  # fmt: skip
                self.more.setdefault(page, {})[who] = when, actor.place

    def _set_aside(self, actor: Actor, ids: Any) -> None:
        """Keep the last reads which the actor's, about to replace them, are not after."""
        good = self.reads.known(actor, ids, (COMING,))
        if good is not None:
            for page in ids[~good].tolist():
                who, when, place = self.reads.of(page)
                self.more.setdefault(page, {})[who] = when, place

    def write(self, actor: Actor, ids: Any, time: int) -> None:
        """Remember writes under way, after the actor's own in the same manner: they keep order.

        Raises:
            Clash: what they clash with.
        """
        self.after_writes(actor, ids, (time,))
        self._after_reads(actor, ids)
        self.writes.put(actor, ids, time)
        self.reads.clear(ids)
        if self.more:
            for page in ids.reshape(-1).tolist():
                self.more.pop(page, None)

    def after_writes(self, actor: Actor, ids: Any, own: tuple[int, ...] = ()) -> None:
        """Raise the clash with earlier writes; ``own`` transfers under way do not count."""
        good = self.writes.known(actor, ids, own)
        if good is not None:
            raise self.writes.clash(~good, ids, write=True)

    def _after_reads(self, actor: Actor, ids: Any) -> None:
        """Raise the clash of a write with earlier reads."""
        good = self.reads.known(actor, ids)
        if good is not None:
            raise self.reads.clash(~good, ids, write=False)
        if self.more:
            self._after_more(actor, ids)

    def _spots(self, ids: Any) -> list[tuple[int, int]]:
        """Row and page of those with more than one read."""
        return [
            (row, page)
            for row, pages in enumerate(ids.tolist())
            for page in pages
            if page in self.more
        ]

    def _after_more(self, actor: Actor, ids: Any) -> None:
        reads = [
            (row, page, who, time, place)
            for row, page in self._spots(ids)
            for who, (time, place) in self.more[page].items()
        ]
        if not reads:
            return
        rows, _, whos, times, _ = np.array(reads, np.int64).T
        good = self.clocks.knows(actor.agent, actor.cores[rows], whos, times)
        if np.count_nonzero(good) == good.size:
            return
        row, page, who, _, place = reads[int(np.argmin(good))]
        bad = np.zeros(len(ids), np.bool_)
        bad[row] = True
        raise Clash(row, page, bad, Access(*self.clocks.named(who), place, write=False))

    def reads_done(self, actor: Actor, ids: Any, times: Any) -> None:
        """Reads of an agent are complete."""
        self.reads.finish(actor, ids, times, COMING)
        if self.more:
            for row, page in self._spots(ids):
                found, who = self.more[page], int(actor.who[row, 0])
                if who in found and found[who][0] == COMING:
                    found[who] = int(times[row, 0]), found[who][1]


@dataclass(frozen=True)
class Touch:
    """One access of pages (rows, n) of a tensor."""

    records: Records
    actor: Actor
    ids: Any
    write: bool

    @property
    def cores(self) -> Vector:
        """Who made it."""
        return self.actor.cores

    def finish(self, times: Times, rows: Vector | None = None) -> None:
        """It is complete, or some rows are, at their cores' times."""
        actor, ids = self.actor, self.ids
        if rows is not None:
            actor, ids = actor.of(rows.tobytes()), ids[rows]
        when = times[actor.me]
        if self.write:
            self.records.writes.finish(actor, ids, when, GOING)
        else:
            self.records.reads_done(actor, ids, when)
