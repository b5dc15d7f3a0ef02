"""NoC transfers between the L1 of cores: to one core, to a rectangle, and from one core.

Both ends lie in circular buffers and cover whole pages of one format: what the programs this
machine runs do. The far end is an absolute address; on the receiver it must lie in pages its
producer has reserved, so that nothing unread is overwritten.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.engine.cb import CircularBuffer
from simulator.engine.code import Builders, OpContext, Step, uniform
from simulator.engine.group import Group
from simulator.engine.lanes import Lanes, Vector
from simulator.engine.pointers import Pointer, pointer_of
from simulator.engine.segs import Seg, join_lanes
from simulator.engine.strand import Strand
from simulator.engine.targets import Resolve, one_core, rectangle
from simulator.engine.values import Value
from simulator.engine.violation import Violation


def _pages(name: str, size: int, cb: CircularBuffer, offset: int) -> int:
    """Whole pages in ``size`` bytes."""
    if size <= 0:
        raise Violation("OutOfBounds", f"{name} of {size} bytes")
    if size % cb.page_bytes or offset % cb.page_bytes:
        raise Violation(
            "Misaligned",
            f"{name}: {size} bytes at offset {offset} are not whole pages of {cb.page_bytes} bytes"
            f" of circular buffer {cb.number}",
        )
    return size // cb.page_bytes


def _slot(cb: CircularBuffer, address: Value, group: Group) -> int:
    """Page slot of an absolute address in a circular buffer."""
    at = uniform(group, address) - cb.base
    if at % cb.page_bytes or not 0 <= at // cb.page_bytes < cb.depth:
        raise Violation("OutOfBounds", f"byte {at} is no page of circular buffer {cb.number}")
    return at // cb.page_bytes


def _source(c: OpContext, group: Group, pointer: Pointer, pages: int) -> Seg:
    """Pages of the group's own window."""
    cb = pointer.cb
    at, _, _ = pointer.pages(group)
    if c.machine.order is not None:
        first = cb.phase(group.lanes, write=pointer.write) + at
        c.machine.order.sent(cb, group, first, pages, c.number)
    if pointer.write:
        seg = cb.written(group.lanes, at, pages)
        if seg.epoch > group.local.reads_done or _pending(cb, group, at, pages):
            raise Violation("Unbarriered", "data is sent before the barrier of the read that"
                            " fetches it")  # fmt: skip
    else:
        seg = cb.run(group.lanes, at, pages)
        for strand, _ in cb.at(group.lanes):
            fresh = strand.source_epoch <= group.local.flushed
            strand.source_low = at if fresh else min(at, strand.source_low)
            strand.source_epoch = group.local.writes
    if seg.block is None:
        raise Violation("UninitialisedRead", f"a page of circular buffer {cb.number} that nobody"
                        " wrote is sent")  # fmt: skip
    return seg


def _pending(cb: CircularBuffer, group: Group, at: int, pages: int) -> bool:
    done = group.local.reads_done
    return any(
        seg.epoch > done
        for strand, _ in cb.at(group.lanes)
        for seg in strand.staged_range(at, pages)
    )


def _deliver(
    c: OpContext, group: Group, cb: CircularBuffer, address: Value, seg: Seg,
    pairs: tuple[Vector, Vector],
) -> None:  # fmt: skip
    """Put a segment's pages into the reserved windows of the receiving cores."""
    rows, cores = pairs
    if not len(cores):
        return
    if len(np.unique(cores)) < len(cores):
        repeated = cores[np.flatnonzero(np.diff(np.sort(cores)) == 0)[:1]]
        raise Violation("Race", "two cores write the same pages of one core in one step", repeated)
    order = np.argsort(cores)
    rows, cores = rows[order], cores[order]
    lanes = c.machine.table.of_ids(cores)
    slot = _slot(cb, address, group)
    sent = seg.take(rows)
    sent.epoch = -1
    for strand, part in cb.at(lanes):
        offset = (slot - _int(strand.wr, strand)) % cb.depth
        piece = sent if part is None else sent.take(part)
        cb.check_writable(strand, offset, seg.pages)
        strand.stage(offset, piece)


def _int(value: Value, strand: Strand) -> int:
    if isinstance(value, int):
        return value
    if (value == value[0]).all():
        return int(value[0])
    raise Violation("CBWindow", "the write pointers of the receiving cores differ, the address"
                    " cannot be right on all of them", strand.lanes.ids)  # fmt: skip


def _writer(c: OpContext, target: Resolve, dst_at: int, size_at: int) -> Step:
    source, destination = pointer_of(c, 0), pointer_of(c, dst_at)
    address, size, following = c.scalar(dst_at), c.scalar(size_at), c.next
    cb, name = destination.cb, c.op.name
    cb.far = source.cb.far = True
    c.machine.senders.add(c.code.thread)
    multicast = "multicast" in name
    tally, slot = c.machine.tally, c.machine.slot(name)

    def step(group: Group) -> int:
        pages = _pages(name, uniform(group, size(group.regs)), source.cb, 0)
        if source.cb.fmt is not cb.fmt or source.cb.tile != cb.tile:
            raise Violation("ShapeMismatch", f"{name} between circular buffers of different"
                            " formats")  # fmt: skip
        seg = _source(c, group, source, pages)
        pairs = target(group)
        to = address(group.regs)
        if c.machine.order is not None:
            c.machine.order.delivered(cb, group, pairs, _slot(cb, to, group), pages, c.number,
                                      multicast=multicast)  # fmt: skip
        if c.machine.late:
            group.local.late.append(lambda: _deliver(c, group, cb, to, seg, pairs))
        else:
            _deliver(c, group, cb, to, seg, pairs)
        group.local.writing = True
        tally[slot] += pages * len(pairs[1])
        if name.startswith("noc_async_write_multicast"):
            c.machine.multicast_bytes += pages * len(pairs[1]) * cb.page_bytes
        return following

    return step


def build_write(c: OpContext) -> Step:
    """noc_async_write: src x y dst bytes."""
    return _writer(c, one_core(c, 1, 2), 3, 4)


def build_multicast(c: OpContext) -> Step:
    """noc_async_write_multicast, with and without loopback: src x0 y0 x1 y1 dst bytes count."""
    loopback = c.op.name.endswith("_loopback_src")
    return _writer(c, rectangle(c, 1, 7, loopback=loopback), 5, 6)


def build_read(c: OpContext) -> Step:
    """noc_async_read: x y src dst bytes."""
    target, remote, own = one_core(c, 0, 1), pointer_of(c, 2), pointer_of(c, 3)
    address, size, following, machine = c.scalar(2), c.scalar(4), c.next, c.machine
    name = c.op.name
    own.cb.far = remote.cb.far = remote.cb.fetched = True
    c.machine.senders.add(c.code.thread)
    tally, slot = machine.tally, machine.slot(name)

    def step(group: Group) -> int:
        pages = _pages(name, uniform(group, size(group.regs)), own.cb, 0)
        _, cores = target(group)
        at, _, _ = own.pages(group)
        first = _slot(remote.cb, address(group.regs), group)
        if machine.order is not None:
            machine.order.fetched(remote.cb, group, cores, first, pages, c.number)
            mine = own.cb.phase(group.lanes, write=True) + at
            machine.order.filled(own.cb, group, mine, pages, c.number)
        seg = _remote(machine.table, remote.cb, cores, first, pages)
        block = seg.values()
        if machine.late and machine.arithmetic:
            block = block.copy()
            room = block

            def arrive() -> None:
                now = _remote(machine.table, remote.cb, cores, first, pages)
                np.copyto(room, now.values().reshape(room.shape))

            group.local.late_reads.append(arrive)
        own.cb.write(group.lanes, at, Seg(pages, block, seg.valid, group.local.reads))
        group.local.reading = True
        tally[slot] += pages * group.lanes.n
        return following

    return step


def _remote(table: Any, cb: CircularBuffer, cores: Vector, slot: int, pages: int) -> Seg:
    """Pages of other cores' buffers from a slot on: what they hold now."""
    unique, inverse = np.unique(cores, return_inverse=True)
    lanes: Lanes = table.of_ids(unique)
    parts = []
    for strand, rows in cb.at(lanes):
        front = (slot - _int(strand.rd, strand)) % cb.depth
        behind = (slot - _int(strand.wr, strand)) % cb.depth
        if front + pages <= strand.occ:
            seg = strand.find(front, front + pages - 1, cb.pool)
            piece = seg[0].slice(seg[1], pages)
        else:
            found = strand.staged_range(behind, pages)
            if len(found) != 1 or found[0].block is None:
                raise Violation("UninitialisedRead", f"pages of circular buffer {cb.number} of"
                                " another core that nobody wrote are read",
                                strand.lanes.ids)  # fmt: skip
            piece = found[0]
        parts.append((piece, np.arange(lanes.n) if rows is None else rows))
    whole = parts[0][0] if len(parts) == 1 else join_lanes(parts, lanes.n)
    return whole.take(inverse)


BUILDERS: Final[Builders] = MappingProxyType(
    {
        "noc_async_read": build_read,
        "noc_async_write": build_write,
        "noc_async_write_multicast": build_multicast,
        "noc_async_write_multicast_loopback_src": build_multicast,
    }
)
"""Op name to builder."""
