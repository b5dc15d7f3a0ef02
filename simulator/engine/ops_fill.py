"""Tiles a RISC writes into L1 itself: zeroed regions, constants, scalers."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import numpy as np

from simulator.engine.cb import CircularBuffer
from simulator.engine.code import Builders, OpContext, Step
from simulator.engine.expr import ExprError
from simulator.engine.group import Group
from simulator.engine.lanes import Vector
from simulator.engine.pointers import misused, pointer_of
from simulator.engine.segs import UNHELD, Extents, Seg, full, normal
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
        _there(c, old, group)
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
        cb.write(lanes, at, Seg(1, block, _after_zeroing(cb, old, keep_r, keep_c)))
        return following

    return step


def _there(c: OpContext, old: Seg, group: Group) -> None:
    """Raise while a NoC read may still fill what is about to be written."""
    if old.block is not None and old.epoch > group.local.reads_done:
        raise Violation("Unbarriered", f"{c.op.name} before the barrier of the read that fills the"
                        " tile")  # fmt: skip


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
    tile = np.zeros(cb.tile, np.float32)
    if c.op.name == "fill_tile_l1":
        tile[:] = value
    else:
        tile[:: min(16, cb.tile[0])] = value
    one = c.machine.stored(tile, cb.fmt).astype(dtype)

    def step(group: Group) -> int:
        lanes = group.lanes
        at, _, _ = pointer.pages(group)
        _there(c, cb.written(lanes, at, 1), group)
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
