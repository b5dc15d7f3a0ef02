"""What a transfer between cores carries: whole pages by reference, or bytes of pages.

A *load* is what is under way, a row per lane: a segment, or a piece
(:mod:`simulator.engine.parts`).
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np

from simulator.engine.cb import CircularBuffer
from simulator.engine.deferred import Deferred
from simulator.engine.group import Group
from simulator.engine.lanes import Lanes, Vector
from simulator.engine.parts import Piece, cut, page_piece, put, read_piece
from simulator.engine.segs import NEVER, UNHELD, Seg, join_lanes, join_pages
from simulator.engine.strand import Strand
from simulator.engine.violation import Violation


class Carrier(Protocol):
    """How one kind of load leaves and enters circular buffers; positions and sizes in bytes."""

    def taken(self, cb: CircularBuffer, strand: Strand, at: int, size: int, *, write: bool) -> Any:
        """The load at a position of the reserved or the readable window."""

    def joined(self, loads: list[tuple[Any, Vector | None]], lanes: Lanes) -> Any:
        """One load for all lanes."""

    def check(self, load: Any, done: int, cb: CircularBuffer, lanes: Lanes) -> None:
        """Raise unless all of it is there, reads up to epoch ``done`` being complete."""

    def begun(self, load: Any, epoch: int) -> Any:
        """The load as what a NoC read of this epoch writes; :data:`NEVER` for one that is done."""

    def put(self, cb: CircularBuffer, strand: Strand, at: int, load: Any) -> None:
        """Write it at a position of the reserved window."""


class _Pages:
    """Whole pages."""

    def taken(self, cb: CircularBuffer, strand: Strand, at: int, size: int, *, write: bool) -> Seg:
        first, pages = at // cb.page_bytes, size // cb.page_bytes
        if not write:
            seg, offset = strand.find(first, first + pages - 1, cb.pool)
            return seg.slice(offset, pages)
        segs = strand.staged_range(first, pages)
        whole = join_pages(segs, strand.lanes.n, strand.lanes.width, cb.pool)
        if len(segs) > 1:
            whole.epoch = max(seg.epoch for seg in segs)
        return whole

    def joined(self, loads: list[tuple[Seg, Vector | None]], lanes: Lanes) -> Seg:
        if len(loads) == 1:
            return loads[0][0]
        return join_lanes([(seg, rows) for seg, rows in loads if rows is not None], lanes.n)

    def check(self, load: Seg, done: int, cb: CircularBuffer, lanes: Lanes) -> None:
        if load.epoch > done:
            raise _early()
        lost = None
        if load.valid is not None and load.parts is None:
            empty = (load.valid == 0).any(axis=-1).any(axis=-1)
            lost = lanes.ids[empty] if empty.any() else None
        if load.block is None or lost is not None:
            raise _unwritten(f"a page of circular buffer {cb.number} that nobody wrote is taken",
                             lost)  # fmt: skip

    def begun(self, load: Seg, epoch: int) -> Seg:
        if type(load.block) is Deferred:
            load.values()
        seg = Seg(load.pages, load.block, load.valid, epoch, load.rows)
        seg.masked = load.masked
        if load.parts is not None:
            seg.parts = np.where(load.parts == UNHELD, UNHELD, epoch)
        return seg

    def put(self, cb: CircularBuffer, strand: Strand, at: int, load: Seg) -> None:
        first = at // cb.page_bytes
        cb.check_writable(strand, first, load.pages)
        strand.stage(first, load)


class _Bytes:
    """Bytes of one or several pages."""

    def taken(
        self, cb: CircularBuffer, strand: Strand, at: int, size: int, *, write: bool
    ) -> Piece:  # fmt: skip
        first, last = at // cb.page_bytes, (at + size - 1) // cb.page_bytes
        pieces = []
        for page in range(first, last + 1):
            if write:
                pieces.append(page_piece(cb, strand.staged_range(page, 1)[0], strand.lanes.n))
            else:
                pieces.append(read_piece(cb, strand, page))
        return cut(pieces, at - first * cb.page_bytes, size)

    def joined(self, loads: list[tuple[Piece, Vector | None]], lanes: Lanes) -> Piece:
        if len(loads) == 1:
            return loads[0][0]
        del lanes
        order = np.argsort(np.concatenate([rows for _, rows in loads if rows is not None]))
        return Piece(
            np.concatenate([piece.data for piece, _ in loads])[order],
            np.concatenate([piece.when for piece, _ in loads])[order],
        )

    def check(self, load: Piece, done: int, cb: CircularBuffer, lanes: Lanes) -> None:
        if (load.when > done).any():
            raise _early()
        lost = load.when == UNHELD
        if lost.any():
            row, byte = (int(v) for v in np.argwhere(lost)[0])
            raise _unwritten(
                f"{load.when.shape[1]} bytes of circular buffer {cb.number} are taken of which"
                f" nobody wrote {int(lost[row].sum())}, the first at byte {byte}",
                lanes.ids[lost.any(axis=1)],
            )

    def begun(self, load: Piece, epoch: int) -> Piece:
        return Piece(load.data, np.where(load.when == UNHELD, UNHELD, epoch))

    def put(self, cb: CircularBuffer, strand: Strand, at: int, load: Piece) -> None:
        put(cb, strand, at, load)


PAGES: Final[Carrier] = _Pages()
BYTES: Final[Carrier] = _Bytes()


def _early() -> Violation:
    return Violation("Unbarriered", "data is sent before the barrier of the read that fetches it")


def _unwritten(message: str, lanes: Vector | None = None) -> Violation:
    return Violation("UninitialisedRead", message, lanes)


def sent(carrier: Carrier, cb: CircularBuffer, group: Group, at: int, size: int, *,
         write: bool) -> Any:  # fmt: skip
    """The load a NoC write takes from the group's own window.

    Raises:
        Violation: outside the window, never written, or still being fetched.
    """
    load = picked(carrier, cb, group, at, size, write=write)
    carrier.check(load, group.local.reads_done if write else 1 << 62, cb, group.lanes)
    return carrier.begun(load, NEVER)


def picked(carrier: Carrier, cb: CircularBuffer, group: Group, at: int, size: int, *,
           write: bool) -> Any:  # fmt: skip
    """What is in the group's own window, read by a NoC write from here on.

    Raises:
        Violation: outside the window.
    """
    page, lanes, local = cb.page_bytes, group.lanes, group.local
    first, last = at // page, (at + size - 1) // page
    loads: list[tuple[Any, Vector | None]] = []
    for strand, rows in cb.at(lanes):
        if write:
            cb.check_writable(strand, first, last - first + 1)
        else:
            cb.check_readable(strand, first, last)
            fresh = strand.source_epoch <= local.flushed
            strand.source_low = first if fresh else min(first, strand.source_low)
            strand.source_epoch = local.writes
        loads.append((carrier.taken(cb, strand, at, size, write=write), rows))
    return carrier.joined(loads, lanes)


def held(carrier: Carrier, cb: CircularBuffer, lanes: Lanes, position: int, size: int) -> Any:
    """What buffers of other cores hold now at a byte position, a row per lane.

    Raises:
        Violation: nobody wrote it.
    """
    page, total = cb.page_bytes, cb.depth * cb.page_bytes
    loads: list[tuple[Any, Vector | None]] = []
    for strand, rows in cb.at(lanes):
        front = (position - agreed(strand.rd, strand) * page) % total
        behind = (position - agreed(strand.wr, strand) * page) % total
        there = front + size <= strand.occ * page
        loads.append(
            (carrier.taken(cb, strand, front if there else behind, size, write=not there), rows)
        )
    load = carrier.joined(loads, lanes)
    carrier.check(load, 1 << 62, cb, lanes)
    return load


def agreed(slot: Any, strand: Strand) -> int:
    """A pointer's slot that all lanes have in common.

    Raises:
        Violation: they do not, so no address is right on all of them.
    """
    if isinstance(slot, int):
        return slot
    if (slot == slot[0]).all():
        return int(slot[0])
    raise Violation("CBWindow", "the pointers of the cores at the far end differ, the address"
                    " cannot be right on all of them", strand.lanes.ids)  # fmt: skip
