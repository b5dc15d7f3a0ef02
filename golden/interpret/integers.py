"""Arithmetic of whole numbers and arrays of them: what indices are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np


def is_array(*values: Any) -> bool:
    """Whether any value is an array."""
    return any(isinstance(v, np.ndarray) for v in values)


def is_index(value: Any) -> bool:
    """Whether a value is a whole number or a truth, or an array of them."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "ib"
    return isinstance(value, (int, np.integer, np.bool_))


def _floor_div(a: Any, b: Any) -> Any:
    return np.floor_divide(a, b) if is_array(a, b) else a // b


def _trunc_div(a: Any, b: Any) -> Any:
    quotient = np.floor_divide(np.abs(a), np.abs(b)) * (np.sign(a) * np.sign(b))
    return quotient if isinstance(quotient, np.ndarray) and quotient.ndim else int(quotient)


INDEX_OPS: Final[Mapping[str, Callable[[Any, Any], Any]]] = MappingProxyType(
    {
        "Add": lambda a, b: a + b,
        "Sub": lambda a, b: a - b,
        "Mul": lambda a, b: a * b,
        "FloorDiv": _floor_div,
        "FloorMod": lambda a, b: a - _floor_div(a, b) * b,
        "Div": _trunc_div,
        "Mod": lambda a, b: a - _trunc_div(a, b) * b,
        "Min": lambda a, b: np.minimum(a, b) if is_array(a, b) else min(a, b),
        "Max": lambda a, b: np.maximum(a, b) if is_array(a, b) else max(a, b),
        "EQ": lambda a, b: a == b,
        "NE": lambda a, b: a != b,
        "LT": lambda a, b: a < b,
        "LE": lambda a, b: a <= b,
        "GT": lambda a, b: a > b,
        "GE": lambda a, b: a >= b,
        "BitwiseAnd": lambda a, b: a & b,
        "BitwiseOr": lambda a, b: a | b,
        "BitwiseXor": lambda a, b: a ^ b,
        "LShift": lambda a, b: a << b,
        "RShift": lambda a, b: a >> b,
    }
)
"""By the name of TVM's class."""
