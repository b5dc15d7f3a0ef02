"""Places in circular buffers, and the same calls of the clocks some pages on.

A loop whose buffers have several pages does the same in every iteration, some pages further on. To
the clocks the pages of a buffer are alike: what they find, and how they stand afterwards, turns
with the places of the calls. So calls are compared, and clocks described, by how far places are
from one that turns with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simulator.engine.speaker import Speaker

if TYPE_CHECKING:
    from simulator.engine.cb import CircularBuffer
    from simulator.engine.code import Code
    from simulator.engine.lanes import Lanes
    from simulator.engine.order import Order

Key = tuple[Any, ...]
Turns = Mapping[int, int]
"""By circular buffer a number of pages, 0 where it is not named."""


class Ring(NamedTuple):
    """A circular buffer's places, of which ``page`` make a page and ``total`` the circle."""

    number: int
    page: int
    total: int

    @staticmethod
    def of_bytes(cb: CircularBuffer) -> Ring:
        """Places are bytes."""
        return Ring(cb.number, cb.page_bytes, cb.depth * cb.page_bytes)

    @staticmethod
    def of_slots(cb: CircularBuffer) -> Ring:
        """Places are pages."""
        return Ring(cb.number, 1, cb.depth)

    def turned(self, place: Any, pages: int) -> Any:
        """A place, or one per lane, so many pages on."""
        return (place + pages * self.page) % self.total


def plain(value: Any) -> Any:
    """A value that can be compared: vectors as bytes."""
    return value if type(value) is int else np.asarray(value).tobytes()


class Call(NamedTuple):
    """A call of the clocks, to be made once more; ``key`` tells whether another is the same.

    Where there is a ``ring`` the first of ``args`` is a place there, and the key begins with it.
    """

    key: Key
    ring: Ring | None
    work: Callable[..., None]
    code: Code
    lanes: Lanes
    args: tuple[Any, ...]

    def make(self) -> None:
        """Make it."""
        self.work(Speaker(self.code, self.lanes), *self.args)

    def turned(self, turns: Turns, times: int) -> Call:
        """The same, its place turned some times."""
        ring = self.ring
        pages = 0 if ring is None else turns.get(ring.number, 0) * times
        if ring is None or not pages:
            return self
        place = ring.turned(self.args[0], pages)
        return self._replace(key=(plain(place), *self.key[1:]), args=(place, *self.args[1:]))


class Fronts:
    """Where the last call was in each circular buffer."""

    def __init__(self) -> None:
        self._pages: dict[int, int] = {}

    def relative(self, key: Key, ring: Ring, place: Any) -> Key:
        """The key of a call by how far its place is from that of the one before."""
        number, page, total = ring
        away = (place - self._pages.get(number, 0) * page) % total
        if type(place) is int:
            self._pages[number] = place // page
            return away, key[1:]
        self._pages[number] = place.item(0) // page
        return away.tobytes(), key[1:]

    def now(self) -> Turns:
        """The page by circular buffer."""
        return dict(self._pages)


def turn(order: Order, turns: Turns) -> None:
    """What the clocks hold of circular buffers is so many pages on."""
    for queues in (order.pushed, order.popped):
        for number, queue in queues.items():
            queue.turn(turns[number])
    for number, ledger in order.buffers.items():
        cb = order.machine.cbs[number]
        ledger.turn(turns[number] * cb.page_bytes // cb.grain)
