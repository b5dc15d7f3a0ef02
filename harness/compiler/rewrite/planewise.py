"""T.Parallel over three and more dimensions, plane by plane.

Tile ops work on matrices. ``for p, i, j in T.Parallel(P, M, N): x[p, i, j] *= s[p, j]`` repeats
another row of ``s`` in every plane, which no operand does; a sequential loop over the planes around
a T.Parallel of two is the same, since iterations are independent. So are elements at computed
places, ``x[p, i, j] = y[p * M + i, j]``, which are moved in matrices only. What works over all
loops at once is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.kernel import read_kernel, with_body
from harness.compiler.facts.statements import over_children, statements
from harness.compiler.rewrite.waves import substituted
from harness.language.nests import parallel_nest
from harness.language.regions import constant


@dataclass(frozen=True)
class _Place:
    """Where elements lie that a nest reads, or stores.

    ``along`` says per index which loop it runs along from somewhere on; None where it stays. It is
    None altogether where an index is computed, or data say it (``told``).
    """

    along: tuple[int | None, ...] | None
    told: bool
    moved: bool
    """Whether elements at computed places can be moved: any that are read, a matrix's if stored."""


def planewise(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with nests that need it as sequential loops around a T.Parallel of two."""
    kernel = read_kernel(func)
    matrices = [b for b in kernel.onchip if len(b.ty.shape) == 2]
    body = _statement(kernel.body, matrices)
    return func if body.same_as(kernel.body) else with_body(func, body)


def _statement(stmt: Any, matrices: Sequence[Any]) -> Any:
    loops, inner = parallel_nest(stmt)
    if not loops:
        return over_children(stmt, lambda child: _statement(child, matrices))
    long = [loop for loop in loops if (constant(loop.extent) or 0) > 1]
    if len(long) < 3:
        return stmt
    analyzer = tvm.sym.Analyzer()
    for loop in loops:
        analyzer.bind(loop.loop_var, tvm.ir.Range.from_min_extent(loop.min, loop.extent))
    inner = substituted(inner, {}, analyzer)  # views of blocks divide what their loops make
    if _all_at_once(_places(inner, [loop.loop_var for loop in loops], matrices), len(loops)):
        return stmt
    ways = [(_moved(_places(inner, [loop.loop_var for loop in kept], matrices)), kept)
            for kept in _kept(long)]  # fmt: skip
    works = [(moved, kept) for moved, kept in ways if moved is not None]
    if not works:
        return stmt
    # What is moved is moved once per matrix: the fewer matrices, the better.
    _, kept = min(works, key=lambda way: (way[0], -_size(way[1]) if way[0] else 0))
    around = [loop for loop in loops if loop not in kept]
    _check_apart(inner, [loop.loop_var for loop in around])
    return _rebuilt(around, kept, inner)


def _check_apart(body: Any, around: Sequence[Any]) -> None:
    """Refuse what reads a block in planes that other iterations store: they go in turn here.

    Raises:
        CompileError: at the store.
    """
    stores = [s for s in statements(body) if isinstance(s, tirx.BufferStore)]
    for stmt in statements(body):
        asked = [getattr(stmt, name, None) for name in ("value", "condition")]
        for load in loads_of(*asked):
            for store in stores:
                if store.buffer.same_as(load.source) and not _same_plane(store, load, around):
                    refuse(f"{store.buffer.name!r} is read in planes that other iterations of"
                           " T.Parallel store", node=load, code="UnsupportedConstruct",
                           next_step="T.copy it to a block of its own before, and read"
                           " that")  # fmt: skip


def _same_plane(store: tirx.BufferStore, load: Any, around: Sequence[Any]) -> bool:
    pairs = zip(store.indices[:], load.indices[:], strict=True)
    return all(tvm_ffi.structural_equal(a, b) for a, b in pairs
               if mentions(a, around) or mentions(b, around))  # fmt: skip


def _size(loops: Sequence[tirx.For]) -> int:
    return math.prod(constant(loop.extent) or 1 for loop in loops)


def _kept(loops: Sequence[tirx.For]) -> Iterator[Sequence[tirx.For]]:
    """Loops that may stay parallel, the last two first."""
    yield from reversed(list(combinations(loops, 2)))


def _all_at_once(places: Iterator[_Place], rank: int) -> bool:
    """Whether every operand is a block of all planes, or the same for each of them, or told."""
    same = ((), (rank - 1,), (rank - 2,), tuple(range(rank)))
    return all(
        place.told
        or (place.along is not None and tuple(k for k in place.along if k is not None) in same)
        for place in places
    )


def _moved(places: Iterator[_Place]) -> int | None:
    """How many operands are moved; None where one is no matrix over the loops, nor repeated."""
    count = 0
    for place in places:
        if place.along is None and not place.moved:
            return None
        if place.along is not None and any(k is not None for k in place.along[:-2]):
            return None
        count += place.along is None
    return count


def _places(
    body: Any, variables: Sequence[Any], matrices: Sequence[Any]
) -> Iterator[_Place]:  # fmt: skip
    """Where the elements lie that a nest reads and stores."""
    for stmt in statements(body):
        if isinstance(stmt, tirx.BufferStore):
            yield _place(stmt.indices[:], variables, moved=stmt.buffer in matrices)
            for load in loads_of(stmt.value):
                yield _place(load.indices[:], variables)
        elif isinstance(stmt, tirx.IfThenElse):
            for load in loads_of(stmt.condition):
                yield _place(load.indices[:], variables)


def _place(indices: Sequence[Any], variables: Sequence[Any], *, moved: bool = True) -> _Place:
    if loads_of(*indices):
        return _Place(None, told=True, moved=False)
    computed = _Place(None, told=False, moved=moved)
    found: list[int | None] = []
    for index in indices:
        used = [k for k, var in enumerate(variables) if mentions(index, [var])]
        if len(used) > 1:
            return computed
        if used:
            var = variables[used[0]]
            if mentions(tvm.sym.Analyzer().simplify(index - var), [var]):
                return computed
        found.append(used[0] if used else None)
    along = [k for k in found if k is not None]
    apart = len(set(along)) == len(along)
    return _Place(tuple(found), told=False, moved=moved) if apart else computed


def _rebuilt(
    around: Sequence[tirx.For], kept: Sequence[tirx.For], body: Any
) -> tirx.For:  # fmt: skip
    for loops, kind in ((kept, tirx.ForKind.PARALLEL), (around, tirx.ForKind.SERIAL)):
        for loop in reversed(loops):
            body = tirx.For(loop.loop_var, loop.min, loop.extent, kind, body, span=loop.span)
    return body
