"""Regions: one form for a whole buffer, a slice and a start index."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import Range, TensorLoad, TensorRegion
from tvm.tirx.stmt import BufferRegionType

from harness.errors import LanguageError
from harness.language.blockformats import dtype_of


@functools.cache
def _analyzer() -> Any:
    """One that knows of no variable, and so says the same whenever it is asked."""
    return tvm.sym.Analyzer()


def is_buffer(value: object) -> bool:
    """Whether a value is a buffer variable."""
    return isinstance(value, tvm.ir.Var) and isinstance(value.ty, tirx.buffer.BufferType)


def constant(expr: Any) -> int | None:
    """The integer an expression is, if it is one whatever its variables are."""
    if isinstance(expr, int):
        return None if isinstance(expr, bool) else expr
    if type(expr) is tirx.IntImm:
        return int(expr.value)
    if type(expr) is tvm.ir.Var:  # most that are none: nothing to simplify
        return None
    if not isinstance(expr, tvm.ir.Expr) or is_buffer(expr):
        return None
    simplified = _analyzer().simplify(expr)
    return int(simplified) if isinstance(simplified, tirx.IntImm) else None


@dataclass(frozen=True)
class Region:
    """``extents`` of ``buffer`` from ``starts``; extents are constants.

    ``is_point`` marks a start index whose extent is still to be taken from the other side.
    """

    buffer: tvm.ir.Var
    starts: tuple[object, ...]
    extents: tuple[int, ...]
    is_point: bool

    @staticmethod
    def of(value: Any, what: str) -> Region:
        """The region a user named.

        Raises:
            LanguageError: not a buffer, slice or element, or of a size not known at compile time.
        """
        if is_buffer(value):
            shape = tuple(constant(s) for s in value.ty.shape)
            starts: tuple[object, ...] = (0,) * len(shape)
            point = False
        elif isinstance(value, TensorLoad):
            shape, starts, point = (1,) * len(value.indices), tuple(value.indices), True
            value = value.source
        elif isinstance(value, TensorRegion):
            shape = tuple(constant(r.extent) for r in value.region)
            starts, point = tuple(r.min for r in value.region), False
            value = value.source
        else:
            raise LanguageError(
                f"{what} is {type(value).__name__}, not a buffer",
                next_step="give a buffer, a slice such as A[0:32, 0:32], or a start index",
            )
        if any(s is None for s in shape):
            raise LanguageError(f"{what} has a size that is not a constant",
                                next_step="make every extent a compile-time number")  # fmt: skip
        return Region(value, starts, shape, point)  # type: ignore[arg-type]

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents, one per dimension of the buffer."""
        return self.extents

    @property
    def wide(self) -> tuple[int, ...]:
        """Extents that are more than 1, in order: what a copy moves."""
        return tuple(e for e in self.extents if e != 1)

    @property
    def core_shape(self) -> tuple[int, ...]:
        """Extents without unit dimensions (all but the last two may be dropped, then leading)."""
        dims = list(self.extents)
        while len(dims) > 2 and 1 in dims[:-2]:
            dims.remove(1)
        while len(dims) > 2 and 1 in dims:
            dims.remove(1)
        while len(dims) > 1 and dims[0] == 1:
            dims.pop(0)
        return tuple(dims)

    @property
    def dtype(self) -> str:
        """Element type of the buffer."""
        return dtype_of(self.buffer)

    def sized_like(self, other: Region) -> Region:
        """A point region grown to the other side's shape, aligned at the last dimension."""
        if not self.is_point:
            return self
        extents = other.extents
        while len(extents) > len(self.starts) and extents[0] == 1:
            extents = extents[1:]
        if len(extents) > len(self.starts):
            raise LanguageError(
                f"a region of rank {len(other.extents)} does not fit a buffer of rank"
                f" {len(self.starts)}",
                code="ShapeMismatch",
            )
        padded = (1,) * (len(self.starts) - len(extents)) + extents
        return replace(self, extents=padded, is_point=False)

    def node(self) -> TensorRegion:
        """The IR node."""
        ranges = [Range.from_min_extent(s, tirx.const(e, "int32"))
                  for s, e in zip(self.starts, self.extents, strict=True)]  # fmt: skip
        return TensorRegion(self.buffer, ranges, BufferRegionType())
