"""Expressions that take more DST tiles than there are, cut into several statements.

A part of the expression is computed into a block of its own, in float32: a result in DST, of 32 or
of 16 bits, is the same there and back, so a cut rounds nothing and moves no bound.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.compiler.block.emitting.expression import inputs, registers_needed
from harness.compiler.block.model import (
    BlockProgram,
    Buffer,
    Const,
    Eltwise,
    Expr,
    Leaf,
    Statement,
    leaves,
    over_operands,
)
from harness.compiler.block.rewrite import rewrite_lists


def cut_expressions(program: BlockProgram, dst_tiles: int) -> None:
    """Make every elementwise statement of a program fit ``dst_tiles``, of which there are 4."""

    def visit(body: list[Statement]) -> list[Statement]:
        out: list[Statement] = []
        for stmt in body:
            if isinstance(stmt, Eltwise) and registers_needed(stmt.expr) > dst_tiles:
                out += _Cut(program, stmt, dst_tiles).done()
            else:
                out.append(stmt)
        return out

    rewrite_lists(program, visit)


class _Cut:
    """The statements of one that does not fit; equal parts are computed once."""

    def __init__(self, program: BlockProgram, stmt: Eltwise, dst_tiles: int) -> None:
        self.program, self.stmt, self.dst_tiles = program, stmt, dst_tiles
        self.parts: dict[Expr, Buffer] = {}

    def done(self) -> list[Statement]:
        self.stmt.expr = self.fitted(self.stmt.expr)
        ahead = {made: expr for expr, made in self.parts.items()}
        return [*self.before(self.stmt.expr, ahead), self.stmt]

    def before(self, expr: Expr, ahead: dict[Buffer, Expr]) -> Iterator[Statement]:
        """Parts an expression reads, each right before it is wanted: few hold a value at once."""
        for buffer in leaves(expr):
            part = ahead.pop(buffer, None)
            if part is not None:
                yield from self.before(part, ahead)
                yield Eltwise(self.stmt.node, buffer, part)

    def fitted(self, expr: Expr) -> Expr:
        """The expression with parts in blocks of their own, innermost first, as far as it must."""
        if registers_needed(expr) <= self.dst_tiles:
            return expr
        expr = over_operands(expr, self.fitted)
        while registers_needed(expr) > self.dst_tiles:
            parts = [e for e in inputs(expr) if not isinstance(e, (Leaf, Const))]
            largest = max(parts, key=registers_needed)
            expr = over_operands(expr, lambda e: self.part(e) if e is largest else e)  # noqa: B023
        return expr

    def part(self, expr: Expr) -> Leaf:
        """The part as a block."""
        if expr not in self.parts:
            name = self.program.fresh_name(f"{self.stmt.dst.name}_part")
            self.parts[expr] = self.stmt.dst.like(name, "float32")
        return Leaf(self.parts[expr])
