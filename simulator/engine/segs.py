"""Runs of tiles: what a circular buffer or a DST section holds, by reference.

A segment is a run of pages with one block of values, never copied on its way from DRAM through
L1 and DST and back. Blocks are immutable by convention: whoever computes takes a new one.

Block shape: (lane rows, lane columns, tile rows, tile columns, height, width); lanes and pages
are row-major over their two axes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulator.engine.deferred import Deferred
from simulator.engine.pool import Block, Pool
from simulator.formats.bytemap import WHOLE

Vector = npt.NDArray[np.int64]
Extents = npt.NDArray[np.int16]
"""Valid rows and columns, from the top left, of tiles: (lanes, pages, 2)."""

Parts = npt.NDArray[np.int64]

NEVER: Final = -1
"""Epoch of pages no NoC read is under way for."""
UNHELD: Final = -2
"""Epoch of bytes nobody wrote."""


class Seg:
    """``pages`` consecutive pages.

    Attributes:
        pages: how many.
        block: values (perhaps deferred: see :meth:`values`), or None where nothing was written.
        rows: lanes of ``block`` that belong to the owner, None for all in order.
        valid: extents of valid data, None where all of it is.
        epoch: NoC read epoch of the writing thread that must complete, else NEVER.
        masked: written by a reduction (packing it under the packer's mask is intended).
        parts: of pages written in parts, per byte (lanes, pages, bytes) the epoch of the NoC read
            that writes it, :data:`NEVER` if none is under way, :data:`UNHELD` if nobody did;
            ``valid`` is then the largest rectangle of data in it.
        piece: of one page written or read in parts, its bytes
            (:class:`simulator.engine.parts.Piece`), of which ``block`` is made when somebody looks
            where they were written; of several pages those read in parts, by page.
    """

    __slots__ = ("block", "epoch", "masked", "pages", "parts", "piece", "rows", "valid")

    def __init__(
        self,
        pages: int,
        block: Block | Deferred | None,
        valid: Extents | None = None,
        epoch: int = NEVER,
        rows: Vector | None = None,
    ) -> None:
        self.pages = pages
        self.block: Any = block
        self.rows = rows
        self.valid = valid
        self.epoch = epoch
        self.masked = False
        self.parts: Parts | None = None
        self.piece: Any = None

    def values(self) -> Block:
        """The block of exactly the owner's lanes, computed if it was deferred."""
        block: Any = self.block
        if type(block) is Deferred:
            block = self.block = block.value()
        if self.rows is not None:
            block = self.block = pick_lanes(block, self.rows)
            self.rows = None
        return block  # type: ignore[no-any-return]

    def take(self, rows: Vector) -> Seg:
        """The same pages on some lanes; the block is only referred to."""
        valid = None if self.valid is None else normal(self.valid[rows])
        own = rows if self.rows is None else self.rows[rows]
        if type(self.block) is Deferred:
            self.values()
        seg = Seg(self.pages, self.block, valid, self.epoch, own)
        seg.masked = self.masked
        if self.parts is not None:
            seg.parts = self.parts[rows]
        return seg

    def slice(self, first: int, pages: int) -> Seg:
        """Some of the pages."""
        if first == 0 and pages == self.pages:
            return self
        block = self.block
        if block is not None:
            if type(block) is Deferred:
                block = self.values()
            block = select_block(block, first, 1, pages, pages, 1)
        valid = None if self.valid is None else normal(self.valid[:, first : first + pages])
        seg = Seg(pages, block, valid, self.epoch, self.rows)
        seg.masked = self.masked
        if self.parts is not None:
            seg.parts = self.parts[:, first : first + pages]
        return seg


def normal(valid: Extents) -> Extents | None:
    """None where every tile is wholly valid (a height or width above any tile marks that)."""
    return None if (valid == WHOLE).all() else valid


def pick_lanes(block: Block, rows: Vector) -> Block:
    """A copy of some lanes, arranged in one row."""
    return _lanes_of(block, rows)[None]


def _lanes_of(block: Block, rows: Vector) -> Block:
    """A copy of some lanes: (lanes, tile rows, tile columns, height, width)."""
    width = block.shape[1]
    picked: Block = block[rows // width, rows % width]
    return picked


def with_width(block: Block, width: int) -> Block:
    """The block with its lanes in rows of ``width``; copies only when strides forbid a view."""
    if block.shape[1] == width:
        return block
    return block.reshape(-1, width, *block.shape[2:])


def select_block(block: Block, start: int, n1: int, s1: int, n2: int, s2: int) -> Block:
    """Pages ``start + s1*i + s2*j`` as tile axes (n1, n2); a view wherever strides allow."""
    a, b = block.shape[2], block.shape[3]
    if start == 0 and n1 == a and n2 == b and (s2 == 1 or b == 1) and (s1 == b or a == 1):
        return block
    if n1 == 1 and n2 == 1:
        row, column = divmod(start, b)
        return block[:, :, row : row + 1, column : column + 1]
    if n1 == 1:
        view = _line(block, start, n2, s2, b)
        if view is not None:
            return view
        s1 = n2
    elif n2 == 1:
        view = _line(block, start, n1, s1, b)
        if view is not None:
            return view.swapaxes(2, 3)
        if s1 == 1:
            s2 = 1
    elif s1 > 0 and s1 % b == 0 and s2 > 0 and start % b + s2 * (n2 - 1) < b:
        row, column = divmod(start, b)
        step = s1 // b
        return block[:, :, row : row + step * (n1 - 1) + 1 : step,
                     column : column + s2 * (n2 - 1) + 1 : s2]  # fmt: skip
    if start == 0 and s2 == 1 and n2 in (s1, 1) and n1 * n2 == a * b:
        return block.reshape(*block.shape[:2], n1, n2, *block.shape[4:])
    pages = start + s1 * np.arange(n1)[:, None] + s2 * np.arange(n2)
    return block[:, :, pages // b, pages % b]


def _line(block: Block, start: int, n: int, s: int, b: int) -> Block | None:
    """Pages ``start + s*j`` as tile axes (1, n), if that is a plain slice."""
    if s <= 0:
        return None
    row, column = divmod(start, b)
    if column + s * (n - 1) < b:
        return block[:, :, row : row + 1, column : column + s * (n - 1) + 1 : s]
    if s % b == 0:
        step = s // b
        view = block[:, :, row : row + step * (n - 1) + 1 : step, column : column + 1]
        return view.swapaxes(2, 3)
    return None


def pages_of(start: int, n1: int, s1: int, n2: int, s2: int) -> tuple[int, int]:
    """Lowest and highest page of a selection."""
    d1, d2 = s1 * (n1 - 1), s2 * (n2 - 1)
    return start + min(d1, 0) + min(d2, 0), start + max(d1, 0) + max(d2, 0)


def select_valid(valid: Extents, start: int, n1: int, s1: int, n2: int, s2: int) -> Extents | None:
    """Extents of a selection of pages, (lanes, n1*n2, 2)."""
    pages = (start + s1 * np.arange(n1)[:, None] + s2 * np.arange(n2)).reshape(-1)
    return normal(valid[:, pages])


def blank(lanes: int, pages: int) -> Extents:
    """Extents of pages without a single valid datum."""
    return np.zeros((lanes, pages, 2), np.int16)


def full(lanes: int, pages: int) -> Extents:
    """Extents of wholly valid pages."""
    return np.full((lanes, pages, 2), WHOLE, np.int16)


def join_pages(segs: list[Seg], lanes: int, width: int, pool: Pool) -> Seg:
    """One segment of several consecutive ones; pages never written become invalid zeros."""
    if len(segs) == 1:
        return segs[0]
    pages = sum(seg.pages for seg in segs)
    sample = next((seg.block for seg in segs if seg.block is not None), None)
    if sample is None:
        return Seg(pages, None)
    shape = (lanes // width, width, 1, pages, *sample.shape[4:])
    whole = all(seg.valid is None and seg.block is not None for seg in segs)
    valid = None if whole else blank(lanes, pages)
    if not pool.arithmetic:
        return Seg(pages, pool.dummy(shape, sample.dtype), valid)
    block = pool.take(shape, sample.dtype)
    at = 0
    for seg in segs:
        piece = block[:, :, :, at : at + seg.pages]
        if seg.block is None:
            piece[...] = 0
        else:
            source = with_width(seg.values(), width)
            piece[...] = source.reshape(*source.shape[:2], 1, seg.pages, *source.shape[4:])
            if valid is not None:
                valid[:, at : at + seg.pages] = WHOLE if seg.valid is None else seg.valid
        at += seg.pages
    return Seg(pages, block, None if valid is None else normal(valid))


def join_lanes(parts: list[tuple[Seg, Vector]], lanes: int, pool: Pool | None = None) -> Seg:
    """One segment for all lanes of segments of equally many pages on disjoint rows."""
    first = parts[0][0]
    pages = first.pages
    valid: Extents | None = None
    if any(seg.valid is not None for seg, _ in parts):
        valid = full(lanes, pages)
        for seg, rows in parts:
            if seg.valid is not None:
                valid[rows] = seg.valid
    if any(seg.block is None for seg, _ in parts):
        valid = full(lanes, pages) if valid is None else valid
        for seg, rows in parts:
            if seg.block is None:
                valid[rows] = 0
    epoch = max(seg.epoch for seg, _ in parts)
    known = [(seg, rows) for seg, rows in parts if seg.block is not None]
    if not known:
        return Seg(pages, None, None, epoch)
    out = Seg(pages, _union(known, lanes, pool), valid, epoch)
    out.masked = all(seg.masked for seg, _ in parts)
    if any(seg.parts is not None for seg, _ in parts):
        out.parts = _join_parts(parts, lanes)
    return out


def _join_parts(parts: list[tuple[Seg, Vector]], lanes: int) -> Parts | None:
    """Bytes of pages some lanes have written in parts; None where only extents are known."""
    size = next(seg.parts.shape[-1] for seg, _ in parts if seg.parts is not None)
    out = np.full((lanes, parts[0][0].pages, size), UNHELD, np.int64)
    for seg, rows in parts:
        if seg.parts is not None:
            out[rows] = seg.parts
        elif seg.valid is not None:
            return None
        elif seg.block is not None:
            out[rows] = seg.epoch
    return out


def _union(parts: list[tuple[Seg, Vector]], lanes: int, pool: Pool | None) -> Block:
    """One block of the lanes of all parts; the common block itself where they are its lanes."""
    for seg, _ in parts:
        if type(seg.block) is Deferred:
            seg.values()
    block = parts[0][0].block
    same = all(seg.block is block and seg.rows is not None for seg, _ in parts)
    if same and block.shape[0] * block.shape[1] == lanes:
        origin: Any = np.empty(lanes, np.int64)
        for seg, rows in parts:
            origin[rows] = seg.rows
        if (origin == np.arange(lanes)).all():
            return block  # type: ignore[no-any-return]
    pages = block.shape[2] * block.shape[3]
    shape = (1, lanes, 1, pages, *block.shape[4:])
    covered = sum(len(rows) for _, rows in parts) == lanes
    if pool is not None and not pool.arithmetic:
        return pool.dummy(shape, block.dtype)
    if pool is None or not covered:
        out = np.zeros(shape, block.dtype)
    else:
        out = pool.take(shape, block.dtype)
    for seg, rows in parts:
        picked = np.arange(len(rows)) if seg.rows is None else seg.rows
        out[0, rows, 0] = _lanes_of(seg.block, picked).reshape(len(rows), pages, *shape[4:])
    return out


def selection(seg: Seg, start: int, n1: int, s1: int, n2: int, s2: int) -> Seg:
    """Pages ``start + s1*i + s2*j`` as one segment with tile axes (n1, n2)."""
    block = seg.block
    if block is not None:
        block = select_block(seg.values(), start, n1, s1, n2, s2)
    valid = seg.valid
    if valid is not None:
        valid = select_valid(valid, start, n1, s1, n2, s2)
    out = Seg(n1 * n2, block, valid, seg.epoch)
    out.masked = seg.masked
    return out
