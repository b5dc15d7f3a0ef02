"""Matrix-unit ops: elementwise with and without broadcast, reduce_tile."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.engine.code import Builders, OpContext, Step, uniform
from simulator.engine.dst import Section
from simulator.engine.group import Group
from simulator.engine.kinds import checked, reals_only
from simulator.engine.operands import both, exact_only, operand
from simulator.engine.ops_config import checker, math_key
from simulator.engine.ops_move import math_section, row_major
from simulator.engine.segs import Extents, Seg, with_width
from simulator.engine.src import tiles_of
from simulator.engine.violation import Violation
from simulator.formats.bytemap import WHOLE
from simulator.formats.errors import FormatError
from simulator.isa import OPS
from simulator.numerics.modes import Broadcast, Pool, ReduceDim

Shape = tuple[int, ...]


def build_eltwise(c: OpContext) -> Step:
    """add/sub/mul_tiles and their broadcasting forms."""
    in0, in1, counts, following = tiles_of(c, 0), tiles_of(c, 1), c.counts(2), c.next
    index0, index1, target = c.index(2), c.index(3), c.index(4)
    name, machine = c.op.name, c.machine
    base, _, suffix = name.partition("_tiles")
    kind = _KINDS[suffix.removeprefix("_bcast_")]
    check = checker(name, math=(OPS[name].config,), src_a=in0.fmt, src_b=in1.fmt)
    mode, tf32, model = (
        machine.mode(c.code.key, in0.fmt, in1.fmt),
        machine.tf32(c.code.key),
        machine.model,
    )
    tally, slot = machine.tally, machine.slot(name)

    def run(group: Group, i: int, j: int, d: int, shape: Shape) -> None:
        n1, n2, i1, i2, j1, j2 = shape
        section: Section = group.local.math  # type: ignore[assignment]
        section.check(d, d + n1 * n2 - 1)
        left = operand(group, in0, i, n1, i1, n2, i2)
        right = operand(group, in1, j, n1, j1, n2, j2)
        valid = left.valid
        if right.valid is not None:
            valid = both(valid, _repeated(right.valid, kind))
        x, y = left.values(), right.values()
        if x.shape[1] != y.shape[1]:
            x, y = with_width(x, group.lanes.width), with_width(y, group.lanes.width)
        acc = None
        if base == "mul" and not section.untouched(d, n1 * n2):
            old = section.get(d, n1 * n2, group.lanes, machine.pool)
            if old.block is not None:
                checked(old, name, f"DST tile {d}", integers=False)
                acc = with_width(old.values(), x.shape[1]).reshape(x.shape)
                valid = both(valid, old.valid, invalid_is_zero=True)
        if machine.arithmetic:
            block = model.eltwise(
                base,
                model.to_src(x, in0.fmt, mode, tf32),
                model.to_src(y, in1.fmt, mode, tf32),
                mode,
                kind=kind,
                acc=acc,
                out=machine.pool.take(x.shape),
            )
        else:
            block = machine.pool.dummy(x.shape)
        section.put(d, Seg(n1 * n2, block, valid))
        tally[slot] += n1 * n2 * group.lanes.n

    def step(group: Group) -> int:
        math_section(group, name)
        check(group.local.config)
        regs = group.regs
        n1, n2 = counts(regs)
        i, i1, i2 = index0(regs)
        j, j1, j2 = index1(regs)
        d, d1, d2 = target(regs)
        if n1 and n2:
            i, j, d = uniform(group, i), uniform(group, j), uniform(group, d)
            if row_major(n1, d1, n2, d2):
                run(group, i, j, d, (n1, n2, i1, i2, j1, j2))
                return following
            for a in range(n1):
                for b in range(n2):
                    run(group, i + a * i1 + b * i2, j + a * j1 + b * j2, d + a * d1 + b * d2,
                        (1, 1, 0, 0, 0, 0))  # fmt: skip
        return following

    return exact_only(c, in0, in1) or reals_only(c, in0, in1) or step


def _repeated(valid: Extents, kind: Broadcast) -> Extents:
    """Extents of a broadcast operand: what is repeated counts as all rows or columns."""
    if kind is Broadcast.NONE:
        return valid
    out = valid.copy()
    if kind in (Broadcast.ROW, Broadcast.SCALAR):
        out[..., 0] = np.where(valid[..., 0] > 0, WHOLE, 0)
    if kind in (Broadcast.COL, Broadcast.SCALAR):
        out[..., 1] = np.where(valid[..., 1] > 0, WHOLE, 0)
    return out


_KINDS = MappingProxyType(
    {
        "": Broadcast.NONE,
        "rows": Broadcast.ROW,
        "cols": Broadcast.COL,
        "scalar": Broadcast.SCALAR,
    }
)


def build_reduce(c: OpContext) -> Step:
    """reduce_tile: one tile at a time, onto DST."""
    pool_name, dim_name = c.op.args[0], c.op.args[1]
    key = math_key(c)
    pool, dim = Pool(pool_name), ReduceDim(dim_name.removeprefix("REDUCE_"))
    data, scaler, following = tiles_of(c, 2), tiles_of(c, 3), c.next
    index, scaler_index, target = c.scalar(4), c.scalar(5), c.scalar(6)
    swapped = dim is ReduceDim.ROW and pool is not Pool.MAX
    a, b = (scaler.fmt, data.fmt) if swapped else (data.fmt, scaler.fmt)
    check = checker("reduce_tile", math=key, src_a=a, src_b=b)
    machine = c.machine
    mode, tf32, model = machine.mode(c.code.key, a, b), machine.tf32(c.code.key), machine.model
    tally, slot = machine.tally, machine.slot("reduce_tile")

    def step(group: Group) -> int:
        section = math_section(group, "reduce_tile")
        check(group.local.config)
        regs = group.regs
        i, k, d = (uniform(group, f(regs)) for f in (index, scaler_index, target))
        section.check(d, d)
        tile = operand(group, data, i, 1, 0, 1, 0)
        scale = operand(group, scaler, k, 1, 0, 1, 0)
        _whole(group, tile, dim)
        x, y = tile.values(), scale.values()
        if x.shape[1] != y.shape[1]:
            x, y = with_width(x, group.lanes.width), with_width(y, group.lanes.width)
        old = section.get(d, 1, group.lanes, machine.pool)
        checked(old, "reduce_tile", f"DST tile {d}", integers=False)
        if machine.arithmetic:
            acc = None if old.block is None else with_width(old.values(), x.shape[1])
            try:
                block = model.reduce(
                    model.to_src(x, data.fmt, mode, tf32),
                    model.to_src(y, scaler.fmt, mode, tf32),
                    pool, dim, mode, acc=acc, tf32=data.fmt.value == "Float32",
                )  # fmt: skip
            except FormatError as error:
                raise Violation("ShapeMismatch", f"reduce_tile: {error}") from error
        else:
            block = machine.pool.dummy(x.shape)
        seg = Seg(1, block)
        seg.masked = True
        section.put(d, seg)
        tally[slot] += group.lanes.n
        return following

    return exact_only(c, data, scaler) or reals_only(c, data, scaler) or step


def _whole(group: Group, tile: Seg, dim: ReduceDim) -> None:
    """Raise when a reduction would take in padding nobody wrote."""
    if tile.valid is None:
        return
    axes = {ReduceDim.ROW: [1], ReduceDim.COL: [0], ReduceDim.SCALAR: [0, 1]}[dim]
    poisoned = (tile.valid[..., axes] < WHOLE).any(axis=(1, 2))
    if poisoned.any():
        raise Violation("UninitialisedRead", "reduce_tile takes in padding nobody wrote",
                        group.lanes.ids[poisoned])  # fmt: skip


def _builders() -> dict[str, Any]:
    table: dict[str, Any] = {"reduce_tile": build_reduce}
    for base in ("add", "sub", "mul"):
        for suffix in ("", "_bcast_rows", "_bcast_cols", "_bcast_scalar"):
            table[f"{base}_tiles{suffix}"] = build_eltwise
    return table


BUILDERS: Final[Builders] = MappingProxyType(_builders())
"""Op name to builder."""
