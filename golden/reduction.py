"""Sums and extrema along an axis, and running sums, with their bounds.

A sum is a product with a tile of ones on the matrix unit, so it has the product's fidelity,
alignment and accumulation terms; an extremum selects, after float32 data were cut to TF32
(tt-isa-documentation, GAPOOL and GMPOOL). A sum of everything passes bfloat16 on its way
(measured on the functional simulator of both chips), which 1-D sources may meet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from golden.approx import CLEAN, FREE, INFINITE, U8, Approx, Bools, cleaned
from golden.arithmetic import ABSORBS, Arithmetic
from golden.cuts import pooled
from golden.errors import GoldenError
from golden.formats import F64, find_format
from golden.functions import Functions
from golden.matmul import (
    SLOP,
    STEP,
    fidelity_loss,
    group_powers,
    least_grain,
    source_bits,
    step_error,
    vanished,
)

EXTREMA: Final = ("max", "min", "absmax", "absmin")
KINDS: Final = ("sum", "abssum", *EXTREMA)
_WEIGHTS: Final = 1 + 2.0**-5 + 2.0**-7 + 2.0**-12


@dataclass(frozen=True)
class Reducer:
    """Reductions under a contract."""

    arithmetic: Arithmetic

    @property
    def functions(self) -> Functions:
        """Extrema of two operands."""
        return Functions(self.arithmetic)

    def reduce(self, kind: str, x: Approx, axis: int, dtype: str, old: Approx | None) -> Approx:
        """X (blocks, …) reduced along ``axis``, which stays with size 1, onto ``old`` if given.

        Of several planes (blocks, planes, rows, columns) each gives a line of its own, which is
        repeated on its way to its row; along the planes they are joined one by one.

        Raises:
            GoldenError: an unknown kind.
        """
        if kind not in KINDS:
            raise GoldenError(f"no reduction {kind!r}", next_step=f"one of {KINDS}")
        x = x.hull()
        if kind.startswith("abs"):
            x = self.functions.absolute(x)
        if kind in ("sum", "abssum"):
            total = self._placed(self.sum(x, axis, dtype), x, axis)
            return total if old is None else self.arithmetic.add(old, total, "float32")
        largest = kind.endswith("max")
        top = self._placed(self.extremum(x, axis, dtype, largest=largest), x, axis)
        if old is None:
            return top
        pick = self.functions.maximum if largest else self.functions.minimum
        return pick(self._cut(old, dtype), top, dtype)

    def _placed(self, result: Approx, x: Approx, axis: int) -> Approx:
        """A result in the row it belongs to, where there are several planes."""
        moved = axis > 1 and _planes(x) > 1 and self.arithmetic.bounded
        return self.arithmetic.operand(result, "float32", broadcast=True) if moved else result

    def _cut(self, x: Approx, dtype: str) -> Approx:
        """Data as the matrix unit sees them: float16 passes Src a second time, as bfloat16."""
        if not self.arithmetic.bounded:
            return x
        if dtype == "float16":
            return self.arithmetic.narrowed(x)
        return self.arithmetic.operand(x, dtype, broadcast=True)

    def extremum(self, x: Approx, axis: int, dtype: str, *, largest: bool) -> Approx:
        """The largest or smallest element along an axis."""
        whole = x
        x = self._cut(x, dtype)
        pick = np.max if largest else np.min
        with np.errstate(invalid="ignore"):
            value = pick(x.value, axis=axis, keepdims=True)
            bound = None
            if x.bound is not None:
                low = pick(x.value - x.bound, axis=axis, keepdims=True)
                high = pick(x.value + x.bound, axis=axis, keepdims=True)
                bound = np.maximum(high - value, value - low)
        taint: U8 | None = None
        if x.taint is not None:
            free = ((x.taint == FREE) | np.isnan(x.value)).any(axis=axis, keepdims=True)
            taint = np.where(free, FREE, np.where(np.isinf(value), INFINITE, CLEAN))
            taint = taint.astype(np.uint8)
            value = np.where(free, 0.0, value)
            bound = None if bound is None else np.where(taint == CLEAN, bound, 0.0)
        made = Approx(value, bound, taint, _any(x, axis), grain=x.grain, peak=x.peak)
        known = self.arithmetic.bounded and self.arithmetic.contract.fp32_dest
        return pooled(made, whole, axis, largest=largest) if known else made

    def sum(self, x: Approx, axis: int, dtype: str) -> Approx:
        """The sum along an axis."""
        if not self.arithmetic.bounded:
            return Approx(x.value.sum(axis=axis, keepdims=True))
        clean, contract = cleaned(x), self.arithmetic.contract
        count = x.value.shape[axis]
        value = clean.value.sum(axis=axis, keepdims=True)
        whole = x.value.ndim == 2
        if x.taint is None and self._sums_exactly(x, count, dtype, whole):
            return Approx(value, jumped=_any(x, axis), grain=x.grain, peak=x.peak * count)
        high = np.abs(clean.value) + clean.error
        weight = high.sum(axis=axis, keepdims=True)
        groups = group_powers(high, axis).sum(axis=axis, keepdims=True)
        error = _inherited(clean, axis) + self._sum_error(weight, groups, count, dtype, whole)
        if axis == 1:  # planes, in pairs
            steps = math.ceil(math.log2(_planes(x)))
            error = error + weight * (steps * 2.0 ** (-22 if contract.fp32_dest else -7))
        taint = _sum_taint(x, axis, weight)
        value = _with_infinities(value, x, axis, taint)
        if taint is not None:
            error = np.where(taint == CLEAN, error, 0.0)
        return self.arithmetic.result(
            Approx(value, error, taint, _any(x, axis)).tightened(), "float32"
        )

    def cumsum(self, x: Approx, axis: int, dtype: str, *, reverse: bool) -> Approx:
        """Running sums along an axis, from the end if ``reverse``."""
        x = x.hull()

        def run(array: F64) -> F64:
            if reverse:
                return np.flip(np.flip(array, axis).cumsum(axis=axis), axis)
            return array.cumsum(axis=axis)

        if not self.arithmetic.bounded:
            return Approx(run(x.value))
        clean = cleaned(x)
        value, count = run(clean.value), x.value.shape[axis]
        if x.taint is None and self._sums_exactly(x, count, dtype, whole=False):
            jumped = None if x.jumped is None else run(x.jumped.astype(np.float64)) > 0
            return Approx(value, jumped=jumped, grain=x.grain, peak=x.peak * count)
        weight = run(np.abs(clean.value) + clean.error)
        error = self._sum_error(weight, weight, count, dtype, whole=False)
        if clean.bound is not None:
            error = error + run(clean.bound)
        taint: U8 | None = None
        if x.taint is not None:
            # A product with zeros for what is not summed: an infinity makes its whole line NaN.
            touched = (x.taint != CLEAN).any(axis=axis, keepdims=True)
            touched = np.broadcast_to(touched, value.shape)
            taint = np.where(touched, FREE, CLEAN).astype(np.uint8)
            error = np.where(touched, 0.0, error)
        jumped = None if x.jumped is None else run(x.jumped.astype(np.float64)) > 0
        return self.arithmetic.result(Approx(value, error, taint, jumped).tightened(), "float32")

    def _sums_exactly(self, x: Approx, count: int, dtype: str, whole: bool) -> bool:
        """Whether no step of a sum can round, judged by grain and peak."""
        if not x.is_exact or not x.grain:
            return False
        if x.grain == np.inf:
            return True
        contract = self.arithmetic.contract
        bits = min(source_bits(dtype, contract)[0], 10)
        bits = min(bits, {"LoFi": 5, "HiFi2": 7}.get(contract.fidelity, 10))
        limit = 2.0 ** (24 if contract.fp32_dest else find_format(contract.dest).bits)
        if whole:
            limit = 2.0**8
        size = x.peak / x.grain
        return size < 2.0**bits and size * count <= limit and x.grain >= least_grain(contract)

    def _sum_error(self, weight: F64, groups: F64, count: int, dtype: str, whole: bool) -> F64:
        contract = self.arithmetic.contract
        bits, cut = source_bits(dtype, contract)
        loss = cut + max(
            fidelity_loss(contract.fidelity, 1, bits), fidelity_loss(contract.fidelity, bits, 1)
        )
        if whole:
            loss += 2.0**-7
        steps = 2 * contract.phases * -(-count // STEP)
        step = step_error(contract)
        error: F64 = weight * (loss + steps * step * (1 + step) ** steps)
        error = error + groups * (7 * 2.0**-11 * _WEIGHTS)
        if contract.dest == "float16":
            error = error + vanished(weight, weight, count, steps)
        return error * SLOP + (weight > 0) * (steps * 2.0**-118)


def _planes(x: Approx) -> int:
    """Planes of a block of three dimensions; 1 of others."""
    return x.value.shape[1] if x.value.ndim == 4 else 1


def _any(x: Approx, axis: int) -> Bools | None:
    return None if x.jumped is None else np.asarray(x.jumped.any(axis=axis, keepdims=True))


def _inherited(x: Approx, axis: int) -> F64 | float:
    return 0.0 if x.bound is None else x.bound.sum(axis=axis, keepdims=True)


def _sum_taint(x: Approx, axis: int, weight: F64) -> U8 | None:
    """Infinite where infinities of one sign meet finite terms that cannot move them."""
    taint = None
    if x.taint is not None:
        bad = (x.taint == FREE) | ((x.taint == INFINITE) & np.isnan(x.value))
        positive = ((x.taint == INFINITE) & (x.value > 0)).any(axis=axis, keepdims=True)
        negative = ((x.taint == INFINITE) & (x.value < 0)).any(axis=axis, keepdims=True)
        free = bad.any(axis=axis, keepdims=True) | (positive & negative)
        free |= (positive | negative) & (weight > ABSORBS)
        taint = np.where(free, FREE, np.where(positive | negative, INFINITE, CLEAN))
        taint = taint.astype(np.uint8)
    beyond = weight >= 2.0**126
    if beyond.any():
        taint = np.where(beyond, FREE, CLEAN if taint is None else taint).astype(np.uint8)
    return taint


def _with_infinities(value: F64, x: Approx, axis: int, taint: U8 | None) -> F64:
    if taint is None or x.taint is None:
        return value
    negative = (x.value == -np.inf).any(axis=axis, keepdims=True)
    return np.where(taint == INFINITE, np.where(negative, -np.inf, np.inf), value)
