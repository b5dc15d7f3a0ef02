"""Who is told by a semaphore's update: rows of a group's senders, to the cores they reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.engine.clocks import Members, Times
from simulator.engine.lanes import Lanes, LaneTable, Vector


@dataclass(frozen=True)
class Told:
    """Receivers, and which of the senders reach each.

    Attributes:
        lanes: the cores reached.
        senders: who reaches them, sorted by the core they reach.
        last: the last sender of each core.
        ends: the rows of those.
        starts: where the senders of each core begin.
        each: how many senders every core has, 0 where that differs.
    """

    lanes: Lanes
    senders: Members
    last: Members
    ends: Vector
    starts: Vector
    each: int

    @staticmethod
    def of(table: LaneTable, group: Lanes, senders: bytes, receivers: bytes) -> Told:
        """Row ``senders[i]`` of the group reaches core ``receivers[i]``; there is at least one."""
        rows, cores = np.frombuffer(senders, np.int64), np.frombuffer(receivers, np.int64)
        ids = group.ids
        if len(cores) == 1 or (cores[1:] > cores[:-1]).all():  # each core by one sender, in order
            members = Members(ids[rows])
            return Told(table.of_ids(cores), members, members, rows, np.arange(len(cores)), 1)
        order = np.argsort(cores, kind="stable")
        rows, cores = rows[order], cores[order]
        first = np.ones(len(cores), np.bool_)
        np.not_equal(cores[1:], cores[:-1], out=first[1:])
        starts = np.flatnonzero(first)
        counts = np.append(starts[1:], len(cores)) - starts
        each = int(counts[0]) if counts.min() == counts.max() else 0
        ends = rows[starts + counts - 1]
        lanes = table.of_ids(cores[starts])
        return Told(lanes, Members(ids[rows]), Members(ids[ends]), ends, starts, each)

    def together(self, known: Times) -> Any:
        """What the senders of each core know together, of what each knows."""
        if self.each == 1:
            return known
        if self.each:
            return known.reshape(len(self.starts), self.each, -1).max(1)
        return np.maximum.reduceat(known, self.starts, axis=0)
