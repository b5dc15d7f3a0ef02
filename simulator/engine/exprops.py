"""The operators of expressions that Python and NumPy do not spell alike."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.engine.values import Value, squeeze


def _whole(value: Any) -> Value:
    if isinstance(value, np.ndarray):
        return squeeze(value.astype(np.int64))
    return int(value)


def _check(divisor: Any) -> None:
    if isinstance(divisor, np.ndarray) and not divisor.all():
        raise ZeroDivisionError


def _div(a: Any, b: Any) -> Value:
    _check(b)
    return _whole(a // b)


def _mod(a: Any, b: Any) -> Value:
    _check(b)
    return _whole(a % b)


def _min(a: Any, b: Any) -> Value:
    return _whole(np.minimum(a, b)) if _vector(a, b) else min(a, b)


def _max(a: Any, b: Any) -> Value:
    return _whole(np.maximum(a, b)) if _vector(a, b) else max(a, b)


def _vector(*values: Any) -> bool:
    return any(isinstance(value, np.ndarray) for value in values)


def _choose(cond: Any, then: Callable[[], Any] | Any, orelse: Callable[[], Any] | Any) -> Value:
    """Lane-wise choice; a branch no lane takes is not evaluated."""
    if not isinstance(cond, np.ndarray):
        picked = then if cond else orelse
        return picked() if callable(picked) else picked  # type: ignore[no-any-return]
    a = then() if callable(then) else then
    b = orelse() if callable(orelse) else orelse
    return _whole(np.where(cond != 0, a, b))


FUNCTIONS: Final = MappingProxyType(
    {
        "//": _div,
        "%": _mod,
        "min": _min,
        "max": _max,
        "<": lambda a, b: _whole(a < b),
        "<=": lambda a, b: _whole(a <= b),
        "==": lambda a, b: _whole(a == b),
        "!=": lambda a, b: _whole(a != b),
        "&&": lambda a, b: _whole((a != 0) & (b != 0)),
        "||": lambda a, b: _whole((a != 0) | (b != 0)),
        "!": lambda a: _whole(a == 0),
        "?": _choose,
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
    }
)
"""Operator to function of Python ints or lane vectors."""
