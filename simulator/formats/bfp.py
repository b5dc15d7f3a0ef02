"""Block floating point: sixteen sign-and-magnitude mantissas under one exponent.

A group is sixteen consecutive datums in face order. Mantissas have ``bits - 1`` magnitude bits,
the first of them the explicit leading bit: value = magnitude * 2**(exponent - 127 - (bits - 2))
(tt-isa-documentation, FloatBitPatterns; measured: tests/vectors/host_quant.npz).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.formats.bits import FRACTION, HIDDEN, Floats, Words, floats_of
from simulator.formats.dataformat import BFP_GROUP


def shared_exponents(words: Words) -> Words:
    """Biased exponents (..., groups) = the largest of each group of patterns (..., datums)."""
    grouped = words.reshape(*words.shape[:-1], -1, BFP_GROUP)
    exponents: Words = ((grouped >> np.uint32(23)) & np.uint32(255)).max(axis=-1)
    return exponents


def quantise_even(words: Words, bits: int) -> tuple[Words, Words]:
    """Host rounding of float32 patterns (..., datums) to BFP of ``bits`` bits per datum.

    The alignment shift truncates, then the bits cut off round to nearest even; the magnitude
    saturates; zeros and denormals lose their sign (measured: tests/vectors/host_quant.npz).
    Returns (exponents (..., groups), mantissas (..., datums)), mantissas with the sign on top.
    """
    exponents = shared_exponents(words)
    own = (words >> np.uint32(23)) & np.uint32(255)
    spread = np.repeat(exponents, BFP_GROUP, axis=-1)
    shift = np.minimum(spread - own, np.uint32(31))
    aligned = ((words & FRACTION) | HIDDEN) >> shift
    drop = 24 - (bits - 1)
    aligned += ((aligned >> np.uint32(drop)) & np.uint32(1)) + np.uint32((1 << (drop - 1)) - 1)
    magnitude = np.minimum(aligned >> np.uint32(drop), np.uint32((1 << (bits - 1)) - 1))
    magnitude[own == 0] = 0
    return exponents, with_sign(magnitude, words >> np.uint32(31), bits)


def with_sign(magnitude: Words, sign: Words, bits: int) -> Words:
    """Mantissas from magnitudes and sign bits; a zero magnitude has sign 0."""
    mantissa: Words = magnitude | np.where(
        magnitude == 0, np.uint32(0), sign << np.uint32(bits - 1)
    )
    return mantissa


def values_of(exponents: Words, mantissas: Words, bits: int) -> Floats:
    """The float32 values of groups: exponents (..., groups), mantissas (..., datums).

    Magnitudes are normalised into float32 patterns, so a group of exponent 255 gives infinity and
    NaN patterns; results below the normal range are float32 denormals, exactly. A zero magnitude
    with the sign set is negative infinity, as the unpacker reads it (tt-isa-documentation,
    Unpackers/FormatConversion).
    """
    spread = np.repeat(exponents, BFP_GROUP, axis=-1).astype(np.int32)
    top = bits - 2
    magnitude = mantissas & np.uint32((1 << (bits - 1)) - 1)
    sign = (mantissas >> np.uint32(bits - 1)) << np.uint32(31)
    leading = _leading_bit(bits)[magnitude]
    exponent = spread - (top - leading)
    fraction = (magnitude << (np.uint32(23) - leading.astype(np.uint32))) & FRACTION
    normal = (exponent.astype(np.uint32) << np.uint32(23)) | fraction
    below = np.clip(1 - exponent, 0, 31).astype(np.uint32)
    pattern = np.where(exponent > 0, normal, (fraction | HIDDEN) >> below)
    pattern[magnitude == 0] = 0
    pattern |= sign
    pattern[(magnitude == 0) & (sign != 0)] = 0xFF800000
    return floats_of(pattern)


def parts_of(values: Words, bits: int) -> tuple[Words, Words]:
    """Exponents and mantissas of patterns (..., datums) that are exactly representable.

    The inverse of values_of for every group whose largest magnitude is normalised, which is every
    group a quantiser or packer makes. Bits that do not fit are cut off.
    """
    exponents = shared_exponents(values)
    own = (values >> np.uint32(23)) & np.uint32(255)
    spread = np.repeat(exponents, BFP_GROUP, axis=-1)
    significand = (values & FRACTION) | np.where(own == 0, np.uint32(0), HIDDEN)
    shift = np.minimum(spread - np.maximum(own, np.uint32(1)) + np.uint32(25 - bits), np.uint32(31))
    magnitude = np.where(spread == 0, np.uint32(0), significand >> shift)
    return exponents, with_sign(magnitude, values >> np.uint32(31), bits)


def _leading_bit(bits: int) -> npt.NDArray[np.int32]:
    """Index of the highest set bit of every magnitude (0 for magnitude 0)."""
    return np.array([max(m.bit_length() - 1, 0) for m in range(1 << (bits - 1))], np.int32)
