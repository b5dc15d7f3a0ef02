"""Rounding of whole DST tiles to bfloat16 in cache-sized pieces: two integer passes."""

from __future__ import annotations

import numpy as np

from simulator.formats.bits import CHUNK, HIGH_HALF, Floats, chunks
from simulator.numerics.packfloat import no_nan

_HALF = np.uint32(0x8000)
_LIMIT = np.float32(3.3961775e38)
"""Magnitudes of at least this round up to infinity; below it the two passes cannot carry into a
NaN (2**128 - 2**119, half a bfloat16 step below 2**128)."""


def round_bf16_away(values: Floats, out: Floats | None = None) -> Floats:
    """Nearest bfloat16, ties away from zero, as the packer and 16-bit DST round.

    Infinity stays, NaN becomes infinity; -0 and denormals are rounded like other numbers, unlike
    on the device. No datum's result depends on another datum: how tiles are grouped is chance.
    ``out`` (contiguous, of the same shape; may be ``values``) receives the result.
    """
    if out is None:
        out = np.empty(values.shape, np.float32)
    source = np.ascontiguousarray(values).reshape(-1)
    flat = out.reshape(-1)
    for start in chunks(source.size):
        piece = source[start : start + CHUNK]
        target = flat[start : start + CHUNK].view(np.uint32)
        words = piece.view(np.uint32)
        if not (piece.max() < _LIMIT and piece.min() > -_LIMIT):
            words = no_nan(words)
        np.add(words, _HALF, out=target)
        np.bitwise_and(target, HIGH_HALF, out=target)
    return out
