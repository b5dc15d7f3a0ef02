"""Tile ops as loop nests over single elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

from golden.second.errors import NoSecondOpinionError
from golden.second.memory import Memory, converted, from_end, sequence
from golden.second.scalars import Scalars
from golden.source import (
    COPY,
    CUMSUM,
    FILL,
    GEMM,
    REDUCE,
    REDUCER_INIT,
    REDUCER_UPDATE,
    constant,
    op_name,
)

_START: Final[Mapping[str, float]] = MappingProxyType({
    "sum": 0.0, "abssum": 0.0, "max": -math.inf, "min": math.inf, "absmax": 0.0,
})  # fmt: skip
"""What a reduction of nothing is."""


_JOIN: Final = MappingProxyType({"sum": tirx.Add, "max": tirx.Max, "min": tirx.Min})
"""How a reducer takes a value in."""


def _start(kind: str, dtype: str) -> Any:
    """The same as a constant; of whole numbers the largest or least there is."""
    value = _START[kind]
    if "float" not in dtype and math.isinf(value):
        limits = np.iinfo(dtype)
        return tirx.const(int(limits.max if value > 0 else limits.min), dtype)
    return tirx.const(value, dtype)


@dataclass(frozen=True)
class Box:
    """A region operand: buffer, first indices, extents."""

    node: Any
    buffer: Any
    starts: tuple[Any, ...]
    extents: tuple[int, ...]

    @property
    def core(self) -> tuple[int, ...]:
        """Extents without units."""
        return tuple(e for e in self.extents if e != 1)

    @property
    def matrix(self) -> tuple[int, int]:
        """Dimensions of rows and of columns; -1 for a dimension it does not have."""
        *lead, _, _ = range(-2, len(self.extents))
        if all(self.extents[d] == 1 for d in lead if d >= 0):
            rank = len(self.extents)
            return (rank - 2 if rank > 1 else -1), rank - 1
        kept = list(range(len(self.extents)))
        while len(kept) > 2 and any(self.extents[d] == 1 for d in kept):
            kept.remove(next(d for d in kept if self.extents[d] == 1))
        if len(kept) != 2:
            raise NoSecondOpinionError(f"{GEMM} of a block of {self.extents}", self.node)
        return kept[0], kept[1]

    def at(self, offsets: Mapping[int, Any]) -> list[Any]:
        """Indices of an element from offsets by dimension, 0 where there is none."""
        return [s + offsets[d] if d in offsets else s for d, s in enumerate(self.starts)]

    def along(self, indices: Sequence[Any]) -> list[Any]:
        """Indices of an element from one offset for every dimension that is no unit."""
        dims = [d for d, e in enumerate(self.extents) if e != 1]
        return self.at(dict(zip(dims, indices, strict=True)))


class TileOps:
    """Lowers tile ops."""

    def __init__(self, memory: Memory, scalars: Scalars, reducers: Mapping[Any, str]) -> None:
        """``memory`` holds the buffers, ``scalars`` lowers starts and values.

        ``reducers`` are blocks that take values in, and by what they reduce.
        """
        self.memory = memory
        self.scalars = scalars
        self.reducers = reducers

    def lower(self, call: Any) -> Any:
        """One call as loops.

        Raises:
            NoSecondOpinionError: an op, or operands, without a lowering here.
        """
        known: dict[str, Callable[[Any, list[Any]], Any]] = {
            COPY: self._copy, FILL: self._fill, GEMM: self._gemm, REDUCE: self._reduce,
            CUMSUM: self._cumsum, REDUCER_INIT: self._begun, REDUCER_UPDATE: self._given,
        }  # fmt: skip
        name = op_name(call)
        if name not in known:
            raise NoSecondOpinionError(f"the op {name or call.op}", call)
        return known[name](call, call.args[:])

    def _box(self, node: Any) -> Box:
        extents = [constant(part.extent) for part in node.region[:]]
        if any(e is None for e in extents):
            raise NoSecondOpinionError("a region whose extent is no constant", node)
        sizes = tuple(int(e or 0) for e in extents)
        starts = [self.scalars.value(part.min) for part in node.region[:]]
        starts = from_end(starts, self.memory.cell(node.source, node).shape, sizes)
        return Box(node, node.source, tuple(starts), sizes)

    def _apart(self, call: Any, target: Box, *sources: Box) -> None:
        """Element by element only works where nothing is read that was just written."""
        if any(self.memory.shared(source.buffer, target.buffer) for source in sources):
            raise NoSecondOpinionError(f"{op_name(call)} within one buffer", call)

    def _copy(self, call: Any, args: list[Any]) -> Any:
        source, target = self._box(args[0]), self._box(args[1])
        self._apart(call, target, source)
        if source.core != target.core:
            raise NoSecondOpinionError(f"{COPY} of {source.extents} to {target.extents}", call)
        return self.memory.nest(
            source.core,
            lambda at: self._put(target, target.along(at), self._get(source, source.along(at))),
        )

    def _fill(self, call: Any, args: list[Any]) -> Any:
        target = self._box(args[0])
        read: list[Any] = []
        tvm_ffi.structural_walk(args[1], [(tvm.ir.TensorLoad, lambda n: read.append(n.source))])
        if any(self.memory.shared(buffer, target.buffer) for buffer in read):
            raise NoSecondOpinionError(f"{FILL} within one buffer", call)
        value = self.scalars.value(args[1])
        return self.memory.nest(target.core, lambda at: self._put(target, target.along(at), value))

    def _gemm(self, call: Any, args: list[Any]) -> Any:
        a, b, c = (self._box(arg) for arg in args[:3])
        self._apart(call, c, a, b)
        trans_a, trans_b, clear = (bool(constant(flag)) for flag in args[3:6])
        rows, columns = (1 if d < 0 else c.extents[d] for d in c.matrix)
        inner = a.matrix[0] if trans_a else a.matrix[1]
        depth = 1 if inner < 0 else a.extents[inner]
        kept = self.memory.kept(c.buffer)

        def element(box: Box, row: Any, column: Any, *, turned: bool = False) -> list[Any]:
            pair = (column, row) if turned else (row, column)
            return box.at({d: i for d, i in zip(box.matrix, pair, strict=True) if d >= 0})

        def step(at: list[Any]) -> Any:
            i, k, j = at
            left = converted(self._get(a, element(a, i, k, turned=trans_a)), kept)
            right = converted(self._get(b, element(b, k, j, turned=trans_b)), kept)
            place = element(c, i, j)
            return self._put(c, place, tirx.Add(self._get(c, place), tirx.Mul(left, right)))

        body = self.memory.nest((rows, depth, columns), step)
        if not clear:
            return body
        zero = self.memory.nest(
            (rows, columns), lambda at: self._put(c, element(c, *at), tirx.const(0, kept))
        )
        return sequence([zero, body])

    def _reduce(self, call: Any, args: list[Any]) -> Any:
        """``(src, dst, kind, dim, clear)``."""
        source, target = self._box(args[0]), self._box(args[1])
        self._apart(call, target, source)
        kind, clear = str(args[2].value), bool(constant(args[4]))
        axis = int(constant(args[3]) or 0) % len(source.extents)
        if kind not in _START:
            raise NoSecondOpinionError(f"the reduction {kind}", call)
        outer = [d for d, e in enumerate(source.extents) if d != axis and e != 1]
        extents = tuple(source.extents[d] for d in outer)
        if extents != target.core:
            raise NoSecondOpinionError(f"{REDUCE} of {source.extents} to {target.extents}", call)
        kept = self.memory.kept(target.buffer)

        def row(at: list[Any]) -> Any:
            place, around = target.along(at), dict(zip(outer, at, strict=True))

            def step(i: Any) -> Any:
                new = converted(self._get(source, source.at(around | {axis: i})), kept)
                new = tirx.abs(new) if kind.startswith("abs") else new
                old = self._get(target, place)
                pick = tirx.Add if "sum" in kind else tirx.Max if "max" in kind else tirx.Min
                return self._put(target, place, pick(old, new))

            body = self.memory.loop(source.extents[axis], step)
            if not clear:
                return body
            return sequence([self._put(target, place, _start(kind, kept)), body])

        return self.memory.nest(extents, row)

    def _cumsum(self, call: Any, args: list[Any]) -> Any:
        """``(src, dst, dim, reverse)``; in place is right, for what is summed is read once."""
        source, target = self._box(args[0]), self._box(args[1])
        axis, reverse = int(constant(args[2]) or 0), bool(constant(args[3]))
        if not tvm_ffi.structural_equal(source.node, target.node):
            self._apart(call, target, source)
        if source.extents != target.extents:
            raise NoSecondOpinionError(f"{CUMSUM} of {source.extents} to {target.extents}", call)
        count = source.extents[axis]
        others = [1 if d == axis else e for d, e in enumerate(source.extents)]

        def row(at: list[Any]) -> Any:
            def place(box: Box, i: Any) -> list[Any]:
                offsets = dict(enumerate(at))
                return box.at(offsets | {axis: count - 1 - i if reverse else i})

            def step(i: Any) -> Any:
                new = tirx.Add(
                    self._get(target, place(target, i)),
                    converted(self._get(source, place(source, i + 1)), kept),
                )
                return self._put(target, place(target, i + 1), new)

            kept = self.memory.kept(target.buffer)
            zero = tirx.const(0, "int32")
            first = self._put(target, place(target, zero), self._get(source, place(source, zero)))
            if count == 1:
                return first
            return sequence([first, self.memory.loop(count - 1, step)])

        return self.memory.nest(others, row)

    def _begun(self, call: Any, args: list[Any]) -> Any:
        """``(region[, value])``: set to the value, or to what changes nothing."""
        region = args[0]
        kind = self.reducers.get(region.source, "")
        if kind not in _START:
            raise NoSecondOpinionError(f"{REDUCER_INIT} of what is no reducer", call)
        nothing = _start(kind, self.memory.kept(region.source))
        return self._fill(call, [region, args[1] if len(args) > 1 else nothing])

    def _given(self, call: Any, args: list[Any]) -> Any:
        """``(element, value)``: the element takes the value in."""
        element, value = args
        kind = self.reducers.get(element.source, "")
        if kind not in _JOIN:
            raise NoSecondOpinionError(f"{REDUCER_UPDATE} of what is no reducer", call)
        kept = self.memory.kept(element.source)
        place = [self.scalars.value(i) for i in element.indices[:]]
        old = self.memory.load(element.source, place, call)
        new = _JOIN[kind](old, converted(self.scalars.value(value), kept))
        return self.memory.store(element.source, place, new, call)

    def _get(self, box: Box, indices: list[Any]) -> Any:
        return self.memory.load(box.buffer, indices, box.node)

    def _put(self, box: Box, indices: list[Any], value: Any) -> Any:
        return self.memory.store(box.buffer, indices, value, box.node)
