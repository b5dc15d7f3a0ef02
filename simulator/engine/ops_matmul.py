"""matmul_tiles: nests of tile products, one K tile at a time."""

from __future__ import annotations

from itertools import product
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np

from simulator.engine.code import Builders, OpContext, Step, refusal, uniform
from simulator.engine.config import Config
from simulator.engine.deferred import Deferred, Products
from simulator.engine.dst import Section
from simulator.engine.expr import ExprError, Scalar
from simulator.engine.group import Group
from simulator.engine.kinds import checked
from simulator.engine.lanes import Lanes
from simulator.engine.operands import both, exact_only
from simulator.engine.ops_config import checker
from simulator.engine.ops_move import math_section, readable
from simulator.engine.pool import Block
from simulator.engine.quick_matmul import quick_matmul
from simulator.engine.segs import Seg, full, normal, with_width
from simulator.engine.src import tiles_of
from simulator.engine.violation import Violation
from simulator.formats.bytemap import WHOLE
from simulator.formats.dataformat import DataFormat

Shape = tuple[int, ...]


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
        self.in0, self.in1 = tiles_of(c, 0), tiles_of(c, 1)
        self.model, self.pool = machine.model, machine.pool
        self.mode = machine.mode(c.code.key, self.in0.fmt, self.in1.fmt)
        self.tf32 = machine.tf32(c.code.key)
        self.tile = (self.in0.tile[0], self.in1.tile[1])
        integers = self.in0.fmt is DataFormat.Int8
        self.products = Products(self.model, self.mode, self.pool, integers=integers)
        self.arithmetic = machine.arithmetic
        probe = np.ones((1, 1), np.float32)
        self.exact_operands = integers or (machine.numbers == "fast" and all(
            self.model.matmul_operand(probe, cb.fmt, self.mode, side, self.tf32) is probe
            and cb.fmt is DataFormat.Float16_b
            for side, cb in enumerate((self.in0, self.in1))
        ))  # fmt: skip
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
        old = section.exact(d, pages)
        if old is None and not section.untouched(d, pages):
            old = section.get(d, pages, lanes, self.pool)
        if old is not None and old.block is None:
            old = None
        if old is not None:
            checked(old, "matmul_tiles", f"DST tile {d}", integers=self.products.integers)
        if old is not None and old.valid is not None:
            valid = both(valid, old.valid, invalid_is_zero=True)
        section.put(d, Seg(pages, self.product(group, a, b, (n1, n2), old, flip=flip), valid))

    def zeros(self, lanes: Lanes, axes: Shape) -> Block:
        """What stands for a product without arithmetic."""
        shape = (lanes.n // lanes.width, lanes.width, *axes, *self.tile)
        return self.pool.dummy(shape, self.products.dtype)

    def product(
        self, group: Group, a: Block, b: Block, axes: Shape, old: Seg | None, *, flip: bool
    ) -> Block | Deferred:
        """Tiles of ``old``, or cleared ones, plus a product with tile axes ``axes``."""
        if not self.arithmetic:
            return self.zeros(group.lanes, axes)
        if a.shape[1] != b.shape[1]:
            a, b = with_width(a, group.lanes.width), with_width(b, group.lanes.width)
        shape = (a.shape[0], a.shape[1], *axes, *self.tile)
        if not self.exact_operands:
            a = self.model.matmul_operand(a, self.in0.fmt, self.mode, 0, self.tf32)
            b = self.model.matmul_operand(b, self.in1.fmt, self.mode, 1, self.tf32)
        if flip:
            b = b.swapaxes(-1, -2)
        before: Any = None
        if old is not None:
            before = old.block if old.rows is None else old.values()
        return Deferred(self.products, before, a, b, shape)

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


def _fixed(c: OpContext) -> tuple[MatmulPlan, tuple[Scalar, Scalar, Scalar]] | None:
    """(plan, first indices) of a nest whose counts and steps are constants."""
    n = c.fixed_counts(3)
    in0, in1, target = (c.affine(operand, 3) for operand in (2, 3, 4))
    if n is None or 0 in n or in0 is None or in1 is None or target is None:
        return None
    return _plan(n, in0[1], in1[1], target[1]), (in0[0], in1[0], target[0])


def _unfit(c: OpContext) -> Step | None:
    """A refusal of integers the matrix unit does not multiply: Int8 with Int8 only, in 32 bits."""
    formats = [c.cb(0).fmt, c.cb(1).fmt]
    wide = c.machine.mode(c.code.key, *formats).dest.is_fp32
    if not any(fmt.is_integer for fmt in formats):
        return None
    if wide and all(fmt is DataFormat.Int8 for fmt in formats):
        return None
    names = " by ".join(fmt.value for fmt in formats)
    return refusal("ShapeMismatch", f"matmul_tiles of {names} in a {32 if wide else 16}-bit DST:"
                   " integers are Int8 by Int8 in 32 bits")  # fmt: skip


def build_matmul(c: OpContext) -> Step:
    """matmul_tiles."""
    unfit = _unfit(c)
    if unfit is not None:
        return unfit
    matmul, following, machine = Matmul(c), c.next, c.machine
    in0, in1, counts = matmul.in0, matmul.in1, c.counts(3)
    index0, index1, target = c.index(2, 3), c.index(3, 3), c.index(4, 3)
    checks = {
        flip: checker("matmul_tiles", math=("matmul", flip), src_a=in1.fmt, src_b=in0.fmt)
        for flip in (False, True)
    }
    tally, slot = machine.tally, machine.slot("matmul_tiles")
    plans: dict[Any, MatmulPlan] = {}

    def flipped(config: Config) -> bool:
        flip = config.math == ("matmul", True)
        checks[flip](config)
        return flip

    def step(group: Group) -> int:
        section = math_section(group, "matmul_tiles")
        flip = flipped(group.local.config)
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
        i, j, d = uniform(group, i), uniform(group, j), uniform(group, d)
        tally[slot] += plan.tiles * group.lanes.n
        for di, dj, dd in plan.steps:
            matmul.add(group, section, (i + di, j + dj, d + dd), plan.shape, flip)
        return following

    refused, fixed = exact_only(c, in0, in1), _fixed(c)
    if refused is not None or fixed is None or len(fixed[0].steps) > 1:
        return refused or step
    return quick_matmul(c, matmul, fixed[1], fixed[0].shape, flipped, step)


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


BUILDERS: Final[Builders] = MappingProxyType({"matmul_tiles": build_matmul})
"""Op name to builder."""
