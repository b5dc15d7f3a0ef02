"""Early and late conversions of the packer between real formats, on float32 patterns.

NaN becomes infinity, numbers that are denormal after rounding become +0, and so does -0
(tt-isa-documentation, Packers/FormatConversion; measured: tests/vectors/packer.npz).
"""

from __future__ import annotations

import numpy as np

from simulator.formats.bits import HIGH_HALF, INFINITY, MAGNITUDE, SIGN, Words, words_of
from simulator.formats.codec import float_of_half, half_of

_SIX_BITS = np.uint32(0xFFFE0000)


def early_bf16(words: Words, wide: bool) -> Words:
    """bfloat16 source datums: rounded half away from zero from a ``wide`` (fp32) DST."""
    result = no_nan(words)
    if wide:
        result += np.uint32(0x8000)
        result &= HIGH_HALF
    return _no_denormals(result)


def early_bfp8(words: Words, wide: bool) -> Words:
    """Source datums with six fraction bits: fp32 is cut to bfloat16, then rounded half up.

    The carry may reach the exponent. Rounding twice is what bfp8_pack_precise avoids (tt-metal
    issue 52155).
    """
    result = no_nan(words)
    if not wide:
        result = _no_denormals(result)
    result &= HIGH_HALF
    result += np.uint32(0x10000)
    result &= _SIX_BITS
    return _no_denormals(result)


def early_half(words: Words) -> Words:
    """Float16 source datums of a Float16 DST: denormals and -0 become +0."""
    flushed: Words = np.where((words & MAGNITUDE) < np.uint32(113 << 23), np.uint32(0), words)
    return flushed


def late_half(words: Words, rounded: bool) -> Words:
    """Float16 data of fp32: cut, or rounded half away from zero to 10 fraction bits first."""
    result = words.copy()
    if rounded:
        result = no_nan(words)
        result += np.uint32(0x1000)
        result &= np.uint32(0xFFFFE000)
        result = _no_denormals(result)
    return words_of(float_of_half(half_of(result)))


def no_nan(words: Words) -> Words:
    """A copy with infinity of the same sign for every NaN."""
    nan = (words & MAGNITUDE) > INFINITY
    result: Words = np.where(nan, (words & SIGN) | INFINITY, words)
    return result


def _no_denormals(words: Words) -> Words:
    result: Words = np.where(words & INFINITY, words, np.uint32(0))
    return result
