"""Block floating point: sixteen sign-and-magnitude mantissas under one exponent.

A group is sixteen consecutive datums in face order. Mantissas have ``bits - 1`` magnitude bits,
the first of them the explicit leading bit: value = magnitude * 2**(exponent - 127 - (bits - 2))
(tt-isa-documentation, FloatBitPatterns; measured: tests/vectors/host_quant.npz).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.formats.bits import FRACTION, HIDDEN, Floats, Words, floats_of, round_nearest_even
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
    magnitude = (words & FRACTION) | HIDDEN
    magnitude >>= np.minimum(_per_datum(exponents) - _grouped(own), np.uint32(31)).reshape(
        words.shape
    )
    round_nearest_even(magnitude, 25 - bits)
    magnitude >>= np.uint32(25 - bits)
    np.minimum(magnitude, np.uint32((1 << (bits - 1)) - 1), out=magnitude)
    magnitude *= own != 0
    return exponents, with_sign(magnitude, words >> np.uint32(31), bits)


def with_sign(magnitude: Words, sign: Words, bits: int) -> Words:
    """Mantissas from magnitudes and sign bits; a zero magnitude has sign 0."""
    mantissa: Words = sign << np.uint32(bits - 1)
    mantissa *= magnitude != 0
    mantissa |= magnitude
    return mantissa


def values_of(exponents: Words, mantissas: Words, bits: int) -> Floats:
    """The float32 values of groups: exponents (..., groups), mantissas (..., datums).

    Magnitudes are normalised into float32 patterns, so a group of exponent 255 gives infinity and
    NaN patterns; results below the normal range are float32 denormals, exactly. A zero magnitude
    with the sign set is negative infinity, as the unpacker reads it (tt-isa-documentation,
    Unpackers/FormatConversion).
    """
    grouped = _grouped(mantissas)
    sign_bit = np.uint32(1 << (bits - 1))
    signed = (grouped & (sign_bit - np.uint32(1))).astype(np.float32)
    if (grouped == sign_bit).any() or (exponents == 255).any():
        return _unusual_values(exponents, mantissas, bits)
    scale = np.ldexp(np.float32(1), exponents.astype(np.int32) - (127 + bits - 2))
    signed *= np.where(exponents == 0, np.float32(0), scale)[..., None]
    pattern = signed.view(np.uint32)
    pattern |= (grouped >> np.uint32(bits - 1)) << np.uint32(31)
    return signed.reshape(mantissas.shape)


def _unusual_values(exponents: Words, mantissas: Words, bits: int) -> Floats:
    """values_of by patterns, for groups of exponent 255 and negative zeros."""
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
    group a quantiser or packer makes. Bits that do not fit are cut off; a group without normal
    numbers is zero.
    """
    exponents = shared_exponents(values)
    own = (values >> np.uint32(23)) & np.uint32(255)
    magnitude = (values & FRACTION) | np.where(own == 0, np.uint32(0), HIDDEN)
    np.maximum(own, np.uint32(1), out=own)
    shift = _per_datum(exponents) + np.uint32(25 - bits) - _grouped(own)
    magnitude >>= np.minimum(shift, np.uint32(31)).reshape(values.shape)
    grouped = _grouped(magnitude)
    grouped *= (exponents != 0)[..., None]
    return exponents, with_sign(magnitude, values >> np.uint32(31), bits)


def _grouped(datums: Words) -> Words:
    """(..., datums) as (..., groups, 16)."""
    return datums.reshape(*datums.shape[:-1], -1, BFP_GROUP)


def _per_datum(exponents: Words) -> Words:
    """(..., groups) ready to meet (..., groups, 16)."""
    return exponents[..., None]


def _leading_bit(bits: int) -> npt.NDArray[np.int32]:
    """Index of the highest set bit of every magnitude (0 for magnitude 0)."""
    return np.array([max(m.bit_length() - 1, 0) for m in range(1 << (bits - 1))], np.int32)
