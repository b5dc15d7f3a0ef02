"""The bound of a matrix product on the matrix unit.

The unit multiplies parts of the significands in phases (fidelity), aligns the products of eight
neighbours along K to the largest exponent among them, and adds two such group sums at a time to
DST (tt-isa-documentation, TensixCoprocessor/MVMUL). Each of these steps has its term below; every
term holds for any order of the K elements inside one product. Products follow one another in
source order. K is padded with zeros to whole tiles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from golden.approx import CLEAN, FREE, U8, Approx, cleaned, freed, merged_jumps
from golden.contract import NumericContract
from golden.errors import GoldenError
from golden.formats import F64, TILE, find_format, power_of_two

GROUP: Final = 8
"""Products that share one exponent."""

STEP: Final = 16
"""K elements one MVMUL adds to DST: two groups."""

_PHASE_WEIGHT: Final = (1.0, 2.0**-5, 2.0**-7, 2.0**-12)
SLOP: Final = 1 + 2.0**-20
"""Covers float64 rounding in the bound's own evaluation."""
_HALF_ZERO_SLACK: Final = 2.0**-26
"""Float16 operands: a zero product counts with exponent -30 or above in the alignment, so sums
are cut to multiples of 2**-30 * 2**-10 (tt-isa-documentation, MVMUL); eight of them, two groups."""


@dataclass(frozen=True)
class Operand:
    """One operand of a product: (blocks, rows, K) or (blocks, K, columns), and its dtype."""

    data: Approx
    dtype: str


def source_bits(dtype: str, contract: NumericContract) -> tuple[int, float]:
    """Significand bits the matrix unit sees of a dtype, and the relative error of cutting to it."""
    if dtype == "float32":
        bits = find_format(contract.float32_source).bits
        return bits, 2.0 ** (1 - bits)
    return min(find_format(dtype).bits, 11), 0.0


def fidelity_loss(fidelity: str, bits0: int, bits1: int) -> float:
    """Largest relative part of a product that the phases leave out.

    in1 (SrcA) is split into its top five bits and the next five, in0 (SrcB) into its top seven and
    the last four; the phases multiply high x high, low1 x high0, high1 x low0, low1 x low0.
    """

    def dropped(kept: int, bits: int) -> float:
        lost = 2.0 ** (1 - kept) - 2.0 ** (1 - bits) if bits > kept else 0.0
        return lost / (1 + lost)

    low1, rest1, low0 = dropped(5, bits1), dropped(10, bits1), dropped(7, bits0)
    if fidelity == "LoFi":
        return 1 - (1 - low1) * (1 - low0)
    if fidelity == "HiFi2":
        return 1 - (1 - rest1) * (1 - low0)
    if fidelity == "HiFi3":
        return rest1 + low1 * low0
    return rest1


def multiply_accumulate(
    acc: Approx, in0: Operand, in1: Operand, contract: NumericContract, bounded: bool = True
) -> Approx:
    """Acc + in0 @ in1 with its bound; leading axes are blocks.

    Args:
        acc: (blocks, M, N).
        in0: (blocks, M, K).
        in1: (blocks, K, N).
        contract: precision.
        bounded: whether to derive a bound; without it only values mean anything.
    """
    a, b = in0.data.hull(), in1.data.hull()
    acc = acc.hull()
    if not bounded:
        with np.errstate(invalid="ignore", over="ignore"):
            return Approx(acc.value + np.matmul(a.value, b.value))
    if find_format(in0.dtype).is_integer and find_format(in1.dtype).is_integer:
        if contract.fidelity != "HiFi4":
            raise GoldenError(
                f"int8 products at {contract.fidelity} leave bits of their operands out",
                code="InvalidContract",
                next_step="use fidelity HiFi4",
            )
        return _whole_product(acc, a, b)
    clean_a, clean_b = cleaned(a), cleaned(b)
    product = np.matmul(clean_a.value, clean_b.value)
    exact = _exact_product(acc, replace(in0, data=a), replace(in1, data=b), contract)
    if exact is not None:
        return replace(exact, value=acc.value + product, jumped=_jumps(acc, a, b))
    bound = _bound(acc, replace(in0, data=clean_a), replace(in1, data=clean_b), contract)
    with np.errstate(invalid="ignore", over="ignore"):
        value = acc.value + product
    taint = _taint(acc, a, b)
    result = Approx(value, bound, taint, _jumps(acc, a, b)).tightened()
    limit = 2.0**126 if contract.dest != "float16" else find_format("float16").huge
    terms = a.value.shape[-1] * a.peak * b.peak
    if taint is None and acc.peak + terms < limit:
        return result
    return _infinities(result, acc, (a, b), limit)


def _whole_product(acc: Approx, a: Approx, b: Approx) -> Approx:
    """Integers accumulate exactly in 32 bits, where they saturate.

    Raises:
        GoldenError: sums of magnitudes that reach 2**31.
    """
    total = np.abs(acc.value) + np.matmul(np.abs(a.value), np.abs(b.value))
    peak = float(total.max(initial=0.0))
    if peak >= 2.0**31:
        raise GoldenError(
            f"integer sums reach {peak:g}, and the accumulator saturates at 2**31 - 1",
            code="InvalidInputs",
            next_step="use smaller integers or a shorter K",
        )
    return Approx(acc.value + np.matmul(a.value, b.value), grain=1.0, peak=peak)


def _exact_product(
    acc: Approx, in0: Operand, in1: Operand, contract: NumericContract
) -> Approx | None:
    """Acc + in0 @ in1 where no step can round, judged by grains and peaks; else None.

    The condition: integers (in units of the grains) whose exponents sum to at most 10, so that
    alignment within a group of 8 drops nothing; no more significant bits than the phases multiply;
    partial sums that DST holds.
    """
    a, b = in0.data, in1.data
    if not (a.is_exact and b.is_exact and acc.is_exact):
        return None
    if not (a.grain and b.grain and acc.grain) or any(x.taint is not None for x in (a, b, acc)):
        return None
    k = a.value.shape[-1]
    if np.inf in (a.grain, b.grain):  # a zero operand
        return replace(acc)
    grain = min(acc.grain, a.grain * b.grain)
    limit = grain * (2.0**24 if contract.fp32_dest else 2.0 ** find_format(contract.dest).bits)
    for tighten in (False, True):
        if tighten:
            a, b, acc = a.tightened(), b.tightened(), acc.tightened()
        peak = acc.peak + k * a.peak * b.peak
        if _multiplies_exactly(a, b, in0.dtype, in1.dtype, contract) and peak <= limit:
            return Approx(acc.value, grain=grain, peak=peak)
    if not _multiplies_exactly(a, b, in0.dtype, in1.dtype, contract):
        return None
    total = np.matmul(np.abs(a.value), np.abs(b.value)) + np.abs(acc.value)
    peak = float(total.max(initial=0.0))
    return Approx(acc.value, grain=grain, peak=peak) if peak <= limit else None


def _multiplies_exactly(
    a: Approx, b: Approx, dtype0: str, dtype1: str, contract: NumericContract
) -> bool:
    size0, size1 = a.peak / a.grain, b.peak / b.grain
    if not (size0 and size1):
        return True
    if np.isinf(size0) or np.isinf(size1):
        return False
    fidelity = contract.fidelity
    bits0 = min(7 if fidelity in ("LoFi", "HiFi2") else 11, source_bits(dtype0, contract)[0])
    bits1 = min(5 if fidelity == "LoFi" else 10, source_bits(dtype1, contract)[0])
    return (
        size0 < 2.0**bits0
        and size1 < 2.0**bits1
        and np.floor(np.log2(size0)) + np.floor(np.log2(size1)) <= 10
        and a.grain * b.grain >= least_grain(contract)
        and a.peak * b.peak <= 2.0**100
    )


def least_grain(contract: NumericContract) -> float:
    """Smallest unit of products whose lowest phase, 2**12 below, is in the range of DST."""
    return 2.0**-2 if contract.dest == "float16" else 2.0**-100


def _bound(acc: Approx, in0: Operand, in1: Operand, contract: NumericContract) -> F64:
    bits0, cut0 = source_bits(in0.dtype, contract)
    bits1, cut1 = source_bits(in1.dtype, contract)
    a, b = np.abs(in0.data.value), np.abs(in1.data.value)
    k = a.shape[-1]
    weight = np.matmul(a, b)
    if in0.data.bound is None and in1.data.bound is None:
        inherited: F64 | float = 0.0
        high_a, high_b, high = a, b, weight
    else:
        high_a = a if in0.data.bound is None else a + in0.data.bound
        high_b = b if in1.data.bound is None else b + in1.data.bound
        high = np.matmul(high_a, high_b)
        inherited = high - weight + high * 2.0**-48
    loss = fidelity_loss(contract.fidelity, bits0, bits1) + cut0 + cut1
    weights = sum(_PHASE_WEIGHT[: contract.phases])
    groups = np.matmul(group_powers(high_a, -1), group_powers(high_b, -2))
    steps = 2 * -(-k // TILE) * contract.phases
    largest = np.abs(acc.value) + acc.error + high
    step = step_error(contract)
    slack: F64 | float = steps * 2.0**-118
    # Of each sum its own: one row of which nothing is certain says nothing of the others.
    if tiny := _flushed(in0):
        slack = slack + tiny * high_b.sum(axis=-2, keepdims=True)
    if tiny := _flushed(in1):
        slack = slack + tiny * high_a.sum(axis=-1, keepdims=True)
    if "float16" in (in0.dtype, in1.dtype):
        slack = slack + steps * _HALF_ZERO_SLACK
    bound: F64 = acc.error + inherited + high * loss
    bound += groups * (7 * 2.0**-11 * weights)
    bound += largest * (steps * step * (1 + step) ** steps)
    if contract.dest == "float16":
        bound += vanished(high, largest, k, steps)
    bound *= SLOP
    bound += np.where(np.isfinite(slack), slack, 2.0**-100)
    if acc.taint is not None:
        bound = np.where(acc.taint == CLEAN, bound, 0.0)
    return bound


def vanished(high: F64, largest: F64, k: int, steps: int) -> F64:
    """What Float16 DST loses below 2**-14: sums of low phases, small products, small results.

    The phases after the first carry at most what LoFi leaves out, and a group whose exponent is
    too small has sixteen products of less than four times that power.
    """
    low = np.minimum(high * fidelity_loss("LoFi", 11, 11), steps * 2 * GROUP * 4 * 2.0**-14)
    first = np.minimum(high, k * 4 * 2.0**-14)
    return np.asarray(low + first + np.minimum(largest, steps * 2.0**-14))


def _flushed(operand: Operand) -> float:
    """Magnitude below which an element may count as zero, 0 where no element is so small."""
    tiny = find_format(operand.dtype).tiny
    if operand.data.grain >= tiny:
        return 0.0
    magnitude = np.abs(operand.data.value)
    small = (magnitude - operand.data.error < tiny) & (magnitude + operand.data.error > 0)
    return tiny if small.any() else 0.0


def step_error(contract: NumericContract) -> float:
    """Relative error of adding two group sums to DST.

    Three terms are aligned to half a unit each and the sum is rounded; a 16-bit DST rounds each
    term and the sum a second time.
    """
    wide = 2 * 2.0**-23
    if contract.fp32_dest:
        return wide
    bits = find_format(contract.dest).bits
    return wide + 3 * 2.0**-11 + 2.0**-bits


def group_powers(magnitude: F64, axis: int) -> F64:
    """Powers of two of the largest magnitude in each group of eight along an axis."""
    starts = np.arange(0, magnitude.shape[axis], GROUP)
    return power_of_two(np.maximum.reduceat(magnitude, starts, axis=axis))


def _jumps(acc: Approx, a: Approx, b: Approx) -> np.ndarray | None:
    parts = [] if acc.jumped is None else [acc]
    shape = acc.value.shape
    if a.jumped is not None:
        parts.append(
            Approx(acc.value, jumped=np.broadcast_to(a.jumped.any(axis=-1, keepdims=True), shape))
        )
    if b.jumped is not None:
        parts.append(
            Approx(acc.value, jumped=np.broadcast_to(b.jumped.any(axis=-2, keepdims=True), shape))
        )
    return merged_jumps(*parts)


def _taint(acc: Approx, a: Approx, b: Approx) -> U8 | None:
    """An infinite term leaves nothing sure: it may have met a zero or its opposite."""
    if a.taint is None and b.taint is None and acc.taint is None:
        return None
    terms = a.value.shape[-1] * a.peak * b.peak
    if acc.taint is not None and not terms < 2.0**100:
        acc = freed(acc)
    if a.taint is None and b.taint is None:
        return acc.taint
    shape = acc.value.shape
    touched = np.zeros(shape, np.bool_)
    if a.taint is not None:
        touched |= (a.taint != CLEAN).any(axis=-1, keepdims=True)
    if b.taint is not None:
        touched |= (b.taint != CLEAN).any(axis=-2, keepdims=True)
    taint = np.where(touched, FREE, CLEAN).astype(np.uint8)
    return taint if acc.taint is None else np.maximum(taint, acc.taint)


def _infinities(x: Approx, acc: Approx, factors: tuple[Approx, Approx], limit: float) -> Approx:
    """Sums that may have passed the largest exponent on the way: nothing is certain about them."""
    sizes = [np.abs(f.value) + f.error for f in map(cleaned, factors)]
    with np.errstate(invalid="ignore", over="ignore"):
        terms = np.matmul(*sizes)
        beyond = np.abs(acc.value) + acc.error + terms >= limit
        beyond |= np.abs(x.value) + x.error >= limit
    taint = np.zeros(x.value.shape, np.uint8) if x.taint is None else x.taint
    level = np.where((taint == CLEAN) & beyond, FREE, taint).astype(np.uint8)
    bound = np.where(level == CLEAN, x.error, 0.0)
    return replace(x, taint=level, bound=bound).tightened()
