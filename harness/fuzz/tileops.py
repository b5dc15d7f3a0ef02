"""What the SFPU's ops mean, in float64 without rounding."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

UNORDERED: Final = frozenset((
    "noc_async_read_barrier", "noc_async_write_barrier", "noc_async_writes_flushed",
    "tile_regs_commit", "tile_regs_wait", "tile_regs_release",
))  # fmt: skip
"""Ops that only order others, which a sequence does by itself."""


def _elementwise(function: Callable[[float], float]) -> Callable[[F64], F64]:
    return np.vectorize(function, otypes=[np.float64])


def _sigmoid(x: F64) -> F64:
    return 1 / (1 + np.exp(-x))


_erf = _elementwise(math.erf)

UNARY: Final[Mapping[str, Callable[[F64], Any]]] = MappingProxyType({
    "exp": np.exp, "exp2": np.exp2, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x), "recip": lambda x: 1 / x, "sigmoid": _sigmoid,
    "tanh": np.tanh, "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))), "silu": lambda x: x * _sigmoid(x),
    "erf": _erf, "sin": np.sin, "cos": np.cos, "floor": np.floor, "ceil": np.ceil,
    "round": np.rint, "square": np.square, "sign": np.sign, "abs": np.abs,
    "negative": np.negative, "eqz": lambda x: (x == 0) * 1.0, "nez": lambda x: (x != 0) * 1.0,
    "gtz": lambda x: (x > 0) * 1.0, "ltz": lambda x: (x < 0) * 1.0,
    "gez": lambda x: (x >= 0) * 1.0, "lez": lambda x: (x <= 0) * 1.0,
})  # fmt: skip
BINARY: Final[Mapping[str, Callable[[F64, F64], Any]]] = MappingProxyType({
    "add_binary": np.add, "sub_binary": np.subtract, "mul_binary": np.multiply,
    "div_binary": np.divide, "power_binary": np.power, "binary_max": np.maximum,
    "binary_min": np.minimum,
})  # fmt: skip
SCALAR: Final[Mapping[str, Callable[[F64, float], Any]]] = MappingProxyType({
    "add_unary": lambda x, s: x + s, "sub_unary": lambda x, s: x - s,
    "rsub_unary": lambda x, s: s - x, "mul_unary": lambda x, s: x * s,
    "div_unary": lambda x, s: x / s,
})  # fmt: skip
