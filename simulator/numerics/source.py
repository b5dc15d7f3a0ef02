"""The unpacker: what reaches SrcA, SrcB and DST from a circular buffer, and back from DST.

Sources: tt-isa-documentation, Unpackers/FormatConversion and TensixCoprocessor/MOVD2A; measured:
tests/vectors/packer.npz and matmul.npz.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.formats.bits import (
    FRACTION,
    HIGH_HALF,
    INFINITY,
    MAGNITUDE,
    SIGN,
    Floats,
    Words,
    floats_of,
    words_of,
)
from simulator.formats.dataformat import DataFormat
from simulator.numerics.modes import Dest, Mode

_TF32 = np.uint32(0xFFFFE000)
_HALF_TINY = np.float32(2.0**-14)


def to_src(values: Floats, fmt: DataFormat, mode: Mode, tf32: bool = True) -> Floats:
    """Float32 patterns in SrcA or SrcB of values of ``fmt``; the input is returned when exact.

    Float32 is cut to TF32 (10 fraction bits) when DST is 32 bits wide and ``tf32`` holds, that
    is when every circular buffer of the kernel has 8-bit exponents; otherwise to bfloat16, with
    denormals as zeros. bfloat16 is exact. BFP exponents that fall below zero wrap around, as on
    the device. Float16 denormals count as zero.
    """
    if fmt is DataFormat.Float32:
        return _cut(values, tf32 and mode.dest.is_fp32)
    if fmt.is_bfp:
        return _wrap_denormals(values)
    if fmt is DataFormat.Float16:
        small = np.abs(values) < _HALF_TINY
        return np.where(small, np.float32(0), values) if small.any() else values
    return values


def dst_to_src(dst: Floats, mode: Mode, tf32: bool = False) -> Floats:
    """DST moved back to SrcA or SrcB: TF32 if ``tf32`` and DST is 32 bits wide, else bfloat16.

    Which of the two depends on the format of the circular buffer the op was configured with.
    """
    mask = _TF32 if tf32 and mode.dest.is_fp32 else HIGH_HALF
    return dst if mode.dest is Dest.FP16 else floats_of(words_of(dst) & mask)


def _cut(values: Floats, tf32: bool) -> Floats:
    words = words_of(values)
    if tf32:
        return floats_of(words & _TF32)
    cut = words & HIGH_HALF
    cut[(words & INFINITY) == 0] &= SIGN
    return floats_of(cut)


def _wrap_denormals(values: Floats) -> Floats:
    """BFP values below the normal range: the unpacker's 8-bit exponent wraps around."""
    words = words_of(values)
    magnitude = words & MAGNITUDE
    low = (magnitude != 0) & (magnitude < np.uint32(0x00800000))
    if not low.any():
        return values
    wrapped: Words = words.copy()
    wrapped[low] = _wrapped(words[low])
    return floats_of(wrapped)


def _wrapped(words: Words) -> npt.NDArray[np.uint32]:
    fraction = (words & FRACTION).astype(np.float64)
    mantissa, exponent = np.frexp(fraction)
    biased = (exponent.astype(np.int64) - 23) & 255
    bits = ((mantissa * 2 - 1) * 2.0**23).astype(np.int64)
    sign = (words & SIGN).astype(np.int64)
    result: npt.NDArray[np.uint32] = (sign | (biased << 23) | bits).astype(np.uint32)
    return result
