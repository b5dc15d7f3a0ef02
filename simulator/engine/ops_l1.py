"""NoC transfers between the L1 of cores: to one core, to a rectangle, and from one core.

Both ends lie in circular buffers of one format. Transfers of whole pages move references, others
bytes (:mod:`simulator.engine.carriers`). The far end is an absolute address; on a receiver it must
lie in pages its producer has reserved, so that nothing unread is overwritten, and nowhere but in
the circular buffer it was derived from.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.engine.aliases import check_partners
from simulator.engine.carriers import BYTES, PAGES, Carrier, agreed, held, sent
from simulator.engine.cb import CircularBuffer
from simulator.engine.code import Builders, OpContext, Step, uniform
from simulator.engine.group import Group
from simulator.engine.lanes import Lanes, Vector
from simulator.engine.local import Late
from simulator.engine.pointers import grain_of, misused, pointer_of
from simulator.engine.segs import NEVER
from simulator.engine.targets import Resolve, one_core, rectangle
from simulator.engine.violation import Violation, of_op


class Ends:
    """The two ends of a transfer and its size, in bytes.

    ``near`` is the end on the own core, relative to its window, ``far`` the other one, relative to
    its circular buffer.
    """

    def __init__(self, c: OpContext, near_at: int, far_at: int, size_at: int) -> None:
        self.near, self.far = pointer_of(c, near_at), pointer_of(c, far_at)
        self.name, self.machine = c.op.name, c.machine
        self._address, self._size = c.scalar(far_at), c.scalar(size_at)
        grain = grain_of(c, near_at, far_at, size_at)
        for cb in (self.near.cb, self.far.cb):
            cb.far = cb.watched = True
            cb.grain = np.gcd(cb.grain, grain).item()
        c.machine.senders.add(c.code.thread)

    def of(self, group: Group) -> tuple[int, int, int, Carrier]:
        """(near, far, size, what carries it) of one execution.

        Raises:
            Violation: sizes, formats and alignments no NoC transfer has.
        """
        mine, other = self.near.cb, self.far.cb
        size = uniform(group, self._size(group.regs))
        if size <= 0:
            raise Violation("OutOfBounds", f"{self.name} of {size} bytes")
        most = mine.depth * mine.page_bytes
        if size > most:
            raise Violation(
                "OutOfBounds",
                f"{self.name} of {size} bytes, circular buffer {mine.number} has {most}",
            )
        alike = mine.tile == other.tile
        if mine.fmt is not other.fmt or (mine.fmt.is_bfp and not alike):
            raise Violation("ShapeMismatch", f"{self.name} between circular buffers of different"
                            " formats")  # fmt: skip
        near = self.near.offset(group)
        far = uniform(group, self._address(group.regs)) - other.base
        page = mine.page_bytes
        if alike and not (near % page or far % page or size % page):
            return near, far, size, PAGES
        align = self.machine.arch.l1_alignment
        if (mine.base + near - other.base - far) % align:
            raise Violation(
                "Misaligned",
                f"{self.name} between byte {near} of the window of circular buffer {mine.number}"
                f" and byte {far} of circular buffer {other.number}: their addresses differ modulo"
                f" {align}",
            )
        return near, far, size, BYTES

    def inside(
        self, far: int, size: int, group: Group, pairs: tuple[Vector, Vector], what: str
    ) -> Lanes:
        """The cores at the far end, in ascending order, once each.

        Raises:
            Violation: there the bytes are not in the circular buffer the address comes from.
        """
        cb, table = self.far.cb, self.machine.table
        rows, cores = pairs
        lanes = table.of_ids(np.unique(cores))
        beyond = far < 0 or far + size > cb.depth * cb.page_bytes
        if beyond or lanes.mask & ~cb.lanes.mask:
            astray = np.full(len(cores), True) if beyond else ~np.isin(cores, cb.lanes.ids)
            code = "StrayWrite" if what == "written" else "OutOfBounds"
            text = f"{size} bytes are {what}"
            found = self.machine.l1.stray(cb, int(cores[astray][0]), far, size, text, code)
            found.lanes = group.lanes.ids[np.unique(rows[astray])]
            raise found
        return lanes


def _writer(c: OpContext, target: Resolve, dst_at: int, size_at: int) -> Step:
    ends = Ends(c, 0, dst_at, size_at)
    source, cb, name, following = ends.near, ends.far.cb, c.op.name, c.next
    multicast = "multicast" in name
    machine, tally, slot = c.machine, c.machine.tally, c.machine.slot(name)
    refused = misused(c, source, fills=False)
    if refused is not None:
        return refused

    def step(group: Group) -> int:
        at, to, size, carrier = ends.of(group)
        pairs = target(group)
        if machine.order is not None:
            first: Any = source.cb.phase(group.lanes, write=source.write) * cb.page_bytes + at
            machine.order.sent(source.cb, group, first, size, c.number)
        load = sent(carrier, source.cb, group, at, size, write=source.write)
        rows, cores = pairs
        if len(cores):
            lanes = ends.inside(to, size, group, pairs, "written")
            if lanes.n < len(cores):
                repeated = np.sort(cores)[:-1][np.diff(np.sort(cores)) == 0][:1]
                raise Violation("Race", "two cores write the same bytes of one core in one step",
                                repeated)  # fmt: skip
            if machine.order is not None:
                machine.order.delivered(cb, group, pairs, to, size, c.number, multicast=multicast)
            load = load.take(rows[np.argsort(cores)])
            deliver = partial(_deliver, carrier, cb, lanes, to, size, load, pairs, group.lanes)
            if machine.late:
                group.local.late.append(Late(of_op(c.number, deliver), multicast=multicast))
            else:
                deliver()
        group.local.writing = True
        tally[slot] += -(-size // cb.page_bytes) * len(cores)
        if name.startswith("noc_async_write_multicast"):
            machine.multicast_bytes += size * len(cores)
        return following

    return step


def _deliver(
    carrier: Carrier, cb: CircularBuffer, lanes: Lanes, to: int, size: int, load: Any,
    pairs: tuple[Vector, Vector], senders: Lanes,
) -> None:  # fmt: skip
    """Put a load into the reserved windows of receiving cores; a fault is its senders'."""
    try:
        for strand, part in cb.at(lanes):
            at = (to - agreed(strand.wr, strand) * cb.page_bytes) % (cb.depth * cb.page_bytes)
            _shared(cb, strand.lanes, at, size)
            carrier.put(cb, strand, at, load if part is None else load.take(part))
    except Violation as found:
        rows, cores = pairs
        hit = cores if found.lanes is None else found.lanes
        found.message += f", on core {cb.l1.cores[int(hit[0])]} as it was sent to"
        found.lanes = senders.ids[np.unique(rows[np.isin(cores, hit)])]
        raise


def _shared(cb: CircularBuffer, lanes: Lanes, at: int, size: int) -> None:
    """Raise if bytes at a position of the reserved window lie over pages of a partner."""
    if cb.partners:
        first = at // cb.page_bytes
        check_partners(cb, lanes, first, -(-(at + size) // cb.page_bytes) - first)


def build_write(c: OpContext) -> Step:
    """noc_async_write: src x y dst bytes."""
    return _writer(c, one_core(c, 1, 2), 3, 4)


def build_multicast(c: OpContext) -> Step:
    """noc_async_write_multicast, with and without loopback: src x0 y0 x1 y1 dst bytes count."""
    loopback = c.op.name.endswith("_loopback_src")
    return _writer(c, rectangle(c, 1, 7, loopback=loopback), 5, 6)


def build_read(c: OpContext) -> Step:
    """noc_async_read: x y src dst bytes."""
    target, following, machine = one_core(c, 0, 1), c.next, c.machine
    ends = Ends(c, 3, 2, 4)
    own, remote = ends.near, ends.far
    refused = misused(c, own, fills=True)
    if refused is not None:
        return refused
    remote.cb.fetched = True
    tally, slot = machine.tally, machine.slot(c.op.name)

    def step(group: Group) -> int:
        at, src, size, carrier = ends.of(group)
        pairs = target(group)
        cores = pairs[1]
        there = ends.inside(src, size, group, pairs, "read")
        page, lanes = own.cb.page_bytes, group.lanes
        if machine.order is not None:
            machine.order.fetched(remote.cb, group, cores, src, size, c.number)
            first: Any = own.cb.phase(lanes, write=True) * page + at
            machine.order.filled(own.cb, group, first, size, c.number)
        _shared(own.cb, lanes, at, size)
        rows = np.searchsorted(there.ids, cores)

        def fill(epoch: int) -> None:
            load = held(carrier, remote.cb, there, src, size).take(rows)
            load = carrier.begun(load, epoch)
            for strand, part in own.cb.at(lanes):
                carrier.put(own.cb, strand, at, load if part is None else load.take(part))

        fill(group.local.reads)
        if machine.late and machine.arithmetic:
            group.local.late_reads.append(of_op(c.number, partial(fill, NEVER)))
        group.local.reading = True
        tally[slot] += -(-size // page) * lanes.n
        return following

    return step


BUILDERS: Final[Builders] = MappingProxyType(
    {
        "noc_async_read": build_read,
        "noc_async_write": build_write,
        "noc_async_write_multicast": build_multicast,
        "noc_async_write_multicast_loopback_src": build_multicast,
    }
)
"""Op name to builder."""
