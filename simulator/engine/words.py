"""Who changed a semaphore last: on every core one set, and the increments since.

Increments do not clash with each other, so there may be one of each agent that nothing orders. A
set must be after all of them, for it may undo them, and an increment after the last set.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.engine.clocks import Clocks
from simulator.engine.lanes import Lanes
from simulator.engine.records import Access, Actor, Clash, Side


class Word:
    """The changes of one semaphore on all cores. Its clocks are wide ones.

    Where an agent of the own core made the last set, that agent is after it: no clock is asked.
    """

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._sets = Side(clocks, clocks.cores)
        shape = clocks.cores, clocks.width
        self._times, self._places = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        self._raised = 0
        self._mine = dict.fromkeys(clocks.acting, (1 << clocks.cores) - 1)

    def set(self, actor: Actor, lanes: Lanes, ids: Any, time: Any, *, home: bool) -> Clash | None:
        """Cores' word is set, or the clash; ``ids`` is a column of the cores, the ``lanes``.

        ``home``: each core sets its own.
        """
        clash = None
        if not home or lanes.mask & ~self._mine[actor.agent]:
            clash = self._after_set(actor, ids)
        if clash is None and self._raised & lanes.mask:
            clash = self._after_increments(actor, ids[:, 0])
        if clash is None:
            self._sets.put(actor, ids, time)
            for agent, mine in self._mine.items():
                own = home and agent == actor.agent
                self._mine[agent] = mine | lanes.mask if own else mine & ~lanes.mask
            if self._raised & lanes.mask:
                self._times[lanes.index] = 0
                self._raised &= ~lanes.mask
        return clash

    def increment(self, actor: Actor, lanes: Lanes, ids: Any, time: Any) -> Clash | None:
        """Cores' word is incremented, or the clash."""
        clash = self._after_set(actor, ids)
        if clash is None:
            self._times[ids, actor.who] = time
            self._places[ids, actor.who] = actor.place
            self._raised |= lanes.mask
        return clash

    def _after_set(self, actor: Actor, ids: Any) -> Clash | None:
        good = self._sets.known(actor, ids, own=True)
        return None if good is None else self._sets.clash(~good, ids, write=True)

    def _after_increments(self, actor: Actor, words: Any) -> Clash | None:
        late = self._times.take(words, 0) > self._clocks.known[actor.agent].take(actor.cores, 0)
        if not np.count_nonzero(late):
            return None
        row, who = (int(v) for v in np.argwhere(late)[0])
        word = int(words[row])
        other = Access(*self._clocks.named(who), int(self._places[word, who]), write=False)
        return Clash(row, word, late.any(axis=1), other)
