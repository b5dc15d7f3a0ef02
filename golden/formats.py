"""Number formats as the golden needs them: width, range, and how far one rounding moves a value.

Written from the formats' definitions (IEEE 754, bfloat16, TF32) and shared with nothing that is
judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import ml_dtypes
import numpy as np
import numpy.typing as npt

from golden.errors import GoldenError

F64 = npt.NDArray[np.float64]

TILE: Final = 32
"""Rows and columns of a tile."""

_EXPONENT: Final = np.int64(0x7FF0000000000000)
_SIGNIFICAND: Final = (1 << 52) - 1


@dataclass(frozen=True)
class Format:
    """A real or integer element type.

    Attributes:
        name: the dtype's spelling in the source.
        bits: significand bits, the hidden one included; magnitude bits of integers.
        tiny: least normal magnitude; the device flushes what is below it (0 for integers).
        huge: largest finite magnitude.
        is_integer: whether values are whole numbers.
    """

    name: str
    bits: int
    tiny: float
    huge: float
    is_integer: bool = False


def _integer(name: str, bits: int) -> Format:
    return Format(name, bits, 0.0, 2.0**bits - 1, is_integer=True)


FORMATS: Final = MappingProxyType(
    {
        f.name: f
        for f in (
            Format("float64", 53, 2.0**-1022, 1.7976931348623157e308),
            Format("float32", 24, 2.0**-126, (2 - 2.0**-23) * 2.0**127),
            Format("tfloat32", 11, 2.0**-126, (2 - 2.0**-10) * 2.0**127),
            Format("bfloat16", 8, 2.0**-126, (2 - 2.0**-7) * 2.0**127),
            Format("float16", 11, 2.0**-14, 65504.0),
            # Sixteen values share an exponent: a magnitude of 7 bits relative to the largest.
            Format("bfloat8_b", 7, 2.0**-126, (2 - 2.0**-6) * 2.0**127),
            Format("bfloat4_b", 3, 2.0**-126, (2 - 2.0**-2) * 2.0**127),
            _integer("bool", 1),
            _integer("int8", 7),
            _integer("int8_bytes", 7),  # in two's complement on the device, and no other int8
            _integer("uint8", 8),
            _integer("int16", 15),
            _integer("uint16", 16),
            _integer("int32", 31),
            _integer("uint32", 32),
            _integer("int64", 63),
        )
    }
)
"""Format of every dtype name."""


def find_format(dtype: str) -> Format:
    """The format called ``dtype``.

    Raises:
        GoldenError: no such dtype.
    """
    if dtype not in FORMATS:
        raise GoldenError(f"dtype {dtype!r} has no meaning here", next_step=f"one of {[*FORMATS]}")
    return FORMATS[dtype]


def power_of_two(magnitude: F64) -> F64:
    """The power of two at or below each magnitude; 0 for 0. Denormal float64 count as 0."""
    whole = np.ascontiguousarray(magnitude)  # which makes a scalar an array of one
    bits: F64 = (whole.view(np.int64) & _EXPONENT).view(np.float64)
    return bits.reshape(np.shape(magnitude))


def half_ulp(magnitude: F64, bits: int) -> F64:
    """Largest error of rounding values up to ``magnitude`` to nearest with ``bits`` bits."""
    return power_of_two(magnitude) * 2.0**-bits


def round_even(values: npt.NDArray[Any], dtype: str) -> F64:
    """Values as the host stores them: nearest, ties to even, from float32.

    Overflow becomes infinity; integers must be in range.

    Raises:
        GoldenError: an integer that ``dtype`` does not hold.
    """
    fmt = find_format(dtype)
    if fmt.is_integer:
        return _check_integers(np.asarray(values), fmt)
    if dtype == "float64":
        return np.asarray(values, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # invalid: NaN that signal
        single = np.asarray(values).astype(np.float32)
        if dtype == "float32":
            return single.astype(np.float64)
        if dtype == "bfloat16":
            return single.astype(ml_dtypes.bfloat16).astype(np.float64)
        if dtype == "float16":
            return single.astype(np.float16).astype(np.float64)
    raise GoldenError(f"values cannot be rounded to {dtype} one by one", code="InvalidInputs")


def _check_integers(values: npt.NDArray[Any], fmt: Format) -> F64:
    whole = values.astype(np.float64)
    low = 0.0 if fmt.name.startswith(("u", "bool")) else -fmt.huge - 1
    if fmt.name == "int8":
        low = -127.0  # sign and magnitude on the device
    if whole.size and not (
        (whole == np.rint(whole)).all() and whole.min() >= low and whole.max() <= fmt.huge
    ):
        raise GoldenError(
            f"integers outside {fmt.name} ({low:g} to {fmt.huge:g})", code="InvalidInputs"
        )
    return whole


def grain_of(values: F64) -> float:
    """The largest power of two that divides every value; infinity where all are zero.

    Returns 0 where a value is not finite.
    """
    if not np.isfinite(values).all():
        return 0.0
    magnitude = np.abs(np.atleast_1d(values))
    bits = magnitude.view(np.int64)
    # All but the lowest bit of the significand; nothing where that is the leading one.
    others = np.where(bits & _SIGNIFICAND, bits & (bits - 1), 0).view(np.float64)
    lowest = magnitude - others
    return float(lowest.min(initial=np.inf, where=lowest > 0))


def peak_of(values: F64) -> float:
    """The largest magnitude; infinity where a value is not finite, 0 where there is none."""
    if not values.size:
        return 0.0
    top = max(float(values.max()), -float(values.min()))
    return top if top < np.inf else float("inf")
