"""The multipliers of the matrix unit: one group of eight products per sum, exactly.

Each phase multiplies five bits of SrcA by seven bits of SrcB. The eight products of a group are
aligned to the largest exponent among them, rounded half away from zero, and added as integers
(tt-isa-documentation, TensixCoprocessor/MVMUL; measured: tests/vectors/matmul.npz).

The work is done in float32 where exponents allow (float64 otherwise): with every operand scaled
to its phase, a product plus 1.5 * 2**23 grid units is rounded to the grid, and the integer view of
that sum counts grid units. Multiplying SrcA by 1 + 2**-13 beforehand turns ties to even into ties
away: a product has at most 12 bits, so no other value reaches a tie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats.bits import Words
from simulator.numerics.extended import extend_words

Array = npt.NDArray[Any]

GROUP = 8
"""Products that are summed under one exponent."""

FACE = 16
"""Products one MVMUL adds to a datum: two groups."""

PHASE_EXPONENTS = (0, -5, -7, -12)
"""Powers of two the products of each phase weigh less."""

HALF_ZERO = -30
"""Exponent of a product of Float16 operands one of which is zero, onto fp32 DST
(tt-isa-documentation, MVMUL)."""

_HIGH_A = np.uint32(0xFFF80000)
_ALL_A = np.uint32(0xFFFFC000)
_HIGH_B = np.uint32(0xFFFE0000)
_ALL_B = np.uint32(0xFFFFE000)
_AWAY = 1 + 2.0**-13
_EMPTY = -2000
_NARROW_RANGE = 90
"""Exponent span up to which float32 holds all scaled products and grids without underflow."""


@dataclass(frozen=True)
class Sums:
    """Group sums: value = counts * 2**(exponents - 10 + phase exponent).

    counts has shape (phases, tiles, groups, rows, columns); exponents (tiles, groups, rows,
    columns) holds the largest sum of unbiased operand exponents, hugely negative where all
    products have a zero factor.
    """

    counts: Array
    exponents: Array


def group_sums(in0: Words, in1: Words, phases: int, half_zero: bool = False) -> Sums:
    """Sums of all groups of products of in0 (tiles, rows, K) and in1 (tiles, K, columns).

    in0 goes to SrcB and in1 to SrcA, as patterns; K is a multiple of 8. The first axes must be
    equal or 1. ``half_zero``: the operands are Float16 and DST is fp32, where a product with a zero
    factor takes part in the alignment with exponent -30.
    """
    exp0, exp1 = _exponents(in0), _exponents(in1)
    narrow = _span(exp0) + _span(exp1) <= _NARROW_RANGE
    dtype: type[Any] = np.float32 if narrow else np.float64
    top0, top1 = (_top(exp0), _top(exp1)) if narrow else (0, 0)
    left = _by_element(_split(in0, exp0, top0, _HIGH_B, _ALL_B, 7, dtype), rows=True)
    right = _by_element(_split(in1, exp1, top1, _HIGH_A, _ALL_A, 5, dtype), rows=False)
    right *= dtype(_AWAY)
    largest = _largest(
        _by_element(exp0[None], rows=True), _by_element(exp1[None], rows=False), half_zero
    )
    clipped = np.maximum(largest, np.int16(top0 + top1 - _NARROW_RANGE if narrow else -900))
    shifter = _shifter(clipped - np.int16(top0 + top1), dtype)
    counts = np.zeros((phases, *largest.shape), shifter.view(_integer(dtype)).dtype)
    live = [p for p in range(phases) if left[:, p >> 1].any() and right[:, p & 1].any()]
    if live:
        part0, part1 = [p >> 1 for p in live], [p & 1 for p in live]
        counts[live] = _count(left[:, part0], right[:, part1], shifter)
    return Sums(counts, largest)


def _count(left: Array, right: Array, shifter: Array) -> Array:
    """Grid units in each group sum: (phases, tiles, groups, rows, columns) as integers."""
    integer = _integer(shifter.dtype.type)
    product = left[0] * right[0]
    total = np.zeros(product.shape, integer)
    for index in range(GROUP):
        if index:
            np.multiply(left[index], right[index], out=product)
        product += shifter
        total += product.view(integer)
    total -= shifter.view(integer) * integer(GROUP)
    return total


def _exponents(words: Words) -> npt.NDArray[np.int16]:
    """Unbiased exponents; zeros and denormals have a hugely negative one."""
    biased = ((words >> np.uint32(23)) & np.uint32(255)).astype(np.int16)
    return np.where(biased == 0, np.int16(_EMPTY), biased - np.int16(127))


def _top(exponents: Array) -> int:
    return int(exponents.max(initial=_EMPTY))


def _span(exponents: Array) -> int:
    """Distance between the largest and the least exponent of values that are not zero."""
    top = _top(exponents)
    if top == _EMPTY:
        return 0
    return top - int(exponents.min(where=exponents != _EMPTY, initial=top))


def _split(
    words: Words,
    exponents: Array,
    top: int,
    high: np.uint32,
    every: np.uint32,
    gain: int,
    dtype: type[Any],
) -> Array:
    """High and low parts (2, ...) of operands times 2**-top, the low part raised by its phase."""
    sign_fraction = words & np.uint32(0x807FFFFF)
    scale = np.where(exponents == _EMPTY, 0, np.ldexp(1.0, exponents - np.int16(top)))
    parts = []
    for mask in (high, every):
        unit = (sign_fraction & mask | np.uint32(0x3F800000)).view(np.float32)
        parts.append((unit * scale).astype(dtype))
    parts[1] = (parts[1] - parts[0]) * dtype(2.0**gain)
    return np.stack(parts)


def _by_element(parts: Array, rows: bool) -> Array:
    """Operands by their place in a group, contiguous.

    (parts, tiles, rows, K) becomes (place, parts, tiles, groups, rows, 1) and
    (parts, tiles, K, columns) becomes (place, parts, tiles, groups, 1, columns).
    """
    if rows:
        count, tiles, height, depth = parts.shape
        grouped = parts.reshape(count, tiles, height, depth // GROUP, GROUP)
        return np.ascontiguousarray(grouped.transpose(4, 0, 1, 3, 2))[..., None]
    count, tiles, depth, width = parts.shape
    grouped = parts.reshape(count, tiles, depth // GROUP, GROUP, width)
    return np.ascontiguousarray(grouped.transpose(3, 0, 1, 2, 4))[..., None, :]


def _largest(exp0: Array, exp1: Array, half_zero: bool) -> npt.NDArray[np.int16]:
    """Largest exponent sum of each group: (tiles, groups, rows, columns)."""
    largest: npt.NDArray[np.int16] = exp0[0, 0] + exp1[0, 0]
    least = largest.copy() if half_zero else None
    pair = np.empty_like(largest)
    for index in range(1, GROUP):
        np.add(exp0[index, 0], exp1[index, 0], out=pair)
        np.maximum(largest, pair, out=largest)
        if least is not None:
            np.minimum(least, pair, out=least)
    if least is not None:
        zero = np.where(least < np.int16(_EMPTY // 2), np.int16(HALF_ZERO), np.int16(_EMPTY))
        np.maximum(largest, zero, out=largest)
    return largest


def _integer(dtype: type[Any]) -> type[Any]:
    return np.int32 if dtype is np.float32 else np.int64


def _shifter(exponents: Array, dtype: type[Any]) -> Array:
    """1.5 * 2**(fraction bits) grid units, the grid being 2**(exponent - 10)."""
    bits, bias = (23, 127) if dtype is np.float32 else (52, 1023)
    wide = exponents.astype(_integer(dtype))
    wide += bias + bits - 10
    wide <<= bits
    wide |= 1 << (bits - 1)
    return wide.view(dtype)


def high_low_a(words: Words) -> tuple[Array, Array]:
    """The five high and the next five significand bits of SrcA, as extended values."""
    high = extend_words(words & _HIGH_A)
    return high, extend_words(words & _ALL_A) - high


def high_low_b(words: Words) -> tuple[Array, Array]:
    """The seven high and the four low significand bits of SrcB, as extended values."""
    high = extend_words(words & _HIGH_B)
    return high, extend_words(words & _ALL_B) - high
