"""Pages read and written in parts: bytes of tiles, and which of them hold data.

Pages are kept as values. Where a transfer covers part of one, its bytes are made and changed, and
read back as values once somebody looks at those; from then on the page knows byte by byte who has
written it (``Seg.parts``), until it is whole.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.engine.deferred import Deferred
from simulator.engine.segs import NEVER, UNHELD, Parts, Seg, normal
from simulator.engine.violation import Violation
from simulator.formats.codec import decode_tiles, encode_tiles

if TYPE_CHECKING:
    from simulator.engine.cb import CircularBuffer
    from simulator.engine.lanes import Vector
    from simulator.engine.pool import Block
    from simulator.engine.strand import Strand

Bytes = npt.NDArray[np.uint8]

GARBAGE: Final = 0xFF
"""What bytes nobody wrote hold: a NaN in every float format."""


class Piece(NamedTuple):
    """Bytes on their way, a row per lane: their contents, and per byte what ``Seg.parts`` says."""

    data: Bytes
    when: Parts

    def take(self, rows: Vector) -> Piece:
        """Some of the rows."""
        return Piece(self.data[rows], self.when[rows])

    def of(self, start: int, count: int) -> Piece:
        """Some of the bytes."""
        span = slice(start, start + count)
        return Piece(self.data[:, span], self.when[:, span])


def page_piece(cb: CircularBuffer, seg: Seg, lanes: int) -> Piece:
    """All bytes of a segment of one page; not to be changed."""
    if seg.piece is not None:
        return seg.piece  # type: ignore[no-any-return]
    size = cb.page_bytes
    when: Any = seg.parts
    if seg.block is None:
        return Piece(np.full((lanes, size), GARBAGE, np.uint8), np.full((lanes, size), UNHELD))
    if when is not None:
        when = when[:, 0]
    elif seg.valid is None:
        when = np.full((lanes, size), seg.epoch)
    else:
        held = cb.map.bytes_of(seg.valid[:, 0])
        when = np.where(held, seg.epoch, UNHELD)
    if not cb.pool.arithmetic:
        return Piece(np.zeros((lanes, size), np.uint8), when)
    values = seg.values().reshape(lanes, *cb.tile)
    return Piece(encode_tiles(values, cb.fmt), when)


def page_seg(cb: CircularBuffer, piece: Piece, width: int) -> Seg:
    """The segment of one page that holds these bytes."""
    lanes = len(piece.when)
    shape = (lanes // width, width, 1, 1, *cb.tile)
    block: Any
    if cb.pool.arithmetic:
        block = Deferred.other(partial(_decoded, cb, piece, shape), shape, cb.fmt.value_dtype)
    else:
        block = cb.pool.dummy(shape, cb.fmt.value_dtype)
    seg = Seg(1, block)
    know(cb, seg, piece.when)
    seg.piece = piece
    return seg


def _decoded(cb: CircularBuffer, piece: Piece, shape: tuple[int, ...]) -> Block:
    return decode_tiles(piece.data, cb.fmt, cb.tile).reshape(shape)


def know(cb: CircularBuffer, seg: Seg, when: Parts) -> None:
    """Of a segment of one page, what its bytes are, a row per lane."""
    held = when != UNHELD
    seg.epoch = int(when.max(initial=NEVER))
    if not held.all():
        seg.valid = normal(cb.map.extents_of(held)[:, None])
    uneven = (when != seg.epoch) & held
    if seg.valid is not None or uneven.any():
        seg.parts = when[:, None]


def put(cb: CircularBuffer, strand: Strand, at: int, piece: Piece) -> None:
    """Write bytes from byte ``at`` of the reserved window on, a row per lane of the strand.

    Raises:
        Violation: pages outside the window.
    """
    size, count = cb.page_bytes, piece.data.shape[1]
    first, last = at // size, (at + count - 1) // size
    cb.check_writable(strand, first, last - first + 1)
    for page in range(first, last + 1):
        old = page_piece(cb, strand.staged_range(page, 1)[0], strand.lanes.n)
        begin = max(at - page * size, 0)
        source = page * size + begin - at
        end = min(at + count - page * size, size)
        there, here = slice(begin, end), slice(source, source + end - begin)
        data, when = old.data.copy(), old.when.copy()
        twice = (when[:, there] == piece.when[:, here]) & (when[:, there] > NEVER)
        if twice.any():
            raise Violation(
                "Race",
                f"two NoC reads under way write byte"
                f" {begin + int(twice.argmax(axis=1).max())} of one page: which of them"
                " comes last is not defined",
                strand.lanes.ids[twice.any(axis=1)],
            )
        data[:, there], when[:, there] = piece.data[:, here], piece.when[:, here]
        strand.stage(page, page_seg(cb, Piece(data, when), strand.lanes.width), patched=True)


def cut(pieces: list[Piece], start: int, count: int) -> Piece:
    """``count`` bytes from ``start`` on of consecutive pages."""
    span = slice(start, start + count)
    return Piece(
        np.concatenate([piece.data for piece in pieces], axis=1)[:, span],
        np.concatenate([piece.when for piece in pieces], axis=1)[:, span],
    )
