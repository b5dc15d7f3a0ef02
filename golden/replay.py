"""Bit-exact replay of a plain product: the matrix unit once more, in integers.

A second implementation of the published algorithm (tt-isa-documentation, TensixCoprocessor/MVMUL;
order of phases from tt-llk llk_math_matmul.h), slow and direct, against which a machine's bits are
compared. Where plan, machine and replay agree on K order, accumulator and pack point, any differing
bit is a mistake in one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from golden.approx import exact
from golden.contract import NumericContract
from golden.formats import F64, TILE, find_format, round_even
from golden.matmul import GROUP, STEP, source_bits
from golden.products import find_product
from golden.result import GoldenResult, TensorResult
from golden.source import read_kernel

Ints = npt.NDArray[np.int64]

_PHASE_EXPONENT: Final = (0, -5, -7, -12)
_NOTHING: Final = -4000
"""Exponent of a product with a zero factor."""
_HUGE: Final = 2.0**128
_TINY: Final = 2.0**-126
_FAR: Final = 60
"""Shifts beyond this leave nothing of any operand."""


def replay(
    func: Any, inputs: Mapping[str, npt.NDArray[Any]], contract: NumericContract
) -> GoldenResult | None:
    """The bits a plain product must have, or None where the kernel is not one.

    None also for float16, whose multiplier aligns zeros by another rule. The Wormhole erratum of
    HiFi4 with 32-bit DST is not replayed.
    """
    product = find_product(func)
    kernel = read_kernel(func)
    types = {t.name: t.dtype for t in kernel.tensors}
    if product is None or {types[n] for n in (product.a, product.b)} - {"bfloat16", "float32"}:
        return None
    if types[product.c] not in ("bfloat16", "float32") or contract.dest == "float16":
        return None
    if product.k_block % TILE:
        return None
    a, b = (_operand(inputs[n], types[n], contract) for n in (product.a, product.b))
    a = a.swapaxes(-1, -2) if product.trans_a else a
    b = b.swapaxes(-1, -2) if product.trans_b else b
    lead = a.shape[:-2]
    pairs = zip(a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:]), strict=True)
    planes = [product_bits(x, y, contract) for x, y in pairs]
    result = np.stack(planes).reshape(*lead, a.shape[-2], b.shape[-1])
    packed = _packed(result, types[product.c])
    written = np.ones(packed.shape, np.bool_)
    output = TensorResult(product.c, types[product.c], exact(packed), written)
    return GoldenResult({product.c: output}, contract, bounded=True)


def _operand(array: npt.NDArray[Any], dtype: str, contract: NumericContract) -> F64:
    """Values in the multiplier: float32 is cut towards zero, denormals are zero."""
    values = round_even(np.asarray(array), dtype)
    bits, _ = source_bits(dtype, contract)
    fraction, exponent = np.frexp(values)
    cut = np.ldexp(np.trunc(fraction * 2.0**bits), exponent - bits)
    flushed: F64 = np.where(np.abs(cut) < _TINY, 0.0, cut)
    return flushed


def product_bits(a: F64, b: F64, contract: NumericContract) -> F64:
    """A (M, K) times B (K, N) as DST holds it after the last K tile."""
    pad = -a.shape[1] % TILE
    a, b = np.pad(a, ((0, 0), (0, pad))), np.pad(b, ((0, pad), (0, 0)))
    dst = np.zeros((a.shape[0], b.shape[1]))
    for tile in range(0, a.shape[1], TILE):
        for phase in range(contract.phases):
            for face in range(tile, tile + TILE, STEP):
                part = slice(face, face + STEP)
                dst = _step(dst, a[:, part], b[part], phase, contract)
    return dst


def _significand(values: F64) -> tuple[Ints, Ints]:
    """11-bit significands and unbiased exponents."""
    fraction, exponent = np.frexp(np.abs(values))
    significand = np.trunc(fraction * 2.0**11).astype(np.int64)
    return significand, np.where(significand == 0, _NOTHING, exponent - 1).astype(np.int64)


def _step(dst: F64, a: F64, b: F64, phase: int, contract: NumericContract) -> F64:
    """One MVMUL: two groups of eight products onto DST."""
    sig_a, exp_a = _significand(a)
    sig_b, exp_b = _significand(b)
    part_a = sig_a >> 4 if phase < 2 else (sig_a & 15) << 3
    part_b = sig_b >> 6 if phase % 2 == 0 else (sig_b >> 1) & 31
    sums, exponents = [], []
    for first in range(0, STEP, GROUP):
        group = slice(first, first + GROUP)
        magnitude = part_a[:, group, None] * part_b[None, group]
        exponent = np.maximum(exp_a[:, group, None] + exp_b[None, group], _NOTHING)
        top = exponent.max(axis=1)
        aligned = _half_up(magnitude, top[:, None] - exponent)
        sign = np.sign(a[:, group, None]) * np.sign(b[None, group])
        total = (aligned * sign.astype(np.int64)).sum(axis=1)
        scale = top + _PHASE_EXPONENT[phase]
        alive = scale > -127
        sums.append(np.where(alive, total << 13, 0))
        exponents.append(np.where(alive, scale, _NOTHING))
    return _accumulate(dst, sums, exponents, contract)


def _half_up(values: Ints, shift: Ints) -> Ints:
    """Values over 2**shift, rounded half towards plus infinity."""
    shift = np.clip(shift, 0, _FAR)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
    return (values + half) >> shift


def _half_away(values: Ints, shift: Ints) -> Ints:
    return np.sign(values) * _half_up(np.abs(values), shift)


def _accumulate(
    dst: F64, sums: list[Ints], exponents: list[Ints], contract: NumericContract
) -> F64:
    fraction, exponent = np.frexp(dst)
    own = np.trunc(fraction * 2.0**24).astype(np.int64)
    own_exponent = np.where(own == 0, _NOTHING, exponent - 1)
    top = np.maximum(own_exponent, np.maximum(*exponents))
    terms = [_half_away(own, top - own_exponent)]
    terms += [_half_up(s, top - e) for s, e in zip(sums, exponents, strict=True)]
    if not contract.fp32_dest:
        drop = np.full(own.shape, 13)
        terms = [_half_away(terms[0], drop), *(_half_up(t, drop) for t in terms[1:])]
        terms = [t << 13 for t in terms]
    total = sum(terms[1:], terms[0])
    bits = find_format(contract.dest).bits
    _, length = np.frexp(np.abs(total).astype(np.float64))
    drop = np.maximum(length - bits, 0).astype(np.int64)
    rounded = _half_away(total, drop)
    result = np.ldexp(rounded.astype(np.float64), (drop + top - 23).astype(np.int32))
    result = np.where(np.abs(result) < _TINY, 0.0, result)
    limited: F64 = np.where(np.abs(result) >= _HUGE, np.copysign(_HUGE, result), result)
    return limited


def _packed(values: F64, dtype: str) -> F64:
    """The packer: nearest, ties away from zero; what reached 2**128 is infinite."""
    bits = find_format(dtype).bits
    fraction, exponent = np.frexp(values)
    scaled = fraction * 2.0**bits
    nearest = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled)
    packed = np.ldexp(nearest, exponent - bits)
    limited: F64 = np.where(np.abs(packed) >= _HUGE, np.copysign(np.inf, packed), packed)
    return limited
