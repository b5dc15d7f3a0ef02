"""Ops of the NoC between tensors and circular buffers, and their barriers."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.engine.cb import CircularBuffer
from simulator.engine.code import Builders, OpContext, Step, refusal
from simulator.engine.gather import Pattern, fetch, page_ids, store, view_of
from simulator.engine.group import Group
from simulator.engine.local import Late
from simulator.engine.ops_move import row_major
from simulator.engine.page_operand import Pages, Shape
from simulator.engine.pointers import misused, pointer_of
from simulator.engine.quick_read import quick_read
from simulator.engine.segs import UNHELD, Extents, Seg, normal
from simulator.engine.violation import Violation
from simulator.formats.dataformat import shape_name
from simulator.memory.dram import NOBODY, Tensor


def format_refusal(c: OpContext, tensor: Tensor, cb: CircularBuffer) -> Step:
    """A page is copied byte for byte, so both ends must agree what the bytes mean."""
    return refusal(
        "ShapeMismatch",
        f"{c.op.name}: pages of tensor {tensor.name} are {tensor.fmt.value}"
        f" {shape_name(tensor.tile)}, those of circular buffer {cb.number} {cb.fmt.value}"
        f" {shape_name(cb.tile)}",
    )


def build_read_page(c: OpContext) -> Step:
    """noc_async_read_page: pages of a tensor to the reserved window of a CB."""
    tensor, counts, following, machine = c.tensor(1), c.counts(2), c.next, c.machine
    pages, pointer = Pages(c, 0, tensor), pointer_of(c, 2)
    cb, pool = pointer.cb, machine.pool
    refused = misused(c, pointer, fills=True)
    if refused is not None:
        return refused
    tally, slot = machine.tally, machine.slot("noc_async_read_page")
    machine.accesses.setdefault(tensor.name, set()).add((False, c.code.thread))
    if cb.fmt is not tensor.fmt or cb.tile != tensor.tile:
        return format_refusal(c, tensor, cb)
    last: list[Any] = [None, None, None]
    congruent = _congruent(c, tensor, cb)

    def step(group: Group) -> int:
        n1, n2 = counts(group.regs)
        if not (n1 and n2):
            return following
        pattern, start, shape = pages(group, n1, n2)
        at, q1, q2 = pointer.pages(group)
        local, lanes = group.local, group.lanes
        if not congruent:
            for i in range(n1 * n2):
                a, b = divmod(i, n2)
                page = pattern.first + start + a * shape[1] + b * shape[3]
                _aligned(c, tensor, cb, at + a * q1 + b * q2, group, page)
        if pattern is last[0] and shape == last[1] and last[2] is not None:
            block = last[2].at(tensor.values, start)
        else:
            block = fetch(tensor, pattern, start, shape, lanes, pool)
            if machine.late and tensor.writable and pool.arithmetic:
                local.late_reads.append(
                    partial(_fetch, block, tensor, pattern, start, shape, lanes, pool)
                )
            straight = pool.arithmetic and not tensor.writable
            last[:] = [pattern, shape, view_of(tensor, pattern, shape) if straight else None]
        valid: Extents | None = None
        if tensor.valid is not None or tensor.writable:
            valid = _read_state(tensor, pattern, start, shape, group, c)
        total = n1 * n2
        if cb.watched and machine.order is not None:
            first = cb.phase(lanes, write=True)
            for a in range(n1):
                for b in range(n2):
                    byte: Any = (first + at + a * q1 + b * q2) * cb.page_bytes
                    machine.order.filled(cb, group, byte, cb.page_bytes, c.number)
        seg = Seg(total, block, valid, local.reads)
        if tensor.held is not None:
            held = tensor.held[page_ids(pattern, start, *shape)]
            seg.parts = np.where(held, local.reads, UNHELD)
        local.reading = True
        if (n2 == 1 or q2 == 1) and (n1 == 1 or q1 == n2):
            cb.write(lanes, at, seg)
        else:
            for a in range(n1):
                for b in range(n2):
                    cb.write(lanes, at + a * q1 + b * q2, seg.slice(a * n2 + b, 1))
        tensor.starts(pattern.key, shape).add(start)
        tensor.read_bytes += total * lanes.n * tensor.page_bytes
        tally[slot] += total * lanes.n
        return following

    return quick_read(c, pages, pointer, tensor, step) if congruent else step


def _fetch(block: Any, *rest: Any) -> None:
    """The values a late read finds."""
    np.copyto(block, fetch(*rest))


def _congruent(c: OpContext, tensor: Tensor, cb: CircularBuffer) -> bool:
    """Whether pages of both have addresses that agree modulo the read alignment, wherever."""
    align = c.machine.arch.alignment(tensor.layout.memory)
    place = tensor.placement
    return not any(v % align for v in (cb.base - place.base, cb.page_bytes, place.page_stride))


def _aligned(
    c: OpContext, tensor: Tensor, cb: CircularBuffer, at: int, group: Group, page: int
) -> None:
    """Raise unless source and destination agree modulo the read alignment (congruence)."""
    align = c.machine.arch.alignment(tensor.layout.memory)
    slot: Any = cb.phase(group.lanes, write=True) + at
    here: Any = cb.base + slot * cb.page_bytes
    _, there = tensor.placement.address(page)
    if np.any((here - there) % align):
        raise Violation("Misaligned", f"noc_async_read_page from address {there} to"
                        f" {np.max(here)}: they differ modulo {align}")  # fmt: skip


def _read_state(
    tensor: Tensor, pattern: Pattern, start: int, shape: Shape, group: Group, c: OpContext
) -> Extents | None:
    """Extents of pages being read; orders reads and writes of buffers that have both.

    A page this thread wrote itself must have arrived; everything else is for the clocks.
    """
    ids = page_ids(pattern, start, *shape)
    arrived(tensor, tensor.units(ids), group, c)
    return None if tensor.valid is None else normal(tensor.valid[ids])


def arrived(tensor: Tensor, units: Any, group: Group, c: OpContext) -> None:
    """Raise unless units (lanes, n) of a tensor that is written may be read now."""
    owner: Any = tensor.owner
    if owner is None:
        return
    kernel, epoch = np.moveaxis(tensor.written_in[units], -1, 0)  # type: ignore[index]
    mine = (owner[units] == group.lanes.ids[:, None]) & (kernel == group.code.number)
    mine &= epoch > group.local.written
    if mine.any():
        raise Violation(
            "Unbarriered",
            f"a page of tensor {tensor.name} is read back before the barrier of its write",
            group.lanes.ids[mine.any(axis=1)],
        )
    if c.machine.order is not None:
        c.machine.order.read_page(tensor, group, units, c.number)


def build_write_page(c: OpContext) -> Step:
    """noc_async_write_page: pages of a CB window to a tensor."""
    tensor, counts, following, machine = c.tensor(1), c.counts(2), c.next, c.machine
    pages, pointer = Pages(c, 0, tensor), pointer_of(c, 2)
    cb = pointer.cb
    if not tensor.writable:
        tensor.make_writable()
    machine.accesses.setdefault(tensor.name, set()).add((True, c.code.thread))
    refused = misused(c, pointer, fills=False)
    if refused is not None:
        return refused
    if cb.fmt is not tensor.fmt or cb.tile != tensor.tile:
        return format_refusal(c, tensor, cb)
    tally, slot = machine.tally, machine.slot("noc_async_write_page")
    if pointer.write:
        cb.watched = cb.fetched = True

    def step(group: Group) -> int:
        n1, n2 = counts(group.regs)
        if not (n1 and n2):
            return following
        pattern, start, shape = pages(group, n1, n2)
        at, q1, q2 = pointer.pages(group)
        local, lanes = group.local, group.lanes
        if pointer.write:
            if not row_major(n1, q1, n2, q2):
                raise Violation("CBWindow", "pages of the reserved window must be written in order")
            seg = cb.written(lanes, at, n1 * n2)
        else:
            seg = cb.select(lanes, at, n1, q1, n2, q2)
        if seg.block is None or (seg.valid is not None and not seg.valid.any()):
            raise Violation("UninitialisedRead",
                            f"a page of circular buffer {cb.number} was never written")  # fmt: skip
        if seg.epoch > local.reads_done and pointer.write:
            raise Violation("Unbarriered", "a page is written out before the barrier of the read"
                            " that fills it")  # fmt: skip
        if pointer.write and machine.order is not None:
            byte: Any = (cb.phase(lanes, write=True) + at) * cb.page_bytes
            machine.order.sent(cb, group, byte, n1 * n2 * cb.page_bytes, c.number)
        ids = page_ids(pattern, start, *shape)
        claim(tensor, tensor.units(ids), group, c)
        tensor.fill(ids, seg.valid)
        if machine.arithmetic:
            if machine.late:
                block = seg.values()
                arrive = partial(store, tensor, pattern, start, shape, block, lanes)
                local.late.append(Late(arrive, stores=True))
            else:
                store(tensor, pattern, start, shape, seg.values(), lanes)
        if not pointer.write:
            low = min(at, at + q1 * (n1 - 1)) + min(0, q2 * (n2 - 1))
            for strand, _ in cb.at(lanes):
                if strand.source_epoch <= local.flushed:
                    strand.source_low = low
                else:
                    strand.source_low = min(strand.source_low, low)
                strand.source_epoch = local.writes
        local.writing = True
        tensor.written_bytes += n1 * n2 * lanes.n * tensor.page_bytes
        tally[slot] += n1 * n2 * lanes.n
        return following

    return step


def claim(tensor: Tensor, units: Any, group: Group, c: OpContext) -> None:
    """Every unit (lanes, n) has one writing core, unless the clocks order several."""
    owner: Any = tensor.owner
    me = group.lanes.ids[:, None]
    order = c.machine.order
    judged = order is not None and order.write_page(tensor, group, units, c.number)
    before = owner[units]
    bad = (before != NOBODY) & (before != me)
    owner[units] = me
    bad |= owner[units] != me
    tensor.written_in[units] = (group.code.number, group.local.writes)  # type: ignore[index]
    if not judged and bad.any():
        raise Violation("DoubleWrite", f"{tensor.named(int(units[bad][0]))} is written by two"
                        " cores", group.lanes.ids[bad.any(axis=1)])  # fmt: skip


def build_read_barrier(c: OpContext) -> Step:
    """noc_async_read_barrier."""
    following = c.next

    def step(group: Group) -> int:
        local = group.local
        if local.reading:
            if local.late_reads:
                local.fetch()
            local.reads_done = local.reads
            local.reads += 1
            local.reading = False
        return following

    return step


def build_write_barrier(c: OpContext) -> Step:
    """noc_async_write_barrier."""
    following = c.next

    def step(group: Group) -> int:
        local = group.local
        if local.writing:
            if local.late:
                local.arrive()
            local.written = local.flushed = local.writes
            local.writes += 1
            local.writing = False
        return following

    return step


def build_writes_flushed(c: OpContext) -> Step:
    """noc_async_writes_flushed: sources may be reused, data is not visible yet."""
    following = c.next

    def step(group: Group) -> int:
        local = group.local
        if local.writing:
            local.flushed = local.writes
            local.writes += 1
        return following

    return step


BUILDERS: Final[Builders] = MappingProxyType(
    {
        "noc_async_read_page": build_read_page,
        "noc_async_write_page": build_write_page,
        "noc_async_read_barrier": build_read_barrier,
        "noc_async_write_barrier": build_write_barrier,
        "noc_async_writes_flushed": build_writes_flushed,
    }
)
"""Op name to builder."""
