"""Tensors that decide whether tile ops run: values that take conditions both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import tvm
from tvm import tirx

from golden.named import Named, named
from golden.source import Kernel, constant, lists, statements
from golden.walks import structural_walk

_COMPARISONS: Final = (tirx.EQ, tirx.NE, tirx.LT, tirx.LE, tirx.GT, tirx.GE)
_ARITHMETIC: Final = (tirx.Add, tirx.Sub, tirx.Mul, tirx.FloorDiv)


@lru_cache(maxsize=4)
def deciding(kernel: Kernel) -> set[str]:
    """Names of the tensors that conditions on tile ops and bounds of loops ask."""
    return set(_near(kernel)[0])


def deciding_values(kernel: Kernel) -> Mapping[str, tuple[int, ...]]:
    """Values worth trying of every tensor that conditions on tile ops compare with numbers.

    Those next to the numbers, so that both outcomes are drawn. Tensors that also bound loops are
    not among them: what fits there is another question.
    """
    out, bounds = _near(kernel)
    return {name: tuple(sorted(values)) for name, values in out.items() if name not in bounds}


def _near(kernel: Kernel) -> tuple[dict[str, set[int]], set[str]]:
    """Of every tensor that decides the values next to what it is held against; what else it does.

    The second are those that bound loops, or are held against no number.
    """
    names = named(kernel.body, elements=True)
    known, tensors = lists(kernel), {info.name for info in kernel.tensors}
    out: dict[str, set[int]] = {}
    bounds: set[str] = set()
    for stmt in kernel.statements:
        for expr in _decisive(stmt):
            numbers, sources = _parts(expr, names)
            tables = {name for source in sources for name in known.get(source, {source.name})}
            truths = tables <= {info.name for info in kernel.tensors if info.dtype == "bool"}
            near = {0, 1} if truths else {n + d for n in numbers for d in (-1, 0, 1)}
            if not near or not isinstance(stmt, tirx.IfThenElse):
                bounds |= tables
            for name in tables & tensors:
                out.setdefault(name, set()).update(near)
    return out, bounds


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


def _parts(expr: Any, names: Named) -> tuple[set[int], set[Any]]:
    """What memory is held against and buffers read; names stand for all they are ever given."""
    numbers: set[int] = set()
    steps: set[int] = set()
    buffers: set[Any] = set()

    def load(node: Any) -> None:
        if node.source not in names:
            buffers.add(node.source)

    def look(expr: Any, names: Named) -> None:
        if not isinstance(expr, tvm.ir.Expr):
            return
        used: list[Any] = []
        structural_walk(expr, [
            (tvm.ir.TensorLoad, load), (tvm.ir.Var, used.append),
            *((k, lambda n: numbers.update(_constants(n))) for k in _COMPARISONS),
            *((k, lambda n: steps.update(_constants(n))) for k in _ARITHMETIC),
        ])  # fmt: skip
        for var in used:
            rest = {k: v for k, v in names.items() if not k.same_as(var)}
            for value in names.get(var, ()):
                look(value, rest)

    look(expr, names)
    reached = {m for n in numbers for s in steps
               for m in (n - s, n + s, *((n // s, n * s) if s else ()))}  # fmt: skip
    return numbers | reached, buffers


def _constants(node: Any) -> list[int]:
    return [n for n in map(constant, (node.a, node.b)) if n is not None]
