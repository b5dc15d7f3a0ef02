"""Memory of the lowered kernel: one flat array of float64 that the caller passes.

Reals are float64 whatever the source keeps them in; integers and truths are whole numbers in it.
Beyond a tensor's edge reads are zero and writes are dropped; an element on chip that nobody wrote
is NaN. Beside every tensor lies what says where it was written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import tvm
from tvm import tirx

from golden.second.errors import NoSecondOpinionError
from golden.source import constant, dtype_of

REAL: Final = "float64"
_REALS: Final = ("float16", "bfloat16", "float32", "bfloat8_b", "bfloat4_b")
_WHOLE: Final = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32")
"""Integers that float64 holds."""


def working(dtype: str) -> str:
    """The type a source's type is computed in."""
    return REAL if dtype in _REALS else dtype


def converted(value: Any, dtype: str) -> Any:
    """A value in another working type: cut towards zero to integers, true where not zero."""
    have = str(value.ty.dtype)
    if have == dtype:
        return value
    if dtype == "bool":
        return tirx.NE(value, tirx.const(0, have))
    return tirx.Cast(dtype, value)


def sequence(parts: Sequence[Any]) -> Any:
    """Statements one after another."""
    if not parts:
        return tirx.Evaluate(tirx.const(0, "int32"))
    return parts[0] if len(parts) == 1 else tirx.SeqStmt(list(parts))


@dataclass(frozen=True)
class Cell:
    """Where a buffer of the source lies in memory.

    Attributes:
        offset: of its first element.
        marks: of the first mark of what was written; None for blocks on chip.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    offset: int
    marks: int | None

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)


class Memory:
    """All buffers, and their guarded access."""

    def __init__(
        self, tensors: Iterable[Any], blocks: Iterable[Any],
        views: Iterable[tuple[Any, Any]] = (),
    ) -> None:  # fmt: skip
        """Lay out the tensors and the blocks on chip; a view lies where the other buffer does.

        Raises:
            NoSecondOpinionError: a buffer of a type or size that does not fit.
        """
        self.cells: dict[Any, Cell] = {}
        self.size = 0
        self.analyzer = tvm.sym.Analyzer()
        for buffer in tensors:
            self._place(buffer, is_tensor=True)
        self.tensors = tuple(self.cells.values())
        for buffer in blocks:
            self._place(buffer, is_tensor=False)
        for view, buffer in views:
            self._share(view, buffer)
        self.array = tirx.decl_buffer((self.size,), REAL, "memory")

    def _place(self, buffer: Any, *, is_tensor: bool) -> None:
        shape, dtype = tuple(constant(s) for s in buffer.ty.shape), dtype_of(buffer)
        if any(s is None for s in shape):
            raise NoSecondOpinionError(f"buffer {buffer.name} of a size that is no constant")
        if dtype not in (*_REALS, *_WHOLE):
            raise NoSecondOpinionError(f"buffer {buffer.name} of {dtype}")
        sizes = tuple(int(s or 0) for s in shape)
        count = math.prod(sizes)
        marks = self.size + count if is_tensor else None
        self.cells[buffer] = Cell(str(buffer.name), sizes, dtype, self.size, marks)
        self.size += 2 * count if is_tensor else count

    def _share(self, view: Any, buffer: Any) -> None:
        cell, shape = self.cell(buffer), tuple(constant(s) for s in view.ty.shape)
        if None in shape or math.prod(int(s or 0) for s in shape) != cell.size:
            raise NoSecondOpinionError(f"a view of {cell.name} of another size")
        self.cells[view] = replace(cell, shape=tuple(int(s or 0) for s in shape))

    def shared(self, a: Any, b: Any) -> bool:
        """Whether two buffers are one, or views of one."""
        return self.cell(a).offset == self.cell(b).offset

    def same(self, a: Any, there: Sequence[Any], b: Any, here: Sequence[Any]) -> bool:
        """Whether elements of two buffers certainly are one."""
        places = (_flat(self.cell(a), there), _flat(self.cell(b), here))
        return self.shared(a, b) and bool(self.analyzer.can_prove_equal(*places))

    def cell(self, buffer: Any, node: Any = None) -> Cell:
        """Where a buffer lies."""
        if buffer not in self.cells:
            raise NoSecondOpinionError(f"{buffer.name} is no buffer of the kernel", node)
        return self.cells[buffer]

    def kept(self, buffer: Any) -> str:
        """The working type of a buffer's elements."""
        return working(self.cell(buffer).dtype)

    def loop(self, extent: Any, body: Any, var: Any = None, start: Any = 0) -> Any:
        """A serial loop; ``body`` makes the statement below from the variable."""
        var = tirx.Var("i", "int32") if var is None else var
        self.analyzer.bind(var, tvm.ir.Range.from_min_extent(start, extent), True)
        return tirx.For(var, start, extent, tirx.ForKind.SERIAL, body(var))

    def nest(self, extents: Sequence[int], body: Any) -> Any:
        """Loops over a box, the last innermost; ``body`` takes one index per extent."""

        def inner(rest: Sequence[int], indices: list[Any]) -> Any:
            if not rest:
                return body(indices)
            if rest[0] == 1:
                return inner(rest[1:], [*indices, tirx.const(0, "int32")])
            return self.loop(rest[0], lambda var: inner(rest[1:], [*indices, var]))

        return inner(list(extents), [])

    def load(self, buffer: Any, indices: Sequence[Any], node: Any = None) -> Any:
        """An element; zero beyond a tensor's edge, nothing anybody wrote beyond a block's."""
        cell = self.cell(buffer, node)
        indices = from_end(indices, cell.shape)
        kept, inside = working(cell.dtype), self._inside(cell, indices)
        value = converted(self.array[_flat(cell, indices)], kept)
        if inside is None:
            return value
        outside = math.nan if cell.marks is None and kept == REAL else 0
        return tirx.if_then_else(inside, value, tirx.const(outside, kept))

    def store(self, buffer: Any, indices: Sequence[Any], value: Any, node: Any = None) -> Any:
        """Set an element, and note that it was set; nothing happens beyond the edge."""
        cell = self.cell(buffer, node)
        indices = from_end(indices, cell.shape)
        flat = _flat(cell, indices)
        kept = converted(converted(value, working(cell.dtype)), REAL)
        out = [tirx.BufferStore(self.array, kept, [flat])]
        if cell.marks is not None:
            mark = tirx.const(1, REAL)
            out.append(tirx.BufferStore(self.array, mark, [flat + (cell.marks - cell.offset)]))
        inside = self._inside(cell, indices)
        body = sequence(out)
        return body if inside is None else tirx.IfThenElse(inside, body, None)

    def forget(self, buffer: Any) -> Any:
        """Make every element one that nobody wrote."""
        cell = self.cell(buffer)
        nothing = tirx.const(math.nan if working(cell.dtype) == REAL else 0, REAL)
        return self.loop(
            cell.size, lambda i: tirx.BufferStore(self.array, nothing, [cell.offset + i])
        )

    def _inside(self, cell: Cell, indices: Sequence[Any]) -> Any:
        """The condition that an element exists; None where it always does."""
        parts: list[Any] = []
        for index, size in zip(indices, cell.shape, strict=True):
            known = self.analyzer.const_int_bound(index)
            if known.min_value < 0:
                parts.append(tirx.GE(index, tirx.const(0, "int32")))
            if known.max_value >= size:
                parts.append(tirx.LT(index, tirx.const(size, "int32")))
        if not parts:
            return None
        out = parts[0]
        for part in parts[1:]:
            out = tirx.And(out, part)
        return out


def from_end(
    starts: Sequence[Any], shape: Sequence[int], extents: Sequence[int] | None = None
) -> list[Any]:  # fmt: skip
    """First indices, of elements or of parts, with numbers below zero counted from the end.

    So Python counts. A part that reaches into its buffer from before it lies where it says.
    """
    return [tirx.const(at + size, "int32")
            if (at := constant(start)) is not None and -size <= at <= -extent else start
            for start, size, extent in zip(starts, shape, extents or [1] * len(shape), strict=True)
            ]  # fmt: skip


def _flat(cell: Cell, indices: Sequence[Any]) -> Any:
    """Index of an element in memory."""
    flat: Any = tirx.const(0, "int32")
    for index, size in zip(indices, cell.shape, strict=True):
        flat = flat * size + index
    return flat + cell.offset
