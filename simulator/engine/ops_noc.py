"""Ops of the NoC between tensors and circular buffers, and their barriers."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.engine import expr
from simulator.engine.cb import CircularBuffer
from simulator.engine.code import Builders, OpContext, Step, refusal, uniform
from simulator.engine.expr import ExprError, Poly
from simulator.engine.gather import Pattern, View, fetch, page_ids, store, view_of
from simulator.engine.group import Group
from simulator.engine.lanes import Lanes
from simulator.engine.ops_move import row_major
from simulator.engine.pointers import Pointer, pointer_of
from simulator.engine.segs import WHOLE, Extents, Seg, full, normal
from simulator.engine.violation import Violation
from simulator.memory.dram import NOBODY, Tensor

Shape = tuple[int, int, int, int]


class Pages:
    """A page operand: the part that varies by lane, found once, and the part that does not."""

    def __init__(self, c: OpContext, operand: int, tensor: Tensor) -> None:
        base, slopes = c.slopes(c.poly(operand))
        varying, common = expr.split(base, c.names.is_varying)
        self._patterns = c.machine.patterns
        self._inputs = [c.names.registers[item] for item in expr.names_in(varying)]
        self._varying = c.names.compile(varying)
        self.common = c.names.compile(common)
        self.fixed_steps: tuple[int, int] | None = None
        self._steps = self._slopes(c, slopes)
        self._tensor = tensor
        self._lanes: Lanes | None = None
        self._seen: list[Any] = []
        self._pattern: Pattern | None = None

    def _slopes(self, c: OpContext, slopes: list[Poly]) -> Callable[[list[Any]], Any]:
        pad = (0,) * (2 - len(slopes))
        known = [expr.value_of(s) for s in slopes]
        if all(k is not None for k in known):
            fixed: Any = (*pad, *known)
            self.fixed_steps = fixed
            return lambda _: fixed
        scalars = [c.names.compile(s) for s in slopes]
        return lambda r: (*pad, *(uniform(r[0], s(r)) for s in scalars))

    def __call__(self, group: Group, n1: int, n2: int) -> tuple[Pattern, int, Shape]:
        """(pattern, uniform part, (n1, step, n2, step)), all pages inside the tensor.

        Raises:
            Violation: a page is outside.
        """
        regs = group.regs
        pattern = self.current(group)
        common = self.common(regs)
        if type(common) is not int:
            common = uniform(group, common)
        s1, s2 = self._steps(regs)
        low, high = pattern.low + common, pattern.high + common
        reach1, reach2 = s1 * (n1 - 1), s2 * (n2 - 1)
        if reach1 < 0 or reach2 < 0:
            low += min(reach1, 0) + min(reach2, 0)
            reach1, reach2 = max(reach1, 0), max(reach2, 0)
        high += reach1 + reach2
        if low < 0 or high >= self._tensor.pages:
            self._outside(pattern, common, (n1, s1, n2, s2), group)
        return pattern, common, (n1, s1, n2, s2)

    def current(self, group: Group) -> Pattern:
        """The part of the pages that varies by lane."""
        pattern = self._pattern
        regs = group.regs
        if pattern is not None and group.lanes is self._lanes:
            seen = self._seen
            for number, reg in enumerate(self._inputs):
                if regs[reg] is not seen[number]:
                    break
            else:
                return pattern
        pattern = self._patterns.of(self._varying(regs), group.lanes)
        self._pattern, self._lanes = pattern, group.lanes
        self._seen = [regs[reg] for reg in self._inputs]
        return pattern

    def _outside(self, pattern: Pattern, common: int, shape: Shape, group: Group) -> None:
        ids = page_ids(pattern, common, *shape)
        bad = ((ids < 0) | (ids >= self._tensor.pages)).any(axis=1)
        worst = ids[bad][0]
        page = int(worst[(worst < 0) | (worst >= self._tensor.pages)][0])
        raise Violation(
            "OutOfBounds",
            f"page {page} of tensor {self._tensor.name}, which has {self._tensor.pages}",
            group.lanes.ids[bad],
        )


def _format_refusal(c: OpContext, tensor: Tensor, cb: CircularBuffer) -> Step:
    """A page is copied byte for byte, so both ends must agree what the bytes mean."""
    return refusal(
        "ShapeMismatch",
        f"{c.op.name}: pages of tensor {tensor.name} are {tensor.fmt.value} tiles {tensor.tile},"
        f" those of circular buffer {cb.number} {cb.fmt.value} {cb.tile}",
    )


def build_read_page(c: OpContext) -> Step:
    """noc_async_read_page: pages of a tensor to the reserved window of a CB."""
    tensor, counts, following, machine = c.tensor(1), c.counts(2), c.next, c.machine
    pages, pointer = Pages(c, 0, tensor), pointer_of(c, 2)
    cb, pool = pointer.cb, machine.pool
    if cb.producer != c.code.thread:
        return _stranger(c, pointer)
    tally, slot = machine.tally, machine.slot("noc_async_read_page")
    if cb.fmt is not tensor.fmt or cb.tile != tensor.tile:
        return _format_refusal(c, tensor, cb)
    last: list[Any] = [None, None, None]
    quick = QuickRead.of(c, pages, pointer, tensor)

    def step(group: Group) -> int:
        if quick is not None and quick.run(group):
            return following
        n1, n2 = counts(group.regs)
        if not (n1 and n2):
            return following
        pattern, start, shape = pages(group, n1, n2)
        at, q1, q2 = pointer.pages(group)
        local, lanes = group.local, group.lanes
        if pattern is last[0] and shape == last[1] and last[2] is not None:
            block = last[2].at(tensor.values, start)
        else:
            block = fetch(tensor, pattern, start, shape, lanes, pool)
            straight = pool.arithmetic and not tensor.writable
            last[:] = [pattern, shape, view_of(tensor, pattern, shape) if straight else None]
        valid: Extents | None = None
        if tensor.valid is not None or tensor.writable:
            valid = _read_state(tensor, pattern, start, shape, group)
        total = n1 * n2
        seg = Seg(total, block, valid, local.reads)
        local.reading = True
        if (n2 == 1 or q2 == 1) and (n1 == 1 or q1 == n2):
            cb.write(lanes, at, seg)
        else:
            for a in range(n1):
                for b in range(n2):
                    cb.write(lanes, at + a * q1 + b * q2, seg.slice(a * n2 + b, 1))
        tensor.read_bytes += total * lanes.n * tensor.page_bytes
        tally[slot] += total * lanes.n
        return following

    return step


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
        if lanes is not cb.solo_lanes or tensor.valid is not None or tensor.writable:
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
        view = self._view
        if view is None or not self._pool.arithmetic:
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
        tensor.read_bytes += self._bytes * lanes.n
        self._tally[self._slot] += total * lanes.n
        return True


def _stranger(c: OpContext, pointer: Pointer) -> Step:
    cb = pointer.cb
    return refusal("CBEndpoint", f"{c.op.name} on {c.code.thread} into circular buffer"
                   f" {cb.number}, whose producer is {cb.producer}")  # fmt: skip


def _read_state(
    tensor: Tensor, pattern: Pattern, start: int, shape: Shape, group: Group
) -> Extents | None:
    """Extents of pages being read; pages another core writes in this run are a race."""
    ids = page_ids(pattern, start, *shape)
    if tensor.owner is not None:
        owner = tensor.owner[ids]
        other = ((owner != NOBODY) & (owner != group.lanes.ids[:, None])).any(axis=1)
        if other.any() and not group.code.synchronised:
            raise Violation(
                "Race",
                f"a page of tensor {tensor.name} is read that another core wrote, nothing orders"
                " the two",
                group.lanes.ids[other],
            )
    return None if tensor.valid is None else normal(tensor.valid[ids])


def build_write_page(c: OpContext) -> Step:
    """noc_async_write_page: pages of a CB window to a tensor."""
    tensor, counts, following, machine = c.tensor(1), c.counts(2), c.next, c.machine
    pages, pointer = Pages(c, 0, tensor), pointer_of(c, 2)
    cb = pointer.cb
    if not tensor.writable:
        tensor.make_writable()
    role = cb.producer if pointer.write else cb.consumer
    if role != c.code.thread:
        return _stranger(c, pointer)
    if cb.fmt is not tensor.fmt or cb.tile != tensor.tile:
        return _format_refusal(c, tensor, cb)
    tally, slot = machine.tally, machine.slot("noc_async_write_page")

    def step(group: Group) -> int:
        n1, n2 = counts(group.regs)
        if not (n1 and n2):
            return following
        pattern, start, shape = pages(group, n1, n2)
        at, q1, q2 = pointer.pages(group)
        local, lanes = group.local, group.lanes
        if pointer.write:
            if not row_major(n1, q1, n2, q2):
                raise Violation("CBWindow", "pages of the reserved window must be written in order")
            seg = cb.written(lanes, at, n1 * n2)
        else:
            seg = cb.select(lanes, at, n1, q1, n2, q2)
        if seg.block is None or (seg.valid is not None and not seg.valid.any()):
            raise Violation("UninitialisedRead",
                            f"a page of circular buffer {cb.number} was never written")  # fmt: skip
        if seg.epoch > local.reads_done and pointer.write:
            raise Violation("Unbarriered", "a page is written out before the barrier of the read"
                            " that fills it")  # fmt: skip
        _claim(tensor, pattern, start, shape, seg, group)
        if machine.arithmetic:
            store(tensor, pattern, start, shape, seg.values(), lanes)
        if not pointer.write:
            low = min(at, at + q1 * (n1 - 1)) + min(0, q2 * (n2 - 1))
            for strand, _ in cb.at(lanes):
                if strand.source_epoch <= local.flushed:
                    strand.source_low = low
                else:
                    strand.source_low = min(strand.source_low, low)
                strand.source_epoch = local.writes
        local.writing = True
        tensor.written_bytes += n1 * n2 * lanes.n * tensor.page_bytes
        tally[slot] += n1 * n2 * lanes.n
        return following

    return step


def _claim(
    tensor: Tensor, pattern: Pattern, start: int, shape: Shape, seg: Seg, group: Group
) -> None:
    """Every page has one writing core, within this step and over the run; validity follows."""
    ids = page_ids(pattern, start, *shape)
    owner: Any = tensor.owner
    valid = tensor.valid
    me = group.lanes.ids[:, None]
    before = owner[ids]
    bad = (before != NOBODY) & (before != me)
    owner[ids] = me
    bad |= owner[ids] != me
    if bad.any():
        page = int(ids[bad][0])
        raise Violation("DoubleWrite", f"page {page} of tensor {tensor.name} is written by two"
                        " cores", group.lanes.ids[bad.any(axis=1)])  # fmt: skip
    if valid is not None:
        valid[ids] = WHOLE if seg.valid is None else seg.valid
    elif seg.valid is not None:
        tensor.valid = np.full((tensor.pages, 2), WHOLE, np.int16)
        tensor.valid[ids] = seg.valid


def build_read_barrier(c: OpContext) -> Step:
    """noc_async_read_barrier."""
    following = c.next

    def step(group: Group) -> int:
        local = group.local
        if local.reading:
            local.reads_done = local.reads
            local.reads += 1
            local.reading = False
        return following

    return step


def build_write_barrier(c: OpContext) -> Step:
    """noc_async_write_barrier."""
    following = c.next

    def step(group: Group) -> int:
        local = group.local
        if local.writing:
            local.written = local.flushed = local.writes
            local.writes += 1
            local.writing = False
        return following

    return step


def build_writes_flushed(c: OpContext) -> Step:
    """noc_async_writes_flushed: sources may be reused, data is not visible yet."""
    following = c.next

    def step(group: Group) -> int:
        local = group.local
        if local.writing:
            local.flushed = local.writes
            local.writes += 1
        return following

    return step


def build_zero_region(c: OpContext) -> Step:
    """zero_tile_region: zeros beyond the kept rows and columns of one tile in L1."""
    cb, pointer, following, machine = c.cb(0), pointer_of(c, 1), c.next, c.machine
    rows, columns = c.scalar(2), c.scalar(3)
    if pointer.cb is not cb:
        raise ExprError("zero_tile_region's address is not in its circular buffer")
    if cb.producer != c.code.thread:
        return _stranger(c, pointer)
    height, width = cb.tile

    def step(group: Group) -> int:
        keep_r, keep_c = uniform(group, rows(group.regs)), uniform(group, columns(group.regs))
        if not (0 <= keep_r <= height and 0 <= keep_c <= width):
            raise Violation("OutOfBounds", f"zero_tile_region keeps {keep_r}x{keep_c} of a"
                            f" {height}x{width} tile")  # fmt: skip
        at, _, _ = pointer.pages(group)
        lanes = group.lanes
        old = cb.written(lanes, at, 1)
        if old.block is not None and old.epoch > group.local.reads_done:
            raise Violation("Unbarriered", "zero_tile_region before the barrier of the read that"
                            " fills the tile")  # fmt: skip
        if keep_r == height and keep_c == width:
            return following
        shape = (lanes.n // lanes.width, lanes.width, 1, 1, height, width)
        if not machine.arithmetic:
            block = machine.pool.dummy(shape, cb.fmt.value_dtype)
        else:
            block = np.zeros(shape, cb.fmt.value_dtype)
            if old.block is not None and keep_r and keep_c:
                source = old.values().reshape(shape)
                block[..., :keep_r, :keep_c] = source[..., :keep_r, :keep_c]
        cb.write(lanes, at, Seg(1, block, _after_zeroing(old, keep_r, keep_c, lanes.n)))
        return following

    return step


def _after_zeroing(old: Seg, rows: int, columns: int, lanes: int) -> Extents | None:
    """Extents after zeroing: whole where the kept part was valid, else what it was of that part."""
    if not rows or not columns:
        return None
    valid = full(lanes, 1) if old.valid is None else old.valid.copy()
    if old.block is None:
        valid[:] = 0
    good = (valid[..., 0] >= rows) & (valid[..., 1] >= columns)
    valid[good] = WHOLE
    return normal(valid)


def build_fill_l1(c: OpContext) -> Step:
    """fill_tile_l1 and generate_reduce_scaler: a constant tile written by the RISC."""
    cb, pointer, following = c.cb(0), pointer_of(c, 1), c.next
    if pointer.cb is not cb:
        raise ExprError(f"{c.op.name}'s address is not in its circular buffer")
    if cb.producer != c.code.thread:
        return _stranger(c, pointer)
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
        shape = (lanes.n // lanes.width, lanes.width, 1, 1, *cb.tile)
        cb.write(lanes, at, Seg(1, np.broadcast_to(one, shape)))
        return following

    return step


BUILDERS: Final[Builders] = MappingProxyType(
    {
        "noc_async_read_page": build_read_page,
        "noc_async_write_page": build_write_page,
        "noc_async_read_barrier": build_read_barrier,
        "noc_async_write_barrier": build_write_barrier,
        "noc_async_writes_flushed": build_writes_flushed,
        "zero_tile_region": build_zero_region,
        "fill_tile_l1": build_fill_l1,
        "generate_reduce_scaler": build_fill_l1,
    }
)
"""Op name to builder."""
