"""Division, extrema and the transcendental functions, with propagated intervals.

A monotone function maps the ends of the interval; others use a bound of their slope. The function's
accuracy on the vector unit (``accuracy.json``) is added, then the rounding to DST.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from golden.accuracy import find_accuracy
from golden.approx import (
    CLEAN,
    FREE,
    INFINITE,
    Approx,
    exact,
    merged_jumps,
    merged_taint,
    one_branch,
    paired,
)
from golden.arithmetic import Arithmetic, interval_choice, two_sided
from golden.curves import CURVES, Curve
from golden.cuts import selected
from golden.errors import GoldenError
from golden.formats import F64, find_format, power_of_two
from golden.truth import Truth, choose

_STEPS: Final = MappingProxyType(
    {"floor": np.floor, "ceil": np.ceil, "round": np.rint, "nearbyint": np.rint, "trunc": np.trunc}
)
_MOST = 1e300
"""Stands for results too large for float64: beyond every device format all the same."""


@dataclass(frozen=True)
class Functions:
    """Functions under a contract."""

    arithmetic: Arithmetic

    @property
    def bounded(self) -> bool:
        """Whether bounds are derived."""
        return self.arithmetic.bounded

    def call(self, name: str, args: Sequence[Approx], dtype: str, where: str | None) -> Approx:
        """A function of the source's expressions by its TVM name.

        Raises:
            GoldenError: no meaning here.
        """
        if name in CURVES and len(args) == 1:
            return self.curve(CURVES[name], args[0], dtype)
        if name in _STEPS:
            return self.step(args[0], _STEPS[name])
        if name in ("fabs", "abs"):
            return self.absolute(args[0])
        if name in ("pow", "power"):
            return self.power(args[0], args[1], dtype)
        if name == "fma":
            return self.arithmetic.add(self.arithmetic.mul(args[0], args[1], dtype), args[2], dtype)
        if name in ("isnan", "isinf", "isfinite"):
            return self.classify(name, args[0])
        known = sorted([*CURVES, *_STEPS, "fabs", "pow", "fma"])
        raise GoldenError(
            f"the function {name} has no meaning here", location=where, next_step=f"one of {known}"
        )

    def divide(self, x: Approx, y: Approx, dtype: str, broadcast: bool = False) -> Approx:
        """X / y: free where y may be zero."""
        if x.value2 is not None or y.value2 is not None:
            return two_sided(lambda a, b: self.divide(a, b, dtype, broadcast), x, y)
        with np.errstate(all="ignore"):
            value = x.value / y.value
            if not self.bounded:
                return Approx(value)
            least = np.abs(y.value) - y.error
            error = (np.asarray(x.error) + np.abs(value) * y.error) / least
            row = find_accuracy("div_binary")
            error = error + self._accuracy_error(np.abs(value) + error, row.ulps(self._dest()))
            if broadcast:
                error = error + (np.abs(value) + error) * 2.0**-8
            top = np.abs(value) + error
        huge = find_format("float32").huge
        bad = ~(least > 0) | ~(top < huge)
        taint = merged_taint(x, y)
        level = np.where(bad, FREE, CLEAN)
        if taint is not None:
            level = np.where(taint != CLEAN, FREE, level)
            zero = (taint == INFINITE) & np.isinf(y.value) & np.isfinite(x.value)
            level = np.where(zero & (y.value != x.value), FREE, level)
        return self._finish(value, error, level, dtype, x, y)

    def maximum(self, x: Approx, y: Approx, dtype: str, broadcast: bool = False) -> Approx:
        """The larger of both: exact selection."""
        return self._extremum(np.maximum, x, y, dtype, broadcast)

    def minimum(self, x: Approx, y: Approx, dtype: str, broadcast: bool = False) -> Approx:
        """The smaller of both: exact selection."""
        return self._extremum(np.minimum, x, y, dtype, broadcast)

    def _extremum(
        self, pick: Callable[..., F64], x: Approx, y: Approx, dtype: str, broadcast: bool
    ) -> Approx:
        if x.value2 is not None or y.value2 is not None:
            return two_sided(lambda a, b: self._extremum(pick, a, b, dtype, broadcast), x, y)
        given = x, y
        x = self.arithmetic.operand(x, dtype, broadcast) if self.bounded else x
        y = self.arithmetic.operand(y, dtype, broadcast) if self.bounded else y
        with np.errstate(invalid="ignore"):
            value = pick(x.value, y.value)
            if not self.bounded:
                return Approx(value)
            exactly = x.is_exact and y.is_exact
            bound = None
            if not exactly:
                low = pick(x.value - x.error, y.value - y.error)
                high = pick(x.value + x.error, y.value + y.error)
                bound = np.maximum(high - value, value - low)
        taint = merged_taint(x, y)
        if taint is not None:
            bad = (np.broadcast_to(taint, value.shape) == FREE) | np.isnan(value)
            taint = np.where(bad, FREE, np.where(np.isinf(value), INFINITE, CLEAN))
            taint = taint.astype(np.uint8)
            bound = None if bound is None else np.where(taint == CLEAN, bound, 0.0)
        made = Approx(
            value,
            bound,
            taint,
            _spread(merged_jumps(x, y), value),
            grain=min(x.grain, y.grain) if exactly else 0.0,
            peak=max(x.peak, y.peak),
        )
        cut = self.arithmetic.contract.fp32_dest and (x.cut is not None or y.cut is not None)
        return selected(made, *given, largest=pick is np.maximum) if cut else made

    def absolute(self, x: Approx) -> Approx:
        """|x|, exactly."""
        result = replace(x, value=np.abs(x.value))
        return result if x.value2 is None else replace(result, value2=np.abs(x.value2))

    def step(self, x: Approx, function: Callable[[F64], F64]) -> Approx:
        """A rounding to whole numbers; either neighbour where the interval holds a threshold."""
        if x.value2 is not None:
            return paired(
                self.step(one_branch(x, second=False), function),
                self.step(one_branch(x, second=True), function),
            )
        value = function(x.value)
        if x.is_exact or not self.bounded:
            return Approx(value, taint=x.taint, jumped=x.jumped, grain=1.0, peak=x.peak + 1)
        with np.errstate(invalid="ignore"):
            low, high = function(x.value - x.error), function(x.value + x.error)
        return interval_choice(x, low, high)

    def classify(self, name: str, x: Approx) -> Approx:
        """isnan, isinf, isfinite; free where the device may see either."""
        test = {"isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite}[name](x.value)
        free = None if x.taint is None else (x.taint != CLEAN)
        return choose(Truth(test, None, free), exact(np.ones(())), exact(np.zeros(())))

    def power(self, x: Approx, y: Approx, dtype: str) -> Approx:
        """X ** y: products for small whole constants, else exp(y log x) for positive x."""
        if y.value.ndim == 0 and y.is_exact and float(y.value) in (1.0, 2.0, 3.0, 4.0):
            result = x
            for _ in range(int(y.value) - 1):
                result = self.arithmetic.mul(result, x, dtype)
            return result if not self.bounded else self._loosened(result, "power", dtype)
        if not self.bounded:
            with np.errstate(all="ignore"):
                return Approx(np.power(x.value, y.value))
        logarithm = self.curve(CURVES["log"], x, "float32")
        return self.curve(CURVES["exp"], self.arithmetic.mul(y, logarithm, "float32"), dtype)

    def curve(self, curve: Curve, x: Approx, dtype: str) -> Approx:
        """A smooth function of one argument."""
        if x.value2 is not None:
            return paired(
                self.curve(curve, one_branch(x, second=False), dtype),
                self.curve(curve, one_branch(x, second=True), dtype),
            )
        with np.errstate(all="ignore"):
            value = np.clip(curve.function(x.value), -_MOST, _MOST)
            if not self.bounded:
                return Approx(curve.function(x.value))
            x = self.arithmetic.operand(x, dtype, broadcast=False)
            spread, outside = curve.spread(x.value, np.asarray(x.error), value)
            row = find_accuracy(curve.op)
            top = np.abs(value) + spread
            error = spread + self._accuracy_error(top, row.ulps(self._dest())) + row.floor
            error = error + np.abs(x.value) * curve.argument_error
        level = np.where(outside | np.isnan(value), FREE, CLEAN)
        if x.taint is not None:
            limit = curve.at_infinity(x.value)
            known = (x.taint == INFINITE) & ~np.isnan(limit)
            value = np.where(known, limit, value)
            error = np.where(known, 0.0, error)
            level = np.where(x.taint != CLEAN, FREE, level)
            level = np.where(known, np.where(np.isinf(limit), INFINITE, CLEAN), level)
        return self._finish(value, error, level, dtype, x)

    def _loosened(self, x: Approx, op: str, dtype: str) -> Approx:
        row = find_accuracy(op)
        if x.is_exact or row.ulps(self._dest()) == 0:
            return x
        added = self._accuracy_error(np.abs(x.value) + x.error, row.ulps(self._dest()))
        return self.arithmetic.result(replace(x, bound=x.error + added, grain=0.0), dtype)

    def _dest(self) -> str:
        return self.arithmetic.contract.dest

    def _accuracy_error(self, top: F64, ulps: float) -> F64:
        bits = find_format("float32" if self._dest() == "float32" else "bfloat16").bits
        finite = np.where(np.isfinite(top), top, 0.0)
        return power_of_two(finite) * (ulps * 2.0 ** (1 - bits))

    def _finish(self, value: F64, error: F64, level: Any, dtype: str, *parts: Approx) -> Approx:
        taint = level.astype(np.uint8) if level.any() else None
        error = np.broadcast_to(np.asarray(error), value.shape)
        if taint is not None:
            error = np.where(taint == CLEAN, error, 0.0)
            taint = np.broadcast_to(taint, value.shape)
        result = Approx(value, error, taint, _spread(merged_jumps(*parts), value))
        return self.arithmetic.result(result.tightened(), dtype)


def _spread(jumped: Any, like: F64) -> Any:
    return None if jumped is None else np.broadcast_to(jumped, like.shape)
