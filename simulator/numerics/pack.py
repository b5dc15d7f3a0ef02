"""The packer: DST to the format of a circular buffer, with ReLU.

Two stages (tt-isa-documentation, Packers/FormatConversion): an early conversion reads DST and
rounds half away from zero to the packer's source format, a late one cuts to the output format.
Values come out as float32 arrays that the output format holds exactly; encode_tiles gives bytes.
Measured: tests/vectors/packer.npz.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats import bfp
from simulator.formats.bits import (
    HIGH_HALF,
    INFINITY,
    Floats,
    Words,
    by_chunks,
    floats_of,
    words_of,
)
from simulator.formats.dataformat import BFP_GROUP, DataFormat
from simulator.formats.errors import FormatError
from simulator.formats.tilize import from_faces, to_faces
from simulator.numerics.modes import Chip, Dest, Mode
from simulator.numerics.packfloat import early_bf16, early_bfp8, early_half, late_half

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Relu:
    """ReLU in the packer: negative data become zero.

    ``minimum`` also zeroes data up to it, ``maximum`` caps data; each is a bfloat16 number of at
    least zero, and at most one may be given (tt-metal PackReluConfig).
    """

    minimum: float | None = None
    maximum: float | None = None

    def apply(self, words: Words, exact_threshold: bool) -> Words:
        """ReLU on float32 patterns.

        ``exact_threshold`` compares all bits with the maximum, otherwise the 19 high ones count
        (the packer's fp32 path).
        """
        result = np.where(words >> np.uint32(31), np.uint32(0), words)
        if self.minimum is not None:
            result[result <= _threshold(self.minimum)] = 0
        if self.maximum is not None:
            limit = _threshold(self.maximum)
            drop = np.uint32(0 if exact_threshold else 13)
            result = np.where((result >> drop) > (limit >> drop), limit, result)
        return result


def pack(dst: Floats, fmt: DataFormat, mode: Mode, relu: Relu | None = None) -> Floats:
    """Values (..., height, width) the packer writes of DST tiles to a buffer of real ``fmt``.

    Raises FormatError for integer formats (see pack_integers) and for Float16 mixed with other
    exponent widths where the packer has no such conversion.
    """
    if fmt.is_integer:
        raise FormatError(f"{fmt.value} is packed by pack_integers, not from real DST")
    if fmt is DataFormat.Float32 and mode.dest.is_fp32 and relu is None:
        return dst
    return by_chunks(dst, lambda piece: _pack(words_of(piece), fmt, mode, relu))


def _pack(words: Words, fmt: DataFormat, mode: Mode, relu: Relu | None) -> Floats:
    if fmt is DataFormat.Float32 and mode.dest.is_fp32 and relu is not None:
        return floats_of(relu.apply(words, exact_threshold=False))
    if fmt.is_bfp:
        return _pack_bfp(_bfp_source(words, mode), fmt, relu)
    if fmt is DataFormat.Float16:
        return _pack_half(words, mode, relu)
    words = early_half(words) if mode.dest is Dest.FP16 else early_bf16(words, mode.dest.is_fp32)
    if relu is not None:
        words = relu.apply(words, exact_threshold=True)
    if mode.dest is Dest.FP16 and fmt is DataFormat.Float16_b:
        words &= HIGH_HALF
    return floats_of(words)


def _bfp_source(words: Words, mode: Mode) -> Words:
    """The packer's source datums for BFP, as bfloat16 patterns in float32 words."""
    precise = mode.bfp8_precise and mode.chip is Chip.WORMHOLE
    if not precise:
        return early_bfp8(words, mode.dest.is_fp32)
    if not mode.dest.is_fp32:
        return early_bf16(words, wide=False)
    cut = words & HIGH_HALF
    return np.where(cut & INFINITY, cut, np.uint32(0))


def _pack_bfp(words: Words, fmt: DataFormat, relu: Relu | None) -> Floats:
    """Shared exponents, magnitudes rounded half up to 7 bits and saturated, narrower formats cut.

    Bfp4 and Bfp2 are Bfp8 with low magnitude bits dropped (measured: tests/vectors/packer.npz,
    tt-metal issue 57410).
    """
    if relu is not None:
        words = relu.apply(words, exact_threshold=True)
    stored = to_faces(words)
    exponents = bfp.shared_exponents(stored)
    own = (stored >> np.uint32(23)) & np.uint32(255)
    gap = exponents[..., None] - own.reshape(*exponents.shape, BFP_GROUP)
    shift = np.minimum(gap, np.uint32(9)).reshape(stored.shape)
    magnitude = (stored >> np.uint32(16)) & np.uint32(127)
    magnitude |= (own != 0) * np.uint32(128)
    magnitude += np.uint32(1) << shift
    shift += np.uint32(1)
    magnitude >>= shift
    np.minimum(magnitude, np.uint32(127), out=magnitude)
    magnitude >>= np.uint32(8 - fmt.spec.bits)
    mantissas = bfp.with_sign(magnitude, stored >> np.uint32(31), fmt.spec.bits)
    values = bfp.values_of(exponents, mantissas, fmt.spec.bits)
    return from_faces(values, (int(words.shape[-2]), int(words.shape[-1])))


def _pack_half(words: Words, mode: Mode, relu: Relu | None) -> Floats:
    """Float16 output: from Float16 DST as it is, from fp32 DST rounded (Blackhole) or cut."""
    if mode.dest is Dest.FP16:
        words = early_half(words)
    elif mode.dest is Dest.FP32 and mode.chip is Chip.BLACKHOLE:
        words = late_half(words, rounded=True)
    else:
        words = late_half(words, rounded=False)
    if relu is not None:
        words = relu.apply(words, exact_threshold=True)
    return floats_of(words)


def pack_integers(dst: Array, fmt: DataFormat) -> Array:
    """Integers the packer writes of 32-bit integer DST tiles: narrower formats saturate.

    UInt8 clamps to [0, 255], Int8 to [-127, 127]; UInt16 keeps the low half
    (tt-isa-documentation, Packers/FormatConversion). Raises FormatError for real formats.
    """
    if fmt.is_float:
        raise FormatError(f"{fmt.value} is no integer format")
    if fmt in (DataFormat.UInt8, DataFormat.Int8):
        return np.clip(dst, fmt.spec.low, fmt.spec.high).astype(fmt.value_dtype)
    if fmt is DataFormat.UInt16:
        return dst.astype(np.uint32) & np.uint32(0xFFFF)
    return dst.astype(fmt.value_dtype)


def _threshold(value: float) -> np.uint32:
    if value < 0:
        raise FormatError(f"a packer threshold must not be negative, got {value}")
    return np.uint32(int(np.float32(value).view(np.uint32)) & 0xFFFF0000)
