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


def read_piece(cb: CircularBuffer, strand: Strand, page: int) -> Piece:
    """All bytes of a readable page, made once; not to be changed."""
    seg, offset = strand.find(page, page, cb.pool)
    if seg.pages == 1:
        piece = seg.piece = page_piece(cb, seg, strand.lanes.n)
        return piece
    if seg.piece is None:
        seg.piece = {}
    known: dict[int, Piece] = seg.piece
    if offset not in known:
        known[offset] = page_piece(cb, seg.slice(offset, 1), strand.lanes.n)
    return known[offset]


def page_seg(cb: CircularBuffer, piece: Piece, width: int) -> Seg:
    """The segment of one page that holds these bytes."""
    seg = Seg(1, None)
    _settle(cb, seg, piece, width)
    return seg


def _settle(cb: CircularBuffer, seg: Seg, piece: Piece, width: int) -> None:
    """Tell of a segment of one page what these bytes say; they stay as they are from now on."""
    lanes = len(piece.when)
    shape = (lanes // width, width, 1, 1, *cb.tile)
    if cb.pool.arithmetic:
        seg.block = Deferred.other(partial(_decoded, cb, piece, shape), shape, cb.fmt.value_dtype)
    else:
        seg.block = cb.pool.dummy(shape, cb.fmt.value_dtype)
    seg.valid = seg.parts = None
    know(cb, seg, piece.when)
    seg.piece = piece


class _Open(Seg):
    """A page that transfers fill one after the other.

    Until somebody asks what is known of it, its bytes are changed where they are. The attributes
    that would tell are left out as long, so that asking for one ends up in ``__getattr__``.
    """

    __slots__ = ("bytes", "cb", "width")

    def __init__(self, cb: CircularBuffer, piece: Piece, width: int) -> None:
        self.pages, self.rows, self.masked = 1, None, False
        self.cb, self.width = cb, width
        self.bytes: Piece | None = piece

    def __getattr__(self, name: str) -> Any:
        piece, self.bytes = self.bytes, None
        if piece is None:
            raise AttributeError(name)
        _settle(self.cb, self, piece, self.width)
        return getattr(self, name)


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
        begin = max(at - page * size, 0)
        source = page * size + begin - at
        end = min(at + count - page * size, size)
        data, when = _opened(cb, strand, page)
        there = when[:, begin:end]
        new = piece if end - begin == count else piece.of(source, end - begin)
        same = there == new.when
        if same.any() and (twice := same & (there > NEVER)).any():
            raise Violation(
                "Race",
                f"two NoC reads under way write byte"
                f" {begin + int(twice.argmax(axis=1).max())} of one page: which of them"
                " comes last is not defined",
                strand.lanes.ids[twice.any(axis=1)],
            )
        data[:, begin:end], there[...] = new


def _opened(cb: CircularBuffer, strand: Strand, page: int) -> Piece:
    """The bytes of a page of the reserved window, to be changed where they are."""
    seg = strand.staged_range(page, 1)[0]
    if type(seg) is _Open and seg.bytes is not None:
        return seg.bytes
    old = page_piece(cb, seg, strand.lanes.n)
    piece = Piece(old.data.copy(), old.when.copy())
    strand.stage(page, _Open(cb, piece, strand.lanes.width), patched=True)
    return piece


def under_way(cb: CircularBuffer, strand: Strand, at: int, size: int, done: int) -> bool:
    """Whether reads behind epoch ``done`` may still write some bytes of the reserved window."""
    page = cb.page_bytes
    for number in range(at // page, (at + size - 1) // page + 1):
        seg = strand.staged_range(number, 1)[0]
        if type(seg) is _Open and seg.bytes is not None:
            when = seg.bytes.when
        elif seg.epoch <= done:  # the latest of all its bytes
            continue
        else:
            when = page_piece(cb, seg, strand.lanes.n).when
        if (when[:, max(at - number * page, 0) : at + size - number * page] > done).any():
            return True
    return False


def cut(pieces: list[Piece], start: int, count: int) -> Piece:
    """``count`` bytes from ``start`` on of consecutive pages."""
    if len(pieces) == 1:
        return pieces[0].of(start, count)
    span = slice(start, start + count)
    return Piece(
        np.concatenate([piece.data for piece in pieces], axis=1)[:, span],
        np.concatenate([piece.when for piece in pieces], axis=1)[:, span],
    )
