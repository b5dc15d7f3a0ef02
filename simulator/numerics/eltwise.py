"""Elementwise add, subtract and multiply on the matrix unit, bit for bit.

in0 goes to SrcA, in1 to SrcB. Addition aligns 11-bit significands, rounding the smaller half away
from zero; multiplication runs the fidelity phases one after another onto DST
(tt-isa-documentation, TensixCoprocessor/ELWADD and ELWMUL; measured: tests/vectors/eltwise.npz).
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from simulator.formats.bits import SIGN, Floats, Words, words_of
from simulator.numerics.accumulate import Terms, accumulate
from simulator.numerics.extended import Doubles, exponent_of, extend, extend_words, narrow
from simulator.numerics.modes import Dest, Mode
from simulator.numerics.products import HALF_ZERO, PHASE_EXPONENTS, high_low_a, high_low_b

_SHIFTER = 1.5 * 2.0**52
_AWAY = 1 + 2.0**-12
_TF32 = np.uint32(0xFFFFE000)


def add_exact(in0: Floats, in1: Floats, mode: Mode, acc: Floats | None = None) -> Floats:
    """in0 + in1 (+ acc) of equal shapes, rounded as the matrix unit rounds them."""
    left = extend_words(words_of(in0) & _TF32)
    right = extend_words(words_of(in1) & _TF32)
    swap = np.abs(left) < np.abs(right)
    larger, smaller = np.where(swap, right, left), np.where(swap, left, right)
    scale = exponent_of(larger)
    shifter = scale * (2.0**-10 * _SHIFTER)
    smaller *= _AWAY
    smaller += shifter
    smaller -= shifter
    term = Terms(larger + smaller, _with_half_zero(scale, mode, 0))
    dst = np.zeros_like(larger) if acc is None else extend(acc)
    return narrow(accumulate(dst, [term], mode))


def sub_exact(in0: Floats, in1: Floats, mode: Mode, acc: Floats | None = None) -> Floats:
    """in0 - in1 (+ acc): an addition with the sign of in1 inverted."""
    return add_exact(in0, (words_of(in1) ^ SIGN).view(np.float32), mode, acc)


def mul_exact(in0: Floats, in1: Floats, mode: Mode, acc: Floats | None = None) -> Floats:
    """in0 * in1 + acc, phase after phase; the hardware always adds to DST."""
    words0, words1 = words_of(in0), words_of(in1)
    scale = _product_scale(words0, words1)
    parts0, parts1 = high_low_a(words0), high_low_b(words1)
    dst = np.zeros(scale.shape) if acc is None else extend(acc)
    for phase in range(mode.fidelity.phases):
        weight = 2.0 ** PHASE_EXPONENTS[phase]
        scales = scale * weight
        kept = scales >= _least_scale(mode.dest)
        scales *= kept
        values = parts0[phase & 1] * parts1[phase >> 1] * kept
        term = Terms(values, _with_half_zero(scales, mode, PHASE_EXPONENTS[phase]))
        dst = accumulate(dst, [term], mode)
    return narrow(dst)


def _product_scale(words0: Words, words1: Words) -> Doubles:
    return exponent_of(extend_words(words0)) * exponent_of(extend_words(words1))


def _least_scale(dest: Dest) -> float:
    """Products whose exponent is not above zero in the format of the multiplier vanish."""
    return 2.0**-14 if dest is Dest.FP16 else 2.0**-126


def _with_half_zero(scales: Doubles, mode: Mode, weight: int) -> Doubles:
    if mode.half_src and mode.dest.is_fp32:
        return np.where(scales == 0, 2.0 ** (HALF_ZERO + weight), scales)
    return scales


ELTWISE: MappingProxyType[str, Callable[[Floats, Floats, Mode, Floats | None], Floats]] = (
    MappingProxyType({"add": add_exact, "sub": sub_exact, "mul": mul_exact})
)
"""Elementwise ops by name."""
