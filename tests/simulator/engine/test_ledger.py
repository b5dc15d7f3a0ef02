"""Accesses kept as a whole: the same verdicts as a table of every core's units would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.engine.actors import Actor, Clash, Reach, Stamp
from simulator.engine.clocks import BRISC, COMING, GOING, NCRISC, Clocks
from simulator.engine.judge import Judge
from simulator.engine.lanes import LaneTable
from simulator.engine.ledger import Ledger

CORES = 3
UNITS = 3
GRAIN = 16

DOES: Any = {
    # what is done: as what it is under way, and which own writes and reads under way do not count
    "fetch": (COMING, (), ()),
    "send": (GOING, (COMING,), ()),
    "deliver": (GOING, (GOING,), (GOING,)),
    "fill": (COMING, (COMING,), ()),
    "take": (0, (GOING, COMING), ()),
    "push": (0, (COMING,), ()),
}
READS = ("fetch", "send")
WRITES = ("deliver", "fill")

_cores = st.integers(0, CORES - 1)
_acts = st.lists(
    st.tuples(
        st.sampled_from([*DOES, "tell", "tell", "tell"]),
        st.sampled_from([BRISC, NCRISC]),
        st.lists(_cores, min_size=CORES, max_size=CORES),
        st.integers(1, (1 << CORES) - 1),
        st.booleans(),
        st.lists(st.integers(0, UNITS - 1), min_size=CORES, max_size=CORES),
        st.integers(1, UNITS),
        st.sampled_from([(GOING, COMING), (GOING,), (COMING,), ()]),
    ),
    max_size=25,
)


class _Table:
    """Every core's units: writes since the last complete one, and reads since.

    Each as [agent, core, time, kind it began as].
    """

    def __init__(self, clocks: Clocks) -> None:
        self.clocks = clocks
        self.writes: dict[tuple[int, int], list[list[int]]] = {}
        self.reads: dict[tuple[int, int], list[list[int]]] = {}

    def late(self, agent: int, core: int, earlier: list[list[int]], own: tuple[int, ...]) -> bool:
        """Whether the agent of the core is not after all of these."""
        return any(
            not ((agent, core) == (other, there) and time in own)
            and self.clocks.known[agent][core, self.clocks.who[other][there]] < time
            for other, there, time, _ in earlier
        )


@settings(max_examples=300)
@given(_acts)
@example(  # the second read is of the same cores, and on two of them of another unit
    [("send", BRISC, [0] * CORES, 7, True, [0, 0, 0], 1, ()),
     ("send", BRISC, [0] * CORES, 7, True, [0, 1, 1], 1, ()),
     ("fill", NCRISC, [0] * CORES, 7, True, [0, 0, 0], 1, ())],
)  # fmt: skip
@example(  # one core has heard of the write, and another reads without
    [("fill", BRISC, [0] * CORES, 3, True, [0] * CORES, 1, ()),
     ("fetch", BRISC, [0] * CORES, 4, True, [1] * CORES, 1, (COMING,)),
     ("tell", BRISC, [0] * CORES, 1, True, [0] * CORES, 1, ()),
     ("fetch", NCRISC, [0] * CORES, 1, True, [0] * CORES, 1, ()),
     ("fetch", NCRISC, [0] * CORES, 2, True, [0] * CORES, 1, ())],
)  # fmt: skip
@example(  # a read by one agent does not stand for one by another
    [("fetch", BRISC, [0] * CORES, 1, True, [0] * CORES, 1, ()),
     ("fetch", NCRISC, [0] * CORES, 1, True, [0] * CORES, 1, (COMING,)),
     ("fill", NCRISC, [0] * CORES, 1, True, [0] * CORES, 1, (COMING,))],
)  # fmt: skip
def test_a_ledger_judges_like_a_table_of_all_units(acts: list[Any]) -> None:
    """An access clashes if and only if some core's does with an earlier one of the same unit."""
    clocks = Clocks(CORES, LaneTable(), (BRISC, NCRISC), wide=True)
    ledger, table = Ledger(Judge(clocks), UNITS, GRAIN), _Table(clocks)
    begun: list[tuple[Stamp, list[list[int]]]] = []
    for what, agent, targets, mask, home, starts, count, ends in acts:
        lanes = clocks.table.of_mask(mask)
        if what == "tell":
            event = clocks.release(agent, lanes)
            clocks.join(BRISC + NCRISC - agent, lanes, event)
            told = clocks.table.of_ids(np.unique(np.array(targets)[lanes.ids]))
            known = event.known.max(axis=0)
            clocks.learn(NCRISC, told, np.tile(known, (told.n, 1)))
            for each in (BRISC, NCRISC):  # nobody forgets what it did itself
                own = np.arange(CORES), clocks.who[each]
                clocks.known[each][own] = COMING - 1
            continue
        for one, rows in [pair for pair in begun if pair[0].kind in ends]:
            one.finish(clocks.time[one.actor.agent])
            for row in rows:
                row[2] = int(clocks.time[row[0]][row[1]])
        begun = [pair for pair in begun if pair[0].kind not in ends]
        touched = lanes.ids if home else np.array(targets)[lanes.ids]
        if what not in READS and len(set(touched.tolist())) < lanes.n:
            continue
        actor = Actor(clocks, agent, Reach(lanes.ids, None if home else touched), 0)
        first: Any = np.array(starts)[lanes.ids] * GRAIN if home else starts[0] * GRAIN
        stamp: Any = None
        begin, clash = np.broadcast_to(first, lanes.n) // GRAIN, None
        pieces = [
            [(int(there), int(begin[row] + i) % UNITS) for i in range(count)]
            for row, there in enumerate(touched)
        ]
        kind, own_writes, own_reads = DOES[what]
        late = [
            any(table.late(agent, int(me), table.writes.get(at, []), own_writes) for at in some)
            for me, some in zip(lanes.ids, pieces, strict=True)
        ]
        if what in WRITES and not any(late):
            late = [
                any(table.late(agent, int(me), table.reads.get(at, []), own_reads) for at in some)
                for me, some in zip(lanes.ids, pieces, strict=True)
            ]
        spots = ledger.at(actor.reach, first, count * GRAIN)
        try:
            if what in READS:
                stamp = ledger.read(actor, spots, kind)
            elif what == "take":
                ledger.take(actor, spots, clocks.time[agent][lanes.ids])
            elif what == "push":
                ledger.judge(actor, spots, own_writes)
            else:
                stamp = ledger.write(actor, spots, kind, own_reads)
        except Clash as found:
            clash = found
        if clash is not None:
            assert clash.rows.tolist() == late
            core, unit = divmod(clash.page, UNITS)
            assert (core, unit) in pieces[late.index(True)]
            continue
        assert not any(late)
        entries = []
        for me, some in zip(lanes.ids, pieces, strict=True):
            time = kind or int(clocks.time[agent][me])
            entry = [agent, int(me), time, kind]
            entries.append(entry)
            for at in some:
                if what in READS:
                    kept = [
                        old for old in table.reads.get(at, [])
                        if old[:2] != entry[:2] or (old[2] >= COMING and old[3] != kind)
                    ]  # fmt: skip
                    table.reads[at] = [*kept, entry]
                elif what == "take":
                    if all(old[2] < COMING for old in table.writes.get(at, [])):
                        table.writes[at] = [entry]
                elif what in WRITES:
                    table.writes[at] = [entry]
                    table.reads.pop(at, None)
        if stamp is not None:
            begun.append((stamp, entries))


def test_what_was_touched_turns_with_its_memory() -> None:
    """A write to one unit, turned by two of three, is judged at the unit before it."""
    clocks = Clocks(CORES, LaneTable(), (BRISC, NCRISC), wide=True)
    ledger = Ledger(Judge(clocks), UNITS, GRAIN)
    mine, other = (
        Actor(clocks, BRISC, Reach(np.array([core]), np.array([2])), 0) for core in (0, 1)
    )
    ledger.write(mine, ledger.at(mine.reach, GRAIN, GRAIN), GOING)
    ledger.turn(2)
    for unit in (1, 2):
        ledger.judge(other, ledger.at(other.reach, unit * GRAIN, GRAIN))
    with pytest.raises(Clash):
        ledger.judge(other, ledger.at(other.reach, 0, GRAIN))
