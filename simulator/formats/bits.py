"""Bit patterns of float32 values, and the roundings done on them with integer arithmetic.

Everything here is elementwise over arrays of any shape.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint32]

SIGN = np.uint32(0x80000000)
MAGNITUDE = np.uint32(0x7FFFFFFF)
INFINITY = np.uint32(0x7F800000)
FRACTION = np.uint32(0x007FFFFF)
HIDDEN = np.uint32(0x00800000)
HIGH_HALF = np.uint32(0xFFFF0000)
BF16_NAN = np.uint32(0x7FC00000)
"""The NaN the host writes for every NaN, sign dropped (measured: tests/vectors/host_quant.npz)."""

_UPPER = int(sys.byteorder == "little")

CHUNK = 1 << 15
"""Elements per cache-sized piece: 128 KiB of float32, which stays in a 512 KiB L2 with its
scratch. Measured: tests/benchmarks/test_numerics_bench.py."""


def words_of(values: npt.NDArray[Any]) -> Words:
    """The uint32 patterns of float32 values; a view when the array is contiguous."""
    return np.ascontiguousarray(values, np.float32).view(np.uint32)


def floats_of(words: npt.NDArray[Any]) -> Floats:
    """The float32 values of uint32 patterns; a view when the array is contiguous."""
    return np.ascontiguousarray(words, np.uint32).view(np.float32)


def upper_halves(values: Floats) -> npt.NDArray[np.uint16]:
    """The upper 16 bits of float32 values (..., n), their bfloat16 patterns; always a view.

    Raises ValueError when the last axis is not contiguous.
    """
    halves: npt.NDArray[np.uint16] = values.view(np.uint16)[..., _UPPER::2]
    return halves


def round_nearest_even(words: Words, drop: int, scratch: Words | None = None) -> Words:
    """Round patterns to nearest even, dropping the low ``drop`` bits, in place.

    Finite values only: a carry may reach infinity (correct), but a NaN may wrap. ``scratch`` of the
    same shape saves taking memory.
    """
    mask = np.uint32((0xFFFFFFFF << drop) & 0xFFFFFFFF)
    return np.bitwise_and(carried_even(words, drop, scratch), mask, out=words)


def carried_even(words: Words, drop: int, out: Words | None = None) -> Words:
    """Patterns rounded to nearest even but for the low ``drop`` bits, which hold what is left."""
    sums = np.right_shift(words, np.uint32(drop), out=out)
    sums &= np.uint32(1)
    sums += np.uint32((1 << (drop - 1)) - 1)
    sums += words
    return sums


def has_nan(values: Floats) -> bool:
    """Whether any value is NaN, by one reduction without temporaries."""
    return bool(values.size) and bool(np.isnan(values.max()))


def chunks(size: int, step: int = CHUNK) -> range:
    """Start offsets of cache-sized pieces of a flat array of ``size`` elements."""
    return range(0, size, step)


def by_chunks(tiles: Floats, function: Callable[[Floats], Floats]) -> Floats:
    """Apply a tile function to (..., height, width) in cache-sized pieces of whole tiles."""
    flat = tiles.reshape(-1, *tiles.shape[-2:])
    step = max(1, CHUNK // (4 * tiles.shape[-2] * tiles.shape[-1]))
    if len(flat) <= step:
        return function(tiles)
    out = np.empty(flat.shape, np.float32)
    for start in range(0, len(flat), step):
        out[start : start + step] = function(flat[start : start + step])
    return out.reshape(tiles.shape)
