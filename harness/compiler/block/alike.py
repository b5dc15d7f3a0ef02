"""Comparisons of a block with its own maximum: both as the matrix unit sees them.

A reduction takes float32 through SrcA, which cuts it to TF32, so the largest of a row equals no
element of it: ``x[i, j] == largest[i]`` would hold nowhere. Whatever is compared with the maximum
of the very block it is an element of is therefore read from the buffer that was reduced, by the
same way. Then it holds for the largest, and for what TF32 cannot tell from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.compiler.block.model import (
    TESTS,
    Binary,
    BlockProgram,
    Buffer,
    Const,
    Eltwise,
    Expr,
    Leaf,
    Reduce,
    Select,
    Statement,
    Unary,
    over_operands,
    walk,
)
from simulator.formats.dataformat import DataFormat

_ABSENT: Final = -1
_CHANGED: Final = -2
"""What is read may be another in each turn of a loop, or on one way only."""


def compare_as_reduced(program: BlockProgram) -> None:
    """Rewrite such comparisons in place, once every buffer is what ops read."""
    lists = [program.body, *(b for s in walk(program.body) for b in s.bodies())]
    for body in lists:
        for at, stmt in enumerate(body):
            if isinstance(stmt, Eltwise):
                stmt.expr = _Rewriting(body, at).expr(stmt.expr)


class _Rewriting:
    """The comparisons of the statement at a place of a list of statements."""

    def __init__(self, body: Sequence[Statement], at: int) -> None:
        self.body, self.at = body, at

    def expr(self, expr: Expr) -> Expr:
        """With elements beside maxima of theirs read as those were."""
        expr = over_operands(expr, self.expr)
        if not (isinstance(expr, Unary) and expr.op in TESTS):
            return expr
        match expr.a:
            case Binary("sub", Leaf(one, None), Leaf(two, str()) as largest):
                return Unary(expr.op, Binary("sub", self.seen(one, two), largest))
            case Binary("sub", Leaf(two, str()) as largest, Leaf(one, None)):
                return Unary(expr.op, Binary("sub", largest, self.seen(one, two)))
        return expr

    def seen(self, element: Buffer, largest: Buffer) -> Expr:
        """The element as what was reduced to ``largest`` holds it, if that is of its block."""
        made = self._reduction(largest, self.at)
        if made is None or element.format is not DataFormat.Float32:
            return Leaf(element)
        at, source = made
        sign = self._sign(source, at, element)
        if sign is None:
            return Leaf(element)
        return Leaf(source) if sign > 0 else Binary("mul", Leaf(source), Const(-1.0))

    def _reduction(self, buffer: Buffer, before: int) -> tuple[int, Buffer] | None:
        """Where a buffer's maximum or minimum is taken, and of which buffer."""
        at = self._made(buffer, before)
        stmt = self.body[at] if at >= 0 else None
        if isinstance(stmt, Reduce) and stmt.pool == "MAX":
            return at, stmt.src
        if isinstance(stmt, Eltwise) and (step := _moved(stmt.expr)) is not None:
            return self._reduction(step[0], at)
        return None

    def _sign(self, buffer: Buffer, before: int, element: Buffer) -> int | None:
        """1 or -1 if a buffer holds what ``element`` still does, or that negated."""
        if buffer is element:
            same = self._made(element, before) == self._made(element, self.at) != _CHANGED
            return 1 if same else None
        at = self._made(buffer, before)
        stmt = self.body[at] if at >= 0 else None
        step = _moved(stmt.expr) if isinstance(stmt, Eltwise) else None
        if step is None or self._made(buffer, self.at) != at:
            return None
        sign = self._sign(step[0], at, element)
        return None if sign is None else sign * step[1]

    def _made(self, buffer: Buffer, before: int) -> int:
        """Which statement of this list a buffer is of at a place."""
        for at in range(before - 1, -1, -1):
            if buffer in self.body[at].defs():
                return at
            if any(buffer in s.defs() for s in walk([self.body[at]])):
                return _CHANGED
        return _ABSENT


def _moved(expr: Expr) -> tuple[Buffer, int] | None:
    """(block, 1 or -1) of what is a block, or that negated, perhaps with something beside it."""
    match expr:
        case Leaf(buffer, None):
            return buffer, 1
        case Binary("mul", Leaf(buffer, None), Const(-1.0)):
            return buffer, -1
        case Select(Leaf(_, str()), inner, Const()):
            return _moved(inner)
    return None
