"""The adder of the matrix unit: sums of products onto DST, aligned, rounded and renormalised.

Written from tt-isa-documentation (TensixCoprocessor/MVMUL, ELWADD, ELWMUL) and measured against
tests/vectors/matmul.npz. All terms are aligned to the largest exponent among them: on a grid of
2**-23 of its power, DST rounding half away from zero and sums of products half towards plus
infinity. With 16-bit DST each term is rounded a second time, 13 bits higher. The sum is then
rounded half away from zero to the width of DST; below the normal range it is zero, above it
infinity.

Rounding to a grid is done by adding and subtracting 1.5 * 2**52 grid units in float64, which
rounds half to even; a bias smaller than any distance to a tie turns that into the wanted rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from simulator.numerics.extended import HUGE, TINY, Doubles, exponent_of
from simulator.numerics.modes import Dest, Mode

_GRID = 2.0**-23
_SHIFTER = 1.5 * 2.0**52
_COARSE = 2.0**13
_AWAY = 1 + 2.0**-25
_UP = 2.0**-17
_DROPPED = MappingProxyType({Dest.FP32: 29, Dest.BF16: 45, Dest.FP16: 42})
_HALF_TINY = 2.0**-14
_HALF_LARGEST = 131008.0
_ERRATUM_FACTOR = 2.0**27


@dataclass(frozen=True)
class Terms:
    """Sums of products to add: extended values and the powers of two they are aligned by.

    A scale is the power of two of the shared exponent, 0 where there is nothing to align.
    """

    values: Doubles
    scales: Doubles


def accumulate(dst: Doubles, terms: Sequence[Terms], mode: Mode) -> Doubles:
    """DST plus the terms as the matrix unit adds them, all arrays of one shape."""
    unit = exponent_of(dst)
    for term in terms:
        np.maximum(unit, term.scales, out=unit)
    unit *= _GRID
    shifter = unit * _SHIFTER
    total = dst * _AWAY
    total += shifter
    total -= shifter
    up = unit * _UP
    coarse = None
    if not mode.dest.is_fp32:
        coarse = shifter * _COARSE
        total *= _AWAY
        total += coarse
        total -= coarse
    for term in terms:
        part = term.values + up
        part += shifter
        part -= shifter
        if coarse is not None:
            part += unit * 0.5
            part += coarse
            part -= coarse
        total += part
    result = _round_half_away(total, _DROPPED[mode.dest])
    if mode.has_erratum:
        result = np.where(total == -unit, total * _ERRATUM_FACTOR, result)
    return _limit(result, mode.dest)


def _round_half_away(values: Doubles, drop: int) -> Doubles:
    bits = values.view(np.int64) + np.int64(1 << (drop - 1))
    bits &= np.int64(-(1 << drop))
    return bits.view(np.float64)


def _limit(values: Doubles, dest: Dest) -> Doubles:
    """Flush below the normal range to +0, saturate above it."""
    magnitude = np.abs(values)
    if dest is Dest.FP16:
        tiny, limit, highest = _HALF_TINY, _HALF_LARGEST + 1, _HALF_LARGEST
    else:
        tiny, limit, highest = TINY, HUGE, HUGE
    small = magnitude < tiny
    if small.any():
        values[small] = 0.0
    large = magnitude >= limit
    if large.any():
        values[large] = np.copysign(highest, values[large])
    return values
