"""The functions of the vector unit (SFPU), one row each.

Functions are evaluated in float64; how the result reaches a 16-bit DST is part of the row. The
kernels' polynomials are not imitated: results agree with the device within the accuracy of each
function (measured: tests/vectors/sfpu.npz; tt-eltwise-accuracy-report).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from simulator.numerics.extended import Doubles
from simulator.numerics.special import erf, erfc


class Store(enum.Enum):
    """How a float32 result is stored to 16-bit DST.

    SFPSTORE cuts; most kernels round to nearest even before it. Measured:
    tests/vectors/sfpu.npz, where scalar and binary addition match truncation on every finite
    datum and recip, sqrt, rsqrt and square match nearest even.
    """

    CUT = "cut"
    NEAREST = "nearest"


@dataclass(frozen=True)
class SfpuFunction:
    """One function: how many tiles it reads, its definition, how results are stored.

    ``single`` says that evaluation in float32 gives the float64 result rounded to float32, bit for
    bit: one correctly rounded operation (53 bits are more than twice 24 and two), or an exact one.
    """

    arity: int
    function: Callable[..., Doubles]
    store: Store = Store.NEAREST
    single: bool = False


_SINGLE = frozenset(
    ("sqrt", "recip", "relu", "floor", "ceil", "round", "square", "sign", "abs", "negative", "eqz",
     "nez", "gtz", "ltz", "gez", "lez", "add_binary", "sub_binary", "mul_binary", "div_binary",
     "binary_max", "binary_min", "eq_binary", "ne_binary", "gt_binary", "lt_binary", "ge_binary",
     "le_binary", "add_unary", "sub_unary", "rsub_unary", "mul_unary", "div_unary")
)  # fmt: skip


def _sigmoid(x: Doubles) -> Doubles:
    return 1 / (1 + np.exp(-x))


def _gelu(x: Doubles) -> Doubles:
    return np.where(np.isneginf(x), 0.0, 0.5 * x * erfc(-x / math.sqrt(2)))


def _silu(x: Doubles) -> Doubles:
    return np.where(np.isneginf(x), 0.0, x * _sigmoid(x))


def _multiply(x: Doubles, y: Doubles) -> Doubles:
    """A product; zero times anything is +0, infinity included (tt-metal binary multiply)."""
    return np.where((x == 0) | (y == 0), 0.0, x * y)


def _truth(compare: Callable[..., Any]) -> Callable[..., Doubles]:
    """A comparison with zero, or of two tiles, as 1.0 and 0.0."""

    def one(x: Doubles, y: Doubles | float = 0.0) -> Doubles:
        result: Doubles = compare(x, y).astype(np.float64)
        return result

    return one


def _rows() -> dict[str, SfpuFunction]:
    unary: dict[str, Callable[..., Doubles]] = {
        "exp": np.exp,
        "exp2": np.exp2,
        "log": np.log,
        "log2": np.log2,
        "log1p": np.log1p,
        "sqrt": np.sqrt,
        "rsqrt": lambda x: 1 / np.sqrt(x),
        "recip": lambda x: 1 / x,
        "sigmoid": _sigmoid,
        "tanh": np.tanh,
        "relu": lambda x: np.maximum(x, 0.0),
        "gelu": _gelu,
        "silu": _silu,
        "erf": erf,
        "erfc": erfc,
        "sin": np.sin,
        "cos": np.cos,
        "floor": np.floor,
        "ceil": np.ceil,
        "round": np.rint,
        "square": np.square,
        "sign": np.sign,
        "abs": np.abs,
        "negative": np.negative,
        "eqz": _truth(np.equal),
        "nez": _truth(np.not_equal),
        "gtz": _truth(np.greater),
        "ltz": _truth(np.less),
        "gez": _truth(np.greater_equal),
        "lez": _truth(np.less_equal),
    }
    binary: dict[str, tuple[Callable[..., Doubles], Store]] = {
        "add_binary": (np.add, Store.CUT),
        "sub_binary": (np.subtract, Store.CUT),
        "mul_binary": (_multiply, Store.NEAREST),
        "div_binary": (np.divide, Store.NEAREST),
        "power_binary": (np.power, Store.NEAREST),
        "binary_max": (np.maximum, Store.NEAREST),
        "binary_min": (np.minimum, Store.NEAREST),
        "eq_binary": (_truth(np.equal), Store.NEAREST),
        "ne_binary": (_truth(np.not_equal), Store.NEAREST),
        "gt_binary": (_truth(np.greater), Store.NEAREST),
        "lt_binary": (_truth(np.less), Store.NEAREST),
        "ge_binary": (_truth(np.greater_equal), Store.NEAREST),
        "le_binary": (_truth(np.less_equal), Store.NEAREST),
    }
    scalar: dict[str, tuple[Callable[..., Doubles], Store]] = {
        "add_unary": (np.add, Store.CUT),
        "sub_unary": (np.subtract, Store.CUT),
        "rsub_unary": (lambda x, s: s - x, Store.CUT),
        "mul_unary": (np.multiply, Store.CUT),
        "div_unary": (np.divide, Store.CUT),
        "power": (np.power, Store.NEAREST),
    }
    rows = {
        name: SfpuFunction(1, function, single=name in _SINGLE) for name, function in unary.items()
    }
    for name, (function, store) in (binary | scalar).items():
        rows[name] = SfpuFunction(2, function, store, name in _SINGLE)
    return rows


SFPU = MappingProxyType(_rows())
"""Function name, as in the device-op table without ``_tile``, to its definition."""
