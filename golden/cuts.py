"""What a maximum that the matrix unit cut still tells: comparisons the cut decides.

A reduction cuts float32 towards zero (float16, and float32 beside it, to bfloat16). That keeps the
order, so the device's answer, cut, is golden's value, cut, though neither is known to the last bit.
Where this holds of an element its plane ``cut`` says so. A comparison with such an element is made
on cut values on both sides: one that came out otherwise, as neither the source nor the cut have it,
is wrong, however near the two lie.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from golden.approx import FREE, Approx, Bools
from golden.formats import F64
from golden.truth import COMPARISONS, LEAST, Truth

_MASKS: Final = (("tfloat32", 0xFFFFE000), ("bfloat16", 0xFFFF0000))


def agreed(x: Approx) -> Bools:
    """Elements of which the device's answer, cut, is the value, cut."""
    fine = np.broadcast_to(np.asarray(x.error) == 0, x.value.shape)
    if x.value2 is not None:
        other = np.asarray(0.0 if x.bound2 is None else x.bound2)
        fine = fine & (x.value2 == x.value) & (other == 0)
    if x.cut is not None:
        fine = fine | x.cut
    return fine if x.taint is None else fine & (x.taint != FREE)


def cut_once(made: Approx, x: Approx) -> Approx:
    """X as the matrix unit cut it, with what is known of it once cut."""
    return made if made.is_exact else replace(made, cut=agreed(x))


def scaled(made: Approx, x: Approx, y: Approx) -> Approx:
    """A product, of a power of two known once cut as its other factor is."""
    for one, other in ((x, y), (y, x)):
        if one.cut is not None and other.is_exact and np.size(other.value) == 1:
            factor = float(np.frexp(other.value)[0].ravel()[0])
            if abs(factor) == 0.5:
                return replace(made, cut=one.cut)
    return made


def turned(made: Approx, x: Approx, y: Approx) -> Approx:
    """A difference from zero, known once cut as what is taken off is; ``y`` is its negative."""
    zero = x.is_exact and np.size(x.value) == 1 and not np.any(x.value)
    return replace(made, cut=y.cut) if zero and y.cut is not None else made


def selected(made: Approx, x: Approx, y: Approx, *, largest: bool) -> Approx:
    """The larger or smaller of two, with what is known of it once cut."""
    sign = 1.0 if largest else -1.0
    if made.is_exact:
        sides = [np.zeros(1, np.bool_) if p.cut is None else p.cut for p in (x, y)]
        return replace(made, cut=np.where(sign * x.value >= sign * y.value, *sides))
    first, second = agreed(x), agreed(y)
    with np.errstate(invalid="ignore"):
        above = sign * x.value - x.error > sign * y.value + y.error
        below = sign * y.value - y.error > sign * x.value + x.error
    known = (first & second) | (first & above) | (second & below)
    return replace(made, cut=np.broadcast_to(known, made.value.shape))


def pooled(made: Approx, x: Approx, axis: int, *, largest: bool) -> Approx:
    """The extremum of ``x`` along an axis, with what is known of it once cut."""
    if made.is_exact:
        return made
    fine = agreed(x)
    sign = 1.0 if largest else -1.0
    with np.errstate(invalid="ignore"):
        known = np.where(fine, sign * x.value - x.error, -np.inf).max(axis=axis, keepdims=True)
        other = np.where(fine, -np.inf, sign * x.value + x.error).max(axis=axis, keepdims=True)
    return replace(made, cut=fine.all(axis=axis, keepdims=True) | (known > other))


def settled(kind: str, truth: Truth, x: Approx, y: Approx, source: str) -> Truth:
    """A comparison that is unsure by its bounds, where what is known of both once cut decides it.

    ``source`` is the format the matrix unit cuts to. The source's own answer is right as well.
    """
    if x.cut is None and y.cut is None:
        return truth
    either = [p.cut for p in (x, y) if p.cut is not None]
    known = agreed(x) & agreed(y) & (either[0] if len(either) == 1 else either[0] | either[1])
    with np.errstate(invalid="ignore"):
        a, b = _cut(x.value, source), _cut(y.value, source)
        cut = COMPARISONS[kind](a, b)
        known &= (a == b) | (np.abs(a - b) >= LEAST)
    if x.is_exact and y.is_exact:  # an earlier kernel cut: the source's own has no meaning here
        return replace(truth, value=np.where(known, cut, truth.value))
    unsure = False if truth.unsure is None else truth.unsure
    with np.errstate(invalid="ignore"):  # unknown, and alike once cut, perhaps
        low, high = ([_cut(p.value + sign * p.error, source) for p in (x, y)] for sign in (-1, 1))
        meet = (low[0] <= high[1]) & (low[1] <= high[0])
    unsure = np.where(known, cut != truth.value, unsure | meet)
    return truth if truth.unsure is None and not unsure.any() else replace(truth, unsure=unsure)


def _cut(values: F64, source: str) -> Any:
    with np.errstate(over="ignore", invalid="ignore"):
        words = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return (words & np.uint32(dict(_MASKS)[source])).view(np.float32).reshape(np.shape(values))
