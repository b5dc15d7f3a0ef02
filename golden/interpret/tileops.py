"""Meaning of the tile ops ``tl.*``, for all active blocks at once."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from golden.approx import Approx
from golden.errors import GoldenError, location_of
from golden.interpret import tree
from golden.interpret.expressions import Evaluator
from golden.interpret.machine import Chunk
from golden.interpret.memory import Lanes, OnChip, highest, lowest
from golden.matmul import Operand, multiply_accumulate
from golden.reduction import EXTREMA, Reducer
from golden.source import COPY, CUMSUM, FILL, GEMM, REDUCE, BufferInfo

_CACHE_ELEMENTS: Final = 1 << 17
"""Accumulator elements multiplied at once, so that operands and sums stay in the cache."""


@dataclass(frozen=True)
class Region:
    """A region operand: buffer, starts (numbers or one per active block) and extents."""

    buffer: BufferInfo
    starts: tuple[Any, ...]
    extents: tuple[int, ...]

    @property
    def dtype(self) -> str:
        """Element type."""
        return self.buffer.dtype

    @property
    def core(self) -> tuple[int, ...]:
        """Extents without unit dimensions."""
        return tuple(e for e in self.extents if e != 1)


class TileOps:
    """Executes tile ops on a chunk of blocks."""

    def __init__(self, chunk: Chunk) -> None:
        """``chunk`` holds buffers and tensors."""
        self.chunk = chunk

    def run(self, op: tree.TileOp, evaluator: Evaluator) -> None:
        """Execute one op.

        Raises:
            GoldenError: an op without meaning here, or operands that do not fit.
        """
        name, args = op.name, op.args
        if name == COPY:
            self._copy(self.region(args[0], evaluator), self.region(args[1], evaluator), evaluator)
        elif name == FILL:
            self._fill(self.region(args[0], evaluator), args[1], evaluator)
        elif name == GEMM:
            self._gemm(args, evaluator)
        elif name == REDUCE:
            self._reduce(args, evaluator)
        elif name == CUMSUM:
            self._cumsum(args, evaluator)
        else:
            where = location_of(op.origin.value)
            raise GoldenError(f"the op {name} has no meaning here", location=where)

    def region(self, operand: tree.Slice, evaluator: Evaluator) -> Region:
        """A region operand with its starts evaluated."""
        starts, extents = [], []
        parts = zip(operand.starts, operand.extents, operand.buffer.shape, strict=True)
        for dim, (first, extent, size) in enumerate(parts):
            evaluator.asked = False
            start = evaluator.integer(first)
            if np.ndim(start):
                start = np.broadcast_to(start, (len(self.chunk.active),))
                start = int(start[0]) if (start == start[0]).all() else start
            else:
                start = int(start)
            if extent is None:
                raise GoldenError("a region's extent is not a constant", location=operand.where)
            if evaluator.asked and not operand.anywhere[dim]:
                _check_index(start, extent, size, operand)
            starts.append(start)
            extents.append(extent)
        return Region(operand.buffer, tuple(starts), tuple(extents))

    def read(self, region: Region) -> Approx:
        """(blocks or 1, *extents)."""
        tensors = self.chunk.machine.tensors
        if region.buffer in tensors:
            return tensors[region.buffer].read(region.starts, region.extents, self.chunk.active)
        cell: OnChip = self._cell(region)
        return cell.read(self.chunk.lanes, region.starts, region.extents)

    def write(self, region: Region, new: Approx) -> None:
        """Set a region from (blocks or 1, *extents)."""
        tensors = self.chunk.machine.tensors
        if region.buffer in tensors:
            tensors[region.buffer].write(region.starts, region.extents, new, self.chunk.active)
            return
        self._cell(region).write(self.chunk.lanes, region.starts, region.extents, new)

    def _cell(self, region: Region) -> OnChip:
        if region.buffer not in self.chunk.buffers:
            raise GoldenError(f"buffer {region.buffer.name} is not allocated")
        cell = self.chunk.buffers[region.buffer]
        for start, extent, size in zip(region.starts, region.extents, cell.shape, strict=True):
            if lowest(start) < 0 or highest(start) + extent > size:
                raise GoldenError(f"a region beyond the shape of {region.buffer.name}")
        return cell

    def _copy(self, source: Region, target: Region, evaluator: Evaluator) -> None:
        if source.core != target.core:
            raise GoldenError(f"copy from shape {source.extents} to {target.extents}")
        data = reshaped(self.read(source), target.extents)
        self.write(target, evaluator.arithmetic.stored(data, target.dtype, source.dtype))

    def _fill(self, target: Region, value: tree.Expr, evaluator: Evaluator) -> None:
        data = evaluator.approx(value)
        rank = len(target.extents)
        data = data.map(lambda a: a.reshape(-1, *(1,) * rank))
        shape = (len(self.chunk.active), *target.extents)
        stored = evaluator.arithmetic.stored(data, target.dtype, value.dtype)
        self.write(target, stored.map(lambda a: np.broadcast_to(a, shape)))

    def _signs(self, choice: str, result: Approx) -> None:
        """Note on which sides of zero extrema are: what lies beside the data is often zero."""
        machine = self.chunk.machine
        if machine.bounded:
            machine.took(choice, result.value < 0, result.value > 0)

    def _reduce(self, args: Sequence[Any], evaluator: Evaluator) -> None:
        """``(src, dst, kind, dim, clear)``."""
        source, target = self.region(args[0], evaluator), self.region(args[1], evaluator)
        kind, axis, clear = args[2:5]
        rank = len(source.extents)
        if axis is None or not -rank <= axis < rank:
            raise GoldenError(f"reduction along dimension {axis} of {rank}")
        axis %= rank
        left = tuple(e for i, e in enumerate(source.extents) if i != axis and e != 1)
        if left != target.core:
            raise GoldenError(f"reduction of {source.extents} along {axis} to {target.extents}")
        shape = tuple(1 if i == axis else e for i, e in enumerate(source.extents))
        old = None if clear else reshaped(self.read(target), shape)
        reducer = Reducer(evaluator.arithmetic)
        result = reducer.reduce(kind, self.read(source), axis + 1, source.dtype, old)
        if kind in ("max", "min") and "float" in source.dtype:
            self._signs(f"{kind} of {source.buffer.name} to {target.buffer.name}", result)
        stored = evaluator.arithmetic.stored(result, target.dtype, "float32")
        if kind in EXTREMA and source.dtype == target.dtype:  # one of its elements, which fits
            stored = replace(stored, cut=result.cut)
        self.write(target, reshaped(stored, target.extents))

    def _cumsum(self, args: Sequence[Any], evaluator: Evaluator) -> None:
        """``(src, dst, dim, reverse)``."""
        source, target = self.region(args[0], evaluator), self.region(args[1], evaluator)
        axis, reverse = args[2], bool(args[3])
        rank = len(source.extents)
        if axis is None or not -rank <= axis < rank or source.core != target.core:
            raise GoldenError(f"running sum of {source.extents} along {axis} to {target.extents}")
        reducer = Reducer(evaluator.arithmetic)
        result = reducer.cumsum(self.read(source), axis % rank + 1, source.dtype, reverse=reverse)
        stored = evaluator.arithmetic.stored(result, target.dtype, "float32")
        self.write(target, reshaped(stored, target.extents))

    def _gemm(self, args: Sequence[Any], evaluator: Evaluator) -> None:
        regions = [self.region(a, evaluator) for a in args[:3]]
        trans_a, trans_b, clear = args[3:6]
        a, b, c = (matrix(self.read(r), r) for r in regions)
        if trans_a:
            a = a.map(lambda x: x.swapaxes(-1, -2))
        if trans_b:
            b = b.map(lambda x: x.swapaxes(-1, -2))
        contract, bounded = self.chunk.machine.contract, self.chunk.machine.bounded
        in0, in1 = Operand(a, regions[0].dtype), Operand(b, regions[1].dtype)
        if clear:
            c = Approx(np.zeros(c.value.shape), grain=float("inf"), peak=0.0)
        size = c.value.shape[-1] * c.value.shape[-2]
        width = max(1, _CACHE_ELEMENTS // size)
        lanes = self.chunk.lanes
        held = "float32" if contract.fp32_dest else contract.dest
        try:
            for first in range(0, len(c.value), width):
                part = slice(first, first + width)
                acc = c.map(operator.itemgetter(part))
                result = multiply_accumulate(
                    acc, _lanes(in0, part), _lanes(in1, part), contract, bounded
                )
                # An accumulator narrower than DST may pass through its buffer at any step.
                result = evaluator.arithmetic.stored(result, regions[2].dtype, held)
                self.chunk.lanes = sub_lanes(lanes, first, len(result.value))
                self.write(_lane_region(regions[2], part), reshaped(result, regions[2].extents))
        finally:
            self.chunk.lanes = lanes


def _check_index(start: Any, extent: int, size: int, operand: tree.Slice) -> None:
    """A tensor of indices names only what there is: nothing is zero beyond the edge.

    Rows and columns that begin anywhere, as those of sequences laid end to end, may go beyond.
    """
    outside = [v for v in np.ravel(start) if v < 0 or v + extent > size]
    if outside:
        raise GoldenError(
            f"a tensor of indices places a copy of {extent} at {outside[0]} along a dimension of"
            f" {operand.buffer.name}, which has {size}",
            code="InvalidInputs",
            location=operand.where,
            next_step="give indices in range",
        )


def sub_lanes(lanes: Lanes, first: int, count: int) -> Lanes:
    """``count`` lanes from the ``first`` of a selection."""
    if isinstance(lanes, slice):
        begin = (lanes.start or 0) + first
        return slice(begin, begin + count)
    return lanes[first : first + count]


def _lane_region(region: Region, part: slice) -> Region:
    starts = tuple(s[part] if np.ndim(s) else s for s in region.starts)
    return Region(region.buffer, starts, region.extents)


def _lanes(operand: Operand, lanes: slice) -> Operand:
    if len(operand.data.value) == 1:
        return operand
    return Operand(operand.data.map(operator.itemgetter(lanes)), operand.dtype)


def reshaped(x: Approx, extents: tuple[int, ...]) -> Approx:
    """(blocks, …) with other unit dimensions."""
    return x.map(lambda a: a.reshape(len(a), *extents))


def matrix(x: Approx, region: Region) -> Approx:
    """(blocks, rows, columns) of a region whose other dimensions are 1."""
    dims = list(region.extents)
    while len(dims) > 2 and 1 in dims:
        dims.remove(1)
    if len(dims) != 2:
        raise GoldenError(f"a matrix is wanted, not shape {region.extents}")
    return x.map(lambda a: a.reshape(len(a), *dims))


__all__ = ["CUMSUM", "REDUCE", "Region", "TileOps", "matrix", "reshaped"]
