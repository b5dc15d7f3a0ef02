"""The common case of matmul_tiles: one K step of a nest whose counts and steps are constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simulator.engine.cb import CircularBuffer
from simulator.engine.code import OpContext, Step
from simulator.engine.config import Config
from simulator.engine.expr import Scalar
from simulator.engine.group import Group
from simulator.engine.lanes import Lanes
from simulator.engine.segs import Seg, select_block

if TYPE_CHECKING:
    from simulator.engine.ops_matmul import Matmul


def quick_matmul(
    c: OpContext,
    matmul: Matmul,
    starts: tuple[Scalar, Scalar, Scalar],
    shape: tuple[int, ...],
    flipped: Callable[[Config], bool],
    step: Step,
) -> Step:
    """A product whose operands are one whole, valid segment each, onto one DST segment or none.

    ``starts`` are the first pages of in0 and in1 and the first DST tile, ``shape`` as in a
    MatmulPlan. ``flipped`` checks the configuration and says whether in1's tiles are transposed.
    Everything unusual is left to ``step``, the general form.
    """
    n1, n2, i1, i2, j1, j2, d1, d2 = shape
    if min(shape) < 0 or (n2 != 1 and d2 != 1) or (n1 != 1 and d1 != n2):
        return step
    of0 = (n1 if i1 else 1, i1, n2 if i2 else 1, i2)
    of1 = (n1 if j1 else 1, j1, n2 if j2 else 1, j2)
    reach0, reach1 = i1 * (n1 - 1) + i2 * (n2 - 1), j1 * (n1 - 1) + j2 * (n2 - 1)
    in0, in1, following = matmul.in0, matmul.in1, c.next
    if not (isinstance(in0, CircularBuffer) and isinstance(in1, CircularBuffer)):
        return step  # math takes what the unpacker has put into Src
    start0, start1, target = starts
    axes, pages, tally, slot = (n1, n2), n1 * n2, c.machine.tally, c.machine.slot("matmul_tiles")
    zeros: dict[Lanes, Seg] = {}
    dtype = matmul.products.dtype
    known: Config | None = None
    flip = False

    def quick(group: Group) -> int:
        nonlocal known, flip
        local, lanes, regs = group.local, group.lanes, group.regs
        section = local.math
        if section is None or lanes is not in0.solo_lanes or lanes is not in1.solo_lanes:
            return step(group)
        i, j, d = start0(regs), start1(regs), target(regs)
        if not (type(i) is int and type(j) is int and type(d) is int) or d < 0:
            return step(group)
        left, right = _whole(in0, i, i + reach0), _whole(in1, j, j + reach1)
        if left is None or right is None or d + pages > section.capacity:
            return step(group)
        segs = section.segs
        old: Seg | None = None
        if segs:
            at, old = segs[0]
            if len(segs) > 1 or at != d or old.pages != pages or old.valid is not None:
                return step(group)
            if old.block.dtype != dtype:
                return step(group)
        if local.config is not known:
            flip, known = flipped(local.config), local.config
        if matmul.arithmetic:
            a, b = select_block(left.values(), i, *of0), select_block(right.values(), j, *of1)
            seg = Seg(pages, matmul.product(group, a, b, axes, old, flip=flip))
        else:
            seg = zeros.get(lanes) or zeros.setdefault(lanes, Seg(pages, matmul.zeros(lanes, axes)))
        section.segs = [(d, seg)]
        tally[slot] += pages * lanes.n
        return following

    return quick


def _whole(cb: CircularBuffer, low: int, high: int) -> Seg | None:
    """The oldest segment, if pages low..high are readable in it and all of it is valid."""
    strand = cb.solo
    rd: Any = strand.rd
    if low < 0 or high >= strand.waited or type(rd) is not int or rd + high >= cb.depth:
        return None
    seg = strand.front[0]
    return seg if high < seg.pages and seg.valid is None and seg.block is not None else None
