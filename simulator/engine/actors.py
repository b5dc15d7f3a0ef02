"""Who accesses memory, and whose: the sides of a race."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.engine.clocks import COMING, Clocks, Times
from simulator.engine.lanes import Vector, mask_of

KEPT: Final = 64
"""Patterns of rows an actor remembers."""
Flags = npt.NDArray[np.bool_]


class Access(NamedTuple):
    """One side of a race."""

    core: int
    agent: int
    place: int
    write: bool


class Clash(Exception):  # noqa: N818 - it is a finding on its way
    """Accesses that nothing orders: the row and page of the first, and the earlier access."""

    def __init__(self, row: int, page: int, rows: Flags, other: Access) -> None:
        super().__init__()
        self.row = row
        self.page = page
        self.rows = rows
        self.other = other


class Reach:
    """Cores and the cores whose L1 they touch, a row each; compared by identity.

    Attributes:
        home: whether every core touches its own.
        mask: bits of the cores touched.
    """

    def __init__(self, cores: Vector, touched: Vector | None = None) -> None:
        self.cores = cores
        self.touched = cores if touched is None else touched
        self.home = touched is None
        self.mask = mask_of(self.touched)


class Actor:
    """Who accesses: an agent of some cores, one per row of pages, at a place of its program.

    Attributes:
        cores: the cores.
        reach: whose L1 they touch, by default their own.
    """

    def __init__(self, clocks: Clocks, agent: int, reach: Reach, place: int) -> None:
        self.agent = agent
        self.cores = reach.cores
        self.reach = reach
        self.place = place
        self.home = reach.home
        self._clocks = clocks
        self._others: dict[tuple[bytes, bytes | None], Actor] = {}

    def of(self, rows: bytes, touched: bytes | None = None) -> Actor:
        """The same for other rows: positions in these, and the cores each touches."""
        found = self._others.get((rows, touched))
        if found is None:
            cores = self.cores[np.frombuffer(rows, np.int64)]
            reach = Reach(cores, None if touched is None else np.frombuffer(touched, np.int64))
            found = Actor(self._clocks, self.agent, reach, self.place)
            if len(self._others) < KEPT:
                self._others[rows, touched] = found
        return found

    @cached_property
    def me(self) -> Any:
        """The cores, as a column."""
        return self.cores[:, None]

    @cached_property
    def rows(self) -> Any:
        """Where their rows of the clocks begin, as a column."""
        return self.me * self._clocks.width

    @cached_property
    def who(self) -> Any:
        """The numbers of the agents, as a column; the agent is an acting one."""
        return self._clocks.who[self.agent][self.cores][:, None]


class Stamp:
    """One access of L1 by all rows of an actor.

    Attributes:
        kind: as what it began under way, 0 if it was complete at once.
        done: whether all rows are complete.
        time: when, a time per row; None while all are under way.
        heard: bits of the cores whose own agent ``by`` is known to be after it.
    """

    __slots__ = ("actor", "by", "done", "heard", "kind", "time")

    def __init__(self, actor: Actor, time: Times | int) -> None:
        self.actor = actor
        self.by = actor.agent
        self.heard = 0
        self.time: Times | None = None
        if isinstance(time, int):
            self.kind = time
            self.done = False
        else:
            self.kind = 0
            self._complete(time)

    def _complete(self, time: Times) -> None:
        """All rows are."""
        actor = self.actor
        self.time = time
        self.done = True
        if actor.home:
            self.by, self.heard = actor.agent, actor.reach.mask

    def hear(self, agent: int, mask: int) -> None:
        """``agent`` of the cores of a mask is known to be after it."""
        if not self.done:
            return
        if self.by == agent:
            self.heard |= mask
        else:
            self.by, self.heard = agent, mask

    @property
    def cores(self) -> Vector:
        """Who made it."""
        return self.actor.cores

    def finish(self, times: Times, rows: Vector | None = None) -> None:
        """It is complete, or some rows are, at their cores' times; what was complete stays so."""
        if self.done:
            return
        done = times.take(self.actor.cores)
        if self.time is None and rows is None:
            self._complete(done)
            return
        before = np.full(len(done), self.kind, np.int32) if self.time is None else self.time
        ends = before == self.kind
        if rows is not None:
            ends[np.setdiff1d(np.arange(len(done)), rows)] = False
        self.time = np.where(ends, done, before)
        if (self.time < COMING).all():
            self._complete(self.time)
