"""How the clocks stand at a moment, and whether they stand alike at two.

What they hold is times, and everything else: which accesses and releases there are, whose, of what
memory, held by whom. Everything else has to be equal. Times of one agent of one core are only ever
copied, compared with each other, and the greater of two taken; new ones count up. So it is enough
that those which changed all got greater by what its counter did, and were greater than those that
stay. Then the same calls compare alike, and leave the clocks alike again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from simulator.engine.actors import Stamp
from simulator.engine.clocks import COMING, Clocks, Event, Times

if TYPE_CHECKING:
    from simulator.engine.lanes import Vector
    from simulator.engine.order import Order
    from simulator.engine.rings import Turns

NO_TIME: Final = COMING - 1
"""From this on it is no time: what an agent did itself, or a transfer under way."""


class Standing:
    """All that the answers of an order depend on, but the pages of tensors and who is alone.

    Attributes:
        shape: what is no time.
        arrays: the times where they are, which go on.
        times: the times as they are, one array after the other.
        counters: by agent, where ``times`` has its cores' next releases.
    """

    def __init__(self, order: Order, fronts: Turns) -> None:
        """Pages of circular buffers are told from ``fronts`` on."""
        self._clocks = clocks = order.clocks
        self.shape: list[Any] = []
        self._rows: list[Times] = []
        self.arrays: list[Times] = []
        self.counters: dict[int, slice] = {}
        self._whose: list[Vector] = []
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # as long as this is there, no other has its id
        for at, agent in enumerate(clocks.acting):
            if agent not in order.roles.alone:
                self.counters[agent] = slice(at * clocks.cores, (at + 1) * clocks.cores)
                self._add(clocks.time[agent], clocks.who[agent])
        every = np.arange(clocks.cores)
        for agent in order.roles.hearing:
            self._knowledge(clocks.known[agent], every)
        order.describe(self, fronts)
        self._single = len(self.arrays)
        self.arrays += self._rows
        self.times = np.concatenate([array.reshape(-1) for array in self.arrays])

    @property
    def whose(self) -> Vector:
        """The number of the agent whose time each is, up to where each row is of all agents."""
        arrays = self.arrays[: self._single]
        found = np.empty(sum(array.size for array in arrays), np.int64)
        for part, one in zip(_parts(found, arrays), self._whose, strict=True):
            part[...] = one
        return found

    def _add(self, array: Times, whose: Vector) -> None:
        self.arrays.append(array)
        self._whose.append(whose)

    def _knowledge(self, known: Times, cores: Vector) -> None:
        """What some cores know, a row each. Of nobody all know 0, whatever number it has."""
        clocks = self._clocks
        if clocks.wide:
            self._rows.append(known)
        else:
            self._add(known, cores[:, None] * clocks.stride + np.arange(clocks.width))

    def _number(self, item: Any) -> tuple[int, bool]:
        """Of something that is compared by what it holds; whether it is new."""
        number = self._numbers.get(id(item))
        if number is not None:
            return number, False
        self._kept.append(item)
        number = self._numbers[id(item)] = len(self._numbers)
        return number, True

    def tell(self, item: Any) -> None:
        """Remember something that has to be equal."""
        self.shape.append(item)

    def event(self, event: Event) -> int:
        """A release."""
        number, new = self._number(event)
        if new:
            covers = tuple(self.access(one) for one in event.covers)
            self.tell((number, event.lanes, covers))
            self._knowledge(event.known, event.lanes.ids)
        return number

    def access(self, access: Any) -> int:
        """An access of L1; of a tensor's pages it has to be the same."""
        number, new = self._number(access)
        if new and isinstance(access, Stamp):
            time = access.time
            self.tell((number, access.actor, access.kind, access.done, access.by, access.heard,
                       time is None))  # fmt: skip
            if time is not None:
                self._add(time, access.actor.who[:, 0])
        elif new:
            self.tell((number, id(access)))
        return number


def _parts(flat: Any, arrays: list[Times]) -> Iterator[Any]:
    """What of ``flat`` belongs to each array, in its shape."""
    at = 0
    for array in arrays:
        end = at + array.size
        yield flat[at:end].reshape(array.shape)
        at = end


class Shift(NamedTuple):
    """What the times of ``arrays``, one after the other, gain in a period."""

    arrays: list[Times]
    gains: Times

    def by(self, periods: int) -> None:
        """So many periods have passed."""
        done: set[int] = set()
        for part, array in zip(_parts(self.gains, self.arrays), self.arrays, strict=True):
            if id(array) not in done:  # accesses that one call makes of several cells share theirs
                np.add(array, periods * part, out=array)
                done.add(id(array))


def shift_between(clocks: Clocks, before: Standing, after: Standing) -> Shift | None:
    """What the times gain from one moment to another; None where the clocks stand otherwise."""
    if before.shape != after.shape:
        return None
    times, gains, whose = before.times, after.times - before.times, after.whose
    size, single = 1 + clocks.stride * clocks.cores, len(whose)
    gained = np.zeros(size, np.int32)
    for agent, at in before.counters.items():
        gained[clocks.who[agent]] = gains[at]
    moved = np.flatnonzero(gains[:single])
    if (gains[moved] != gained[whose[moved]]).any():
        return None
    rows, gain = times[single:].reshape(-1, size), gains[single:].reshape(-1, size)
    still = gain == 0
    if not (still | (gain == gained)).all():
        return None
    least = np.where(still, NO_TIME, rows).min(axis=0, initial=NO_TIME)
    np.minimum.at(least, whose[moved], times[moved])
    stays = np.flatnonzero((gains[:single] == 0) & (times[:single] < NO_TIME))
    if (times[stays] >= least[whose[stays]]).any():
        return None
    if (still & (rows >= least) & (rows < NO_TIME)).any():
        return None
    return Shift(after.arrays, gains)
