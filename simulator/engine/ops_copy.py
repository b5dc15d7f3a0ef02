"""What a data movement RISC moves within L1 itself: bytes from one circular buffer to another.

No NoC transfer is under way: the RISC loads what it has waited for and stores it at once.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.arch import TILE
from simulator.engine.carriers import BYTES
from simulator.engine.cb import CircularBuffer
from simulator.engine.code import Builders, OpContext, Step, refusal, uniform
from simulator.engine.expr import ExprError
from simulator.engine.group import Group
from simulator.engine.lanes import Vector
from simulator.engine.parts import Piece, page_seg, under_way
from simulator.engine.pointers import Pointer, grain_of, misused, pointer_of
from simulator.engine.segs import NEVER, UNHELD
from simulator.engine.violation import Violation
from simulator.formats.dataformat import FACE_SIDE as FACE

WORD: Final = 4
"""Bytes of what the RISC loads and stores; it cannot at other places."""


def ends(c: OpContext) -> tuple[Pointer, Pointer, Step | None]:
    """Where an op writes and what it reads, its operands 1 and 2, and a refusal of the two."""
    into, source = pointer_of(c, 1), pointer_of(c, 2)
    if into.cb is not c.cb(0):
        raise ExprError(f"{c.op.name}'s address is not in its circular buffer")
    refused = misused(c, into, fills=True) or misused(c, source, fills=False)
    if refused is None and source.write:
        refused = refusal("CBWindow", f"{c.op.name} reads at get_write_ptr of circular buffer"
                          f" {source.cb.number}: what was waited for begins at"
                          " get_read_ptr")  # fmt: skip
    a, b = into.cb, source.cb
    if refused is None and (a.fmt is not b.fmt or a.fmt.is_bfp):
        refused = refusal("ShapeMismatch", f"{c.op.name} from circular buffer {b.number} of"
                          f" {b.fmt.value} to circular buffer {a.number} of {a.fmt.value}: it moves"
                          " datums of one format, without shared exponents")  # fmt: skip
    return into, source, refused


def taken(cb: CircularBuffer, group: Group, at: int, size: int, name: str) -> Piece:
    """Bytes of the readable window as they are now.

    Raises:
        Violation: outside the window, or of a buffer that others change meanwhile.
    """
    if cb.far:
        raise Violation("InvalidProgram", f"{name} from circular buffer {cb.number}, which other"
                        " cores write or read: that is not modelled")  # fmt: skip
    loads: list[tuple[Piece, Vector | None]] = []
    for strand, rows in cb.at(group.lanes):
        cb.check_readable(strand, at // cb.page_bytes, (at + size - 1) // cb.page_bytes)
        loads.append((BYTES.taken(cb, strand, at, size, write=False), rows))
    piece: Piece = BYTES.joined(loads, group.lanes)
    return piece


def check_still(cb: CircularBuffer, group: Group, at: int, size: int, name: str) -> None:
    """Raise while a NoC read may still fill bytes of the reserved window."""
    for strand, _ in cb.at(group.lanes):
        cb.check_writable(strand, at // cb.page_bytes, (at + size - 1) // cb.page_bytes
                          - at // cb.page_bytes + 1)  # fmt: skip
        if under_way(cb, strand, at, size, group.local.reads_done):
            raise _early(name)


def _early(name: str) -> Violation:
    return Violation("Unbarriered", f"{name} before the barrier of the read that fills the same"
                     " bytes")  # fmt: skip


def build_copy(c: OpContext) -> Step:
    """copy_l1: bytes of the readable window of one buffer to the reserved one of another."""
    into, source, refused = ends(c)
    if refused is not None:
        return refused
    cb, following, machine, name = into.cb, c.next, c.machine, c.op.name
    bytes_of = c.scalar(3)
    cb.grain = np.gcd(cb.grain, grain_of(c, 1, 3)).item()

    def step(group: Group) -> int:
        size = uniform(group, bytes_of(group.regs))
        at, start = into.offset(group), source.offset(group)
        lanes = group.lanes
        first: Any = cb.base + cb.phase(lanes, write=True) * cb.page_bytes + at
        apart = first % WORD
        odd = (source.cb.base + start) % WORD or size % WORD
        if size <= 0 or odd or (apart if type(apart) is int else apart.any()):
            raise Violation("Misaligned", f"{name} of {size} bytes from byte {start} of the window"
                            f" of circular buffer {source.cb.number} to byte {at} of that of"
                            f" circular buffer {cb.number}: words of {WORD} bytes are"
                            " moved")  # fmt: skip
        piece = taken(source.cb, group, start, size, name)
        unheld = piece.when == UNHELD
        lost = unheld.all(axis=1)
        if lost.any():
            raise Violation("UninitialisedRead", f"{name} of {size} bytes of circular buffer"
                            f" {source.cb.number} that were never written",
                            lanes.ids[lost])  # fmt: skip
        check_still(cb, group, at, size, name)
        if machine.order is not None:
            machine.order.stored(cb, group, first - cb.base, size, c.number)
        moved = Piece(piece.data, np.where(unheld, UNHELD, NEVER))
        for strand, rows in cb.at(lanes):
            BYTES.put(cb, strand, at, moved if rows is None else moved.take(rows))
        return following

    return step


def datum_places(rows: Vector, cols: Vector, width: int) -> Vector:
    """Which datums of a block of tiles in memory its rows and columns are."""
    tile = rows // TILE * width + cols // TILE
    face = rows % TILE // FACE * 2 + cols % TILE // FACE
    return (tile * 4 + face) * FACE * FACE + rows % FACE * FACE + cols % FACE


class _Lattice:
    """Operands 3 on of copy_datums_l1: datums in memory, where they go and where they come from."""

    def __init__(self, c: OpContext) -> None:
        self._of = [c.scalar(operand) for operand in range(3, 16)]
        self.name = c.op.name

    def of(self, group: Group) -> tuple[Vector, Vector]:
        """Targets and sources, (rows * cols), of one execution.

        Raises:
            Violation: nothing, or before the first of the datums.
        """
        given = [uniform(group, value(group.regs)) for value in self._of]
        rows, cols, to_row, to_col, down, right, to_width = given[:7]
        row, col, row_down, col_down, col_right, width = given[7:]
        if rows <= 0 or cols <= 0 or to_width <= 0 or width <= 0:
            raise Violation("OutOfBounds", f"{self.name} of {rows} rows and {cols} columns, in"
                            f" blocks {width} and {to_width} tiles wide")  # fmt: skip
        m, n = (part.reshape(-1) for part in np.mgrid[:rows, :cols])
        target, source = (
            (to_row + m * down, to_col + n * right),
            (row + m * row_down, col + m * col_down + n * col_right),
        )
        for (r, c), wide in ((target, to_width), (source, width)):
            bad = (r < 0) | (c < 0) | (c >= wide * TILE)
            if bad.any():
                raise Violation("OutOfBounds", f"{self.name} of row {int(r[bad][0])}, column"
                                f" {int(c[bad][0])} of a block {wide} tiles wide")  # fmt: skip
        return datum_places(*target, to_width), datum_places(*source, width)


def build_copy_datums(c: OpContext) -> Step:
    """copy_datums_l1: datums of the readable window of one buffer to the reserved one of another.

    The clocks take the pages from the first one written to the last as written.
    """
    into, source, refused = ends(c)
    if refused is not None:
        return refused
    cb, other, following, machine, name = into.cb, source.cb, c.next, c.machine, c.op.name
    if cb.tile != (TILE, TILE) or cb.tile != other.tile:
        return refusal("ShapeMismatch", f"{name} between circular buffers {other.number} and"
                       f" {cb.number}: it knows tiles of {TILE}x{TILE}")  # fmt: skip
    lattice, page = _Lattice(c), cb.page_bytes
    size = cb.fmt.spec.bits // 8

    def step(group: Group) -> int:
        at, start = (end.pages(group)[0] for end in (into, source))
        targets, sources = lattice.of(group)
        per = TILE * TILE
        low, high = (int(f(targets)) // per for f in (np.min, np.max))
        first, last = (int(f(sources)) // per for f in (np.min, np.max))
        lanes = group.lanes
        piece = taken(other, group, (start + first) * page, (last + 1 - first) * page, name)
        span = (sources - first * per)[:, None] * size + np.arange(size)
        data, when = piece.data[:, span], piece.when[:, span]
        lost = (when == UNHELD).any(axis=(1, 2))
        if lost.any():
            raise Violation("UninitialisedRead", f"{name} of datums of circular buffer"
                            f" {other.number} of which some were never written",
                            lanes.ids[lost])  # fmt: skip
        if machine.order is not None:
            begin: Any = (cb.phase(lanes, write=True) + at + low) * page
            machine.order.stored(cb, group, begin, (high + 1 - low) * page, c.number)
        there = (targets - low * per)[:, None] * size + np.arange(size)
        for strand, rows in cb.at(lanes):
            cb.check_writable(strand, at + low, high + 1 - low)
            old = BYTES.taken(cb, strand, (at + low) * page, (high + 1 - low) * page, write=True)
            if (old.when[:, there] > group.local.reads_done).any():
                raise _early(name)
            bytes_, marks = old.data.copy(), old.when.copy()
            bytes_[:, there] = data if rows is None else data[rows]
            marks[:, there] = NEVER
            for number in range(high + 1 - low):
                part = Piece(bytes_, marks).of(number * page, page)
                strand.stage(at + low + number, page_seg(cb, part, strand.lanes.width),
                             patched=True)  # fmt: skip
        return following

    return step


BUILDERS: Final[Builders] = MappingProxyType(
    {"copy_l1": build_copy, "copy_datums_l1": build_copy_datums}
)
"""Op name to builder."""
