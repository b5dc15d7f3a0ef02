"""Functions the vector unit has not, made of those it has; and a block turned in T.Parallel."""

from __future__ import annotations

import math
from typing import Any

import tvm
from tvm import tirx
from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.elementwise import (
    abs,
    ceil,
    cos,
    exp,
    floor,
    if_then_else,
    log,
    max_value,
    sin,
)
from harness.language.regions import Region


def exp10(x: Any) -> Any:
    """``T.exp10(x)``, elementwise."""
    return exp(x * math.log(10.0))


def log10(x: Any) -> Any:
    """``T.log10(x)``, elementwise."""
    return log(x) * (1.0 / math.log(10.0))


def tan(x: Any) -> Any:
    """``T.tan(x)``, elementwise."""
    return sin(x) / cos(x)


def sinh(x: Any) -> Any:
    """``T.sinh(x)``, elementwise."""
    return (exp(x) - exp(-x)) * 0.5


def cosh(x: Any) -> Any:
    """``T.cosh(x)``, elementwise."""
    return (exp(x) + exp(-x)) * 0.5


def trunc(x: Any) -> Any:
    """``T.trunc(x)``, elementwise, or of a number."""
    if not isinstance(x, tvm.ir.Expr):
        return float(math.trunc(x))
    return if_then_else(x < 0, ceil(x), floor(x))


def isinf(x: Any) -> Any:
    """``T.isinf(x)``, elementwise: beyond the largest number, on either side."""
    return abs(x) > max_value(str(x.ty.dtype))


def isfinite(x: Any) -> Any:
    """``T.isfinite(x)``, elementwise: no infinity, and not NaN, which is at most nothing."""
    return abs(x) <= max_value(str(x.ty.dtype))


def isnan(x: Any) -> Any:
    """``T.isnan(x)``, elementwise: unlike itself."""
    return tirx.NE(x, x)


def transpose(src: Any, dst: Any) -> None:
    """``T.transpose(src, dst)``: ``dst[j, i] = src[i, j]``.

    Raises:
        LanguageError: no blocks of two dimensions, one the other way round.
    """
    source, target = Region.of(src, "T.transpose source"), Region.of(dst, "T.transpose destination")
    if len(source.extents) != 2 or source.extents != target.extents[::-1]:
        raise LanguageError(
            f"T.transpose from shape {source.shape} to shape {target.shape}", code="ShapeMismatch",
            next_step="give a block of N rows and M columns for one of M and N",
        )  # fmt: skip
    (top, left), (down, right) = source.starts, target.starts
    rows, columns = source.extents
    dtype = str(target.buffer.ty.dtype)
    with S.parallel(0, rows) as i, S.parallel(0, columns) as j:
        value: Any = tirx.BufferLoad(source.buffer, [top + i, left + j])
        if str(source.buffer.ty.dtype) != dtype:
            value = tirx.Cast(dtype, value)
        S.buffer_store(target.buffer, value, [down + j, right + i])
