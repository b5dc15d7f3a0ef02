"""Tiles a RISC writes into L1 itself: zeroed regions, constants, scalers."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import numpy as np

from simulator.engine.cb import CircularBuffer
from simulator.engine.code import Builders, OpContext, Step, refusal
from simulator.engine.expr import ExprError
from simulator.engine.group import Group
from simulator.engine.lanes import Vector
from simulator.engine.parts import know, page_piece
from simulator.engine.pointers import misused, pointer_of
from simulator.engine.segs import NEVER, UNHELD, Extents, Seg, full, normal
from simulator.engine.values import spread
from simulator.engine.violation import Violation
from simulator.formats.bytemap import WHOLE


def build_zero_region(c: OpContext) -> Step:
    """zero_tile_region: zeros beyond the kept rows and columns of one tile in L1."""
    cb, pointer, following, machine = c.cb(0), pointer_of(c, 1), c.next, c.machine
    rows, columns = c.scalar(2), c.scalar(3)
    if pointer.cb is not cb:
        raise ExprError("zero_tile_region's address is not in its circular buffer")
    refused = misused(c, pointer, fills=True)
    if refused is not None:
        return refused
    height, width = cb.tile
    down, across = np.arange(height)[:, None], np.arange(width)
    zero = cb.fmt.value_dtype.type(0)

    def step(group: Group) -> int:
        lanes = group.lanes
        keep_r, keep_c = spread(rows(group.regs), lanes.n), spread(columns(group.regs), lanes.n)
        bad = (keep_r < 0) | (keep_r > height) | (keep_c < 0) | (keep_c > width)
        if bad.any():
            raise Violation(
                "OutOfBounds",
                f"zero_tile_region keeps {keep_r[bad][0]}x{keep_c[bad][0]} of a {height}x{width}"
                " tile",
                lanes.ids[bad],
            )
        at, _, _ = pointer.pages(group)
        old = cb.written(lanes, at, 1)
        if (keep_r == height).all() and (keep_c == width).all():
            return following
        shape = (lanes.n // lanes.width, lanes.width, 1, 1, height, width)
        if not machine.arithmetic:
            block = machine.pool.dummy(shape, cb.fmt.value_dtype)
        elif old.block is None:
            block = np.zeros(shape, cb.fmt.value_dtype)
        else:
            keep = down < keep_r[:, None, None]
            keep = keep & (across < keep_c[:, None, None])
            block = np.where(keep.reshape(shape), old.values().reshape(shape), zero)
        seg = Seg(1, block)
        if _under_way(old, group):
            _beside_reads(c, cb, old, seg, (keep_r, keep_c), group)
        else:
            seg.valid = _after_zeroing(cb, old, keep_r, keep_c)
        cb.write(lanes, at, seg, patched=True)
        return following

    return step


def _under_way(old: Seg, group: Group) -> bool:
    """Whether a NoC read may still fill some of a page."""
    return old.block is not None and old.epoch > group.local.reads_done


def _early(c: OpContext, lanes: Vector | None = None) -> Violation:
    text = f"{c.op.name} before the barrier of the read that fills the tile"
    return Violation("Unbarriered", text, lanes)


def _beside_reads(
    c: OpContext, cb: CircularBuffer, old: Seg, seg: Seg, keep: tuple[Vector, Vector], group: Group
) -> None:
    """What is known of the page ``seg`` after zeroing while reads are under way into it.

    Raises:
        Violation: one may still fill what is zeroed; what is kept is as far as it was.
    """
    kept = cb.map.bytes_of(np.stack(keep, axis=1).astype(np.int16))
    when = page_piece(cb, old, group.lanes.n).when
    early = ((when > group.local.reads_done) & ~kept).any(axis=1)
    if early.any():
        raise _early(c, group.lanes.ids[early])
    know(cb, seg, np.where(kept, when, NEVER))


def _after_zeroing(
    cb: CircularBuffer, old: Seg, rows: Vector, columns: Vector
) -> Extents | None:  # fmt: skip
    """Extents after zeroing: whole where the kept part was valid, else what it was of that part."""
    valid = full(len(rows), 1) if old.valid is None else old.valid.copy()
    if old.block is None:
        valid[:] = 0
    good = (rows == 0) | (columns == 0)
    if old.parts is None:
        good |= (valid[:, 0, 0] >= rows) & (valid[:, 0, 1] >= columns)
    else:
        height, width = cb.tile
        held = cb.map.datums_of(old.parts[:, 0] != UNHELD)
        beyond = (np.arange(height)[:, None] >= rows[:, None, None]) | (
            np.arange(width) >= columns[:, None, None])  # fmt: skip
        good |= (held | beyond).all(axis=(1, 2))
    valid[good] = WHOLE
    return normal(valid)


def build_fill_l1(c: OpContext) -> Step:
    """fill_tile_l1 and generate_reduce_scaler: a constant tile written by the RISC."""
    cb, pointer, following = c.cb(0), pointer_of(c, 1), c.next
    if pointer.cb is not cb:
        raise ExprError(f"{c.op.name}'s address is not in its circular buffer")
    refused = misused(c, pointer, fills=True)
    if refused is not None:
        return refused
    value, dtype = c.real(2), cb.fmt.value_dtype
    if cb.fmt.is_integer and not (
        value.is_integer() and cb.fmt.spec.low <= value <= cb.fmt.spec.high
    ):
        return refusal("OutOfBounds", f"{c.op.name} writes {value:g} into circular buffer"
                       f" {cb.number}, and {cb.fmt.value} has no such number")  # fmt: skip
    tile = np.zeros(cb.tile, np.float32)
    if c.op.name == "fill_tile_l1":
        tile[:] = value
    else:
        tile[:: min(16, cb.tile[0])] = value
    one = c.machine.stored(tile, cb.fmt).astype(dtype)

    def step(group: Group) -> int:
        lanes = group.lanes
        at, _, _ = pointer.pages(group)
        if _under_way(cb.written(lanes, at, 1), group):
            raise _early(c)
        shape = (lanes.n // lanes.width, lanes.width, 1, 1, *cb.tile)
        cb.write(lanes, at, Seg(1, np.broadcast_to(one, shape)))
        return following

    return step


BUILDERS: Final[Builders] = MappingProxyType(
    {
        "zero_tile_region": build_zero_region,
        "fill_tile_l1": build_fill_l1,
        "generate_reduce_scaler": build_fill_l1,
    }
)
"""Op name to builder."""
