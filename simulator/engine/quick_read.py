"""The common case of noc_async_read_page, with everything constant found when it is loaded."""

from __future__ import annotations

import numpy as np

from simulator.engine.cb import CircularBuffer
from simulator.engine.code import OpContext
from simulator.engine.gather import Pattern, View, fetch, view_of
from simulator.engine.group import Group
from simulator.engine.ops_move import row_major
from simulator.engine.page_operand import Pages, Shape
from simulator.engine.pointers import Pointer
from simulator.engine.pool import Block
from simulator.engine.segs import Seg
from simulator.memory.dram import Tensor


class QuickRead:
    """A read whose tile loops, offsets in the CB and page steps are constants.

    What is left to do per execution: evaluate the common part of the page id, compare two bounds,
    make one view and stage one segment. Everything unusual is left to the general step.
    """

    def __init__(
        self, c: OpContext, pages: Pages, at: int, shape: Shape, tensor: Tensor, cb: CircularBuffer
    ) -> None:
        machine = c.machine
        self._pages = pages
        self._at = at
        self._shape = shape
        self._total = shape[0] * shape[2]
        self._reach = shape[1] * (shape[0] - 1) + shape[3] * (shape[2] - 1)
        self._tensor = tensor
        self._cb = cb
        self._pool = machine.pool
        self._view: View | None = None
        self._of: Pattern | None = None
        self._starts: set[int] = set()
        self._zeros: Block | None = None
        self._tally, self._slot = machine.tally, machine.slot("noc_async_read_page")
        self._bytes = self._total * tensor.page_bytes

    @classmethod
    def of(cls, c: OpContext, pages: Pages, pointer: Pointer, tensor: Tensor) -> QuickRead | None:
        """The quick form of a read, if it has one."""
        counts, place, steps = c.fixed_counts(2), pointer.fixed(), pages.fixed_steps
        if counts is None or place is None or steps is None or not all(counts):
            return None
        (n1, n2), (at, q1, q2) = counts, place
        if steps[0] < 0 or steps[1] < 0 or not row_major(n1, q1, n2, q2):
            return None
        return cls(c, pages, at, (n1, steps[0], n2, steps[1]), tensor, pointer.cb)

    def run(self, group: Group) -> bool:
        """Execute it, unless something is unusual."""
        pages, tensor, cb, lanes = self._pages, self._tensor, self._cb, group.lanes
        if lanes is not cb.solo_lanes or cb.partners or tensor.valid is not None or tensor.writable:
            return False
        if cb.far:
            return False
        pattern = pages.current(group)
        common = pages.common(group.regs)
        if (
            type(common) is not int
            or pattern.low + common < 0
            or (pattern.high + common + self._reach >= tensor.pages)
        ):
            return False
        if pattern is not self._of:
            self._of, self._view = pattern, view_of(tensor, pattern, self._shape)
            self._starts = tensor.starts(pattern, self._shape)
            self._zeros = None
            if not self._pool.arithmetic:  # one block of zeros does for all
                self._zeros = fetch(tensor, pattern, common, self._shape, lanes, self._pool)
        view = self._view
        if self._zeros is not None:
            block = self._zeros
        elif view is None:
            block = fetch(tensor, pattern, common, self._shape, lanes, self._pool)
        else:
            offset = (view.first + common) * view.size
            block = np.ndarray(view.shape, tensor.values.dtype, tensor.values, offset, view.strides)
        local = group.local
        total, at, strand = self._total, self._at, cb.solo
        wr = strand.wr
        if type(wr) is not int or at + total > strand.reserved or wr + at + total > cb.depth:
            cb.check_writable(strand, at, total)
        local.reading = True
        strand.stage(at, Seg(total, block, None, local.reads))
        self._starts.add(common)
        tensor.read_bytes += self._bytes * lanes.n
        self._tally[self._slot] += total * lanes.n
        return True
