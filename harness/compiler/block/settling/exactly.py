"""Chosen rows, columns and elements in comparisons: whole, not as the matrix unit cuts them.

What is chosen from a block is the largest of it and of minus infinities (choose), and a reduction
cuts float32. Ranks and equalities would then be of other numbers. So the block is split in three
parts that pass as they are, each is chosen from, and the sum of what was chosen is compared.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from harness.compiler.block.fold import infinite
from harness.compiler.block.model import (
    TESTS,
    Binary,
    BlockProgram,
    Buffer,
    Const,
    Eltwise,
    Expr,
    IndexTiles,
    Leaf,
    Reduce,
    Select,
    Statement,
    Transpose,
    Unary,
    over_operands,
    rebuilt,
    walk,
)
from harness.compiler.block.rewrite import rewrite_lists
from harness.compiler.block.whole import total
from simulator.formats.dataformat import DataFormat


def choose_exactly(program: BlockProgram, coarse: Collection[Any]) -> None:
    """Rewrite comparisons with what is chosen; ``coarse`` are blocks that were cut before."""
    work = _Exactly(program, coarse)
    for stmt in list(walk(program.body)):
        if isinstance(stmt, Eltwise):
            stmt.expr = work.compared(stmt.expr)
    if work.behind:
        rewrite_lists(program, work.placed)


class _Exactly:
    """What is chosen, in parts; ``behind`` statements are those that make the parts."""

    def __init__(self, program: BlockProgram, coarse: Collection[Any]) -> None:
        self.program, self.coarse = program, coarse
        self.behind: dict[Statement, list[Statement]] = {}
        self.known: dict[Buffer, list[Buffer]] = {}
        self.makers: dict[Buffer, list[Statement]] = {}
        for stmt in walk(program.body):
            for buffer in stmt.defs():
                self.makers.setdefault(buffer, []).append(stmt)

    def placed(self, body: list[Statement]) -> list[Statement]:
        """A list of statements with the parts behind what they are parts of."""
        return [s for stmt in body for s in (stmt, *self.behind.get(stmt, ()))]

    def compared(self, expr: Expr) -> Expr:
        """An expression whose comparisons are of whole numbers."""
        if isinstance(expr, Unary) and expr.op in TESTS:
            return _over_leaves(expr, self.exact)
        return over_operands(expr, self.compared)

    def exact(self, leaf: Leaf) -> Expr:
        """The sum of its parts, where a leaf is chosen and would be cut."""
        parts = self.parts(leaf.buffer)
        return total(replace(leaf, buffer=part) for part in parts) if parts else leaf

    def parts(self, buffer: Buffer) -> list[Buffer]:
        """Blocks whose sum is what was chosen; none where nothing was, or nothing is lost."""
        if buffer not in self.known:
            self.known[buffer] = self._parts(buffer)
        return self.known[buffer]

    def _parts(self, buffer: Buffer) -> list[Buffer]:
        maker = self._maker(buffer)
        if isinstance(maker, Transpose):
            turned = [(part, self._new(buffer)) for part in self.parts(maker.src)]
            self._behind(maker, [Transpose(maker.node, new, part) for part, new in turned])
            return [new for _, new in turned]
        if not isinstance(maker, Reduce) or maker.pool != "MAX":
            return []
        kept = self._maker(maker.src)
        found = _source(kept.expr) if isinstance(kept, Eltwise) else None
        if found is None or not isinstance(self._maker(found[0]), IndexTiles):
            return []
        source = found[1]
        ahead: list[Statement] = []
        parts = self.parts(source)
        if not parts:
            if source.format is not DataFormat.Float32 or source in self.coarse:
                return []
            parts = self._split(source, maker.node, ahead)
        made: list[Buffer] = []
        for part in parts:
            chosen, rest = self._new(buffer), self._new(maker.src)
            value = rebuilt(kept.expr, lambda n, p=part: Leaf(p) if n.buffer is source else n)  # type: ignore[union-attr,misc]
            ahead.append(Eltwise(maker.node, rest, value))
            ahead.append(replace(maker, dst=chosen, src=rest))
            made.append(chosen)
        self._behind(maker, ahead)
        return made

    def _split(self, block: Buffer, node: Any, out: list[Statement]) -> list[Buffer]:
        """Three blocks of few bits each, largest first, whose sum a block is."""
        parts: list[Buffer] = []
        rest = block
        for _ in range(2):
            part, less = self._new(block), self._new(block)
            out.append(Eltwise(node, part, Leaf(rest, cut=True)))
            left = Binary("sub", Leaf(rest), Leaf(part))
            out.append(Eltwise(node, less, Select(infinite(Leaf(rest)), Const(0.0), left)))
            parts.append(part)
            rest = less
        return [*parts, rest]

    def _new(self, like: Buffer) -> Buffer:
        return like.like(self.program.fresh_name(f"{like.name}_part"))

    def _maker(self, buffer: Buffer) -> Statement | None:
        makers = self.makers.get(buffer, [])
        return makers[0] if len(makers) == 1 else None

    def _behind(self, maker: Statement, made: list[Statement]) -> None:
        self.behind[maker] = made


def _over_leaves(expr: Expr, change: Any) -> Expr:
    return change(expr) if isinstance(expr, Leaf) else over_operands(
        expr, lambda operand: _over_leaves(operand, change))  # fmt: skip


def _source(expr: Expr) -> tuple[Buffer, Buffer] | None:
    """The places and the block of a choice: the block where the place is zero, else nothing."""
    match expr:
        case Select(Unary("eqz", Leaf(index)), Leaf(block, None, False), Const(least)):
            return (index, block) if least == -math.inf else None
    return None
