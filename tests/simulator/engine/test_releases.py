"""Releases held by sets of cores: the same as a table of cores and slots would hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.clocks import BRISC, MATH, NCRISC, Clocks
from simulator.engine.lanes import LaneTable
from simulator.engine.releases import Queue
from simulator.engine.told import Told

CORES = 5
SLOTS = 3

_masks = st.integers(1, (1 << CORES) - 1)
_slots = st.lists(st.integers(0, SLOTS - 1), min_size=CORES, max_size=CORES)
_acts = st.lists(
    st.tuples(st.sampled_from(["put", "add", "forget", "join"]), _masks, _slots, st.booleans(),
              st.integers(1, SLOTS)),
    max_size=12,
)  # fmt: skip


@given(_acts)
def test_a_queue_holds_the_last_release_of_every_core_and_slot(acts: list[Any]) -> None:
    """Whatever sets of cores put, add, forget and join, each core learns what concerned it last."""
    clocks = Clocks(CORES, LaneTable(), (BRISC, NCRISC), wide=True)
    queue = Queue(clocks, SLOTS)
    table = np.zeros((CORES, SLOTS, clocks.width), np.int32)
    learned = clocks.known[MATH].copy()
    for what, mask, slots, alike, count in acts:
        lanes = clocks.table.of_mask(mask)
        slot: Any = slots[0] if alike else np.array(slots)[lanes.ids]
        at = np.broadcast_to(slot, lanes.n)
        if what == "put":
            event = clocks.release(BRISC, lanes)
            queue.put(lanes, slot, count, event)
            for row, core in enumerate(lanes.ids):
                table[core, (at[row] + np.arange(count)) % SLOTS] = event.known[row]
        if what == "add":
            event = clocks.release(NCRISC, lanes)
            queue.add(lanes, event.known)
            table[lanes.ids, 0] = np.maximum(table[lanes.ids, 0], event.known)
        if what == "forget":
            queue.forget(lanes)
            table[lanes.ids, 0] = 0
        if what == "join":
            queue.join(MATH, lanes, slot)
            learned[lanes.ids] = np.maximum(learned[lanes.ids], table[lanes.ids, at])
    np.testing.assert_array_equal(clocks.known[MATH], learned)


@given(_masks)
def test_a_release_knows_itself_and_nothing_later(mask: int) -> None:
    """A release holds its agent's own time, on its own cores alone, and every one a new time."""
    clocks = Clocks(CORES, LaneTable(), (BRISC, NCRISC), wide=True)
    lanes = clocks.table.of_mask(mask)
    first, second = clocks.release(BRISC, lanes), clocks.release(BRISC, lanes)
    own = np.arange(lanes.n), clocks.who[BRISC][lanes.ids]
    assert (first.known[own] == 1).all()
    assert (second.known[own] == 2).all()
    for event in (first, second):
        event.known[own] = 0
        assert not event.known.any()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, CORES - 1)), min_size=1, max_size=10))
def test_who_is_told_by_whom(pairs: list[tuple[int, int]]) -> None:
    """Of several senders a set leaves the last one's word, increments leave all of them."""
    rows, cores = (np.array(side, np.int64) for side in zip(*pairs, strict=True))
    known = np.random.default_rng(0).integers(0, 99, (4, 7)).astype(np.int32)
    table = LaneTable()
    told = Told.of(table, table.of_mask(0b1111), rows.tobytes(), cores.tobytes())
    assert told.lanes.ids.tolist() == sorted(set(cores.tolist()))
    last, together = known[told.last.ids], told.together(known[told.senders.ids])
    np.testing.assert_array_equal(last, known[told.ends])
    for at, core in enumerate(told.lanes.ids):
        senders = rows[cores == core]
        np.testing.assert_array_equal(last[at], known[senders[-1]])
        np.testing.assert_array_equal(together[at], known[senders].max(axis=0))


def test_releases_turn_with_their_slots() -> None:
    """What concerned the last slot concerns, a slot further on, the first."""
    clocks = Clocks(CORES, LaneTable(), (BRISC, NCRISC), wide=True)
    queue, lanes = Queue(clocks, SLOTS), clocks.table.of_mask(1)
    queue.put(lanes, SLOTS - 1, 1, clocks.release(BRISC, lanes))
    queue.turn(1)
    queue.join(NCRISC, lanes, SLOTS - 1)
    assert not clocks.knows(NCRISC, np.array([0]), clocks.who[BRISC][:1], 1)
    queue.join(NCRISC, lanes, 0)
    assert clocks.knows(NCRISC, np.array([0]), clocks.who[BRISC][:1], 1)
