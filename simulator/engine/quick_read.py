"""The common case of noc_async_read_page, with everything constant found when it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from simulator.engine.code import OpContext, Step
from simulator.engine.gather import Pattern, fetch, view_of
from simulator.engine.group import Group
from simulator.engine.lanes import Lanes
from simulator.engine.ops_move import row_major
from simulator.engine.page_operand import Pages, Shape
from simulator.engine.pointers import Pointer
from simulator.engine.pool import Block, Pool
from simulator.engine.segs import Seg
from simulator.memory.dram import Tensor


def quick_read(c: OpContext, pages: Pages, pointer: Pointer, tensor: Tensor, step: Step) -> Step:
    """A read whose tile loops, offsets in the CB and page steps are constants.

    What is left to do per execution: evaluate the common part of the page id, compare bounds, make
    one view and stage one segment. Everything unusual is left to ``step``, the general form; so is
    every read that has no quick form.
    """
    counts, place, steps = c.fixed_counts(2), pointer.fixed(), pages.fixed_steps
    if counts is None or place is None or steps is None or not all(counts):
        return step
    (n1, n2), (at, q1, q2) = counts, place
    if steps[0] < 0 or steps[1] < 0 or not row_major(n1, q1, n2, q2):
        return step
    shape = (n1, steps[0], n2, steps[1])
    total, reach = n1 * n2, steps[0] * (n1 - 1) + steps[1] * (n2 - 1)
    end = at + total
    cb, pool, following = pointer.cb, c.machine.pool, c.next
    arithmetic = pool.arithmetic
    tally, slot, depth = c.machine.tally, c.machine.slot("noc_async_read_page"), cb.depth
    start_of, register = pages.common, pages.register or 0
    several = pages.register is None  # several registers: nothing is seen for certain

    seen: Any = None
    lanes: Lanes | None = None
    pattern: Pattern | None = None
    starts: set[int] = set()
    low = high = tiles = size = 0
    block_at: Callable[[int], Block]
    zeros: Block | None = None

    def prepare(group: Group) -> bool:
        """Find what follows from the part of the pages that varies by lane."""
        nonlocal seen, lanes, pattern, starts, low, high, tiles, size, block_at, zeros
        if cb.partners or cb.watched or tensor.valid is not None or tensor.writable:
            return False
        found, lanes = pages.current(group), group.lanes
        seen = None if several else group.regs[register]
        if found is not pattern:
            pattern, starts = found, tensor.starts(found.key, shape)
            low, high = -found.low, tensor.pages - 1 - found.high - reach
            tiles, size = total * lanes.n, total * lanes.n * tensor.page_bytes
            if arithmetic:
                block_at = _blocks(tensor, found, shape, lanes, pool)
            else:  # one block of zeros does for all
                zeros = fetch(tensor, found, 0, shape, lanes, pool)
        return True

    def quick(group: Group) -> int:
        regs = group.regs
        known = regs[register] is seen and group.lanes is lanes
        if not known and not prepare(group):
            return step(group)
        start, strand = start_of(regs), cb.solo
        wr = strand.wr
        if (
            lanes is not cb.solo_lanes
            or type(start) is not int
            or not low <= start <= high
            or type(wr) is not int
            or end > strand.reserved
            or wr + end > depth
        ):
            return step(group)
        local, staged = group.local, strand.staged
        local.reading = True
        seg = Seg(total, block_at(start) if zeros is None else zeros, None, local.reads)
        if staged:
            strand.stage(at, seg)
        else:
            staged.append((at, seg))
        starts.add(start)
        tensor.read_bytes += size
        tally[slot] += tiles
        return following

    return quick


def _blocks(
    tensor: Tensor, pattern: Pattern, shape: Shape, lanes: Lanes, pool: Pool
) -> Callable[[int], Block]:
    """The block of pages from a first one on."""
    view = view_of(tensor, pattern, shape)
    if view is None:
        return lambda start: fetch(tensor, pattern, start, shape, lanes, pool)
    axes, strides, first, size = view
    dtype = tensor.values.dtype
    return lambda start: np.ndarray(axes, dtype, tensor.values, (first + start) * size, strides)
