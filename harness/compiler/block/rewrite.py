"""Two small rewriting helpers shared by the normalising steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.compiler.block.model import (
    Binary,
    BlockProgram,
    Buffer,
    Eltwise,
    Expr,
    Leaf,
    Statement,
)


def rewrite_lists(
    program: BlockProgram, visit: Callable[[list[Statement]], list[Statement]]
) -> None:
    """Replace every statement list by ``visit`` of it, innermost first."""

    def down(body: list[Statement]) -> None:
        for stmt in body:
            for inner in stmt.bodies():
                down(inner)
        body[:] = visit(body)

    down(program.body)


def replace_uses(stmt: Statement, old: Buffer, new: Buffer) -> None:
    """Make a statement read ``new`` where it read ``old``; what it writes stays."""
    if isinstance(stmt, Eltwise):
        stmt.expr = _replace(stmt.expr, old, new)
        return
    for name in ("a", "b", "src"):
        value: Any = getattr(stmt, name, None)
        if value is old:
            setattr(stmt, name, new)


def _replace(expr: Expr, old: Buffer, new: Buffer) -> Expr:
    if isinstance(expr, Leaf):
        return Leaf(new) if expr.buffer is old else expr
    if isinstance(expr, Binary):
        return Binary(expr.op, _replace(expr.a, old, new), _replace(expr.b, old, new))
    return expr
