"""Copies of tiles into DST: through SrcA (A2D), through SrcB with broadcast, or past both."""

from __future__ import annotations

import numpy as np

from simulator.formats.bits import INFINITY, SIGN, Floats, floats_of, words_of
from simulator.numerics.modes import Mode


def src_to_dst(src: Floats, mode: Mode) -> Floats:
    """What DST holds after a Src tile was copied to it.

    Onto fp32 DST the copy passes the adder: denormals and -0 become +0, NaN infinity. Onto 16-bit
    DST the bits are kept (measured: tests/vectors/packer.npz, copy and unarybcast cases).
    """
    if not mode.dest.is_fp32:
        return src
    words = words_of(src)
    exponent = words & INFINITY
    odd = (exponent == 0) & (words != 0) | (exponent == INFINITY)
    if not odd.any():
        return src
    words = np.where(exponent == 0, np.uint32(0), words)
    infinite = (words & SIGN) | INFINITY
    return floats_of(np.where(exponent == INFINITY, infinite, words))
