"""Loops of T.Parallel in one, where both together count the elements of a vector on chip.

``for i, j in T.Parallel(128, 4): y[i * 4 + j] = x[i * 4 + j]`` gives threads and what each of them
does a loop of their own. A vector lies in a row of tiles whoever stores it: counted by one loop, it
is stored elementwise.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import tirx

from harness.compiler.facts.accesses import accesses
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.kernel import read_kernel, with_body
from harness.compiler.facts.statements import over_children
from harness.compiler.rewrite.waves import substituted
from harness.language.nests import parallel_nest
from harness.language.regions import constant
from harness.language.walks import structural_walk


def fused(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with such loops as one."""
    kernel = read_kernel(func)
    vectors = {b for b in kernel.onchip if len(b.ty.shape) == 1}
    body = _statement(kernel.body, vectors)
    return func if body.same_as(kernel.body) else with_body(func, body)


def _statement(stmt: Any, vectors: set[Any]) -> Any:
    loops, inner = parallel_nest(stmt)
    if not loops:
        return over_children(stmt, lambda child: _statement(child, vectors))
    if len(loops) != 2 or not _counted(inner, [loop.loop_var for loop in loops], vectors):
        return stmt
    outer, last = loops
    count, size = constant(outer.extent), constant(last.extent)
    if count is None or not size or constant(outer.min) != 0 or constant(last.min) != 0:
        return stmt
    var = tirx.Var(str(outer.loop_var.name), "int32")
    analyzer = tvm.sym.Analyzer()
    analyzer.bind(var, tvm.ir.Range(0, count * size))
    values = {outer.loop_var: tirx.FloorDiv(var, tirx.const(size, "int32")),
              last.loop_var: tirx.FloorMod(var, tirx.const(size, "int32"))}  # fmt: skip
    body = substituted(inner, values, analyzer)
    if _divides(body, var):
        return stmt
    return tirx.For(var, 0, count * size, outer.kind, body,
                    annotations=outer.annotations, span=outer.span)  # fmt: skip


def _counted(body: Any, variables: list[Any], vectors: set[Any]) -> bool:
    """Whether an index of a vector is made of both loops."""
    return any(all(mentions(a.starts[0], [v]) for v in variables)
               for a in accesses(body) if a.buffer in vectors)  # fmt: skip


def _divides(body: Any, var: Any) -> bool:
    """Whether a loop counts something else than elements one after another."""
    found: list[Any] = []
    structural_walk(body, [((tirx.FloorDiv, tirx.FloorMod), found.append)])
    return any(mentions(node, [var]) for node in found)
