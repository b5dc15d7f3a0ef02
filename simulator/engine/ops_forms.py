"""Ops that give tiles a form: repeat a row, column or element; transpose; count."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.engine.code import Builders, OpContext, Step, refusal, uniform
from simulator.engine.expr import ExprError
from simulator.engine.group import Group
from simulator.engine.ops_config import checker, math_key
from simulator.engine.ops_move import math_section, readable
from simulator.engine.pointers import misused, pointer_of
from simulator.engine.segs import Seg, normal
from simulator.engine.src import tiles_of
from simulator.engine.violation import Violation
from simulator.formats.bytemap import WHOLE
from simulator.formats.dataformat import DataFormat
from simulator.numerics.layout import broadcast, transpose
from simulator.numerics.modes import Broadcast


def build_unary_bcast(c: OpContext) -> Step:
    """unary_bcast: one tile of the front window, through SrcB, repeated into DST."""
    key = math_key(c)
    kind = Broadcast(str(c.op.args[0]).lower())
    cb, following, machine = tiles_of(c, 1), c.next, c.machine
    index, target = c.scalar(2), c.scalar(3)
    exact = cb.unpack_to_dest  # 32-bit formats go straight to DST: SrcB has 19 bits only
    source = {"src_a": cb.fmt} if exact else {"src_b": cb.fmt}
    check = checker("unary_bcast", math=key, **source)
    mode, tf32 = machine.mode(c.code.key), machine.tf32(c.code.key)
    tally, slot = machine.tally, machine.slot("unary_bcast")

    def step(group: Group) -> int:
        section = math_section(group, "unary_bcast")
        check(group.local.config)
        i, d = uniform(group, index(group.regs)), uniform(group, target(group.regs))
        section.check(d, d)
        seg = readable(cb.select(group.lanes, i, 1, 0, 1, 0), group,
                       f"a page of circular buffer {cb.number}")  # fmt: skip
        block = seg.values()
        if machine.arithmetic and not exact:
            block = machine.model.copy(machine.model.to_src(block, cb.fmt, mode, tf32), mode)
        section.put(d, Seg(1, broadcast(block, kind), _extents(seg.valid, kind)))
        tally[slot] += group.lanes.n
        return following

    return step


def _extents(valid: Any, kind: Broadcast) -> Any:
    """Extents after repeating: along that dimension everything is as valid as the source."""
    if valid is None:
        return None
    out = valid.copy()
    if kind in (Broadcast.ROW, Broadcast.SCALAR):
        out[..., 0] = np.where(valid[..., 0] > 0, WHOLE, 0)
    if kind in (Broadcast.COL, Broadcast.SCALAR):
        out[..., 1] = np.where(valid[..., 1] > 0, WHOLE, 0)
    return normal(out)


def build_transpose_dest(c: OpContext) -> Step:
    """transpose_dest: a DST tile transposed in place."""
    following, machine, target = c.next, c.machine, c.scalar(0)
    check = checker("transpose_dest", math=("transpose_dest",))
    tally, slot = machine.tally, machine.slot("transpose_dest")

    def step(group: Group) -> int:
        section = math_section(group, "transpose_dest")
        check(group.local.config)
        d = uniform(group, target(group.regs))
        section.check(d, d)
        seg = readable(section.get(d, 1, group.lanes, machine.pool), group, f"DST tile {d}")
        valid = None if seg.valid is None else seg.valid[:, :, ::-1]
        section.put(d, Seg(1, transpose(seg.values()), valid))
        tally[slot] += group.lanes.n
        return following

    return step


def build_index_tile(c: OpContext) -> Step:
    """index_tile_l1: base + row * row_step + column * col_step, exact in Float32."""
    cb, pointer, following, machine = c.cb(0), pointer_of(c, 1), c.next, c.machine
    base, row_step, col_step = c.scalar(2), c.scalar(3), c.scalar(4)
    if pointer.cb is not cb:
        raise ExprError("index_tile_l1's address is not in its circular buffer")
    if cb.fmt is not DataFormat.Float32:
        return refusal("ShapeMismatch", "index_tile_l1 writes Float32 tiles, circular buffer"
                       f" {cb.number} holds {cb.fmt.value}")  # fmt: skip
    refused = misused(c, pointer, fills=True)
    if refused is not None:
        return refused
    height, width = cb.tile
    limit = 1 << 24

    def step(group: Group) -> int:
        lanes, regs = group.lanes, group.regs
        first, down, across = (np.asarray(f(regs), np.int64) for f in (base, row_step, col_step))
        rows, cols = np.arange(height), np.arange(width)
        tiles = (
            first.reshape(-1, 1, 1)
            + down.reshape(-1, 1, 1) * rows[:, None]
            + across.reshape(-1, 1, 1) * cols
        )
        if np.abs(tiles).max(initial=0) > limit:
            raise Violation("OutOfBounds", "index_tile_l1 counts beyond 2**24, where Float32 is not"
                            " exact")  # fmt: skip
        shape = (lanes.n // lanes.width, lanes.width, 1, 1, height, width)
        block = np.broadcast_to(tiles.astype(np.float32), (lanes.n, height, width)).reshape(shape)
        if not machine.arithmetic:
            block = machine.pool.dummy(shape)
        at, _, _ = pointer.pages(group)
        cb.write(lanes, at, Seg(1, block))
        return following

    return step


BUILDERS: Final[Builders] = MappingProxyType(
    {
        "unary_bcast": build_unary_bcast,
        "transpose_dest": build_transpose_dest,
        "index_tile_l1": build_index_tile,
    }
)
"""Op name to builder."""
