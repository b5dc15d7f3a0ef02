"""NoC transfers under way, until a barrier of their thread waits for them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np

from simulator.engine.clocks import AGENTS, COMING, GOING, Times
from simulator.engine.lanes import Lanes, Vector

if TYPE_CHECKING:
    from simulator.engine.standing import Standing

READ: Final = 0
"""Completes at the read barrier."""
WRITE: Final = 1
"""Visible at the write barrier."""
SENT: Final = 2
"""The source of a write, free once it has left."""
FILLED: Final = 3
"""The destination of a read in L1, there at the read barrier."""
UNDER_WAY: Final = MappingProxyType({READ: COMING, WRITE: GOING, SENT: GOING, FILLED: COMING})
"""The time that stands for each until then."""


class Pending(Protocol):
    """An access that takes until a barrier, a row per core that issued it."""

    @property
    def cores(self) -> Vector:
        """The cores that issued it."""

    def finish(self, times: Times, rows: Vector | None = None) -> None:
        """It is complete, or some rows are, at the issuing cores' times."""


class Transfer(NamedTuple):
    """An access under way, of ``agent``, or some ``rows`` of it.

    ``lanes`` are all cores that issued it, None where that is not known; ``receivers`` of a
    multicast, a core per row.
    """

    kind: int
    agent: int
    access: Pending
    lanes: Lanes | None = None
    receivers: Vector | None = None
    rows: Vector | None = None

    @property
    def cores(self) -> Vector:
        """The cores that issued it, a row each."""
        return self.access.cores if self.rows is None else self.access.cores[self.rows]

    def part(self, flags: Any) -> Transfer | None:
        """Some of the rows."""
        if not flags.any():
            return None
        receivers = None if self.receivers is None else self.receivers[flags]
        rows = np.flatnonzero(flags) if self.rows is None else self.rows[flags]
        return Transfer(self.kind, self.agent, self.access, None, receivers, rows)

    def finish(self, times: Times) -> None:
        """Complete, at the issuing cores' times."""
        self.access.finish(times, self.rows)


def _members(ids: Vector, cores: int) -> Any:
    """A flag per core."""
    flags = np.zeros(cores, np.bool_)
    flags[ids] = True
    return flags


class Transfers:
    """All transfers under way: ``open`` ones, by agent."""

    def __init__(self) -> None:
        self.open: list[list[Transfer]] = [[] for _ in AGENTS]

    def complete(self, agent: int, lanes: Lanes, kinds: tuple[int, ...], times: Times) -> None:
        """A barrier of some cores."""
        if not self.open[agent]:
            return
        left: list[Transfer] = []
        member: Any = None
        for transfer in self.open[agent]:
            if transfer.kind not in kinds:
                left.append(transfer)
                continue
            if transfer.lanes is lanes:
                transfer.finish(times)
                continue
            if member is None:
                member = _members(lanes.ids, len(times))
            inside = member[transfer.cores]
            if inside.all():
                transfer.finish(times)
                continue
            mine, others = transfer.part(inside), transfer.part(~inside)
            if mine is not None:
                mine.finish(times)
            if others is not None:
                left.append(others)
        self.open[agent] = left

    def describe(self, standing: Standing, alone: frozenset[int]) -> None:
        """What is under way, but of those ``alone``; see simulator.engine.standing."""
        for agent, some in enumerate(self.open):
            if agent not in alone:
                standing.tell(tuple(
                    (one.kind, standing.access(one.access), one.lanes,
                     *(None if ids is None else ids.tobytes() for ids in (one.receivers, one.rows)))
                    for one in some
                ))  # fmt: skip

    def overtaken(self, agent: int, lanes: Lanes, receivers: Vector, times: Times) -> list[Pending]:
        """A semaphore multicast: multicast data sent before it has come to these receivers.

        Returns the accesses of the very same senders and receivers.
        """
        alike: list[Pending] = []
        same = receivers.tobytes()
        reached: Any = None
        member: Any = None
        for transfer in self.open[agent]:
            if transfer.receivers is None:
                continue
            if transfer.lanes is lanes and transfer.receivers.tobytes() == same:
                transfer.finish(times)
                alike.append(transfer.access)
                continue
            if reached is None:
                reached = _members(receivers, len(times))
                member = _members(lanes.ids, len(times))
            there = reached[transfer.receivers] & member[transfer.cores]
            part = transfer if there.all() else transfer.part(there)
            if part is not None:
                part.finish(times)
        return alike
