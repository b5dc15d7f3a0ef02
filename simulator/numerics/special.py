"""The error function and its complement in float64, without SciPy.

erfc(z) = t * exp(-z**2 + p(t)) with t = 2 / (2 + z), where p is a Chebyshev series
(Numerical Recipes, third edition, section 6.2.2). The series is fitted here, once, to math.erfc
on [0, 13]; beyond it erfc is below the least float32 denormal.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial import chebyshev

from simulator.numerics.extended import Doubles

_REACH = 13.0
_DEGREE = 28
_T_LOW = 2.0 / (2.0 + _REACH)


def _fit() -> tuple[float, ...]:
    """Coefficients of p on the interval of t, mapped to [-1, 1]."""

    def target(x: Doubles) -> Doubles:
        t = _T_LOW + (x + 1) * (1 - _T_LOW) / 2
        z = 2 / t - 2
        return np.array(
            [math.log(math.erfc(zz)) + zz * zz - math.log(tt) for zz, tt in zip(z, t, strict=True)]
        )

    nodes = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    return tuple(float(c) for c in chebyshev.chebfit(nodes, target(nodes), _DEGREE))


_SERIES = _fit()


def erfc(values: Doubles) -> Doubles:
    """1 - erf, with a relative error below 1e-13 where the result exceeds 1e-70."""
    z = np.abs(values)
    t = 2 / (2 + np.minimum(z, _REACH))
    p = chebyshev.chebval((t - _T_LOW) * (2 / (1 - _T_LOW)) - 1, _SERIES)
    tail = np.where(z < _REACH, t * np.exp(-z * z + p), 0.0)
    tail = np.where(np.isnan(values), values, tail)
    return np.where(values < 0, 2 - tail, tail)


def erf(values: Doubles) -> Doubles:
    """Error function, with a relative error below 1e-13 also near zero."""
    square = np.minimum(values * values, 1.0)
    term = np.ones_like(values)
    total = np.ones_like(values)
    for n in range(1, 24):
        term = term * square * (2 / (2 * n + 1))
        total += term
    near = 2 / math.sqrt(math.pi) * values * np.exp(-square) * total
    return np.where(np.abs(values) < 0.9, near, 1 - erfc(values))
