"""Tensors that decide what is done: values that take conditions both ways, and bounds for loops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import tvm
import tvm_ffi
from tvm import tirx

from golden.source import Kernel, constant, is_scalar, lists, statements

_FEW: Final = 4
"""Values from 0 on for what is compared with no number, as bounds of loops are."""
_COMPARISONS: Final = (tirx.EQ, tirx.NE, tirx.LT, tirx.LE, tirx.GT, tirx.GE)


def deciding_values(kernel: Kernel) -> dict[str, tuple[int, ...]]:
    """Values worth trying of every tensor that conditions on tile ops and bounds of loops read.

    Those next to the numbers a condition compares with, so that both outcomes are drawn.
    """
    named = {s.var: s.value for s in statements(kernel.body) if isinstance(s, tirx.Bind)}
    known = lists(kernel)
    out: dict[str, set[int]] = {}
    for stmt in statements(kernel.body):
        for expr in _decisive(stmt):
            numbers, sources = _parts(expr, named)
            tables = {name for source in sources for name in known.get(source, {source.name})}
            near = {n + d for n in numbers for d in (-1, 0, 1)}
            values = near if near and isinstance(stmt, tirx.IfThenElse) else set(range(_FEW))
            for name in tables & {info.name for info in kernel.tensors}:
                out.setdefault(name, set()).update(values)
    return {name: tuple(sorted(values)) for name, values in out.items()}


def neighbours(kernel: Kernel) -> set[str]:
    """Tensors read at ``i`` and at ``i + n`` of their last dimension: where sequences begin."""
    found: dict[str, list[Any]] = {}

    def load(node: Any) -> None:
        found.setdefault(str(node.source.name), []).append(node.indices[-1])

    tvm_ffi.structural_walk(kernel.body, [(tvm.ir.TensorLoad, load)])
    return {
        name for name, places in found.items()
        if any(constant(a - b) for a in places for b in places
               if str(a.ty.dtype) == str(b.ty.dtype))
    }  # fmt: skip


def _decisive(stmt: Any) -> Iterator[Any]:
    """Expressions by which a statement decides whether, or how often, tile ops run."""
    if isinstance(stmt, tirx.IfThenElse):
        inside = list(statements(stmt))
        if any(isinstance(s, tirx.Evaluate) or _is_parallel(s) for s in inside):
            yield stmt.condition
    elif isinstance(stmt, tirx.For) and not _is_parallel(stmt):
        yield from (stmt.min, stmt.extent)


def _is_parallel(stmt: Any) -> bool:
    return isinstance(stmt, tirx.For) and stmt.kind == tirx.ForKind.PARALLEL


def _parts(expr: Any, named: dict[Any, Any]) -> tuple[set[int], set[Any]]:
    """Numbers compared with and buffers read, names followed to what they stand for."""
    numbers: set[int] = set()
    tables: set[Any] = set()

    def load(node: Any) -> None:
        if not is_scalar(node.source):
            tables.add(node.source)

    def name(var: Any) -> None:
        if var in named:
            found = _parts(named[var], {k: v for k, v in named.items() if not k.same_as(var)})
            numbers.update(found[0])
            tables.update(found[1])

    def compared(node: Any) -> None:
        numbers.update(n for n in map(constant, (node.a, node.b)) if n is not None)

    if isinstance(expr, tvm.ir.Expr):
        tvm_ffi.structural_walk(expr, [
            (tvm.ir.TensorLoad, load), (tvm.ir.Var, name), *((k, compared) for k in _COMPARISONS)
        ])  # fmt: skip
    return numbers, tables
