"""Whether an access of L1 is after another: an answer for all cores of both at once."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Final, NamedTuple

import numpy as np

from simulator.engine.actors import Actor, Reach, Stamp
from simulator.engine.clocks import Clocks
from simulator.engine.lanes import Vector, ids_of

KEPT: Final = 1024
"""Meetings remembered."""


class Meeting(NamedTuple):
    """Rows of two accesses that touch the same core's memory.

    Attributes:
        rows: of the later one.
        others: of the earlier one.
        known: where the later one's clocks, laid flat, tell of the earlier one.
        whole: ``others`` are all rows there are, in order.
    """

    rows: Vector
    others: Vector
    known: Vector
    whole: bool


class Judge:
    """Whether accesses are after others."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self.meeting = lru_cache(KEPT)(partial(_meeting, clocks))
        self.replaces = lru_cache(KEPT)(_replaces)

    def late(
        self, actor: Actor, stamp: Stamp, mask: int, own: tuple[int, ...]
    ) -> tuple[Vector, Vector] | None:
        """Rows that are not after the stamp, on the cores of a mask, and whose that is, or None.

        What is under way of the actor itself, as one of ``own``, does not count.
        """
        before = stamp.actor
        same = stamp.kind in own and actor.agent == before.agent
        meeting = self.meeting(actor.reach, before.reach, mask, before.agent, same)
        if meeting is None:
            return None
        if stamp.time is None:
            return meeting.rows, before.cores[meeting.others]
        time = stamp.time if meeting.whole else stamp.time.take(meeting.others)
        late = self._clocks.flat[actor.agent].take(meeting.known) < time
        if 1 not in late.tobytes():
            return None
        return meeting.rows[late], before.cores[meeting.others[late]]


def _meeting(
    clocks: Clocks, mine: Reach, other: Reach, mask: int, agent: int, own: bool
) -> Meeting | None:
    """Where accesses meet on cores of a mask, the other being of ``agent``; None: nowhere.

    ``own``: not where it is the same core's, as its own.
    """
    here = mine.touched[:, None] == other.touched
    if mine.mask & ~mask:
        inside = np.zeros(clocks.cores, np.bool_)
        inside[ids_of(mask)] = True
        here &= inside[mine.touched][:, None]
    if own:
        here &= mine.cores[:, None] != other.cores
    rows, others = np.nonzero(here)
    if not len(rows):
        return None
    index = clocks.index(mine.cores[rows], agent, other.cores[others])
    return Meeting(rows, others, index, np.array_equal(others, np.arange(len(other.cores))))


def _replaces(new: Reach, old: Reach) -> bool:
    """Whether each row of the old is one of the new, too."""
    pairs = set(zip(new.cores.tolist(), new.touched.tolist(), strict=True))
    return pairs.issuperset(zip(old.cores.tolist(), old.touched.tolist(), strict=True))
