"""Comparisons of values with bounds: true, false, or either way where intervals meet."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from golden.approx import (
    CLEAN,
    FREE,
    Approx,
    Bools,
    exact,
    merged_jumps,
    merged_taint,
    one_branch,
)
from golden.errors import GoldenError

COMPARISONS: Final = MappingProxyType(
    {
        "EQ": np.equal,
        "NE": np.not_equal,
        "LT": np.less,
        "LE": np.less_equal,
        "GT": np.greater,
        "GE": np.greater_equal,
    }
)


LEAST: Final = 2.0**-126
"""Comparisons are of a difference with zero, and a difference below this is one."""


@dataclass(frozen=True)
class Truth:
    """Truth values; ``unsure`` marks those that could be either, ``free`` those made of garbage."""

    value: Bools
    unsure: Bools | None = None
    free: Bools | None = None

    @staticmethod
    def of(value: Any) -> Truth:
        """A boolean or boolean array as a Truth."""
        return value if isinstance(value, Truth) else Truth(np.asarray(value, np.bool_))

    @property
    def is_sure(self) -> bool:
        """Whether every value is known."""
        return not any(p is not None and p.any() for p in (self.unsure, self.free))

    def along(self) -> Truth:
        """The same along one more axis, innermost."""

        def longer(plane: Bools | None) -> Bools | None:
            return None if plane is None else plane[..., None]

        return Truth(np.asarray(self.value)[..., None], longer(self.unsure), longer(self.free))

    def certain(self, where: str | None) -> Bools:
        """The values, where none is unsure; ``where`` in the source they are asked.

        Raises:
            GoldenError: one is.
        """
        if self.unsure is not None and self.unsure.any():
            raise GoldenError("a branch depends on data near a threshold", location=where)
        return self.value

    def __invert__(self) -> Truth:
        return replace(self, value=~self.value)

    def __and__(self, other: Truth) -> Truth:
        return self._joined(other, self.value & other.value, lambda known: ~known)

    def __or__(self, other: Truth) -> Truth:
        return self._joined(other, self.value | other.value, lambda known: known)

    def _joined(self, other: Truth, value: Bools, decides: Any) -> Truth:
        """Unsure where one side is unsure and the other does not decide alone."""
        free = _either(self.free, other.free)
        if self.unsure is None and other.unsure is None:
            return Truth(value, None, free)
        nothing = np.zeros(1, np.bool_)
        mine = nothing if self.unsure is None else self.unsure
        theirs = nothing if other.unsure is None else other.unsure
        settled = (~mine & decides(self.value)) | (~theirs & decides(other.value))
        return Truth(value, (mine | theirs) & ~settled, free)

    def as_data(self) -> Approx:
        """1 and 0."""
        one, zero = exact(np.ones(())), exact(np.zeros(()))
        return choose(self, one, zero)


def _either(a: Bools | None, b: Bools | None) -> Bools | None:
    if a is None or b is None:
        return b if a is None else a
    return a | b


def compare(kind: str, x: Approx, y: Approx) -> Truth:
    """Compare x and y; unsure where the order of x and y is not certain."""
    taint = merged_taint(x, y)
    free = None if taint is None else (taint == FREE) | np.isnan(x.value) | np.isnan(y.value)
    with np.errstate(invalid="ignore"):
        value = COMPARISONS[kind](x.value, y.value)
        if x.is_exact and y.is_exact and min(x.grain, y.grain) >= LEAST:
            return Truth(value, None, free)
        unsure = np.zeros(value.shape, np.bool_)
        for first, second in itertools.product((False, True), repeat=2):
            a, b = one_branch(x, first), one_branch(y, second)
            reach = np.asarray(a.error + b.error)
            gap = np.abs(a.value - b.value)
            unsure |= (gap <= reach) & (reach > 0) | (gap > 0) & (gap < LEAST)
            unsure |= COMPARISONS[kind](a.value, b.value) != value
    return Truth(value, unsure, free)


def truth_of(x: Approx) -> Truth:
    """Whether x is not zero."""
    return compare("NE", x, exact(np.zeros(())))


def choose(condition: Truth, yes: Approx, no: Approx) -> Approx:
    """``yes`` where the condition holds, else ``no``; both where that is unsure."""
    shape = np.broadcast_shapes(condition.value.shape, yes.value.shape, no.value.shape)
    test = condition.value
    value = np.where(test, yes.value, no.value)
    jumped = merged_jumps(yes, no)
    grain, peak = min(yes.grain, no.grain), max(yes.peak, no.peak)

    def pick(name: str, neutral: Any, a: Approx = yes, b: Approx = no) -> Any:
        first, second = getattr(a, name), getattr(b, name)
        if first is None and second is None:
            return None
        return np.where(
            test, neutral(a) if first is None else first, neutral(b) if second is None else second
        )

    bound = pick("bound", lambda _: 0.0)
    taint = pick("taint", lambda _: CLEAN)
    value2 = pick("value2", lambda p: p.value)
    bound2 = pick("bound2", lambda p: p.error)
    cut = pick("cut", lambda _: False)
    if jumped is not None:
        jumped = np.broadcast_to(jumped, shape)
    unsure = condition.unsure
    if condition.free is not None:
        garbage = np.broadcast_to(condition.free, shape)
        taint = np.where(garbage, FREE, CLEAN if taint is None else taint).astype(np.uint8)
    if unsure is not None and unsure.any():
        chosen = Approx(value, bound, taint, jumped, value2, bound2, peak=peak, cut=cut)
        return _both_ways(np.broadcast_to(unsure, shape), condition, yes, no, chosen)
    if taint is not None:
        taint = taint.astype(np.uint8)
    return Approx(value, bound, taint, jumped, value2, bound2, grain, peak, cut)


def _both_ways(unsure: Bools, condition: Truth, yes: Approx, no: Approx, chosen: Approx) -> Approx:
    """Add the branch not taken as the alternative where the condition is unsure."""
    yes, no = yes.hull(), no.hull()
    test = condition.value
    other = np.where(test, no.value, yes.value)
    other_bound = np.where(test, no.error, yes.error)
    taken_hull = chosen.hull()
    value = np.where(unsure, np.where(test, yes.value, no.value), chosen.value)
    bound = np.where(unsure, np.where(test, yes.error, no.error), chosen.error)
    spare = chosen.value if chosen.value2 is None else chosen.value2
    spare_bound = chosen.error if chosen.bound2 is None else chosen.bound2
    worst = merged_taint(yes, no)
    taint = chosen.taint
    if worst is not None:
        level = np.where(
            unsure & (np.broadcast_to(worst, unsure.shape) != CLEAN),
            FREE,
            CLEAN if taint is None else taint,
        )
        taint = level.astype(np.uint8)
    jumped = unsure if chosen.jumped is None else unsure | chosen.jumped
    return replace(
        taken_hull,
        value=value,
        bound=bound,
        taint=taint,
        jumped=jumped,
        value2=np.where(unsure, other, spare),
        bound2=np.where(unsure, other_bound, spare_bound),
        grain=0.0,
        cut=None if chosen.cut is None else chosen.cut & ~unsure,
    )
