"""Tensors of indices: which values keep every copy they place inside its tensor, and some drawn."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tvm
from tvm import tirx

from golden.named import stored_lists
from golden.source import COPY, Kernel, constant, dtype_of, lists
from golden.tables.decisions import deciding_values
from golden.tables.laid import laid
from golden.tables.rows import apart, by_steps, with_none
from golden.tables.stored import placing
from golden.tables.told import drawn_bounds, telling
from golden.walks import structural_walk

Array = npt.NDArray[Any]
Interval = tuple[int, int]
Ends = tuple[Any, Any]
"""An interval, or one for each of many values that memory may hold: arrays of ends."""

LARGEST: Final = 1 << 20
"""Largest index tried, where a use would take more (``i % 4`` takes any)."""
_LEAST: Final = 4096
"""Values tried for the least one that fits; indices are not negative."""


def index_ranges(kernel: Kernel) -> dict[str, Interval]:
    """Least and greatest value of every tensor that places copies; (0, -1) where none fits."""
    return dict(_ranges(kernel))


@functools.lru_cache(maxsize=4)
def _ranges(kernel: Kernel) -> dict[str, Interval]:
    """A kernel never changes, and every draw of its inputs asks."""
    named: dict[Any, Any] = {}
    single = kernel.singles | stored_lists(kernel.body)
    for stmt in kernel.statements:
        if isinstance(stmt, tirx.Bind):
            named[stmt.var] = stmt.value
        elif isinstance(stmt, tirx.For):
            named[stmt.loop_var] = stmt
        elif isinstance(stmt, tirx.BufferStore) and stmt.buffer in single:
            named.setdefault(stmt.buffer, []).append(stmt.value)
    for var, extent in kernel.grid:
        named[var] = range(extent)
    out: dict[str, Interval] = {}
    known, there = lists(kernel), {info.name for info in kernel.tensors}
    for start, last in _placed(kernel):
        tables = _tables(start, named, known) & there
        found = _fitting(start, last, named) if tables else (0, -1)
        for name in tables:
            before = out.get(name, found)
            joint = max(before[0], found[0]), min(before[1], found[1])
            out[name] = joint if joint[0] <= joint[1] else (0, -1)
    return out


def _placed(kernel: Kernel) -> Iterator[tuple[Any, int]]:
    """Where copies start, elements are read and stored, and the last such place in their tensor."""
    tensors = {info.var for info in kernel.tensors}
    loads: list[Any] = []
    for region in (r for call in kernel.calls(COPY) for r in call.args[:2]):
        for part, size in zip(region.region[:], region.source.ty.shape[:], strict=True):
            yield part.min, (constant(size) or 0) - (constant(part.extent) or 0)
            structural_walk(part.min, [(tvm.ir.TensorLoad, lambda o: loads.extend(_in(o)))])
    for stmt in kernel.statements:
        if isinstance(stmt, tirx.BufferStore):
            for expr in (stmt.value, *stmt.indices):
                structural_walk(expr, [(tvm.ir.TensorLoad, loads.append)])
            if stmt.buffer in tensors:
                sizes = zip(stmt.indices, stmt.buffer.ty.shape[:], strict=True)
                yield from ((index, (constant(size) or 0) - 1) for index, size in sizes)
        elif isinstance(stmt, (tirx.Bind, tirx.For)):
            asked = [stmt.value] if isinstance(stmt, tirx.Bind) else [stmt.min, stmt.extent]
            for expr in asked:
                structural_walk(expr, [(tvm.ir.TensorLoad, lambda o: loads.extend(_in(o)))])
    for load in loads:
        for index, size in zip(load.indices[:], load.source.ty.shape[:], strict=True):
            yield index, (constant(size) or 0) - 1


def _in(load: Any) -> list[Any]:
    """A load that another one places, which therefore says what that may hold; else nothing."""
    found: list[Any] = []
    for index in load.indices:
        structural_walk(index, [(tvm.ir.TensorLoad, found.append)])
    return [load] if found else []


def drawn_indices(kernel: Kernel, seed: int, *, empty: bool = False) -> dict[str, Array]:
    """Values in range for every tensor of indices, and of what decides, by name.

    ``empty`` says whether a loop that a tensor bounds may have no iteration.
    """
    return {name: values.copy() for name, values in _drawn(kernel, seed, empty).items()}


@functools.lru_cache(maxsize=4)
def _drawn(kernel: Kernel, seed: int, empty: bool) -> dict[str, Array]:
    """Every kind of inputs has the same, and some take many tries."""
    out, ranges, deciding = {}, index_ranges(kernel), deciding_values(kernel)
    rows = placing(kernel.body, kernel.names)
    chosen = sorted(ranges.keys() - set(telling(kernel)))
    for number, name in enumerate((*chosen, *sorted(deciding.keys() - ranges.keys()))):
        low, high = ranges.get(name, (0, 0))
        if low > high:
            continue  # evaluation says which copy cannot be
        rng = np.random.default_rng([seed, number])
        info = kernel.tensor(name)
        if name in rows:
            values: Array = apart((low, high), info.shape, rng)
        elif name in ranges:
            values = rng.integers(low, high + 1, info.shape)
        else:
            values = _decisions(deciding[name], info.shape, rng)
        out[name] = values.astype(info.dtype)
    out |= drawn_bounds(kernel, out, seed, empty=empty)
    own = {n: ranges[n] for n in rows if ranges.get(n, (0, -1))[0] <= ranges.get(n, (0, -1))[1]}
    found = by_steps(kernel, out, own, seed)
    if found is not None:
        out = found
    out |= laid(kernel, out, [n for n, each in rows.items() if not each], seed, empty=empty)
    placed = own if found is not None else set(own) & set(chosen)
    return with_none(kernel, out, sorted(placed), seed)


def _decisions(values: tuple[int, ...], shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Every value somewhere, and rows that hold one alone, as far as there are rows for both.

    A block whose loop is told to do nothing, or all of it, is where what precedes the loop shows.
    """
    order, size = rng.permutation(values), int(np.prod(shape))
    rows, each = size // max(shape[-1], 1), shape[-1]
    whole = next(n for n in range(max(min(rows - 1, len(order)), 0), -1, -1)
                 if not n or (rows - n) * each >= len(order) - n)  # fmt: skip
    left = size - whole * each
    rest = np.append(order[whole:], rng.choice(order, max(left - len(order) + whole, 0)))[:left]
    drawn = [*np.repeat(order[:whole, None], each, 1), *rng.permutation(rest).reshape(-1, each)]
    return np.array(drawn)[rng.permutation(rows)].reshape(shape)


def _tables(expr: Any, named: Mapping[Any, Any], known: Mapping[Any, set[str]]) -> set[str]:
    """Tensors an index is read from, directly, by a name, a list or through a scalar."""
    loads: list[Any] = []
    names: list[Any] = []
    inner: list[Any] = []
    if isinstance(expr, tvm.ir.Expr):
        structural_walk(expr, [(tvm.ir.TensorLoad, loads.append),
                               (tvm.ir.Var, names.append)])  # fmt: skip
    for index in (i for load in loads for i in load.indices):  # which has limits of its own
        structural_walk(index, [(tvm.ir.TensorLoad, inner.append)])
    out = {name for load in loads if load.source not in named
           and not any(load.same_as(i) for i in inner)
           for name in known.get(load.source, {str(load.source.name)})}  # fmt: skip
    for name in names:
        value = named.get(name)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, tvm.ir.Expr):
                out |= _tables(one, _without(named, name), known)
    return out


def _without(named: Mapping[Any, Any], var: Any) -> dict[Any, Any]:
    """What the other variables stand for: what one depends on is not itself."""
    return {k: v for k, v in named.items() if not k.same_as(var)}


def _fitting(start: Any, last: int, named: Mapping[Any, Any]) -> Interval:
    """The first run of values, the same for all it reads, with ``start`` in 0 to ``last``."""

    def fits(low: Any, high: Any) -> Any:
        found = _Intervals(named, (low, high)).of(start)
        return found is not None and (found[0] >= 0) & (found[1] <= last)

    low = 0
    if not fits(0, 0):  # by itself: what zero divides is known of no value then
        each = np.arange(1, _LEAST)
        if not np.any(fit := fits(each, each)):
            return 0, -1
        low = int(np.argmax(np.broadcast_to(fit, each.shape))) + 1
    step, high = 1, low
    while step and high < LARGEST:
        if fits(low, high + step):
            high, step = high + step, step * 2
        else:
            step //= 2
    return low, min(high, LARGEST)


def _hull(found: Iterable[Ends]) -> Ends:
    """The least interval around some."""
    lows, highs = zip(*found, strict=True)
    return functools.reduce(np.minimum, lows), functools.reduce(np.maximum, highs)


def _corners(function: Callable[[Any, Any], Any]) -> Callable[[Ends, Ends], Ends]:
    def interval(a: Ends, b: Ends) -> Ends:
        found = [function(x, y) for x, y in itertools.product(a, b)]
        return _hull(zip(found, found, strict=True))

    return interval


def _modulo(a: Ends, b: Ends) -> Ends:
    size = b[1]
    same = a[0] // size == a[1] // size
    return np.where(same, a[0] % size, 0), np.where(same, a[1] % size, size - 1)


_OPS: Final[Mapping[str, Callable[[Ends, Ends], Ends]]] = MappingProxyType(
    {
        "Add": _corners(lambda a, b: a + b),
        "Sub": _corners(lambda a, b: a - b),
        "Mul": _corners(lambda a, b: a * b),
        "FloorDiv": _corners(lambda a, b: a // b),
        "FloorMod": _modulo,
        "Min": _corners(np.minimum),
        "Max": _corners(np.maximum),
    }
)


class _Intervals:
    """Least and greatest values of index expressions; None where they are not known."""

    def __init__(self, named: Mapping[Any, Any], read: Ends) -> None:
        """``named`` is what variables stand for, ``read`` what memory holds."""
        self.named, self.read = named, read

    def _scalar(self, buffer: Any) -> Ends | None:
        """All that a scalar is ever set to; None where that depends on itself."""
        found = self.named.get(buffer, [])
        rest = _Intervals(_without(self.named, buffer), self.read)
        known = [rest.of(value) for value in found]
        if not known or None in known:
            return None
        return _hull(k for k in known if k)

    def of(self, expr: Any) -> Ends | None:
        """The interval of an expression."""
        value = constant(expr)
        if value is not None:
            return value, value
        if isinstance(expr, tvm.ir.TensorLoad):
            scalar = isinstance(self.named.get(expr.source), list)
            return self._scalar(expr.source) if scalar else self.read
        if isinstance(expr, tvm.ir.Var):
            return self._variable(self.named.get(expr))
        if isinstance(expr, tirx.Cast) and dtype_of(expr).startswith("int"):
            return self.of(expr.value)
        sides = self._choice(expr)
        if sides is not None:
            a, b = (self.of(side) for side in sides)
            return None if a is None or b is None else _hull((a, b))
        op = type(expr).__name__
        if op not in _OPS:
            return None
        a, b = self.of(expr.a), self.of(expr.b)
        divides = op in ("FloorDiv", "FloorMod")
        if a is None or b is None or (divides and np.any((b[0] != b[1]) | (b[0] <= 0))):
            return None
        return _OPS[op](a, b)

    @staticmethod
    def _choice(expr: Any) -> tuple[Any, Any] | None:
        if isinstance(expr, tirx.Select):
            return expr.true_value, expr.false_value
        if isinstance(expr, tvm.ir.Call) and str(getattr(expr.op, "name", "")).endswith(
            ".if_then_else"
        ):
            return expr.args[1], expr.args[2]
        return None

    def _variable(self, known: Any) -> Ends | None:
        if isinstance(known, range):
            return 0, max(len(known) - 1, 0)
        if isinstance(known, tirx.For):
            start, extent = self.of(known.min), self.of(known.extent)
            if start is None or extent is None:
                return None
            return start[0], np.maximum(start[1] + extent[1] - 1, start[0])
        return None if known is None else self.of(known)
