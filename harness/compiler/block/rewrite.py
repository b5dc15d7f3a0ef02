"""Two small rewriting helpers shared by the normalising steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness.compiler.block.model import (
    Accumulate,
    BlockProgram,
    Buffer,
    Eltwise,
    Gemm,
    Statement,
    rebuilt,
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
        stmt.expr = rebuilt(
            stmt.expr, lambda leaf: replace(leaf, buffer=new) if leaf.buffer is old else leaf
        )
        return
    for name in ("a", "b", "src", "acc", "scaler", "base", "ones"):
        value: Any = getattr(stmt, name, None)
        if value is old:
            setattr(stmt, name, new)


def redirect(maker: Statement, old: Buffer, new: Buffer) -> None:
    """Make a statement write ``new`` where it wrote ``old``; what it reads stays."""
    if isinstance(maker, Accumulate):
        maker.outs = [new if out is old else out for out in maker.outs]
    elif isinstance(maker, Gemm):
        maker.c = new
    else:
        maker.dst = new  # type: ignore[attr-defined]
