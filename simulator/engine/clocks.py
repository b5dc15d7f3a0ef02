"""Vector clocks: what each agent of each core knows of the others.

Every agent counts its releases (pushes, pops, semaphore updates). To know another's count t is to
be ordered after all it did up to its release number t. The agents that touch L1 or DRAM are the two
data movement RISCs, unpack and pack; math comes last, as it reaches memory only through them and is
no side of any access: it passes on to pack what it learned from unpack.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from simulator.engine.lanes import Lanes, LaneTable, Vector

Times = npt.NDArray[np.int32]

AGENTS: Final = ("brisc", "ncrisc", "unpack", "pack", "math")
AGENT: Final = MappingProxyType({name: number for number, name in enumerate(AGENTS)})
BRISC, NCRISC, UNPACK, PACK, MATH = range(5)
GOING: Final = (1 << 31) - 1
"""Time of a NoC write that no barrier has waited for: nobody can know it."""
COMING: Final = GOING - 1
"""The same of a NoC read. Nothing orders reads and writes of the NoC but their barriers."""


class Covered(Protocol):
    """An access that whoever hears of an event is after."""

    def hear(self, agent: int, mask: int) -> None:
        """``agent`` of the cores of a mask is after it."""


class Event(NamedTuple):
    """A release: what the agent knew, one row per lane.

    Attributes:
        covers: accesses of the lanes' memory that ``known`` tells of, none of them left out on any
            lane: whoever learns this needs no other proof of their order.
    """

    lanes: Lanes
    known: Times
    covers: tuple[Covered, ...] = ()


class Members:
    """Cores in any order, some perhaps several times; compared by identity."""

    def __init__(self, ids: Vector) -> None:
        self.ids = self.index = ids


class Clocks:
    """The clocks of all agents. ``wide`` ones know other cores too: semaphores tell of them.

    Only the ``acting`` agents touch memory that is watched, so only they are known of; the others
    pass on what they know. Of those ``alone`` wide clocks need no column: nobody hears of them, nor
    they of anybody.

    Attributes:
        known: by agent, what each core's knows: a row per core, and a column per acting agent of
            every core (of its own core where clocks are not wide) after one for nobody, whose time
            is 0. What an agent did itself it knows, up to transfers under way.
        width: columns of ``known``.
        time: by agent, the number of each core's next release.
        who: by acting agent, a number for each core's that is its column in wide clocks, or is
            beyond the columns.
        flat: ``known``, each agent's laid flat.
    """

    def __init__(
        self, cores: int, table: LaneTable, acting: tuple[int, ...], alone: tuple[int, ...] = (),
        *, wide: bool,
    ) -> None:  # fmt: skip
        self.cores = cores
        self.wide = wide
        self.table = table
        self.alone = alone = alone if wide else ()
        acting = self.acting = tuple(agent for agent in acting if agent not in alone)
        stride = self.stride = len(acting)
        self.known: list[Times] = [
            np.zeros((cores, 1 + stride * (cores if wide else 1)), np.int32) for _ in AGENTS
        ]
        self.time: list[Times] = [np.ones(cores, np.int32) for _ in AGENTS]
        self.width = self.known[0].shape[1]
        self.who: dict[int, Vector] = {}
        self.flat = [known.reshape(-1) for known in self.known]
        self._own: dict[int, Vector] = {}
        self._steps: dict[Lanes, Times] = {}
        self._views: dict[tuple[int, Lanes], Times | None] = {}
        self._diagonals: dict[tuple[int, Lanes | Members], Vector] = {}
        every = np.arange(cores)
        for column, agent in enumerate(acting, 1):
            self.who[agent] = every * stride + column
            self._own[agent] = self.who[agent] if wide else np.full(cores, column)
            self.known[agent][every, self._own[agent]] = COMING - 1
        for column, agent in enumerate(alone):
            self.who[agent] = self.width + every * len(alone) + column

    def named(self, who: int) -> tuple[int, int]:
        """(core, agent) of a number; core -1 for nobody."""
        agents, number = self.acting, who - 1
        if self.wide and who >= self.width:
            agents, number = self.alone, who - self.width
        core, column = divmod(number, len(agents))
        return core, agents[column]

    def release(self, agent: int, lanes: Lanes, covers: tuple[Covered, ...] = ()) -> Event:
        """What the agent knows now, itself included; what it does from here on is not in it."""
        event = Event(lanes, self.knowledge(agent, lanes), covers)
        self.advance(agent, lanes)
        return event

    def knowledge(self, agent: int, members: Lanes | Members) -> Times:
        """What the agent of some cores knows now, itself included, a row each."""
        index, mine = members.index, self.known[agent]
        known = mine[index].copy() if type(index) is slice else mine.take(members.ids, 0)
        if agent in self._own:
            known.reshape(-1)[self._diagonal(agent, members)] = self.time[agent][index]
        return known

    def advance(self, agent: int, lanes: Lanes) -> None:
        """What the agent does from here on is in none of its releases so far."""
        if agent in self._own:
            steps = self._steps.get(lanes)
            if steps is None:
                steps = self._steps[lanes] = np.zeros(self.cores, np.int32)
                steps[lanes.ids] = 1
            np.add(self.time[agent], steps, out=self.time[agent])

    def _diagonal(self, agent: int, members: Lanes | Members) -> Vector:
        """Where knowledge, laid flat, holds the agent's own time."""
        key = agent, members
        found = self._diagonals.get(key)
        if found is None:
            found = np.arange(len(members.ids)) * self.width + self._own[agent][members.ids]
            self._diagonals[key] = found
        return found

    def learn(self, agent: int, lanes: Lanes, known: Times) -> None:
        """The agent knows what ``known`` holds, a row per lane."""
        view = self._view(agent, lanes)
        if view is not None:
            known = known.reshape(view.shape)
            np.maximum(view, known, out=view)
        else:
            mine = self.known[agent]
            mine[lanes.ids] = np.maximum(mine.take(lanes.ids, 0), known)

    def _view(self, agent: int, lanes: Lanes) -> Times | None:
        """The cores' rows of ``known`` where they lie, None if they are not evenly spaced runs.

        A rectangle of a grid is: runs of equal length. The view has an axis of its own for those.
        """
        key = agent, lanes
        if key not in self._views:
            ids, mine, view = lanes.ids, self.known[agent], None
            if type(lanes.index) is slice:
                view = mine[lanes.index]
            else:
                breaks = np.flatnonzero(np.diff(ids) != 1)
                run = int(breaks[0]) + 1
                if len(ids) % run == 0:
                    runs, gap = len(ids) // run, int(ids[run] - ids[0])
                    even = ids[0] + gap * np.arange(runs)[:, None] + np.arange(run)
                    if np.array_equal(even.reshape(-1), ids):
                        row, item = mine.strides
                        view = as_strided(
                            mine[ids[0] :], (runs, run, self.width), (gap * row, row, item)
                        )
            self._views[key] = view
        return self._views[key]

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
        return self.reaches(agent, me, me * self.width, who, time)

    def reaches(self, agent: int, me: Any, rows: Any, who: Any, time: Any) -> Any:
        """The same where the cores' rows begin at ``rows`` of the agent's array, laid flat."""
        if self.wide and not self.alone:
            return self.flat[agent].take(rows + who) >= time
        if self.wide:
            known = who < self.width
            after = known & (self.flat[agent].take(rows + np.where(known, who, 0)) >= time)
            if agent in self.alone:
                after |= (who == self.who[agent][me]) & (time < COMING)
            return after
        column = who - me * self.stride
        here = (column > 0) & (column <= self.stride)
        held = self.flat[agent].take(rows + np.where(here, column, 0))
        return (here & (held >= time)) | (who == 0)

    def index(self, me: Vector, agent: int, cores: Vector) -> Any:
        """Where ``flat`` has what cores ``me`` know of an acting agent of ``cores``."""
        column = self._own[agent][cores]
        return me * self.width + (column if self.wide else np.where(me == cores, column, 0))
