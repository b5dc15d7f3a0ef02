"""NoC transfers of part of a tensor's page: a piece of a row-major row, a row of a tile's face.

tt-metal spells them ``noc_async_read(accessor.get_noc_addr(page, offset), l1, bytes)``. The
circular buffer holds the tensor's datums in pages of any shape: bytes are bytes, except in block
formats.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.engine.carriers import BYTES, picked
from simulator.engine.code import Builders, OpContext, Step, uniform
from simulator.engine.gather import page_ids
from simulator.engine.group import Group
from simulator.engine.lanes import Vector
from simulator.engine.local import Late
from simulator.engine.ops_noc import arrived, claim, format_refusal
from simulator.engine.page_operand import Pages
from simulator.engine.parts import Piece
from simulator.engine.pointers import grain_of, misused, pointer_of
from simulator.engine.segs import NEVER, UNHELD
from simulator.engine.violation import Violation, of_op

ONE: Final = (1, 0, 1, 0)
"""The loop nest of a transfer of one page."""


class Part:
    """Operands page, tensor, l1, offset, bytes."""

    def __init__(self, c: OpContext, *, write: bool) -> None:
        self.c, self.name = c, c.op.name
        self.tensor, self.pointer = c.tensor(1), pointer_of(c, 2)
        self._pages = Pages(c, 0, self.tensor)
        self._offset, self._size = c.scalar(3), c.scalar(4)
        cb = self.pointer.cb
        cb.grain = np.gcd(cb.grain, grain_of(c, 2, 4)).item()
        self.tensor.refine(grain_of(c, 3, 4))
        if write and self.pointer.write:
            cb.watched = cb.fetched = True
        c.machine.accesses.setdefault(self.tensor.name, set()).add((write, c.code.thread))
        arch = c.machine.arch
        self._align = arch.l1_alignment if write else arch.alignment(self.tensor.layout.memory)

    def refusal(self, *, fills: bool) -> Step | None:
        """Of a pointer that is not the thread's, or of another format."""
        cb, tensor = self.pointer.cb, self.tensor
        refused = misused(self.c, self.pointer, fills=fills)
        if refused is not None:
            return refused
        if cb.fmt is not tensor.fmt or (cb.fmt.is_bfp and cb.tile != tensor.tile):
            return format_refusal(self.c, tensor, cb)
        return None

    def of(self, group: Group) -> tuple[Any, int, int, int, Any]:
        """(page per lane, offset, size, byte in the window, start) of one execution.

        Raises:
            Violation: beyond the page, or not aligned alike.
        """
        tensor, cb, lanes = self.tensor, self.pointer.cb, group.lanes
        pattern, start, _ = self._pages(group, 1, 1)
        offset = uniform(group, self._offset(group.regs))
        size = uniform(group, self._size(group.regs))
        if size <= 0 or offset < 0 or offset + size > tensor.page_bytes:
            raise Violation(
                "OutOfBounds",
                f"{self.name} of {size} bytes from byte {offset} of a page of tensor {tensor.name},"
                f" which has {tensor.page_bytes}",
            )
        at = self.pointer.offset(group)
        first: Any = cb.phase(lanes, write=self.pointer.write) * cb.page_bytes + at
        ids = page_ids(pattern, start, *ONE)
        place = tensor.placement.base + offset  # pages lie a multiple of the alignment apart
        apart = (cb.base + first - place) % self._align
        if apart if type(apart) is int else apart.any():
            raise Violation(
                "Misaligned",
                f"{self.name} between byte {offset} of page {ids[0, 0]} of tensor {tensor.name} and"
                f" byte {at} of the window of circular buffer {cb.number}: their addresses differ"
                f" modulo {self._align}",
                lanes.ids if np.ndim(apart) == 0 else lanes.ids[apart != 0],
            )
        tensor.starts(pattern.key, ONE).add(start)
        return ids, offset, size, at, first


def _piece(part: Part, ids: Vector, offset: int, size: int, epoch: int) -> Piece:
    """What the tensor holds there now, as a NoC read of this epoch brings it."""
    tensor, span = part.tensor, slice(offset, offset + size)
    if part.c.machine.arithmetic:
        data = tensor.page(ids, span)
    else:
        data = np.zeros((len(ids), size), np.uint8)
    held = tensor.bytes_held(ids, span)
    return Piece(data, np.where(held, epoch, UNHELD))


def build_read(c: OpContext) -> Step:
    """noc_async_read_partial_page."""
    part, following, machine = Part(c, write=False), c.next, c.machine
    tensor, cb = part.tensor, part.pointer.cb
    tally, slot = machine.tally, machine.slot(c.op.name)

    def step(group: Group) -> int:
        ids, offset, size, at, first = part.of(group)
        lanes, local = group.lanes, group.local
        arrived(tensor, tensor.units(ids, offset, size), group, c)
        if cb.watched and machine.order is not None:
            machine.order.filled(cb, group, first, size, c.number)

        def fill(epoch: int) -> None:
            piece = _piece(part, ids[:, 0], offset, size, epoch)
            for strand, rows in cb.at(lanes):
                BYTES.put(cb, strand, at, piece if rows is None else piece.take(rows))

        fill(local.reads)
        if machine.late and machine.arithmetic:
            local.late_reads.append(of_op(c.number, partial(fill, NEVER)))
        local.reading = True
        tensor.read_bytes += size * lanes.n
        tally[slot] += lanes.n
        return following

    return part.refusal(fills=True) or step


def build_write(c: OpContext) -> Step:
    """noc_async_write_partial_page."""
    tensor = c.tensor(1)
    if not tensor.writable:
        tensor.make_writable()
    part, following, machine = Part(c, write=True), c.next, c.machine
    cb = part.pointer.cb
    tally, slot = machine.tally, machine.slot(c.op.name)

    def step(group: Group) -> int:
        ids, offset, size, at, first = part.of(group)
        lanes, local = group.lanes, group.local
        load = picked(BYTES, cb, group, at, size, write=part.pointer.write)
        lost = (load.when == UNHELD).all(axis=1)
        if lost.any():
            raise Violation("UninitialisedRead", f"{size} bytes of circular buffer {cb.number} were"
                            " never written", lanes.ids[lost])  # fmt: skip
        if part.pointer.write and (load.when > local.reads_done).any():
            raise Violation("Unbarriered", "bytes are written out before the barrier of the read"
                            " that fetches them")  # fmt: skip
        if part.pointer.write and machine.order is not None:
            machine.order.sent(cb, group, first, size, c.number)
        claim(tensor, tensor.units(ids, offset, size), group, c)
        tensor.fill_part(ids[:, 0], offset, load.when != UNHELD)
        if machine.arithmetic:
            arrive = partial(tensor.put, ids[:, 0], offset, load.data)
            if machine.late:
                local.late.append(Late(arrive, stores=True))
            else:
                arrive()
        local.writing = True
        tensor.written_bytes += size * lanes.n
        tally[slot] += lanes.n
        return following

    return part.refusal(fills=False) or step


BUILDERS: Final[Builders] = MappingProxyType(
    {"noc_async_read_partial_page": build_read, "noc_async_write_partial_page": build_write}
)
"""Op name to builder."""
