"""T.copy of as many rows or columns as an expression says: elements up to there, in T.Parallel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import TensorRegion
from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.blockformats import dtype_of
from harness.language.regions import constant

_TENSORS = ("", "global")


@dataclass(frozen=True)
class _Side:
    """One side of a copy: its tensor, where it starts, and how far it goes."""

    buffer: Any
    starts: list[Any]
    extents: list[Any]

    @property
    def wide(self) -> list[int]:
        """Dimensions that may have more than one element."""
        return [d for d, extent in enumerate(self.extents) if constant(extent) != 1]

    @property
    def on_chip(self) -> bool:
        """Whether it is a block."""
        return self.buffer.ty.storage_scope not in _TENSORS

    def room(self, dim: int) -> int | None:
        """Elements there are at most along a dimension of a block."""
        start, size = constant(self.starts[dim]), constant(self.buffer.ty.shape[dim])
        known = constant(self.extents[dim])
        if known is not None or not self.on_chip or None in (start, size):
            return known
        return (size or 0) - (start or 0)


def varies(*sides: object) -> bool:
    """Whether a side of a copy is a slice whose size is no number."""
    regions = [side for side in sides if isinstance(side, TensorRegion)]
    return any(constant(r.extent) is None for region in regions for r in region.region)


def copy_varying(src: Any, dst: Any) -> None:
    """Emit a T.Parallel nest over the most there can be, with what there is as its condition.

    Raises:
        LanguageError: sizes that differ, or that nothing bounds.
    """
    source, target = _side(src, "T.copy source"), _side(dst, "T.copy destination")
    dims = list(zip(source.wide, target.wide, strict=False))
    analyzer = tvm.sym.Analyzer()
    alike = len(source.wide) == len(target.wide) and all(
        analyzer.can_prove_equal(source.extents[a], target.extents[b]) for a, b in dims
    )
    if not alike:
        raise LanguageError("T.copy of slices whose sizes are not known to be equal",
                            code="ShapeMismatch",
                            next_step="write both alike, x[a:b] and y[0 : b - a]")  # fmt: skip
    most = [_least(source.room(a), target.room(b)) for a, b in dims]
    if None in most:
        raise LanguageError("T.copy has a size that is not a constant, and no block bounds it",
                            next_step="copy to or from a block, from a constant start of it, or"
                            " make every extent a compile-time number")  # fmt: skip
    _nest(source, target, dims, [m or 0 for m in most])


def _side(value: Any, what: str) -> _Side:
    if not isinstance(value, TensorRegion):
        raise LanguageError(
            f"{what} is no slice, and the other side has a size that is not a constant",
            next_step="write slices of one size on both sides",
        )
    ranges = value.region[:]
    return _Side(value.source, [r.min for r in ranges], [r.extent for r in ranges])


def _least(a: int | None, b: int | None) -> int | None:
    return min((n for n in (a, b) if n is not None), default=None)


def _nest(source: _Side, target: _Side, dims: list[tuple[int, int]], most: list[int]) -> None:
    """The loops, the condition, and the store of one element."""
    into, out_of = list(target.starts), list(source.starts)
    tests: list[Any] = []

    def inner(k: int) -> None:
        if k < len(dims):
            with S.parallel(0, most[k]) as var:
                a, b = dims[k]
                out_of[a] = out_of[a] + var
                into[b] = into[b] + var
                if constant(source.extents[a]) is None:
                    tests.append(var < source.extents[a])
                inner(k + 1)
            return
        value: Any = tirx.BufferLoad(source.buffer, out_of)
        dtype = dtype_of(target.buffer)
        if dtype_of(source.buffer) != dtype:
            value = tirx.Cast(dtype, value)
        with S.If(tirx.all(*tests) if len(tests) > 1 else tests[0]), S.Then():
            S.buffer_store(target.buffer, value, into)

    inner(0)
