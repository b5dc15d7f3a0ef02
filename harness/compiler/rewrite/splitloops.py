"""Loops of T.Parallel in two, where remainder and quotient choose planes of a tensor.

``Y[i, j] = X[(i % 2) * 2 + j % 2, i // 2, j // 2]`` takes every element of a block from another
plane than its neighbours'. With ``i`` and ``j`` counted as ``i * 2 + a`` and ``j * 2 + b`` it takes
a matrix from each plane, and stores it in every other place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import tvm
from tvm import tirx

from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.kernel import read_kernel, with_body
from harness.compiler.facts.statements import over_children, statements
from harness.compiler.rewrite.waves import substituted
from harness.language.nests import parallel_nest, relooped
from harness.language.regions import constant
from harness.language.walks import structural_walk

_TILED: Final = 2
"""Dimensions of a tensor that lie in tiles; those before are planes."""


def split_loops(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with such loops as two."""
    kernel = read_kernel(func)
    tensors = list(kernel.params)
    body = _statement(kernel.body, tensors)
    return func if body.same_as(kernel.body) else with_body(func, body)


def _statement(stmt: Any, tensors: Sequence[Any]) -> Any:
    loops, inner = parallel_nest(stmt)
    if not loops:
        return over_children(stmt, lambda child: _statement(child, tensors))
    made: list[tirx.For] = []
    values: dict[Any, Any] = {}
    analyzer = tvm.sym.Analyzer()
    for loop in loops:
        size = _remainder(inner, loop, tensors)
        if size is None:
            analyzer.bind(loop.loop_var, tvm.ir.Range.from_min_extent(loop.min, loop.extent))
            made.append(loop)
            continue
        outer = tirx.Var(str(loop.loop_var.name), "int32")
        within = tirx.Var(f"{loop.loop_var.name}_{size}", "int32")
        for var, extent in ((within, size), (outer, (constant(loop.extent) or 0) // size)):
            analyzer.bind(var, tvm.ir.Range.from_min_extent(0, extent))
            made.append(tirx.For(var, 0, extent, loop.kind, inner, span=loop.span))
        values[loop.loop_var] = outer * size + within
    if not values:
        return stmt
    body = substituted(inner, values, analyzer)
    for loop in reversed(made):
        body = relooped(loop, body)
    return body


def _remainder(body: Any, loop: tirx.For, tensors: Sequence[Any]) -> int | None:
    """The number whose remainders of a loop choose planes of tensors; None where none does."""
    extent = constant(loop.extent) or 0
    found: list[int] = []

    def seen(node: tirx.FloorMod) -> None:
        size = constant(node.b)
        if node.a.same_as(loop.loop_var) and size and size > 1 and extent % size == 0:
            found.append(size)

    for stmt in statements(body):
        for load in loads_of(stmt.value) if isinstance(stmt, tirx.BufferStore) else ():
            for index in load.indices[:-_TILED] if load.source in tensors else ():
                if mentions(index, [loop.loop_var]):
                    structural_walk(index, [(tirx.FloorMod, seen)])
    return max(found) if found and constant(loop.min) == 0 else None
