"""Matrix-unit ops: matmul_tiles, elementwise with and without broadcast, reduce_tile."""

from __future__ import annotations

from itertools import product
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np

from simulator.engine.code import Builders, OpContext, Step, uniform
from simulator.engine.deferred import Deferred, Products
from simulator.engine.dst import Section
from simulator.engine.expr import ExprError
from simulator.engine.group import Group
from simulator.engine.ops_config import checker, math_key
from simulator.engine.ops_move import math_section, readable, row_major
from simulator.engine.segs import WHOLE, Extents, Seg, full, normal, with_width
from simulator.engine.violation import Violation
from simulator.formats.dataformat import DataFormat
from simulator.formats.errors import FormatError
from simulator.isa import OPS
from simulator.numerics.modes import Broadcast, Pool, ReduceDim

Shape = tuple[int, ...]


def operand(group: Group, cb: Any, index: int, n1: int, s1: int, n2: int, s2: int) -> Seg:
    """Pages of a front window as an operand, arranged for the group's lane grid."""
    seg: Seg = cb.select(group.lanes, index, n1, s1, n2, s2)
    return readable(seg, group, f"a page of circular buffer {cb.number}")


class MatmulPlan(NamedTuple):
    """How a nest of matmul_tiles is run: K steps in order, each over at most two levels at once.

    ``steps`` are the offsets (in0, in1, DST) of the K steps; ``shape`` is (n1, n2) and the steps
    of in0, in1 and DST along both levels; ``tiles`` counts products per lane.
    """

    steps: tuple[tuple[int, int, int], ...]
    shape: Shape
    tiles: int


def _plan(n: Shape, si: Shape, sj: Shape, sd: Shape) -> MatmulPlan:
    moving = [level for level in range(3) if n[level] > 1 and sd[level]][-2:]
    inner = [(1, 0, 0, 0)] * (2 - len(moving)) + [(n[k], si[k], sj[k], sd[k]) for k in moving]
    (n1, i1, j1, d1), (n2, i2, j2, d2) = inner
    rest = [level for level in range(3) if level not in moving]
    steps = []
    for at in product(*(range(n[level]) for level in rest)):
        pairs = list(zip(rest, at, strict=True))
        steps.append(
            (
                sum(k * si[level] for level, k in pairs),
                sum(k * sj[level] for level, k in pairs),
                sum(k * sd[level] for level, k in pairs),
            )
        )
    return MatmulPlan(tuple(steps), (n1, n2, i1, i2, j1, j2, d1, d2), n[0] * n[1] * n[2])


class Matmul:
    """matmul_tiles of one kernel: DST += in0 x in1, one K tile per product (D7)."""

    def __init__(self, c: OpContext) -> None:
        machine = c.machine
        self.in0, self.in1 = c.cb(0), c.cb(1)
        self.model, self.pool = machine.model, machine.pool
        self.mode, self.tf32 = machine.mode(c.code.key), machine.tf32(c.code.key)
        self.tile = (self.in0.tile[0], self.in1.tile[1])
        self.products = Products(self.model, self.mode, self.pool)
        self.arithmetic = machine.arithmetic
        probe = np.ones((1, 1), np.float32)
        self.exact_operands = machine.numbers == "fast" and all(
            self.model.matmul_operand(probe, cb.fmt, self.mode, side, self.tf32) is probe
            and cb.fmt is DataFormat.Float16_b
            for side, cb in enumerate((self.in0, self.in1))
        )
        if self.in0.tile[1] != self.in1.tile[0]:
            raise ExprError(f"tiles {self.in0.tile} and {self.in1.tile} cannot be multiplied")

    def add(
        self, group: Group, section: Section, at: tuple[int, int, int], shape: Shape, flip: bool
    ) -> None:
        """One K step at indices ``at`` = (in0, in1, DST)."""
        i, j, d = at
        n1, n2, i1, i2, j1, j2, d1, d2 = shape
        if (n2 != 1 and d2 != 1) or (n1 != 1 and d1 != n2):
            self._apart(group, section, at, shape, flip)
            return
        pages = n1 * n2
        if d < 0 or d + pages > section.capacity:
            section.check(d, d + pages - 1)
        lanes = group.lanes
        left = self.in0.select(lanes, i, n1 if i1 else 1, i1, n2 if i2 else 1, i2)
        right = self.in1.select(lanes, j, n1 if j1 else 1, j1, n2 if j2 else 1, j2)
        valid = None
        if left.valid is not None or left.block is None:
            readable(left, group, f"a page of circular buffer {self.in0.number}")
        if right.valid is not None or right.block is None:
            readable(right, group, f"a page of circular buffer {self.in1.number}")
        if left.valid is not None or right.valid is not None:
            valid = _product_extents(group, left, right, (n1, n2, i1, i2, j1, j2), flip)
        a, b = left.values(), right.values()
        if a.shape[1] != b.shape[1]:
            a, b = with_width(a, lanes.width), with_width(b, lanes.width)
        old = section.exact(d, pages)
        if old is None and not section.untouched(d, pages):
            old = section.get(d, pages, lanes, self.pool)
        if old is not None and old.block is None:
            old = None
        if old is not None and old.valid is not None:
            valid = _both(valid, old.valid, invalid_is_zero=True)
        out_shape = (a.shape[0], a.shape[1], n1, n2, *self.tile)
        if not self.arithmetic:
            section.put(d, Seg(pages, self.pool.dummy(out_shape), valid))
            return
        if not self.exact_operands:
            a = self.model.matmul_operand(a, self.in0.fmt, self.mode, 0, self.tf32)
            b = self.model.matmul_operand(b, self.in1.fmt, self.mode, 1, self.tf32)
        if flip:
            b = b.swapaxes(-1, -2)
        before: Any = None
        if old is not None:
            before = old.block if old.rows is None else old.values()
        section.put(d, Seg(pages, Deferred(self.products, before, a, b, out_shape), valid))

    def _apart(
        self, group: Group, section: Section, at: tuple[int, int, int], shape: Shape, flip: bool
    ) -> None:
        """A nest whose DST tiles are not contiguous: row by row, or tile by tile."""
        i, j, d = at
        n1, n2, i1, i2, j1, j2, d1, d2 = shape
        for k in range(n1):
            first = (i + k * i1, j + k * j1, d + k * d1)
            if n2 == 1 or d2 == 1:
                self.add(group, section, first, (1, n2, 0, i2, 0, j2, 0, d2), flip)
                continue
            for m in range(n2):
                one = (first[0] + m * i2, first[1] + m * j2, first[2] + m * d2)
                self.add(group, section, one, (1, 1, 0, 0, 0, 0, 0, 0), flip)


def _fixed(c: OpContext) -> tuple[MatmulPlan, tuple[int, int, int]] | None:
    """(plan, indices) of a nest in which everything is constant and something happens."""
    n = c.fixed_counts(3)
    forms = [c.fixed_form(c.poly(operand), 3) for operand in (2, 3, 4)]
    if n is None or 0 in n or None in forms:
        return None
    (i, *si), (j, *sj), (d, *sd) = forms
    return _plan(n, tuple(si), tuple(sj), tuple(sd)), (i, j, d)


def build_matmul(c: OpContext) -> Step:
    """matmul_tiles."""
    matmul, following, machine = Matmul(c), c.next, c.machine
    in0, in1, counts = matmul.in0, matmul.in1, c.counts(3)
    index0, index1, target = c.index(2, 3), c.index(3, 3), c.index(4, 3)
    checks = {
        flip: checker("matmul_tiles", math=("matmul", flip), src_a=in1.fmt, src_b=in0.fmt)
        for flip in (False, True)
    }
    tally, slot = machine.tally, machine.slot("matmul_tiles")
    plans: dict[Any, MatmulPlan] = {}
    fixed = _fixed(c)
    flipped = ("matmul", True)

    def step(group: Group) -> int:
        local = group.local
        section = local.math
        if section is None:
            section = math_section(group, "matmul_tiles")
        flip = local.config.math == flipped
        checks[flip](local.config)
        if fixed is not None:
            plan, base = fixed
            tally[slot] += plan.tiles * group.lanes.n
            if len(plan.steps) == 1:
                matmul.add(group, section, base, plan.shape, flip)
                return following
            i, j, d = base
            for di, dj, dd in plan.steps:
                matmul.add(group, section, (i + di, j + dj, d + dd), plan.shape, flip)
            return following
        regs = group.regs
        n = counts(regs)
        i, i1, i2, i3 = index0(regs)
        j, j1, j2, j3 = index1(regs)
        d, d1, d2, d3 = target(regs)
        key = (n, i1, i2, i3, j1, j2, j3, d1, d2, d3)
        if 0 in n:
            return following
        if key not in plans:
            plans[key] = _plan(n, (i1, i2, i3), (j1, j2, j3), (d1, d2, d3))
        plan = plans[key]
        if not (type(i) is int and type(j) is int and type(d) is int):
            i, j, d = uniform(group, i), uniform(group, j), uniform(group, d)
        tally[slot] += plan.tiles * group.lanes.n
        for di, dj, dd in plan.steps:
            matmul.add(group, section, (i + di, j + dj, d + dd), plan.shape, flip)
        return following

    return step


def _product_extents(group: Group, left: Seg, right: Seg, shape: Shape, flip: bool) -> Any:
    """Valid extents of products; the contracted dimension must be wholly valid."""
    n1, n2, i1, i2, j1, j2 = shape
    lanes = group.lanes.n

    def grid(seg: Seg, s1: int, s2: int) -> Any:
        a, b = n1 if s1 else 1, n2 if s2 else 1
        valid = full(lanes, seg.pages) if seg.valid is None else seg.valid
        return np.broadcast_to(valid.reshape(lanes, a, b, 2), (lanes, n1, n2, 2))

    one, two = grid(left, i1, i2), grid(right, j1, j2)
    across = two[..., 1 if flip else 0]
    poisoned = ((one[..., 1] < WHOLE) | (across < WHOLE)).any(axis=(1, 2))
    if poisoned.any():
        raise Violation(
            "UninitialisedRead",
            "matmul_tiles sums over padding nobody wrote: zero it after the read barrier",
            group.lanes.ids[poisoned],
        )
    out = np.stack([one[..., 0], two[..., 0 if flip else 1]], axis=-1)
    return normal(out.reshape(lanes, n1 * n2, 2))


def _both(one: Extents | None, two: Extents | None, *, invalid_is_zero: bool = False) -> Any:
    """Extents valid in both; tiles with no valid datum do not count when they read as zero."""
    if two is None or one is None:
        if two is not None and invalid_is_zero:
            return normal(np.where((two == 0).all(axis=-1, keepdims=True), WHOLE, two))
        return one if two is None else two
    if invalid_is_zero:
        two = np.where((two == 0).all(axis=-1, keepdims=True), WHOLE, two)
    return normal(np.minimum(one, two))


def build_eltwise(c: OpContext) -> Step:
    """add/sub/mul_tiles and their broadcasting forms."""
    in0, in1, counts, following = c.cb(0), c.cb(1), c.counts(2), c.next
    index0, index1, target = c.index(2), c.index(3), c.index(4)
    name, machine = c.op.name, c.machine
    base, _, suffix = name.partition("_tiles")
    kind = _KINDS[suffix.removeprefix("_bcast_")]
    check = checker(name, math=(OPS[name].config,), src_a=in0.fmt, src_b=in1.fmt)
    mode, tf32, model = machine.mode(c.code.key), machine.tf32(c.code.key), machine.model
    tally, slot = machine.tally, machine.slot(name)

    def run(group: Group, i: int, j: int, d: int, shape: Shape) -> None:
        n1, n2, i1, i2, j1, j2, d1, d2 = shape
        if not row_major(n1, d1, n2, d2):
            for a in range(n1):
                for b in range(n2):
                    run(group, i + a * i1 + b * i2, j + a * j1 + b * j2, d + a * d1 + b * d2,
                        (1, 1, 0, 0, 0, 0, 0, 0))  # fmt: skip
            return
        section: Section = group.local.math  # type: ignore[assignment]
        section.check(d, d + n1 * n2 - 1)
        left = operand(group, in0, i, n1, i1, n2, i2)
        right = operand(group, in1, j, n1, j1, n2, j2)
        valid = left.valid
        if right.valid is not None:
            valid = _both(valid, _repeated(right.valid, kind))
        x, y = left.values(), right.values()
        if x.shape[1] != y.shape[1]:
            x, y = with_width(x, group.lanes.width), with_width(y, group.lanes.width)
        if machine.arithmetic:
            acc = None
            if base == "mul" and not section.untouched(d, n1 * n2):
                old = section.get(d, n1 * n2, group.lanes, machine.pool)
                if old.block is not None:
                    acc = with_width(old.values(), x.shape[1]).reshape(x.shape)
                    valid = _both(valid, old.valid, invalid_is_zero=True)
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
            run(group, uniform(group, i), uniform(group, j), uniform(group, d),
                (n1, n2, i1, i2, j1, j2, d1, d2))  # fmt: skip
        return following

    return step


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
    data, scaler, following = c.cb(2), c.cb(3), c.next
    index, scaler_index, target = c.scalar(4), c.scalar(5), c.scalar(6)
    swapped = dim is ReduceDim.ROW and pool is not Pool.MAX
    a, b = (scaler.fmt, data.fmt) if swapped else (data.fmt, scaler.fmt)
    check = checker("reduce_tile", math=key, src_a=a, src_b=b)
    machine = c.machine
    mode, tf32, model = machine.mode(c.code.key), machine.tf32(c.code.key), machine.model
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
        if machine.arithmetic:
            old = section.get(d, 1, group.lanes, machine.pool)
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

    return step


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
    table: dict[str, Any] = {"matmul_tiles": build_matmul, "reduce_tile": build_reduce}
    for base in ("add", "sub", "mul"):
        for suffix in ("", "_bcast_rows", "_bcast_cols", "_bcast_scalar"):
            table[f"{base}_tiles{suffix}"] = build_eltwise
    return table


BUILDERS: Final[Builders] = MappingProxyType(_builders())
"""Op name to builder."""
