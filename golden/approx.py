"""Values with a sound error bound: what a correct device may answer, element by element.

The device's answer lies within ``bound`` of ``value``, or, where a jump of the source could go
either way, within ``bound2`` of ``value2``; where ``taint`` is set, non-finite numbers are involved
and less is known. An absent array means its neutral value: no error, clean, no alternative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from golden.formats import F64, grain_of, half_ulp, peak_of

U8 = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

CLEAN: Final = 0
INFINITE: Final = 1
"""The device must answer something that is not finite, or beyond BEYOND; ``value`` holds which
infinity or NaN."""
BEYOND: Final = 2.0**100
"""Infinity is the number 2**128 to the matrix unit, so that a factor makes it a large number."""
FREE: Final = 2
"""Any answer is right: an infinity met a zero or its opposite, or memory nobody wrote was read."""

_HALF_HUGE: Final = 65504.0

PLANES: Final = ("bound", "taint", "jumped", "cut", "value2", "bound2")
"""Optional arrays of an Approx beside ``value``, all of the same shape."""


@dataclass(frozen=True)
class Approx:
    """Values and how far the device may be off.

    Attributes:
        value: the answer in float64.
        bound: absolute error allowed; None where the answer is exact.
        taint: CLEAN, INFINITE or FREE; None where all is clean.
        jumped: elements that depend on a jump whose side is not certain.
        value2: the other side of the jump; None where there is none.
        bound2: its error bound.
        grain: power of two that divides every finite value (infinity: all are zero; 0: unknown);
            with ``bound`` None this proves exactness through sums and products.
        peak: at least the largest finite magnitude, error included.
        cut: elements inside their bound of which all is known that the matrix unit would keep of
            them, see :mod:`golden.cuts`; none of them has two sides.
    """

    value: F64
    bound: F64 | None = None
    taint: U8 | None = None
    jumped: Bools | None = None
    value2: F64 | None = None
    bound2: F64 | None = None
    grain: float = 0.0
    peak: float = float("inf")
    cut: Bools | None = None

    @property
    def is_exact(self) -> bool:
        """Whether the device must answer exactly ``value`` everywhere."""
        return self.bound is None and self.value2 is None

    @property
    def error(self) -> F64 | float:
        """The bound, 0 where the answer is exact."""
        return 0.0 if self.bound is None else self.bound

    def map(self, function: Callable[[Any], Any]) -> Approx:
        """The same rearrangement (indexing, reshaping, transposing) of every array."""
        planes = {name: getattr(self, name) for name in PLANES}
        mapped = {n: function(plane) for n, plane in planes.items() if plane is not None}
        return Approx(function(self.value), grain=self.grain, peak=self.peak, **mapped)

    def tightened(self) -> Approx:
        """With ``peak`` read from the values; costs one pass."""
        return replace(self, peak=finite_peak(self))

    def hull(self) -> Approx:
        """Both alternatives as one interval."""
        if self.value2 is None:
            return self
        value2, error2 = self.value2, 0.0 if self.bound2 is None else self.bound2
        same = np.asarray((value2 == self.value) & (error2 == self.error))
        with np.errstate(invalid="ignore"):
            low = np.minimum(self.value - self.error, value2 - error2)
            high = np.maximum(self.value + self.error, value2 + error2)
            middle = low + (high - low) / 2
            reach = np.maximum(high - middle, middle - low)
        value = np.where(same, self.value, middle)
        bound = np.where(same, self.error, reach)
        return replace(self, value=value, bound=bound, value2=None, bound2=None, grain=0.0)


def exact(value: npt.NDArray[Any]) -> Approx:
    """Values the device has exactly; infinities and NaN are tainted."""
    values = np.asarray(value, np.float64)
    finite = np.isfinite(values)
    if finite.all():
        return Approx(values, grain=grain_of(values), peak=peak_of(values))
    good = values[finite]
    taint = np.where(finite, CLEAN, INFINITE).astype(np.uint8)
    return Approx(values, taint=taint, grain=grain_of(good), peak=peak_of(good))


def constant(value: float) -> Approx:
    """One exact number, of shape ()."""
    return exact(np.asarray(value, np.float64))


def finite_peak(x: Approx) -> float:
    """The largest finite magnitude with its error."""
    with np.errstate(invalid="ignore"):
        top = x.value if x.bound is None else np.abs(x.value) + x.bound
    if x.taint is not None:
        top = np.where(x.taint == CLEAN, top, 0.0)
    peak = peak_of(np.asarray(top))
    if x.value2 is not None:
        other = np.abs(x.value2) + (0.0 if x.bound2 is None else x.bound2)
        peak = max(peak, peak_of(np.where(np.isfinite(other), other, 0.0)))
    return peak


def one_branch(x: Approx, second: bool) -> Approx:
    """One alternative alone."""
    if x.value2 is None:
        return x
    if second:
        return replace(x, value=x.value2, bound=x.bound2, value2=None, bound2=None)
    return replace(x, value2=None, bound2=None)


def cleaned(x: Approx) -> Approx:
    """X with zero, exactly, where it is not a finite number."""
    if x.taint is None:
        return x
    clean = x.taint == CLEAN
    bound = None if x.bound is None else np.where(clean, x.bound, 0.0)
    return replace(x, value=np.where(clean, x.value, 0.0), bound=bound)


def freed(x: Approx) -> Approx:
    """X with any answer right where it is not a finite number."""
    if x.taint is None:
        return x
    return replace(x, taint=np.where(x.taint == CLEAN, CLEAN, FREE).astype(np.uint8))


def merged_taint(*parts: Approx) -> U8 | None:
    """The worst taint of the operands, element by element."""
    taints = [p.taint for p in parts if p.taint is not None]
    if not taints:
        return None
    merged = taints[0]
    for taint in taints[1:]:
        merged = np.maximum(merged, taint)
    return merged


def merged_jumps(*parts: Approx) -> Bools | None:
    """Elements that depend on an uncertain jump of any operand."""
    jumps = [p.jumped for p in parts if p.jumped is not None]
    if not jumps:
        return None
    merged = jumps[0]
    for jumped in jumps[1:]:
        merged = merged | jumped
    return merged


def rounded(x: Approx, bits: int, tiny: float, huge: float, steps: float = 1.0) -> Approx:
    """X after a rounding to ``bits`` significand bits by ``steps`` half units in the last place.

    ``steps`` is 1 for rounding to nearest, 2 for cutting. Results below ``tiny`` may be flushed to
    zero, results above ``huge`` may be infinite. Exact values the format holds stay exact. Float16
    has no infinities on the device: they become numbers, of which nothing is known.
    """
    if huge <= _HALF_HUGE:
        x = freed(x)
    if x.is_exact and x.taint is None:
        if _fits(x, bits, tiny, huge):
            return x
        x = x.tightened()
        if _fits(x, bits, tiny, huge):
            return x
    if x.value2 is not None:
        first = rounded(one_branch(x, second=False), bits, tiny, huge, steps)
        second = rounded(one_branch(x, second=True), bits, tiny, huge, steps)
        return paired(first, second)
    with np.errstate(invalid="ignore", over="ignore"):
        magnitude = np.abs(x.value)
        top, least = magnitude, magnitude
        if x.bound is not None:
            top, least = magnitude + x.bound, magnitude - x.bound
        added = half_ulp(top, bits)
        if steps != 1.0:
            added = added * steps
        spread = x.value * (2.0 ** (53 - bits) + 1)
        kept = spread - (spread - x.value) == x.value
        small = (least < tiny) & (top > 0)
        if small.any():
            added = np.where(small, np.maximum(added, tiny), added)
            kept &= ~(small & (magnitude > 0))
        if x.bound is not None:
            kept &= x.bound == 0
        bound = np.where(kept, 0.0, added)
        if x.bound is not None:
            bound = np.asarray(x.bound + bound)
        taint = x.taint
        beyond = top > huge if taint is None else (top > huge) & (taint == CLEAN)
        value = x.value
        if beyond.any():
            # Float16 saturates at a finite number on the device; the others become infinite.
            certain = (least >= 2 * huge) & (huge > _HALF_HUGE)
            level = np.where(beyond, np.where(certain, INFINITE, FREE), CLEAN).astype(np.uint8)
            taint = level if taint is None else np.maximum(taint, level)
            value = np.where(beyond & certain, np.copysign(np.inf, value), value)
        if taint is not None:
            bound = np.where(taint == CLEAN, bound, 0.0)
    is_exact = not bound.any()
    return replace(
        x,
        value=value,
        bound=None if is_exact else bound,
        taint=taint,
        grain=x.grain if is_exact else 0.0,
        peak=x.peak * (1 + 2.0 ** (1 - bits)) + tiny,
        cut=None,
    )


def _fits(x: Approx, bits: int, tiny: float, huge: float) -> bool:
    return x.grain > 0 and x.peak <= x.grain * 2.0**bits and (x.grain >= tiny) and x.peak <= huge


def paired(first: Approx, second: Approx) -> Approx:
    """Two alternatives joined; the first gives grain and shape of both must agree.

    An alternative that has two of its own counts as the interval around them.
    """
    first, second = first.hull(), second.hull()
    same = np.array_equal(first.value, second.value) and np.array_equal(
        np.asarray(first.error), np.asarray(second.error)
    )
    taint = merged_taint(first, second)
    if same:
        return replace(first, taint=taint)
    return replace(
        first,
        value2=second.value,
        bound2=np.zeros_like(second.value) if second.bound is None else second.bound,
        taint=taint,
        jumped=merged_jumps(first, second),
        grain=0.0,
        peak=max(first.peak, second.peak),
        cut=None,
    )
