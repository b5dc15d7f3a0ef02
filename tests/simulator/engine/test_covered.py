"""Accesses that an event covers are remembered as ordered, for exactly those who hear of it."""

from __future__ import annotations

import numpy as np

from simulator.engine.actors import Actor, Reach, Stamp
from simulator.engine.clocks import BRISC, GOING, NCRISC, Clocks, Event
from simulator.engine.lanes import LaneTable
from simulator.engine.releases import COVERED, Queue

CORES = 4
EVERY = (1 << CORES) - 1


def _setup() -> tuple[Clocks, Queue, Actor]:
    clocks = Clocks(CORES, LaneTable(), (BRISC, NCRISC), wide=True)
    return clocks, Queue(clocks, 1), Actor(clocks, BRISC, Reach(np.arange(CORES)), 0)


def test_only_who_hears_of_an_event_is_after_what_it_covers() -> None:
    """A part of the cores that hears makes no other core, and no other agent, be after anything."""
    clocks, queue, actor = _setup()
    stamp = Stamp(actor, clocks.time[BRISC].copy())
    every, some = clocks.table.of_mask(EVERY), clocks.table.of_mask(0b0110)
    queue.put(every, 0, 1, clocks.release(BRISC, every, (stamp,)))
    queue.join(NCRISC, some, 0)
    assert (stamp.by, stamp.heard) == (NCRISC, 0b0110)
    queue.join(BRISC, clocks.table.of_mask(0b1000), 0)
    assert (stamp.by, stamp.heard) == (BRISC, 0b1000)


def test_nobody_hears_of_what_is_under_way() -> None:
    """A transfer that no barrier waited for stays unordered, whatever event names it."""
    clocks, queue, actor = _setup()
    stamp, every = Stamp(actor, GOING), clocks.table.of_mask(EVERY)
    queue.put(every, 0, 1, clocks.release(BRISC, every, (stamp,)))
    queue.join(NCRISC, every, 0)
    assert stamp.heard == 0


def test_an_added_event_covers_what_the_one_before_did() -> None:
    """Who waits for several increments is after all of them, up to a number that is kept."""
    clocks, queue, actor = _setup()
    every = clocks.table.of_mask(EVERY)
    stamps = [Stamp(actor, clocks.time[BRISC].copy()) for _ in range(COVERED + 1)]
    for stamp in stamps:
        queue.add(every, clocks.knowledge(BRISC, every), stamp)
    queue.join(NCRISC, every, 0)
    assert [stamp.by for stamp in stamps] == [BRISC, *[NCRISC] * COVERED]


def test_an_event_of_nothing_covers_nothing() -> None:
    """Events that name no access, as those of circular buffers, leave all to the clocks."""
    clocks, queue, actor = _setup()
    stamp, every = Stamp(actor, clocks.time[BRISC].copy()), clocks.table.of_mask(EVERY)
    queue.put(every, 0, 1, Event(every, clocks.knowledge(BRISC, every)))
    queue.join(NCRISC, every, 0)
    assert (stamp.by, stamp.heard) == (BRISC, EVERY)
