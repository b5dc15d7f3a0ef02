"""NoC transfers under way, until a barrier of their thread waits for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from simulator.engine.clocks import AGENTS, Times
from simulator.engine.lanes import Lanes, Vector
from simulator.engine.records import Actor, Records

READ: Final = 0
"""Completes at the read barrier."""
WRITE: Final = 1
"""Visible at the write barrier."""
SENT: Final = 2
"""The source of a write, free once it has left."""
FILLED: Final = 3
"""The destination of a read in L1, there at the read barrier."""


@dataclass(frozen=True)
class Transfer:
    """Pages of some records, a row per core that issued it.

    ``lanes`` are all cores that issued it, None where that is not known; ``receivers`` of a
    multicast, a core per row.
    """

    kind: int
    records: Records
    actor: Actor
    ids: Any
    lanes: Lanes | None = None
    receivers: Vector | None = None

    def part(self, rows: Any) -> Transfer | None:
        """Some of the rows."""
        if not rows.any():
            return None
        receivers = None if self.receivers is None else self.receivers[rows]
        actor = self.actor.of(np.flatnonzero(rows).tobytes())
        return Transfer(self.kind, self.records, actor, self.ids[rows], None, receivers)

    def finish(self, times: Times) -> None:
        """Complete, at the issuing cores' times."""
        when = times[self.actor.me]
        if self.kind in (READ, SENT):
            self.records.reads_done(self.actor, self.ids, when)
        else:
            self.records.writes.finish(self.actor, self.ids, when)


def _members(ids: Vector, cores: int) -> Any:
    """A flag per core."""
    flags = np.zeros(cores, np.bool_)
    flags[ids] = True
    return flags


class Transfers:
    """All transfers under way, by agent."""

    def __init__(self) -> None:
        self._open: list[list[Transfer]] = [[] for _ in AGENTS]

    def add(self, transfer: Transfer) -> None:
        """A transfer begins."""
        self._open[transfer.actor.agent].append(transfer)

    def complete(self, agent: int, lanes: Lanes, kinds: tuple[int, ...], times: Times) -> None:
        """A barrier of some cores."""
        if not self._open[agent]:
            return
        left: list[Transfer] = []
        member: Any = None
        for transfer in self._open[agent]:
            if transfer.kind not in kinds:
                left.append(transfer)
                continue
            if transfer.lanes is lanes:
                transfer.finish(times)
                continue
            if member is None:
                member = _members(lanes.ids, len(times))
            inside = member[transfer.actor.cores]
            if inside.all():
                transfer.finish(times)
                continue
            mine, others = transfer.part(inside), transfer.part(~inside)
            if mine is not None:
                mine.finish(times)
            if others is not None:
                left.append(others)
        self._open[agent] = left

    def overtaken(self, agent: int, lanes: Lanes, receivers: Vector, times: Times) -> None:
        """A semaphore multicast: multicast data sent before it has come to these receivers."""
        same = receivers.tobytes()
        reached: Any = None
        member: Any = None
        for transfer in self._open[agent]:
            if transfer.receivers is None:
                continue
            if transfer.lanes is lanes and transfer.receivers.tobytes() == same:
                transfer.finish(times)
                continue
            if reached is None:
                reached = _members(receivers, len(times))
                member = _members(lanes.ids, len(times))
            there = reached[transfer.receivers] & member[transfer.actor.cores]
            part = transfer if there.all() else transfer.part(there)
            if part is not None:
                part.finish(times)
