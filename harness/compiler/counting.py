"""Integer expressions computed for many values of their variables at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import tvm
from tvm import tirx

Counted = dict[Any, Any]
"""A column of numbers per variable."""


class NotCounted(Exception):  # noqa: N818  (a question answered, not an error)
    """An expression has more in it than integers and variables of known values."""


_BINARY: Final[tuple[tuple[Any, Callable[[Any, Any], Any]], ...]] = (
    (tirx.Add, np.add), (tirx.Sub, np.subtract), (tirx.Mul, np.multiply),
    (tirx.FloorDiv, np.floor_divide), (tirx.FloorMod, np.mod),
    (tirx.Min, np.minimum), (tirx.Max, np.maximum),
    (tirx.LT, np.less), (tirx.LE, np.less_equal), (tirx.GT, np.greater),
    (tirx.GE, np.greater_equal), (tirx.EQ, np.equal), (tirx.NE, np.not_equal),
    (tirx.And, np.logical_and), (tirx.Or, np.logical_or),
)  # fmt: skip


def counted(expr: Any, values: Mapping[Any, Any]) -> Any:
    """The values of an expression, one per place.

    Raises:
        NotCounted: it reads memory, or a variable that has no values.
    """
    if isinstance(expr, (int, tirx.IntImm)):
        return np.int64(expr if isinstance(expr, int) else expr.value)
    if isinstance(expr, tvm.ir.Var):
        try:
            return values[expr]
        except KeyError:
            raise NotCounted(expr.name) from None
    if isinstance(expr, tirx.Not):
        return np.logical_not(counted(expr.a, values))
    if isinstance(expr, tirx.Select):
        parts = (expr.condition, expr.true_value, expr.false_value)
        return np.where(*(counted(p, values) for p in parts))
    for kind, function in _BINARY:
        if isinstance(expr, kind):
            a, b = counted(expr.a, values), counted(expr.b, values)
            if function in (np.floor_divide, np.mod) and not np.all(b):
                raise NotCounted("a division by zero")
            return function(a, b)
    raise NotCounted(type(expr).__name__)
