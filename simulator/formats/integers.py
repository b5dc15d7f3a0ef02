"""Integer formats: range checks and the sign-and-magnitude bytes of Int8."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats.dataformat import DataFormat
from simulator.formats.errors import FormatError, IntegerRangeError

Array = npt.NDArray[Any]


def check_range(values: Array, fmt: DataFormat) -> None:
    """Raise IntegerRangeError unless every value fits ``fmt``, FormatError for other dtypes.

    Truths are 0 and 1.
    """
    if values.dtype.kind == "b":
        return
    if values.dtype.kind not in "iu":
        raise FormatError(f"{fmt.value} holds integers, got {values.dtype}")
    if not values.size:
        return
    low, high = int(values.min()), int(values.max())
    if low < fmt.spec.low or high > fmt.spec.high:
        bad = low if low < fmt.spec.low else high
        raise IntegerRangeError(
            f"{bad} is outside {fmt.value}, which holds {fmt.spec.low} to {fmt.spec.high}"
        )


def to_sign_magnitude(values: Array) -> npt.NDArray[np.uint8]:
    """Int8 bytes of integers in [-127, 127]: sign on top, seven magnitude bits.

    The unpacker and packer read and write Int8 this way (tt-isa-documentation, Unpackers and
    Packers FormatConversion; tt-llk pull request 1383).
    """
    magnitude = np.abs(values).astype(np.uint8)
    return np.where(values < 0, magnitude | np.uint8(0x80), magnitude)


def from_sign_magnitude(words: Array) -> npt.NDArray[np.int32]:
    """Integers of Int8 bytes; the byte 0x80 is zero."""
    magnitude = (words & np.uint8(0x7F)).astype(np.int32)
    return np.where(words & np.uint8(0x80), -magnitude, magnitude)
