"""T.Parallel over three and more dimensions, plane by plane.

Tile ops work on matrices. ``for p, i, j in T.Parallel(P, M, N): x[p, i, j] *= s[p, j]`` repeats
another row of ``s`` in every plane, which no operand does; a sequential loop over the planes around
a T.Parallel of two is the same, since iterations are independent. What works over all loops at once
is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import tvm
from tvm import tirx

from harness.compiler.affine import mentions
from harness.compiler.kernel import loads_of, over_children, read_kernel, statements, with_body
from harness.compiler.nests import parallel_nest
from harness.compiler.waves import substituted
from harness.language.regions import constant

Place = tuple[int | None, ...]
"""Per index, the loop it runs along from somewhere on; None where it stays."""


def planewise(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with nests that need it as sequential loops around a T.Parallel of two."""
    kernel = read_kernel(func)
    body = _statement(kernel.body)
    return func if body.same_as(kernel.body) else with_body(func, body)


def _statement(stmt: Any) -> Any:
    loops, inner = parallel_nest(stmt)
    if not loops:
        return over_children(stmt, _statement)
    long = [loop for loop in loops if (constant(loop.extent) or 0) > 1]
    if len(long) < 3:
        return stmt
    analyzer = tvm.sym.Analyzer()
    for loop in loops:
        analyzer.bind(loop.loop_var, tvm.ir.Range.from_min_extent(loop.min, loop.extent))
    inner = substituted(inner, {}, analyzer)  # views of blocks divide what their loops make
    if _all_at_once(inner, [loop.loop_var for loop in loops]):
        return stmt
    for kept in _kept(long):
        if _works(inner, [loop.loop_var for loop in kept]):
            return _rebuilt([lo for lo in loops if lo not in kept], kept, inner)
    return stmt


def _kept(loops: Sequence[tirx.For]) -> Iterator[Sequence[tirx.For]]:
    """Loops that may stay parallel, the last two first."""
    yield from reversed(list(combinations(loops, 2)))


def _all_at_once(body: Any, variables: Sequence[Any]) -> bool:
    """Whether every operand is a block of all planes, or the same for each of them."""
    rank = len(variables)
    same = ((), (rank - 1,), (rank - 2,), tuple(range(rank)))
    return all(
        place is None or tuple(k for k in place if k is not None) in same
        for place in _places(body, variables)
    )


def _works(body: Any, variables: Sequence[Any]) -> bool:
    """Whether every operand is a matrix over two loops, or something repeated along them."""
    for place in _places(body, variables):
        if place is None or any(k is not None for k in place[:-2]):
            return False
    return True


def _places(body: Any, variables: Sequence[Any]) -> Iterator[Place | None]:
    """Where the elements lie that a nest reads and stores; None for computed places."""
    for stmt in statements(body):
        if isinstance(stmt, tirx.BufferStore):
            yield _place(stmt.indices[:], variables)
            for load in loads_of(stmt.value):
                yield _place(load.indices[:], variables)
        elif isinstance(stmt, tirx.IfThenElse):
            for load in loads_of(stmt.condition):
                yield _place(load.indices[:], variables)


def _place(indices: Sequence[Any], variables: Sequence[Any]) -> Place | None:
    found: list[int | None] = []
    for index in indices:
        used = [k for k, var in enumerate(variables) if mentions(index, [var])]
        if len(used) > 1 or loads_of(index):
            return None
        if used:
            var = variables[used[0]]
            if mentions(tvm.sym.Analyzer().simplify(index - var), [var]):
                return None
        found.append(used[0] if used else None)
    along = [k for k in found if k is not None]
    return tuple(found) if len(set(along)) == len(along) else None


def _rebuilt(
    around: Sequence[tirx.For], kept: Sequence[tirx.For], body: Any
) -> tirx.For:  # fmt: skip
    for loops, kind in ((kept, tirx.ForKind.PARALLEL), (around, tirx.ForKind.SERIAL)):
        for loop in reversed(loops):
            body = tirx.For(loop.loop_var, loop.min, loop.extent, kind, body, span=loop.span)
    return body
