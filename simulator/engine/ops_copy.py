"""What a data movement RISC moves within L1 itself: bytes from one circular buffer to another.

No NoC transfer is under way: the RISC loads what it has waited for and stores it at once.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.engine.carriers import BYTES
from simulator.engine.cb import CircularBuffer
from simulator.engine.code import Builders, OpContext, Step, refusal, uniform
from simulator.engine.expr import ExprError
from simulator.engine.group import Group
from simulator.engine.lanes import Vector
from simulator.engine.parts import Piece
from simulator.engine.pointers import Pointer, grain_of, misused, pointer_of
from simulator.engine.segs import NEVER, UNHELD
from simulator.engine.violation import Violation

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
        there = BYTES.taken(cb, strand, at, size, write=True)
        if (there.when > group.local.reads_done).any():
            raise Violation("Unbarriered", f"{name} before the barrier of the read that fills the"
                            " same bytes")  # fmt: skip


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
        apart = [v % WORD for v in (first, source.cb.base + start, size)]
        if size <= 0 or any(np.any(rest) for rest in apart):
            raise Violation("Misaligned", f"{name} of {size} bytes from byte {start} of the window"
                            f" of circular buffer {source.cb.number} to byte {at} of that of"
                            f" circular buffer {cb.number}: words of {WORD} bytes are"
                            " moved")  # fmt: skip
        piece = taken(source.cb, group, start, size, name)
        lost = (piece.when == UNHELD).all(axis=1)
        if lost.any():
            raise Violation("UninitialisedRead", f"{name} of {size} bytes of circular buffer"
                            f" {source.cb.number} that were never written",
                            lanes.ids[lost])  # fmt: skip
        check_still(cb, group, at, size, name)
        if machine.order is not None:
            machine.order.stored(cb, group, first - cb.base, size, c.number)
        moved = Piece(piece.data, np.where(piece.when == UNHELD, UNHELD, NEVER))
        for strand, rows in cb.at(lanes):
            BYTES.put(cb, strand, at, moved if rows is None else moved.take(rows))
        return following

    return step


BUILDERS: Final[Builders] = MappingProxyType({"copy_l1": build_copy})
"""Op name to builder."""
