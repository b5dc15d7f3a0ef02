"""The smooth functions: definition in float64, how an interval maps, what infinity gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from golden.formats import F64

Function = Callable[[F64], F64]


@dataclass(frozen=True)
class Curve:
    """One function.

    Attributes:
        op: name of the vector function whose accuracy applies.
        function: definition in float64.
        monotone: whether the ends of an interval give its extremes.
        slope: largest derivative magnitude anywhere, for functions that are not monotone.
        width: largest distance of two results, for bounded functions.
        least: arguments below this (or at it, if ``open_end``) have no result.
        open_end: whether ``least`` itself has none.
        limits: results at -infinity and +infinity where the device is known to give them.
        argument_error: relative error of the argument's reduction.
    """

    op: str
    function: Function
    monotone: bool = True
    slope: float = 1.0
    width: float = math.inf
    least: float = -math.inf
    open_end: bool = False
    limits: tuple[float, float] = (math.nan, math.nan)
    argument_error: float = 0.0

    def spread(self, x: F64, error: F64, value: F64) -> tuple[F64, Any]:
        """Largest change of the result within the interval, and where it leaves the domain."""
        low, high = x - error, x + error
        outside = low <= self.least if self.open_end else low < self.least
        if not np.any(error):
            return np.zeros_like(value), np.broadcast_to(outside, value.shape)
        if self.monotone:
            ends = [np.clip(self.function(end), -1e300, 1e300) for end in (low, high)]
            change = np.maximum(np.abs(ends[0] - value), np.abs(ends[1] - value))
            change = np.where(outside, 0.0, change)
        else:
            change = np.minimum(error * self.slope, self.width)
        return np.broadcast_to(change, value.shape), np.broadcast_to(outside, value.shape)

    def at_infinity(self, x: F64) -> F64:
        """Results at infinite arguments, NaN where unknown."""
        low, high = self.limits
        return np.where(np.isneginf(x), low, np.where(np.isposinf(x), high, math.nan))


def _sigmoid(x: F64) -> F64:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _erf(x: F64) -> F64:
    flat = np.asarray(x, np.float64)
    out = np.empty(flat.shape)
    out.reshape(-1)[:] = [math.erf(v) for v in flat.reshape(-1)]
    return out


def _gelu(x: F64) -> F64:
    return 0.5 * x * (1 + _erf(x / math.sqrt(2)))


_ROWS: Final = (
    ("exp", Curve("exp", np.exp, limits=(0.0, math.inf))),
    ("exp2", Curve("exp2", np.exp2, limits=(0.0, math.inf))),
    (
        "exp10",
        Curve("exp", lambda x: np.power(10.0, x), limits=(0.0, math.inf), argument_error=0.0),
    ),
    ("log", Curve("log", np.log, least=0.0, open_end=True)),
    ("log2", Curve("log2", np.log2, least=0.0, open_end=True)),
    ("log10", Curve("log", np.log10, least=0.0, open_end=True)),
    ("log1p", Curve("log1p", np.log1p, least=-1.0, open_end=True)),
    ("sqrt", Curve("sqrt", np.sqrt, least=0.0)),
    ("rsqrt", Curve("rsqrt", lambda x: 1 / np.sqrt(x), least=0.0, open_end=True)),
    ("sigmoid", Curve("sigmoid", _sigmoid)),
    ("tanh", Curve("tanh", np.tanh)),
    ("erf", Curve("erf", _erf)),
    ("gelu", Curve("gelu", _gelu, monotone=False, slope=1.13)),
    ("silu", Curve("silu", lambda x: x * _sigmoid(x), monotone=False, slope=1.1)),
    ("sin", Curve("sin", np.sin, monotone=False, width=2.0, argument_error=2.0**-22)),
    ("cos", Curve("cos", np.cos, monotone=False, width=2.0, argument_error=2.0**-22)),
)
CURVES: Final = MappingProxyType(dict(_ROWS))
"""Curve of every function name of the source."""
