"""Iterations of T.Parallel have no order: none may read or store what another one stores.

``x[i, j] = x[i, 31 - j]`` has a value only where every read comes before every store, or in some
other order; TileLang promises none. Of ``x[i] = a[i]`` and ``x[i + 1] = b[i]`` either may be last.
Which elements iterations store and read is counted, for some values of what is around the nest.
Where data say which, the machine finds rows that are stored twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Call

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.kernel import Kernel
from harness.compiler.facts.statements import children
from harness.compiler.facts.values import value_of
from harness.compiler.rewrite.masks import is_old
from harness.language.nests import is_parallel
from harness.language.regions import constant
from harness.language.walks import structural_walk

_MOST: Final = 1 << 20
"""Iterations that are counted."""
_AROUND: Final = 3
"""Variables around a nest that take several values, three each."""


@dataclass(frozen=True)
class _Touch:
    """An element read or stored, where ``conditions`` hold, under loops of the nest."""

    buffer: Any
    indices: tuple[Any, ...]
    conditions: tuple[Any, ...]
    node: Any
    stores: bool = False


def check_unordered(kernel: Kernel) -> None:
    """Refuse T.Parallel of which one iteration reads or stores what another stores.

    Raises:
        CompileError: at the store, with the element that is read.
    """
    around = [(v, 0, n) for v, n in zip(kernel.block_vars, kernel.grid, strict=True)
              if v is not None]  # fmt: skip
    for nest, outer in _nests(kernel.body, tuple(around)):
        stored: list[_Touch] = []
        read: list[_Touch] = []
        loops: list[tirx.For] = []
        _collect(nest, (), loops, stored, read)
        for store, load in itertools.product(stored, read):
            own = str(list(store.indices)) == str(list(load.indices))
            if load.buffer.same_as(store.buffer) and not own:
                _check(loops, outer, store, load)
        for one, two in itertools.combinations_with_replacement(stored, 2):
            if one.buffer.same_as(two.buffer) and not _alike(one, two, loops):
                _check(loops, outer, one, two)


def _alike(one: _Touch, two: _Touch, loops: Sequence[Any]) -> bool:
    """Whether two stores are of one value, or certainly meet in their own iterations alone."""
    if any(loads_of(index) for touch in (one, two) for index in touch.indices):
        return True
    if one is not two:
        value = one.node.value
        number = isinstance(value, (tirx.IntImm, tirx.FloatImm))
        same = number and tvm_ffi.structural_equal(value, two.node.value)
        at_one = str(list(one.indices)) == str(list(two.indices))
        return same or (at_one and _alike(one, one, loops))
    own = [load for load in loads_of(one.node.value) if load.source.same_as(one.buffer)]
    if any(str(list(load.indices)) == str(list(one.indices)) for load in own):
        return True  # a reduction, which is refused as one
    parts = (*one.indices, *one.conditions, one.node.value)
    return all(any(index.same_as(loop.loop_var) for index in one.indices)
               or not any(mentions(part, [loop.loop_var]) for part in parts)
               for loop in loops if is_parallel(loop))  # fmt: skip


def _nests(stmt: Any, around: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Outermost loops of T.Parallel, and the variables around each with their ranges."""
    if is_parallel(stmt):
        yield stmt, around
        return
    if isinstance(stmt, tirx.For):
        around = (*around, (stmt.loop_var, constant(stmt.min), constant(stmt.extent)))
    for child in children(stmt):
        yield from _nests(child, around)


def _collect(
    stmt: Any, conditions: tuple[Any, ...], loops: list[Any], stored: list[_Touch],
    read: list[_Touch],
) -> None:  # fmt: skip
    """The loops below a statement, and what it stores and reads."""
    if isinstance(stmt, tirx.For):
        loops.append(stmt)
    if isinstance(stmt, tirx.IfThenElse):
        _reads(stmt.condition, conditions, stmt, read)
        _collect(stmt.then_case, (*conditions, stmt.condition), loops, stored, read)
        if stmt.else_case is not None:
            other = (*conditions, tirx.Not(stmt.condition))
            _collect(stmt.else_case, other, loops, stored, read)
        return
    if isinstance(stmt, tirx.BufferStore):
        where, value = conditions, stmt.value
        while (parts := _choice(value)) and is_old(parts[2], stmt):
            where, value = (*where, parts[0]), parts[1]
            _reads(parts[0], conditions, stmt, read)
        stored.append(_Touch(stmt.buffer, tuple(stmt.indices), where, stmt, stores=True))
        for expr in (value, *stmt.indices):
            _reads(expr, where, stmt, read)
    for child in children(stmt):
        _collect(child, conditions, loops, stored, read)


def _choice(value: Any) -> tuple[Any, ...] | None:
    """Condition and both values of a choice."""
    if isinstance(value, tirx.Select):
        return value.condition, value.true_value, value.false_value
    chosen = isinstance(value, Call) and value.op.name.endswith("if_then_else")
    return tuple(value.args) if chosen else None


def _reads(expr: Any, where: tuple[Any, ...], node: Any, read: list[_Touch]) -> None:
    """What an expression reads; of a choice, each side where it is chosen."""
    if parts := _choice(expr):
        _reads(parts[0], where, node, read)
        _reads(parts[1], (*where, parts[0]), node, read)
        _reads(parts[2], (*where, tirx.Not(parts[0])), node, read)
        return
    if isinstance(expr, (tirx.Add, tirx.Sub, tirx.Mul, tirx.Div, tirx.Max, tirx.Min)):
        _reads(expr.a, where, node, read)
        _reads(expr.b, where, node, read)
        return
    read += [_Touch(load.source, tuple(load.indices), where, node) for load in loads_of(expr)]


def _check(
    loops: Sequence[Any], outer: Sequence[Any], store: _Touch, load: _Touch
) -> None:  # fmt: skip
    sizes = [constant(loop.extent) for loop in loops]
    shape = [constant(d) for d in store.buffer.ty.shape]
    if None in sizes or None in shape or np.prod(sizes, dtype=np.int64) > _MOST:  # type: ignore[arg-type]
        return
    places = np.indices(sizes, np.int64, sparse=True)  # type: ignore[call-overload]
    counted = {loop.loop_var: at + (constant(loop.min) or 0)
               for loop, at in zip(loops, places, strict=True)}  # fmt: skip
    alone = [n if is_parallel(loop) else 1 for loop, n in zip(loops, sizes, strict=True)]
    steps = np.cumprod([1, *alone[:0:-1]])[::-1]
    own = sum(at * step for at, step, loop in zip(places, steps, loops, strict=True)
              if is_parallel(loop))  # fmt: skip
    for values in _values(outer, store, load):
        env = counted | values
        one, two = (_elements(touch, env, shape, sizes) for touch in (store, load))
        unknown = one is None or two is None
        if unknown and load.stores:
            return
        if one is None or two is None or _meet(one, two, np.broadcast_to(own, one.shape)):
            name = store.buffer.name
            if load.stores:
                refuse(f"iterations of T.Parallel have no order, and several store to one element"
                       f" of {name!r}", node=load.node, code="UnsupportedIndex",
                       next_step="store to each element once, or say under which condition each"
                       " store holds")  # fmt: skip
            refuse("iterations of T.Parallel have no order, and one reads elements of"
                   f" {name!r} that others store", node=store.node, code="UnsupportedIndex",
                   next_step=f"store to another block, or T.copy {name} to one before the loops"
                   " and read that")  # fmt: skip


def _values(outer: Sequence[Any], *touches: _Touch) -> Iterator[dict[Any, Any]]:
    """Some values of the variables around a nest that places and conditions name."""
    used: set[Any] = set()
    for touch in touches:
        for expr in (*touch.indices, *touch.conditions):
            structural_walk(expr, [(tvm.ir.Var, used.add)])
    named = [(v, low or 0, n) for v, low, n in outer if v in used]
    choices = []
    for at, (_, low, extent) in enumerate(named):
        several = {low, low + 1, low + (extent or 2) - 1} if at < _AROUND else {low}
        choices.append(sorted(v for v in several if extent is None or v < low + extent))
    for values in itertools.product(*choices):
        yield {v: np.int64(x) for (v, _, _), x in zip(named, values, strict=True)}


def _elements(
    touch: _Touch, env: Mapping[Any, Any], shape: Sequence[Any], sizes: Sequence[Any]
) -> npt.NDArray[np.int64] | None:
    """The element of every iteration, -1 where it has none; None where data say which."""
    found: Any = np.int64(0)
    inside: Any = np.True_
    for index, size in zip(touch.indices, shape, strict=True):
        at = None if loads_of(index) else value_of(index, env)
        if at is None:
            return None
        found, inside = found * size + at, inside & (at >= 0) & (at < size)
    for condition in touch.conditions:
        holds = None if loads_of(condition) else value_of(condition, env)
        inside = inside if holds is None else inside & holds  # what data decide may hold
    return np.broadcast_to(np.where(inside, found, -1), sizes)


def _meet(one: Any, two: Any, own: Any) -> bool:
    """Whether an element of ``two`` is one of ``one`` in another iteration."""
    stored, reading = one >= 0, two >= 0
    if not stored.any() or not reading.any():
        return False
    last = np.full(int(max(one.max(), two.max())) + 1, -1, np.int64)
    first = last.copy()
    last[one[stored]] = own[stored]
    first[one[stored][::-1]] = own[stored][::-1]
    element, reader = two[reading], own[reading]
    return any(bool(((by[element] >= 0) & (by[element] != reader)).any()) for by in (first, last))
