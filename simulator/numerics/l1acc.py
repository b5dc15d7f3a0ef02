"""L1 accumulation: the packer adds to what the page already holds.

Denormals count as zero. Float32 adds like IEEE with one NaN; bfloat16 and Float16 round to nearest
even (tt-isa-documentation, Packers/L1Accumulation; measured: tests/vectors/packer.npz, l1acc3).
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from simulator.formats.bits import Floats, words_of
from simulator.formats.codec import float_of_half
from simulator.formats.dataformat import DataFormat
from simulator.formats.errors import FormatError
from simulator.numerics.extended import Doubles, extend

_NAN = np.float32(np.nan)
_LARGEST_DOUBLE = float(np.finfo(np.float64).max)


def accumulate_l1(page: Floats, packed: Floats, fmt: DataFormat) -> Floats:
    """What a page of ``fmt`` holds after ``packed`` was added to it, both as packed values.

    Raises FormatError for formats the packer cannot accumulate in (only Float32, Float16_b and
    Float16 are possible).
    """
    adder = _ADDERS.get(fmt)
    if adder is None:
        raise FormatError(f"the packer cannot accumulate in {fmt.value}")
    return adder(page, packed)


def _flush(values: Floats) -> Floats:
    small = np.abs(values) < np.float32(2.0**-126)
    return np.where(small, np.copysign(np.float32(0), values), values)


def _add_fp32(page: Floats, packed: Floats) -> Floats:
    with np.errstate(all="ignore"):
        total = _flush(_flush(page) + _flush(packed))
    return np.where(np.isnan(total), _NAN, total)


def _add_bf16(page: Floats, packed: Floats) -> Floats:
    """NaN counts as a number: in the page larger than any, in the datum as its exponent says."""
    old, new = _flush(page).astype(np.float64), _flush(packed).astype(np.float64)
    old = np.where(np.isnan(page), np.copysign(_LARGEST_DOUBLE, old), old)
    new = np.where(np.isnan(packed), extend(packed), new)
    with np.errstate(all="ignore"):
        total = old + new
    rounded = _nearest_even(total, 45)
    magnitude = np.abs(rounded)
    rounded = np.where(magnitude < 2.0**-126, np.copysign(0.0, rounded), rounded)
    rounded = np.where(magnitude >= 2.0**128, np.copysign(np.inf, rounded), rounded)
    return np.where(np.isnan(total), _NAN, rounded.astype(np.float32))


def _add_fp16(page: Floats, packed: Floats) -> Floats:
    """Exponent 31 is ordinary; overflow, and sums that underflow, saturate."""
    small = np.float32(2.0**-14)
    old, new = (
        np.where(np.abs(v) < small, np.copysign(np.float32(0), v), v) for v in (page, packed)
    )
    total = old + new
    rounded = _nearest_even(total.astype(np.float64), 42)
    largest = np.copysign(float_of_half(np.array(0x7FFF)), total).astype(np.float64)
    exponent = ((words_of(total) >> np.uint32(23)) & np.uint32(255)).astype(np.int32) - 112
    result = np.where(np.abs(rounded) > np.abs(largest), largest, rounded)
    result = np.where(exponent < 0, largest, np.where(exponent == 0, total * 0.0, result))
    cancelled = np.where(np.abs(old) >= 2.0**15, largest, total)
    return np.where(total == 0, cancelled, result).astype(np.float32)


def _nearest_even(values: Doubles, drop: int) -> Doubles:
    bits = values.view(np.int64)
    odd = (bits >> np.int64(drop)) & np.int64(1)
    rounded = (bits + odd + np.int64((1 << (drop - 1)) - 1)) & np.int64(-(1 << drop))
    return np.where(np.isfinite(values), rounded.view(np.float64), values)


_ADDERS: MappingProxyType[DataFormat, Callable[[Floats, Floats], Floats]] = MappingProxyType(
    {
        DataFormat.Float32: _add_fp32,
        DataFormat.Float16_b: _add_bf16,
        DataFormat.Float16: _add_fp16,
    }
)
