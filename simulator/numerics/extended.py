"""Numbers as the matrix unit sees them: exponent 255 is an ordinary exponent, denormals are zero.

An *extended* value is a float64 that holds such a number exactly, so infinity is 2**128 and a NaN
is (1 + fraction) * 2**128 (tt-isa-documentation, FloatBitPatterns; measured:
tests/vectors/eltwise.npz, tile kind huge_inf_nan).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats.bits import MAGNITUDE, SIGN, Floats, Words, words_of

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[Any]

HUGE = 2.0**128
"""What exponent 255 with a zero fraction, infinity elsewhere, is worth in the matrix unit."""

TINY = 2.0**-126
"""The smallest magnitude that is not flushed to zero."""

_REBIAS = (1023 - 127) << 23


def extend(values: Floats) -> Doubles:
    """Extended values of float32 values; denormals become +0."""
    return extend_words(words_of(values))


def extend_words(words: Words) -> Doubles:
    """Extended values of float32 patterns; denormals and zeros become +0."""
    magnitude = (words & MAGNITUDE).astype(np.uint64)
    normal = magnitude >= np.uint64(0x00800000)
    bits = (magnitude + np.uint64(_REBIAS)) << np.uint64(29)
    bits |= (words & SIGN).astype(np.uint64) << np.uint64(32)
    bits *= normal
    return bits.view(np.float64)


def narrow(values: Doubles) -> Floats:
    """Float32 values of extended values of at most 24 bits; 2**128 and above is infinity."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def exponent_of(values: Doubles) -> Doubles:
    """The power of two at or below each magnitude; 0 for 0."""
    bits = values.view(np.int64) & np.int64(0x7FF0000000000000)
    return bits.view(np.float64)
