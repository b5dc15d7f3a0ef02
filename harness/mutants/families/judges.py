"""The golden and the judge: answers that are wrong, bounds too wide or too narrow, blind spots.

Applied by substitution while a case runs; nothing in golden changes. A golden that is too strict
refuses right answers, one that is wrong disagrees with the packaged references, and one that is too
lenient takes a canary: an output the unmutated judge refuses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from golden import arithmetic, exact_inputs, functions, matmul, oracle, reduction
from golden.approx import FREE
from golden.interpret import tensors, tileops
from harness.mutants.registry import Mutant, Where, substitution

FAMILY: Final = "golden"


def _one(name: str, breaks: str, *parts: tuple[Any, str, Any]) -> Mutant:
    return substitution(FAMILY, f"golden-{name}", Where.GOLDEN, breaks, *parts)


def _wider(factor: float) -> Any:
    """Results with a bound ``factor`` times as wide."""

    def wrap(old: Any) -> Any:
        def new(*args: Any, **kw: Any) -> Any:
            x = old(*args, **kw)
            return x if x.bound is None else replace(x, bound=x.bound * factor)

        return new

    return wrap


def _no_accumulator(old: Any) -> Any:
    def new(acc: Any, *args: Any, **kw: Any) -> Any:
        return old(acc.map(np.zeros_like), *args, **kw)

    return new


def _product_twice(old: Any) -> Any:
    return lambda acc, *args, **kw: old(old(acc, *args, **kw), *args, **kw)


def _short_k(old: Any) -> Any:
    def new(acc: Any, in0: Any, in1: Any, *args: Any, **kw: Any) -> Any:
        in0 = replace(in0, data=in0.data.map(lambda a: a[..., :-1]))
        return old(acc, in0, replace(in1, data=in1.data.map(lambda a: a[..., :-1, :])), *args, **kw)

    return new


def _flag(index: int) -> Any:
    def wrap(old: Any) -> Any:
        def new(self: Any, args: Any, evaluator: Any) -> Any:
            return old(self, [*args[:index], 0, *args[index + 1 :]], evaluator)

        return new

    return wrap


def _shifted(old: Any) -> Any:
    def new(self: Any, starts: Any, *args: Any) -> Any:
        return old(self, [*starts[:-1], starts[-1] + 1], *args)

    return new


def _clamped(old: Any) -> Any:
    """Reads beyond the edge give one instead of zero."""

    def new(self: Any, starts: Any, extents: Any, reader: Any) -> Any:
        x = old(self, starts, extents, reader)
        value = np.array(np.broadcast_to(x.value, x.value.shape))
        for axis, (start, extent, size) in enumerate(zip(starts, extents, self.shape, strict=True)):
            place = np.asarray(start).reshape(-1, 1) + np.arange(extent)
            shape = [len(place), *(extent if a == axis else 1 for a in range(len(extents)))]
            value = np.where((place >= size).reshape(shape), 1.0, value)
        return replace(x, value=value)

    return new


def _all_good(old: Any) -> Any:
    """A comparison by correlation, as the field does it."""

    def new(*args: Any) -> Any:
        part = old(*args)
        want, have = part.result.answer.value.ravel(), part.actual.ravel()
        with np.errstate(all="ignore"):
            fine = np.isfinite(have).all() and np.corrcoef(want, have)[0, 1] > 0.9
        return replace(part, good=np.ones_like(part.good)) if fine else part

    return new


def _without(field: str) -> Any:
    def wrap(old: Any) -> Any:
        def new(*args: Any) -> Any:
            part = old(*args)
            return replace(part, **{field: np.zeros_like(getattr(part, field))})

        return new

    return wrap


def _relaxed(old: Any) -> Any:
    """Everything within 5 % or 0.05 is good."""

    def new(*args: Any) -> Any:
        part = old(*args)
        near = np.abs(part.actual - part.result.answer.value) <= (
            0.05 + 0.05 * np.abs(part.result.answer.value))  # fmt: skip
        return replace(part, good=part.good | near)

    return new


def _first_tile(old: Any) -> Any:
    def new(*args: Any) -> Any:
        part = old(*args)
        seen = np.zeros_like(part.compared)
        seen[..., :32] = True
        if seen.ndim > 1:
            seen[..., 16:, :] = False
        return replace(part, compared=part.compared & seen)

    return new


def _free(old: Any) -> Any:
    def new(*args: Any, **kw: Any) -> Any:
        x = old(*args, **kw)
        return replace(x, taint=np.full(x.value.shape, FREE, np.uint8))

    return new


def _unbounded(old: Any) -> Any:
    """No rounding error anywhere."""

    def new(*args: Any, **kw: Any) -> Any:
        x = old(*args, **kw)
        return replace(x, bound=None) if x.value2 is None else x

    return new


def _kind(ring: dict[str, str]) -> Any:
    def wrap(old: Any) -> Any:
        return lambda self, kind, *args: old(self, ring.get(kind, kind), *args)

    return wrap


def _other_axis(old: Any) -> Any:
    def new(self: Any, x: Any, axis: int, *args: Any, **kw: Any) -> Any:
        flipped = x.map(lambda a: a.swapaxes(-1, -2) if a.shape[-1] == a.shape[-2] else a)
        return old(self, flipped, axis, *args, **kw)

    return new


def _last_lost(old: Any) -> Any:
    def new(self: Any, x: Any, axis: int, *args: Any, **kw: Any) -> Any:
        cut = [slice(None)] * x.value.ndim
        cut[axis] = slice(None, -1)
        return old(self, x.map(lambda a: a[tuple(cut)]), axis, *args, **kw)

    return new


def _larger(old: Any) -> Any:
    return lambda kernel, top, share, seed: old(kernel, 4096 * top, share, seed)


MUTANTS: Final = (
    _one("accumulator-ignored", "A product does not add to what is there.",
         (tileops, "multiply_accumulate", _no_accumulator)),
    _one("product-twice", "A product is added twice.",
         (tileops, "multiply_accumulate", _product_twice)),
    _one("k-one-short", "Products leave the last k out.",
         (tileops, "multiply_accumulate", _short_k)),
    _one("transpose-a-ignored", "transpose_A is not looked at.",
         (tileops.TileOps, "_gemm", _flag(3))),
    _one("transpose-b-ignored", "transpose_B is not looked at.",
         (tileops.TileOps, "_gemm", _flag(4))),
    _one("clear-ignored", "clear_accum is not looked at.", (tileops.TileOps, "_gemm", _flag(5))),
    _one("fill-ignored", "Fills do nothing.",
         (tileops.TileOps, "_fill", lambda old: lambda *a, **k: None)),
    _one("region-shifted", "Regions are read a column to the right.",
         (tensors.Tensor, "read", _shifted)),
    _one("write-shifted", "Regions are written a column to the right.",
         (tensors.Tensor, "write", _shifted)),
    _one("outside-is-one", "What lies beyond a tensor reads as one.",
         (tensors.Tensor, "read", _clamped)),
    _one("pool-exchanged", "Sums are maxima and maxima sums.",
         (reduction.Reducer, "reduce", _kind({"sum": "max", "max": "sum"}))),
    _one("minimum-for-maximum", "Maxima are minima.",
         (reduction.Reducer, "reduce", _kind({"max": "min"}))),
    _one("sum-of-other-axis", "Sums run along the other axis.",
         (reduction.Reducer, "sum", _other_axis)),
    _one("sum-one-short", "Sums leave the last element out.",
         (reduction.Reducer, "sum", _last_lost)),
    _one("subtraction-adds", "Differences are sums.",
         (arithmetic.Arithmetic, "sub", lambda old: lambda self, x, y, *a, **k:
          self.add(x, y, *a, **k))),
    _one("product-is-sum", "Elementwise products are sums.",
         (arithmetic.Arithmetic, "mul", lambda old: lambda self, x, y, dtype, *a, **k:
          self.add(x, y, dtype))),
    _one("maximum-is-first", "A maximum is its first operand.",
         (functions.Functions, "maximum", lambda old: lambda self, x, y, *a, **k: x)),
    _one("rounding-forgotten", "Storing in a narrow type costs nothing.",
         (arithmetic, "rounded", lambda old: lambda x, *a, **k: x)),
    _one("product-bound-zero", "Products are exact.", (matmul, "_bound", lambda old:
                                                      lambda *a: old(*a) * 0)),
    _one("function-accuracy-zero", "Vector functions are exact to the last bit.",
         (functions.Functions, "_accuracy_error", lambda old: lambda *a: old(*a) * 0),
         (arithmetic, "rounded", lambda old: lambda x, *a, **k: x)),
    _one("bounds-times-hundred", "Roundings are a hundred times as wide.",
         (arithmetic, "rounded", _wider(100.0))),
    _one("product-bound-huge", "Products are bounded by their magnitude.",
         (matmul, "_bound", lambda old: lambda *a: old(*a) * 1e6)),
    _one("function-accuracy-huge", "Vector functions may be 10000 times as far off.",
         (functions.Functions, "_accuracy_error", lambda old: lambda *a: old(*a) * 1e4)),
    _one("products-know-nothing", "Nothing is known about products.",
         (tileops, "multiply_accumulate", _free)),
    _one("judges-by-correlation", "A correlation over 0.9 passes.", (oracle, "_compare",
                                                                     _all_good)),
    _one("judges-by-tolerance", "5 % off passes.", (oracle, "_compare", _relaxed)),
    _one("judges-first-tile", "Only the first half tile is compared.", (oracle, "_compare",
                                                                       _first_tile)),
    _one("unwritten-passes", "Elements nobody wrote pass.",
         (oracle, "_compare", _without("unwritten"))),
    _one("nothing-compared", "No element is compared.",
         (oracle, "_compare", _without("compared"))),
    _one("exact-inputs-too-large", "Exact inputs are drawn 4096 times too large.",
         (exact_inputs, "_draw", _larger)),
    _one("all-is-exact", "Every result claims to be exact.",
         (tileops, "multiply_accumulate", _unbounded),
         (arithmetic, "rounded", lambda old: lambda x, *a, **k: x)),
)  # fmt: skip
