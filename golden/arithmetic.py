"""Addition, multiplication and rounding as the device may do them, with their bounds.

Work typed float32 runs on the vector unit in float32, except that an operand repeated along an
axis (a broadcast) or transposed passes the matrix unit and is cut to TF32, and that two operands
kept in buffers of one 16-bit type may meet on the matrix unit even where the source widens them
first. Work typed bfloat16 or float16 may run on either unit and may be rounded to its type. A
16-bit DST rounds every result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from golden.approx import (
    CLEAN,
    FREE,
    INFINITE,
    U8,
    Approx,
    Bools,
    exact,
    merged_jumps,
    merged_taint,
    one_branch,
    paired,
    rounded,
)
from golden.blocks import BLOCK_FORMATS
from golden.contract import NumericContract
from golden.cuts import scaled, turned
from golden.formats import F64, find_format, power_of_two
from golden.matmul import fidelity_loss, least_grain, step_error

_SINGLE: Final = find_format("float32")
_VECTOR_STEPS: Final = 2.0
"""The vector unit's adder keeps only part of the sticky bits: one unit in the last place instead of
half (tt-isa-documentation, VectorUnit)."""
_ALIGN: Final = 2.0**-11
"""ELWADD rounds the smaller operand to 10 bits below the larger one's exponent."""
_HELD: Final = MappingProxyType({
    "float32": ("bfloat16", "float16", "float32", *BLOCK_FORMATS),
    "bfloat16": BLOCK_FORMATS,
})  # fmt: skip
"""Types whose every value another type holds."""
_LEAST_FACTOR: Final = 2.0**-20
"""Infinity times less than this may be an ordinary number on the matrix unit; times more it is
beyond ``golden.approx.BEYOND`` at least, and behaves like infinity."""
_LOST: Final = 2.0**144
"""A product this large, infinity counting as 2**128 or more: the first fidelity phase leaves DST
infinite, which is 2**128 to the next, aligned to an exponent so far above it that it may round to
zero (measured: eltwise.npz, where infinity times 1e38 is zero at HiFi4)."""
ABSORBS: Final = 2.0**100
"""Infinity is 2**128 to the matrix unit: finite terms below this leave it infinite."""


@dataclass(frozen=True)
class Arithmetic:
    """Elementwise arithmetic under a contract; without ``bounded`` only values mean anything."""

    contract: NumericContract
    bounded: bool

    def literal(self, value: float, dtype: str) -> Approx:
        """A number written in the source: the compiler may keep it or round it to its type."""
        x = exact(np.asarray(value, np.float64))
        fmt = find_format(dtype)
        if not np.isfinite(value) or fmt.is_integer or not self.bounded:
            return x
        if not self.contract.fp32_dest:
            fmt = find_format(self.contract.dest)  # a fill cuts to the width of DST
            return rounded(x, fmt.bits, fmt.tiny, fmt.huge, 2.0)
        return rounded(x, fmt.bits, fmt.tiny, fmt.huge)

    def stored(self, x: Approx, dtype: str, source: str) -> Approx:
        """x, of type ``source``, put into a buffer of type ``dtype``."""
        if not self.bounded:
            return x
        fmt = find_format(dtype)
        if fmt.is_integer:
            return x if dtype == source else self.to_integer(x)
        if not self.contract.fp32_dest and (dtype != source or dtype != self.contract.dest):
            x = self.narrowed(x)
        if dtype == source:
            return x
        if source in _HELD.get(dtype, ()):
            return x
        # The packer rounds to nearest, but cuts to float16 on Wormhole, and from a 16-bit register.
        cut = dtype == "float16" and self.contract.family != "blackhole"
        steps = 2.0 if cut or not self.contract.fp32_dest else 1.0
        return rounded(x, fmt.bits, fmt.tiny, fmt.huge, steps)

    def narrowed(self, x: Approx) -> Approx:
        """What a 16-bit DST leaves: cut to bfloat16, as float32 is, and within float16 range."""
        dest = find_format(self.contract.dest)
        bits = min(dest.bits, find_format("bfloat16").bits)
        return self._after(rounded(x, bits, dest.tiny, dest.huge, 2.0), x)

    def to_integer(self, x: Approx) -> Approx:
        """Cut towards zero; where the interval holds a whole number, either side."""
        if x.value2 is not None:
            return paired(*(self.to_integer(one_branch(x, second=n)) for n in (False, True)))
        value = np.trunc(x.value)
        if x.is_exact or not self.bounded:
            return replace(x, value=value, grain=1.0)
        low, high = np.trunc(x.value - x.error), np.trunc(x.value + x.error)
        return interval_choice(x, low, high)

    def result(self, x: Approx, dtype: str) -> Approx:
        """A result as DST and, for 16-bit types, perhaps a buffer of its type hold it."""
        fmt = find_format(dtype)
        if fmt.is_integer:
            return x
        dest = find_format(self.contract.dest)
        if not self.contract.fp32_dest:
            x = self.narrowed(x)
        else:
            x = rounded(x, _SINGLE.bits, _SINGLE.tiny, _SINGLE.huge, _VECTOR_STEPS)
        if dtype in ("float32", dest.name) and (self.contract.fp32_dest or dest.bits <= fmt.bits):
            return x
        steps = 2.0 if dtype == "float16" or not self.contract.fp32_dest else 1.0
        return rounded(x, fmt.bits, fmt.tiny, fmt.huge, steps)

    def operand(self, x: Approx, dtype: str, broadcast: bool) -> Approx:
        """An operand as the unit that will use it sees it."""
        if find_format(dtype).is_integer:  # in float32, and repeated without loss
            return rounded(x, _SINGLE.bits, _SINGLE.tiny, _SINGLE.huge) if self.bounded else x
        if dtype != "float32":
            return x
        if not self.contract.fp32_dest:
            return self.narrowed(x)
        if broadcast:  # cut, which makes no infinity of what float32 holds
            fmt = find_format(self.contract.float32_source)
            return self._after(rounded(x, fmt.bits, fmt.tiny, _SINGLE.huge, 2.0), x)
        return x

    def _after(self, made: Approx, x: Approx) -> Approx:
        """X once cut: a second cut tells no more of it than the first one."""
        return made if x.cut is None or not self.contract.fp32_dest else replace(made, cut=x.cut)

    def picked(self, x: Approx) -> Approx:
        """An operand taken out of a block, as the largest where all else is minus infinity.

        A maximum orders a NaN by its sign.
        """
        x = x if self.contract.fp32_dest else self.narrowed(x)
        return _freed(x, np.isnan(x.value))

    def add(
        self, x: Approx, y: Approx, dtype: str, broadcast: bool = False, stored: str = ""
    ) -> Approx:
        """X + y computed as ``dtype``; ``stored`` is the 16-bit type both operands are kept in."""
        if x.value2 is not None or y.value2 is not None:
            return two_sided(lambda a, b: self.add(a, b, dtype, broadcast, stored), x, y)
        if not self.bounded:
            with np.errstate(invalid="ignore", over="ignore"):
                return Approx(x.value + y.value)
        x, y = self.operand(x, dtype, broadcast), self.operand(y, dtype, broadcast)
        taint = _sum_taint(x, y)
        with np.errstate(invalid="ignore", over="ignore"):
            value = x.value + y.value
            grain = min(x.grain, y.grain) if x.is_exact and y.is_exact else 0.0
            error: F64 | None = None
            if not (x.is_exact and y.is_exact):
                error = _both(x.error, y.error, value)
            aligned = self._on_matrix(dtype, broadcast, stored)
            if aligned and not (grain and max(x.peak, y.peak) < grain * 2.0**11):
                error = self._align(x, y, error, value)
        result = self.result(_made(value, error, taint, grain, x.peak + y.peak, x, y), dtype)
        return turned(result, x, y) if self.contract.fp32_dest and not aligned else result

    def _align(self, x: Approx, y: Approx, error: F64 | None, value: F64) -> F64:
        top = np.maximum(np.abs(x.value) + x.error, np.abs(y.value) + y.error)
        unit = power_of_two(np.asarray(np.where(np.isfinite(top), top, 0.0)))
        terms = 1 if self.contract.fp32_dest else 3
        inexact = (x.value != 0) & (y.value != 0) | (np.asarray(x.error + y.error) != 0)
        added = unit * (terms * _ALIGN + 2.0**-21) * inexact
        return _both(0.0 if error is None else error, added, value)

    def _on_matrix(self, dtype: str, broadcast: bool, stored: str) -> bool:
        """Whether the matrix unit may compute this."""
        wide = dtype == "float32" and self.contract.fp32_dest
        return not wide or broadcast or bool(stored)

    def sub(
        self, x: Approx, y: Approx, dtype: str, broadcast: bool = False, stored: str = ""
    ) -> Approx:
        """X - y computed as ``dtype``; ``stored`` as in :meth:`add`."""
        return self.add(x, self.neg(y), dtype, broadcast, stored)

    def neg(self, x: Approx) -> Approx:
        """-x, exactly."""
        return replace(x, value=-x.value, value2=None if x.value2 is None else -x.value2)

    def mul(
        self, x: Approx, y: Approx, dtype: str, broadcast: bool = False, stored: str = ""
    ) -> Approx:
        """X * y computed as ``dtype``; ``stored`` as in :meth:`add`."""
        if x.value2 is not None or y.value2 is not None:
            return two_sided(lambda a, b: self.mul(a, b, dtype, broadcast, stored), x, y)
        if not self.bounded:
            with np.errstate(invalid="ignore", over="ignore"):
                return Approx(x.value * y.value)
        x, y = self.operand(x, dtype, broadcast), self.operand(y, dtype, broadcast)
        with np.errstate(invalid="ignore", over="ignore"):
            value = x.value * y.value
            exactly = x.is_exact and y.is_exact
            grain = x.grain * y.grain if exactly else 0.0
            grain = grain if np.isfinite(grain) else min(x.grain, y.grain)
            error: F64 | None = None
            if not exactly:
                error = np.abs(x.value) * y.error + (np.abs(y.value) + y.error) * x.error
            on_matrix = self._on_matrix(dtype, broadcast, stored)
            if on_matrix and not (exactly and self._multiplies_exactly(x, y, stored or dtype)):
                loss = self._loss(stored or dtype)
                high = np.abs(value) + (0.0 if error is None else error)
                dest = find_format(self.contract.dest)
                step = step_error(self.contract) * self.contract.phases
                # Phases whose exponent falls below the normal range vanish.
                added = high * (loss + step) + (high > 0) * (16 * dest.tiny)
                error = _both(0.0 if error is None else error, added, value)
        taint = _product_taint(x, y)
        peak = x.peak * y.peak if x.peak and y.peak else 0.0
        result = self.result(_made(value, error, taint, grain, peak, x, y), dtype)
        if self.contract.fp32_dest and (result.is_exact or not on_matrix):
            result = scaled(result, x, y)
        if on_matrix and self.contract.phases > 1:
            return _freed(result, _size(x) * _size(y) >= _LOST)
        return result

    def _bits(self, dtype: str) -> int:
        return find_format(self.contract.float32_source if dtype == "float32" else dtype).bits

    def _loss(self, dtype: str) -> float:
        bits = self._bits(dtype)
        return fidelity_loss(self.contract.fidelity, bits, bits)

    def _multiplies_exactly(self, x: Approx, y: Approx, dtype: str) -> bool:
        if not (x.grain and y.grain):
            return False
        least = {"LoFi": 5, "HiFi2": 7}.get(self.contract.fidelity, 10)
        least = min(least, self._bits(dtype))
        sizes = [p.peak / p.grain for p in (x, y)]
        if not self.contract.fp32_dest and (
            sizes[0] * sizes[1] > 2.0 ** find_format(self.contract.dest).bits
        ):
            return False  # every phase is rounded to DST's width
        if self.contract.fidelity == "HiFi3" and min(sizes) >= 2.0**5:
            return False
        return max(sizes) < 2.0**least and x.grain * y.grain >= least_grain(self.contract)


def two_sided(function: Callable[[Approx, Approx], Approx], x: Approx, y: Approx) -> Approx:
    """``function(x, y)`` with the alternatives of both; where both jump, intervals are joined."""
    first = function(one_branch(x, second=False), one_branch(y, second=False))
    second = function(one_branch(x, second=True), one_branch(y, second=True))
    if x.value2 is None or y.value2 is None:
        return paired(first, second)
    crossed = function(one_branch(x, second=False), one_branch(y, second=True))
    across = function(one_branch(x, second=True), one_branch(y, second=False))
    return paired(paired(first, crossed).hull(), paired(second, across).hull())


def interval_choice(x: Approx, low: F64, high: F64) -> Approx:
    """Exact results that lie at either end of a jump, or anywhere between if it is a larger one."""
    jumped = low != high
    taint = x.taint
    if not jumped.any():
        return Approx(low, taint=taint, jumped=x.jumped, grain=0.0, peak=x.peak + 1)
    with np.errstate(invalid="ignore"):  # infinities are equal, and no number apart
        near = ~jumped | (high - low <= 1)
        middle = np.where(near, low, (low + high) / 2)
        bound = np.where(near, 0.0, (high - low) / 2)
    either = jumped if x.jumped is None else jumped | x.jumped
    return Approx(
        middle, bound, taint, either, np.where(near, high, middle), bound, peak=x.peak + 1
    )


def _both(error: F64 | float, added: F64 | float, like: F64) -> F64:
    return np.broadcast_to(np.asarray(error + added, np.float64), like.shape)


def _made(
    value: F64, error: F64 | None, taint: U8 | None, grain: float, peak: float, *parts: Approx
) -> Approx:
    if taint is not None:
        taint = np.broadcast_to(taint, value.shape)
        error = None if error is None else np.where(taint == CLEAN, error, 0.0)
    jumped = merged_jumps(*parts)
    if jumped is not None:
        jumped = np.broadcast_to(jumped, value.shape)
    return Approx(value, error, taint, jumped, grain=grain if error is None else 0.0, peak=peak)


def _sum_taint(x: Approx, y: Approx) -> U8 | None:
    taint = merged_taint(x, y)
    if taint is None:
        return None
    taint = np.broadcast_to(taint, np.broadcast_shapes(x.value.shape, y.value.shape)).copy()
    with np.errstate(invalid="ignore"):
        opposed = np.isnan(x.value + y.value) & (taint == INFINITE)
        opposed &= ~(np.isnan(x.value) | np.isnan(y.value))
        large = (np.abs(x.value) > ABSORBS) & (np.abs(y.value) > ABSORBS)
        large &= np.isfinite(x.value) | np.isfinite(y.value)
        # A NaN is some number beyond 2**128 to the matrix unit.
        two = np.isnan(x.value) & ~np.isfinite(y.value) | np.isnan(y.value) & ~np.isfinite(x.value)
    taint[(taint == INFINITE) & (opposed | large | two)] = FREE
    return taint


def _product_taint(x: Approx, y: Approx) -> U8 | None:
    taint = merged_taint(x, y)
    if taint is None:
        return None
    taint = np.broadcast_to(taint, np.broadcast_shapes(x.value.shape, y.value.shape)).copy()
    with np.errstate(invalid="ignore"):
        least = np.minimum(np.abs(x.value) - x.error, np.abs(y.value) - y.error)
    taint[(taint == INFINITE) & ~(least >= _LEAST_FACTOR)] = FREE
    return taint


def _size(x: Approx) -> F64:
    """Largest magnitudes as the matrix unit sees them: of an infinity or NaN less than 2**129."""
    with np.errstate(invalid="ignore"):
        top: F64 = np.abs(x.value) + x.error
    return np.where(np.isfinite(top), np.minimum(top, 2.0**129), 2.0**129)


def _freed(x: Approx, lost: Bools) -> Approx:
    """X where nothing is known of the elements ``lost``."""
    if not lost.any():
        return x
    taint = np.where(lost, FREE, CLEAN if x.taint is None else x.taint).astype(np.uint8)
    return replace(x, taint=taint, bound=np.where(taint == CLEAN, x.error, 0.0))
