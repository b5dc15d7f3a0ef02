"""Who is told by a semaphore's update: rows of a group's senders, to the cores they reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.engine.clocks import Times
from simulator.engine.lanes import Lanes, LaneTable, Vector


@dataclass(frozen=True)
class Told:
    """Receivers, and which of the senders' rows reach each.

    Attributes:
        lanes: the cores reached.
        rows: senders' rows, sorted by the core they reach.
        starts: where the rows of each core begin.
        ends: the last row of each core.
    """

    lanes: Lanes
    rows: Vector
    starts: Vector
    ends: Vector

    @staticmethod
    def of(table: LaneTable, senders: bytes, receivers: bytes) -> Told:
        """Row ``senders[i]`` reaches core ``receivers[i]``, of which there is at least one."""
        rows, cores = np.frombuffer(senders, np.int64), np.frombuffer(receivers, np.int64)
        order = np.argsort(cores, kind="stable")
        targets, starts = np.unique(cores[order], return_index=True)
        rows = rows[order]
        ends = np.append(starts[1:], len(rows)) - 1
        return Told(table.of_ids(targets), rows, starts, rows[ends])

    def last(self, known: Times) -> Times:
        """What the last sender of each core knows."""
        return known.take(self.ends, 0)

    def all(self, known: Times) -> Any:
        """What all senders of each core know together."""
        if len(self.starts) == len(self.rows):
            return self.last(known)
        return np.maximum.reduceat(known.take(self.rows, 0), self.starts, axis=0)
