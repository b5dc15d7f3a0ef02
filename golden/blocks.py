"""What the host stores of an input, block formats included.

In a block format sixteen neighbours along the last dimension share the exponent of the largest.
The others are aligned to it by a shift that drops bits, and then rounded to nearest, ties to even;
a magnitude that would not fit stays the largest one (measured on ttnn's host packing).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from golden.formats import F64, find_format, power_of_two, round_even

GROUP: Final = 16
"""Values that share one exponent."""
BLOCK_FORMATS: Final = ("bfloat8_b", "bfloat4_b")
_SINGLE_BITS: Final = 24
"""Significand bits of the float32 values the host starts from."""


def stored_by_host(values: npt.NDArray[Any], dtype: str) -> F64:
    """Values as the device receives them; NaN throughout a group that is not finite.

    Raises:
        GoldenError: an integer that ``dtype`` does not hold.
    """
    if dtype not in BLOCK_FORMATS:
        return round_even(values, dtype)
    single = round_even(values, "float32")
    count = single.shape[-1]
    padded = np.pad(single, [(0, 0)] * (single.ndim - 1) + [(0, -count % GROUP)])
    groups = padded.reshape(*single.shape[:-1], -1, GROUP)
    rounded = _rounded(groups, find_format(dtype).bits).reshape(padded.shape)
    return rounded[..., :count]


def _rounded(groups: F64, bits: int) -> F64:
    """Groups (…, 16) rounded to ``bits`` bits below the largest magnitude's exponent."""
    whole = np.isfinite(groups).all(axis=-1, keepdims=True)
    magnitude = np.where(whole, np.abs(groups), 0.0)
    magnitude = np.where(magnitude < find_format("float32").tiny, 0.0, magnitude)
    top = power_of_two(magnitude.max(axis=-1, keepdims=True))
    scale = np.where(top > 0, top, 1.0)
    aligned = np.floor(magnitude / scale * 2.0 ** (_SINGLE_BITS - 1))
    kept = np.rint(aligned / 2.0 ** (_SINGLE_BITS - bits))  # rint takes ties to even
    kept = np.minimum(kept, 2.0**bits - 1)
    result: F64 = np.copysign(kept * scale * 2.0 ** (1 - bits), groups)
    return np.where(whole, np.where(kept == 0, 0.0, result), np.nan)
