"""Sequential loops over elements, as T.Parallel where their order does not matter.

``for i in T.serial(32): for j in T.serial(64): c[i, j] = a[i, j] * 2`` stores every element once,
and reads of what it stores only the element itself: its iterations are independent. In
``c[i] += a[i, k]`` those along ``i`` are, for each ``k``; so the loops that the place stored to
does not name stay sequential, around the others. Whatever may read what another iteration stores
stays as it is, and is refused where elements are stored one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.kernel import read_kernel, with_body
from harness.compiler.facts.statements import over_children
from harness.language.nests import is_parallel, relooped
from harness.language.regions import constant
from harness.language.walks import replaced, structural_map


def parallelised(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with loops over elements written as T.Parallel, where that is the same."""
    kernel = read_kernel(func)
    body = _statement(kernel.body)
    return func if body.same_as(kernel.body) else with_body(func, body)


def _statement(stmt: Any) -> Any:
    if not isinstance(stmt, tirx.For) or is_parallel(stmt):
        return stmt if isinstance(stmt, tirx.For) else over_children(stmt, _statement)
    loops: list[tirx.For] = []
    inner: Any = stmt
    while isinstance(inner, tirx.For):
        loops.append(inner)
        inner = inner.body
    stores = list(inner.seq) if isinstance(inner, tirx.SeqStmt) else [inner]
    if not all(isinstance(s, tirx.BufferStore) for s in stores):
        return over_children(stmt, _statement)
    first = _first_elementwise(loops, stores)
    reduced = None if first == 0 else _reduction(loops, stores)
    if reduced is not None or first is None:
        return reduced or stmt
    return _rebuilt(loops[:first], [], loops[first:], inner)


def _first_elementwise(loops: Sequence[tirx.For], stores: Sequence[Any]) -> int | None:
    """The outermost loop from which on all are independent; loops around it stay."""
    for first in range(len(loops)):
        inside = loops[first:]
        if all(_counted(lo) for lo in inside) and _elementwise(inside, stores):
            return first if any(not is_parallel(lo) for lo in inside) else None
    return None


def _elementwise(loops: Sequence[tirx.For], stores: Sequence[Any]) -> bool:
    """Whether every iteration stores elements of its own, and reads no others of what is stored."""
    variables = [loop.loop_var for loop in loops]
    places: dict[Any, str] = {}
    for store in stores:
        if _named(store.indices, variables) != set(range(len(variables))):
            return False
        if places.setdefault(store.buffer, str(list(store.indices))) != str(list(store.indices)):
            return False
    return all(_reads_its_own(store, places) for store in stores)


def _reads_its_own(store: Any, places: dict[Any, str]) -> bool:
    return all(load.source not in places or str(list(load.indices)) == places[load.source]
               for load in loads_of(store.value, *store.indices))  # fmt: skip


def _reduction(loops: Sequence[tirx.For], stores: Sequence[Any]) -> Any | None:
    """Loops with those on top that the one store does not name; None where that changes a value."""
    variables = [loop.loop_var for loop in loops]
    if len(stores) != 1 or not all(map(_counted, loops)):
        return None
    (store,) = stores
    named = _named(store.indices, variables)
    if named is None or not _reads_its_own(store, {store.buffer: str(list(store.indices))}):
        return None
    across = [loop for n, loop in enumerate(loops) if n not in named]
    along = [loop for n, loop in enumerate(loops) if n in named]
    if any(map(is_parallel, across)) or not across:
        return None
    if not along:
        return _of_one(across, store)
    return _rebuilt([], across, along, store)


def _of_one(loops: Sequence[tirx.For], store: Any) -> Any:
    """Loops around a store to one element, which becomes a T.Parallel of one place."""
    place = tirx.Var("place", "int32")
    indices = [*store.indices[:-1], store.indices[-1] + place]
    own = str(list(store.indices))

    def moved(load: TensorLoad) -> TensorLoad:
        mine = load.source.same_as(store.buffer) and str(list(load.indices)) == own
        return tirx.BufferLoad(load.source, indices) if mine else load

    value = structural_map(store.value, [(TensorLoad, moved)])
    made: Any = tirx.BufferStore(store.buffer, value, indices, span=store.span)
    made = tirx.For(place, 0, 1, tirx.ForKind.PARALLEL, made, span=store.span)
    return _rebuilt([], loops, [], made)


def _named(indices: Sequence[Any], variables: Sequence[Any]) -> set[int] | None:
    """Which loops the places stored to tell apart; None where two may store to one place.

    Each index may be of one loop variable, times a number, and each variable in one index.
    """
    analyzer, found = tvm.sym.Analyzer(), []
    for index in indices:
        mine = [n for n, v in enumerate(variables) if mentions(index, [v])]
        if not mine:
            continue
        if len(mine) > 1:
            return None
        var = variables[mine[0]]
        after = replaced(index, {var: var + 1})
        if not constant(analyzer.simplify(after - index)):
            return None
        found += mine
    return set(found) if len(set(found)) == len(found) else None


def _rebuilt(
    around: Sequence[tirx.For], across: Sequence[tirx.For], along: Sequence[tirx.For], body: Any
) -> Any:  # fmt: skip
    """A nest anew: ``around`` and ``across`` as they are, ``along`` as T.Parallel."""
    for loop in reversed(along):
        body = tirx.For(loop.loop_var, loop.min, loop.extent, tirx.ForKind.PARALLEL, body,
                        span=loop.span)  # fmt: skip
    for loop in reversed((*around, *across)):
        body = relooped(loop, body)
    return body


def _counted(loop: tirx.For) -> bool:
    """Whether a loop runs from 0, one by one, and has no other tasks than to be run."""
    kinds = (tirx.ForKind.SERIAL, tirx.ForKind.UNROLLED, tirx.ForKind.PARALLEL)
    plain = loop.kind in kinds and not loop.annotations and getattr(loop, "step", None) is None
    return plain and constant(loop.min) == 0 and bool(constant(loop.extent))
