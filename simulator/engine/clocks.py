"""Vector clocks: what each agent of each core knows of the others.

Every agent counts its releases (pushes, pops, semaphore updates). To know another's count t is to
be ordered after all it did up to its release number t. The agents that touch L1 or DRAM are the two
data movement RISCs, unpack and pack; math comes last, as it reaches memory only through them and is
no side of any access: it passes on to pack what it learned from unpack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from simulator.engine.lanes import Lanes, LaneTable, Vector

if TYPE_CHECKING:
    from simulator.engine.values import Value

Times = npt.NDArray[np.int32]

AGENTS: Final = ("brisc", "ncrisc", "unpack", "pack", "math")
BRISC, NCRISC, UNPACK, PACK, MATH = range(5)
PENDING: Final = (1 << 31) - 1
"""Time of a transfer no barrier has waited for: nobody can know it."""
KEPT_EVENTS: Final = 64
"""Events of one queue after which those no page refers to are dropped."""


@dataclass(frozen=True)
class Event:
    """A release: what the agent knew, one row per lane."""

    lanes: Lanes
    known: Times


class Clocks:
    """The clocks of all agents. ``wide`` ones know other cores too: semaphores tell of them.

    Only the ``acting`` agents touch memory that is watched, so only they are known of; the others
    pass on what they know.

    Attributes:
        known: by agent, what each core's knows: a row per core, and a column per acting agent of
            every core (of its own core where clocks are not wide) after one for nobody, whose time
            is 0. What an agent did itself it knows, up to transfers under way.
        time: by agent, the number of each core's next release.
        who: by acting agent, a number for each core's that is its column in wide clocks.
    """

    def __init__(
        self, cores: int, table: LaneTable, acting: tuple[int, ...], *, wide: bool
    ) -> None:
        self.cores = cores
        self.wide = wide
        self.table = table
        self.acting = acting
        stride = self.stride = len(acting)
        self.known: list[Times] = [
            np.zeros((cores, 1 + stride * (cores if wide else 1)), np.int32) for _ in AGENTS
        ]
        self.time: list[Times] = [np.ones(cores, np.int32) for _ in AGENTS]
        self.who: dict[int, Vector] = {}
        self._own: dict[int, Vector] = {}
        every = np.arange(cores)
        for column, agent in enumerate(acting, 1):
            self.who[agent] = every * stride + column
            self._own[agent] = self.who[agent] if wide else np.full(cores, column)
            self.known[agent][every, self._own[agent]] = PENDING - 1

    def named(self, who: int) -> tuple[int, int]:
        """(core, agent) of a number; core -1 for nobody."""
        core, column = divmod(who - 1, self.stride)
        return core, self.acting[column]

    def release(self, agent: int, lanes: Lanes) -> Event:
        """What the agent knows now, itself included; what it does from here on is not in it."""
        ids = lanes.ids
        every = lanes.n == self.cores
        known: Any = self.known[agent].copy() if every else self.known[agent][ids]
        own = self._own.get(agent)
        if own is not None:
            time = self.time[agent]
            known[np.arange(lanes.n), own[ids]] = time[ids]
            time[ids] += 1
        return Event(lanes, known)

    def learn(self, agent: int, lanes: Lanes, known: Times) -> None:
        """The agent knows what ``known`` holds, a row per lane."""
        mine = self.known[agent]
        if lanes.n == self.cores:
            np.maximum(mine, known, out=mine)
        else:
            mine[lanes.ids] = np.maximum(mine[lanes.ids], known)

    def join(self, agent: int, lanes: Lanes, event: Event) -> None:
        """The agent is after an event of (at least) these lanes."""
        known = event.known
        if event.lanes is not lanes:
            known = known[self.table.rows(lanes, event.lanes)]
        self.learn(agent, lanes, known)

    def knows(self, agent: int, me: Any, who: Any, time: Any) -> Any:
        """Whether ``agent`` of cores ``me`` is after ``time`` of agents ``who``.

        Everyone is after nobody (0). An agent is after what it did itself, but not after its own
        transfers under way.
        """
        known = self.known[agent]
        if self.wide:
            return known[me, who] >= time
        column = who - me * self.stride
        here = (column > 0) & (column <= self.stride)
        return (here & (known[me, np.where(here, column, 0)] >= time)) | (who == 0)


class Queue:
    """The last release that concerned each slot of a circular buffer (or of DST)."""

    def __init__(self, clocks: Clocks, slots: int) -> None:
        self._clocks = clocks
        self._last = np.zeros((clocks.cores, slots), np.int64)
        self._events: dict[int, Event] = {}
        self._created = 0

    def put(self, lanes: Lanes, slot: Value, count: int, event: Event) -> None:
        """An event that concerns ``count`` slots from ``slot`` on."""
        self._created += 1
        self._events[self._created] = event
        depth = self._last.shape[1]
        if isinstance(slot, int) and lanes.n == self._clocks.cores and slot + count <= depth:
            self._last[:, slot : slot + count] = self._created
        else:
            slots = (np.reshape(slot, (-1, 1)) + np.arange(count)) % depth
            self._last[lanes.ids[:, None], slots] = self._created
        if len(self._events) > KEPT_EVENTS + depth:
            alive = set(np.unique(self._last).tolist())
            self._events = {n: item for n, item in self._events.items() if n in alive}

    def join(self, agent: int, lanes: Lanes, slot: Value) -> None:
        """``agent`` is after what concerned ``slot`` last."""
        numbers = self._last[lanes.ids, slot]
        first = int(numbers[0])
        if (numbers == first).all():
            if first:
                self._clocks.join(agent, lanes, self._events[first])
            return
        for number in np.unique(numbers).tolist():
            if number:
                some = self._clocks.table.of_ids(lanes.ids[numbers == number])
                self._clocks.join(agent, some, self._events[number])
