"""The matrix unit one datum at a time, in Python integers: slow, and easy to read against the text.

Numbers are (sign, exponent, significand) with value significand * 2**(exponent - bias - 23); the
fast code does the same with floating-point grids, so the two share no step.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from simulator.formats.bits import Floats
from simulator.numerics.modes import Dest, Mode


@dataclass(frozen=True)
class Width:
    """Exponent handling of a pair of source and DST formats."""

    product_bias: int
    zero_exponent: int
    dropped: int
    smallest: int
    largest: int


def width_of(mode: Mode) -> Width:
    """Exponents are kept with bias 127 throughout; Float16 limits are translated to it."""
    if mode.dest is Dest.FP16:
        return Width(-127, 0, 13, 112, 143)
    zero = 97 if mode.half_src and mode.dest.is_fp32 else 0
    return Width(-127, zero, 0 if mode.dest.is_fp32 else 16, 0, 255)


def matmul(acc: Floats, in0: Floats, in1: Floats, mode: Mode) -> Floats:
    """Add in0 @ in1 to acc, with K a multiple of 16, all two-dimensional."""
    out = np.array(acc, np.float32).view(np.uint32)
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            value = int(out[row, column])
            for phase in range(mode.fidelity.phases):
                for start in range(0, in0.shape[1], 16):
                    pairs = list(
                        zip(
                            in1[start : start + 16, column],
                            in0[row, start : start + 16],
                            strict=True,
                        )
                    )
                    groups = [_group(pairs[:8], phase, mode), _group(pairs[8:], phase, mode)]
                    value = _add(value, groups, mode)
            out[row, column] = value
    return out.view(np.float32)


def multiply(acc: Floats, in0: Floats, in1: Floats, mode: Mode) -> Floats:
    """Add in0 * in1 to acc, flat arrays; in0 is in SrcA."""
    out = np.array(acc, np.float32).view(np.uint32)
    for index, (a, b) in enumerate(zip(in0, in1, strict=True)):
        value = int(out[index])
        for phase in range(mode.fidelity.phases):
            value = _add(value, [_group([(a, b)], phase, mode, single=True)], mode)
        out[index] = value
    return out.view(np.float32)


def add(acc: Floats, in0: Floats, in1: Floats, mode: Mode) -> Floats:
    """Add in0 + in1 to acc, flat arrays."""
    out = np.array(acc, np.float32).view(np.uint32)
    for index, pair in enumerate(zip(in0, in1, strict=True)):
        out[index] = _add(int(out[index]), [_sum(*pair, mode)], mode)
    return out.view(np.float32)


def _sum(a: np.float32, b: np.float32, mode: Mode) -> tuple[int, int]:
    """Sum of two Src datums in units of 2**-10, and the exponent of the larger."""
    parts = sorted((_parts(a), _parts(b)), key=lambda p: p[1:], reverse=True)
    (sign, exponent, significand), (sign_b, exp_b, man_b) = parts
    if significand == 0:
        return 0, width_of(mode).zero_exponent
    aligned = _half_away(Fraction(man_b, 2 ** (exponent - exp_b)))
    return (-1) ** sign * significand + (-1) ** sign_b * aligned, exponent


def _parts(value: np.float32) -> tuple[int, int, int]:
    """Sign, biased exponent and 11-bit significand; zero and denormals have exponent 0."""
    word = int(value.view(np.uint32))
    exponent = word >> 23 & 255
    return word >> 31, exponent, (word >> 13 & 1023 | 1024) if exponent else 0


def _group(
    pairs: list[tuple[np.float32, np.float32]], phase: int, mode: Mode, *, single: bool = False
) -> tuple[int, int]:
    """Signed sum of products in units of 2**-10, and its exponent.

    A ``single`` product that vanishes still takes part in the alignment like a zero operand.
    """
    width = width_of(mode)
    weight = -(5 * (phase & 1) + 7 * (phase >> 1))
    products = []
    for a, b in pairs:
        sign_a, exp_a, man_a = _parts(a)
        sign_b, exp_b, man_b = _parts(b)
        if man_a == 0 or man_b == 0:
            products.append((max(width.zero_exponent + weight, 0), 0))
            continue
        man_a = man_a >> 1 & 31 if phase & 1 else man_a >> 6
        man_b = (man_b & 15) << 3 if phase & 2 else man_b >> 4
        exponent = exp_a + exp_b + width.product_bias + weight
        products.append((exponent, man_a * man_b * (-1 if sign_a ^ sign_b else 1)))
    top = max(exponent for exponent, _ in products)
    if top <= width.smallest:
        return 0, max(width.zero_exponent + weight, 0) if single else 0
    return sum(_half_away(Fraction(m, 2 ** (top - e))) for e, m in products), top


def _half_away(value: Fraction) -> int:
    magnitude = (2 * abs(value) + 1) // 2
    return int(magnitude) if value >= 0 else -int(magnitude)


def _half_up(value: Fraction) -> int:
    return int((2 * value + 1) // 2)


def _add(word: int, groups: list[tuple[int, int]], mode: Mode) -> int:
    """DST pattern after adding group sums to the pattern ``word``."""
    exponent = word >> 23 & 255
    significand = (word & 0x7FFFFF | 0x800000) if exponent else 0
    signed = -significand if word >> 31 else significand
    top = max(exponent, *(e for _, e in groups))
    if top <= 0:
        return 0
    terms = [_half_away(Fraction(signed, 2 ** (top - exponent)))]
    terms += [_half_up(Fraction(count * 8192, 2 ** (top - e))) for count, e in groups]
    if not mode.dest.is_fp32:
        terms = [_half_away(Fraction(terms[0], 8192)) * 8192] + [
            _half_up(Fraction(term, 8192)) * 8192 for term in terms[1:]
        ]
    return _encode(sum(terms), top, mode)


def _encode(total: int, exponent: int, mode: Mode) -> int:
    width = width_of(mode)
    if total == 0:
        return 0
    magnitude = abs(total)
    shift = 24 - magnitude.bit_length()
    if total == -1 and mode.has_erratum:
        shift -= 27
    exponent -= shift
    keep = Fraction(magnitude) * Fraction(2) ** (shift - width.dropped)
    significand = _half_away(keep) << width.dropped
    if significand >> 24:
        exponent += 1
    significand &= 0x7FFFFF
    sign = 1 << 31 if total < 0 else 0
    if exponent <= width.smallest:
        return 0
    if exponent >= width.largest + (mode.dest is Dest.FP16):
        top = 255 << 23 if mode.dest is not Dest.FP16 else 143 << 23 | 0x7FE000
        return sign | top
    return sign | exponent << 23 | significand


def patterns(rng: np.random.Generator, shape: tuple[int, ...], spread: int) -> Floats:
    """Random TF32 patterns around 1, some zero, with exponents over +-``spread``."""
    exponents = rng.integers(max(127 - spread, 0), min(127 + spread, 255) + 1, shape)
    words = (exponents << 23) | (rng.integers(0, 1024, shape) << 13)
    words |= rng.integers(0, 2, shape) << 31
    words[rng.random(shape) < 0.1] &= 1 << 31
    return words.astype(np.uint32).view(np.float32)
