"""Index expressions over whole arrays of places at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from tvm import tirx

from harness.language.regions import constant

_BINARY: Final = (
    (tirx.Add, np.add), (tirx.Sub, np.subtract), (tirx.Mul, np.multiply),
    (tirx.FloorDiv, np.floor_divide), (tirx.FloorMod, np.mod), (tirx.Min, np.minimum),
    (tirx.Max, np.maximum), (tirx.LT, np.less), (tirx.LE, np.less_equal), (tirx.GT, np.greater),
    (tirx.GE, np.greater_equal), (tirx.EQ, np.equal), (tirx.NE, np.not_equal),
    (tirx.And, np.logical_and), (tirx.Or, np.logical_or),
)  # fmt: skip
_DIVISIONS: Final = (np.floor_divide, np.mod)


def value_of(expr: Any, env: Mapping[Any, Any]) -> Any:
    """An expression with arrays for its variables, or None where it is of no known form."""
    number = constant(expr)
    if number is not None:
        return np.int64(number)
    if expr in env:
        return env[expr]
    if isinstance(expr, tirx.Not):
        inner = value_of(expr.a, env)
        return None if inner is None else np.logical_not(inner)
    if isinstance(expr, tirx.Select):
        parts = [value_of(p, env) for p in (expr.condition, expr.true_value, expr.false_value)]
        return None if any(p is None for p in parts) else np.where(*parts)
    for kind, function in _BINARY:
        if isinstance(expr, kind):
            a, b = value_of(expr.a, env), value_of(expr.b, env)
            if a is None or b is None or (function in _DIVISIONS and not np.all(b)):
                return None
            return function(a, b)
    return None
