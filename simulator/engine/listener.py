"""What ops tell the clocks: each thing once, though loops tell it again and again.

Every method is one call of :class:`~simulator.engine.order.Order`, named by a key that holds all
that its verdict depends on but the clocks themselves: the program, its cores, the op, and what the
op touches. :class:`~simulator.engine.refrain.Refrain` knows the calls whose outcome is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.engine.clocks import AGENT
from simulator.engine.refrain import Refrain
from simulator.engine.rings import Ring, plain
from simulator.engine.speaker import Speaker

if TYPE_CHECKING:
    from simulator.engine.cb import CircularBuffer
    from simulator.engine.group import Group
    from simulator.engine.lanes import Lanes, Vector
    from simulator.engine.order import Order
    from simulator.engine.releases import Queue
    from simulator.engine.values import Value
    from simulator.engine.zeroed import Kept
    from simulator.memory.dram import Tensor


class Listener:
    """The clocks of a machine, as its ops speak to them.

    Attributes:
        writer: (group, place, agent, rows and columns kept if it zeroes the rest of a page) of the
            op being executed, while it may write to L1 itself.
    """

    def __init__(self, order: Order, *, repeats: bool) -> None:
        """``repeats``: calls that come again are known; only if all calls are made here."""
        self.order = order
        self.clocks = order.clocks
        self.taught = order.roles.taught
        self.tensors = order.tensors
        self.refrain = Refrain(order, deaf=not repeats)
        self.writer: tuple[Group, int, int, Kept | None] | None = None
        self._again, self._make = self.refrain.again, self.refrain.make
        buffers = order.machine.cbs.values()
        self._bytes = {cb.number: Ring.of_bytes(cb) for cb in buffers}
        self._slots = {cb.number: Ring.of_slots(cb) for cb in buffers}

    def judges(self, cb: CircularBuffer) -> bool:
        """Whether the clocks watch a circular buffer."""
        return cb.number in self.order.buffers

    # --- tensors: their pages seldom come again --------------------------------------------

    def read_page(self, tensor: Tensor, group: Group, ids: Any, at: int) -> None:
        """Units (lanes, n) are read."""
        if tensor.name in self.tensors:
            self._interrupt(group)
            self.order.read_page(Speaker(group.code, group.lanes), tensor, ids, at)

    def write_page(self, tensor: Tensor, group: Group, ids: Any, at: int) -> bool:
        """Units (lanes, n) are written; whether this is for the clocks to judge."""
        if tensor.name not in self.tensors:
            return False
        self._interrupt(group)
        self.order.write_page(Speaker(group.code, group.lanes), tensor, ids, at)
        return True

    def _interrupt(self, group: Group) -> None:
        """A call to come is of no period; of who is alone it does not concern any."""
        if not self.alone(group.code.thread):
            self.refrain.stop()

    def alone(self, thread: str) -> bool:
        """Whether nothing but pages of tensors depends on a thread, nor it on any other."""
        return AGENT[thread] in self.order.roles.alone

    # --- L1 --------------------------------------------------------------------------------

    def sent(self, cb: CircularBuffer, group: Group, first: Any, size: int, at: int) -> None:
        """Bytes of the own window are read by a NoC write."""
        ring = self._bytes[cb.number]
        place = first % ring.total
        key = plain(place), "sent", group.code.key, group.lanes, at, cb.number, size
        if not self._again(key):
            self._make(key, ring, self.order.sent, group, place, cb, size, at)

    def delivered(
        self, cb: CircularBuffer, group: Group, pairs: tuple[Vector, Vector], first: int,
        size: int, at: int, *, multicast: bool,
    ) -> None:  # fmt: skip
        """Bytes of receiving cores are written; ``pairs`` are rows of senders and receivers."""
        rows, cores = pairs
        if len(cores):
            ring = self._bytes[cb.number]
            place = first % ring.total
            key = (place, "delivered", group.code.key, group.lanes, at, cb.number, size,
                   rows.tobytes(), cores.tobytes())  # fmt: skip
            if not self._again(key):
                self._make(key, ring, self.order.delivered, group, place, cb, pairs, size, at,
                           multicast)  # fmt: skip

    def fetched(
        self, cb: CircularBuffer, group: Group, cores: Vector, first: int, size: int, at: int
    ) -> None:
        """Bytes of other cores are read."""
        ring = self._bytes[cb.number]
        place = first % ring.total
        key = (place, "fetched", group.code.key, group.lanes, at, cb.number, size,
               cores.tobytes())  # fmt: skip
        if not self._again(key):
            self._make(key, ring, self.order.fetched, group, place, cb, cores, size, at)

    def filled(self, cb: CircularBuffer, group: Group, first: Any, size: int, at: int) -> None:
        """Bytes of the own window are written by a NoC read under way."""
        ring = self._bytes[cb.number]
        place = first % ring.total
        key = plain(place), "filled", group.code.key, group.lanes, at, cb.number, size
        if not self._again(key):
            self._make(key, ring, self.order.filled, group, place, cb, size, at)

    def stored(self, cb: CircularBuffer, group: Group, first: Any, size: int, at: int) -> None:
        """Bytes of the own window are written by the RISC itself."""
        ring = self._bytes[cb.number]
        place = first % ring.total
        key = plain(place), "stored", group.code.key, group.lanes, at, cb.number, size
        if not self._again(key):
            self._make(key, ring, self.order.stored, group, place, cb, size, at)

    def reserved(
        self, cb: CircularBuffer, group: Group, agent: int, first: Any, count: int, at: int
    ) -> None:
        """Slots came into the producer's hand: nobody else may be writing there."""
        ring = self._slots[cb.number]
        place = first % ring.total
        key = plain(place), "reserved", group.code.key, group.lanes, at, count
        if not self._again(key):
            self._make(key, ring, self.order.reserved, group, place, cb, agent, count, at)

    def overwritten(self, cb: CircularBuffer, lanes: Lanes, start: int, pages: int) -> None:
        """The op at :attr:`writer` writes pages of the own window: no transfer may touch them."""
        if self.writer is None:
            return  # a NoC read, see :meth:`filled`
        group, at, agent, kept = self.writer
        ring = self._bytes[cb.number]
        place = ring.turned(cb.phase(lanes, write=True) * cb.page_bytes, start)
        left = None if kept is None else (kept[0](group.regs), kept[1](group.regs))
        but = None if left is None else (plain(left[0]), plain(left[1]))
        key = plain(place), "overwritten", group.code.key, group.lanes, at, cb.number, pages, but
        if not self._again(key):
            self._make(key, ring, self.order.overwritten, group, place, cb, agent, pages, at, left)

    def handed(
        self, cb: CircularBuffer, group: Group, agent: int, first: Any, count: int, at: int
    ) -> None:
        """Slots are handed over: what was written into them must have come."""
        ring = self._slots[cb.number]
        place = first % ring.total
        key = plain(place), "handed", group.code.key, group.lanes, at, count
        if not self._again(key):
            self._make(key, ring, self.order.handed, group, place, cb, agent, count, at)

    # --- edges -----------------------------------------------------------------------------

    def told(
        self, cb: CircularBuffer, queue: Queue, group: Group, agent: int, first: Value, count: int,
        at: int,
    ) -> None:  # fmt: skip
        """The agent hands on slots of a queue of a circular buffer."""
        key = plain(first), "told", group.code.key, group.lanes, at, count
        if not self._again(key):
            ring = self._slots[cb.number]
            self._make(key, ring, self.order.told, group, first, agent, queue, count)

    def heard(
        self, cb: CircularBuffer, queue: Queue, group: Group, agent: int, slot: Value, at: int
    ) -> None:
        """The agent takes slots, up to this one."""
        key = plain(slot), "heard", group.code.key, group.lanes, at
        if not self._again(key):
            self._make(key, self._slots[cb.number], self.order.heard, group, slot, agent, queue)

    def computed(self, group: Group) -> None:
        """A tile op: math is after the unpacker."""
        if not self._again(("computed", group.lanes)):
            self._make(("computed", group.lanes), None, self.order.computed, group)

    def section(self, group: Group, end: int) -> None:
        """Math commits (end 0) or pack has waited for (end 1) a section of DST."""
        if not self._again(("section", group.lanes, end)):
            self._make(("section", group.lanes, end), None, self.order.section, group, end)

    def lone_barrier(self, group: Group, kinds: tuple[int, ...]) -> None:
        """Transfers of these kinds are complete on the group's cores, whose thread is alone."""
        self.order.barrier(Speaker(group.code, group.lanes), kinds)

    def barrier(self, group: Group, kinds: tuple[int, ...]) -> None:
        """The same of threads that are not."""
        key = "barrier", group.code.key, group.lanes, kinds
        if not self._again(key):
            self._make(key, None, self.order.barrier, group, kinds)

    # --- semaphores ------------------------------------------------------------------------

    def signal(self, number: int, group: Group, rows: Vector, cores: Vector, at: int) -> None:
        """Cores' semaphore is incremented: whoever waits for it is after the senders."""
        if len(cores):
            key = ("signal", group.code.key, group.lanes, at, rows.tobytes(), cores.tobytes())
            if not self._again(key):
                self._make(key, None, self.order.signal, group, number, rows, cores, at)

    def reset(self, number: int, group: Group, at: int) -> None:
        """The group sets its own cores' semaphore: what it told before is gone."""
        key = "reset", group.code.key, group.lanes, at
        if not self._again(key):
            self._make(key, None, self.order.reset, group, number, at)

    def spread(self, number: int, group: Group, rows: Vector, cores: Vector, at: int) -> None:
        """Cores' semaphore is set by multicast: what it told before is gone."""
        if len(cores):
            key = ("spread", group.code.key, group.lanes, at, rows.tobytes(), cores.tobytes())
            if not self._again(key):
                self._make(key, None, self.order.spread, group, number, rows, cores, at)

    def signalled(self, number: int, group: Group) -> None:
        """The group has waited for its semaphore."""
        key = "signalled", group.code.key, group.lanes, number
        if not self._again(key):
            self._make(key, None, self.order.signalled, group, number)
