"""Comparisons with maxima and minima: both sides as the matrix unit left them.

A reduction takes float32 through SrcA, which cuts it to TF32 (to bfloat16 where a float16 buffer
narrows the sources), so the largest of a row equals no element of it, and ``x[i, j] == m[i]`` would
hold nowhere. What a reduction left goes on through fills, copies, choices, maxima with others,
loops, and tensors. Whatever is compared with such a value is therefore cut the same way first, and
so is the value, where something finer may have joined it: cutting keeps the order, and cutting
twice is cutting once. A comparison then holds for the largest, and for what the cut cannot tell
from it.

The cut is the unpacker's own: a tile goes through SrcA into DST transposed, and is turned back
there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from harness.compiler.block.model import (
    TESTS,
    Binary,
    BlockProgram,
    Buffer,
    Const,
    Convert,
    Eltwise,
    Expr,
    IndexTiles,
    Leaf,
    Load,
    Reduce,
    Select,
    Statement,
    Store,
    Transpose,
    Unary,
    leaf_nodes,
    over_operands,
    walk,
)
from harness.compiler.block.moved import Moved
from harness.compiler.block.parts import Extract, Insert
from harness.compiler.block.rewrite import rewrite_lists
from harness.compiler.block.settling.exactly import choose_exactly
from simulator.formats.dataformat import DataFormat

_REAL: Final = "float32"
_WIDE: Final = (DataFormat.Float32, DataFormat.Float16)
"""Formats with more than SrcA may keep of them."""
_ORDERED: Final = ("max", "min")
_TF32: Final = 0xFFFFE000
_HALF: Final = 0xFFFF0000


def compare_as_reduced(program: BlockProgram, *, wide: bool) -> None:
    """Rewrite such comparisons in place; ``wide`` says that DST keeps float32."""
    left = _Left(program)
    if not left.reduced:
        return
    if wide:
        choose_exactly(program, left.reduced | left.cut)
        left = _Left(program)

    def visit(body: list[Statement]) -> list[Statement]:
        out: list[Statement] = []
        for stmt in body:
            if isinstance(stmt, Eltwise):
                rewriting = _Rewriting(program, left, stmt)
                stmt.expr = rewriting.expr(stmt.expr)
                out += rewriting.before
            out.append(stmt)
        return out

    rewrite_lists(program, visit)


class _Left:
    """What reductions left: blocks that hold it, and those that hold nothing finer."""

    def __init__(self, program: BlockProgram) -> None:
        self.statements = list(walk(program.body))
        buffers = [b for s in self.statements for b in (*s.defs(), *s.uses())]
        narrow = any(b.format is DataFormat.Float16 for b in buffers)
        self.mask = np.uint32(_HALF if narrow else _TF32)
        self.whole = self._integers(program)
        self.reduced: set[Any] = set(program.cut_before)
        """Blocks that hold what a reduction left, perhaps, and names of tensors that do."""
        while any(self._spreads(stmt) for stmt in self.statements):
            pass
        self.cut = {b for b in buffers if b.format is DataFormat.Float32}
        """Blocks of nothing but what the cut leaves as it is."""
        while any(self._finer(stmt) for stmt in self.statements):
            pass

    def _integers(self, program: BlockProgram) -> set[Buffer]:
        """Blocks of whole numbers, whose maxima are exact or refused."""
        found = set(program.held)
        size = -1
        while size < len(found):
            size = len(found)
            for stmt in self.statements:
                made = isinstance(stmt, Eltwise) and all(
                    b in found or b.format.is_integer for b in _told(stmt.expr)
                ) and any(True for _ in _told(stmt.expr))  # fmt: skip
                if made or isinstance(stmt, IndexTiles):
                    found.update(stmt.defs())
        return found

    def _spreads(self, stmt: Statement) -> bool:
        """Whether a statement puts what a reduction left where it was not known to be."""
        new: list[Any] = list(stmt.defs())
        if isinstance(stmt, Reduce):
            if stmt.pool != "MAX" or not _loses(stmt) or stmt.src in self.whole:
                return False
        elif isinstance(stmt, Eltwise):
            if not self.holds(stmt.expr) or stmt.dst.format not in _WIDE:
                return False
        elif isinstance(stmt, Load):
            if str(stmt.region.tensor.name) not in self.reduced:
                return False
        elif isinstance(stmt, Store):
            new = [str(stmt.region.tensor.name)] if stmt.src in self.reduced else []
        elif not (_moves(stmt) and any(b in self.reduced for b in stmt.uses())):
            return False
        fresh = [n for n in new if n not in self.reduced]
        self.reduced.update(fresh)
        return bool(fresh)

    def holds(self, expr: Expr) -> bool:
        """Whether an expression may be what a reduction left."""
        return any(b in self.reduced for b in _told(expr))

    def _finer(self, stmt: Statement) -> bool:
        """Whether a statement may put something finer into a block not known to hold such."""
        coarse = False
        if isinstance(stmt, Reduce):
            coarse = stmt.pool == "MAX" and stmt.src.format is not DataFormat.Float16
        elif isinstance(stmt, Eltwise):
            coarse = self.is_cut(stmt.expr)
        elif _moves(stmt):
            coarse = all(self.is_cut(Leaf(b)) for b in stmt.uses())
        lost = set() if coarse else self.cut.intersection(stmt.defs())
        self.cut -= lost
        return bool(lost)

    def is_cut(self, expr: Expr) -> bool:
        """Whether the cut would leave an expression as it is."""
        match expr:
            case Const(value):
                return self.number(value) == value
            case Leaf(buffer):
                return buffer in self.cut or buffer.format not in _WIDE
            case Binary(op, a, b) if op in _ORDERED:
                return self.is_cut(a) and self.is_cut(b)
            case Binary() if (scaled := _scaled(expr)) is not None:
                return self.is_cut(scaled)
            case Unary("abs", a) | Convert("float32", a):
                return self.is_cut(a)
            case Select(_, a, b):
                return self.is_cut(a) and self.is_cut(b)
        return False

    def number(self, value: float) -> float:
        """A number as the cut leaves it."""
        return float((np.float32(value).view(np.uint32) & self.mask).view(np.float32))


def _loses(stmt: Reduce) -> bool:
    """Whether a maximum may be no element of its block; float16 passes the sources along rows."""
    return stmt.src.format in (_WIDE if stmt.axis else _WIDE[:1])


def _moves(stmt: Statement) -> bool:
    """Whether a statement moves elements as they are."""
    return isinstance(stmt, (Transpose, Moved, Extract, Insert))


def _told(expr: Expr) -> Iterator[Buffer]:
    """Blocks whose elements, perhaps times a power of two, an expression may be."""
    match expr:
        case Leaf(buffer):
            yield buffer
        case Binary(op, a, b) if op in _ORDERED:
            yield from _told(a)
            yield from _told(b)
        case Binary() if (scaled := _scaled(expr)) is not None:
            yield from _told(scaled)
        case Unary("abs", a) | Convert("float32", a):
            yield from _told(a)
        case Select(_, a, b):
            yield from _told(a)
            yield from _told(b)


def _scaled(expr: Binary) -> Expr | None:
    """What an expression is times a power of two, of either sign: that cut is this cut."""
    match expr:
        case Binary("mul", a, Const(value)) | Binary("mul", Const(value), a):
            return a if abs(math.frexp(value)[0]) == 0.5 else None
        case Binary("sub", Const(0.0), a):
            return a
    return None


class _Rewriting:
    """The comparisons of a statement, and what has to be computed ahead of it."""

    def __init__(self, program: BlockProgram, left: _Left, stmt: Eltwise) -> None:
        self.program, self.left, self.stmt = program, left, stmt
        self.before: list[Statement] = []
        self.known: dict[Expr, Expr] = {}

    def expr(self, expr: Expr) -> Expr:
        """With both sides cut wherever one is what a reduction left."""
        expr = over_operands(expr, self.expr)
        if not (isinstance(expr, Unary) and expr.op in TESTS):
            return expr
        difference = expr.a
        match difference:  # x - m == 0 asks what x == m does
            case Binary("sub", Binary("sub", _, _) as inner, Const(0.0)):
                difference = inner
        match difference:
            case Binary("sub", a, b) if self.left.holds(a) or self.left.holds(b):
                return Unary(expr.op, Binary("sub", self.cut(a), self.cut(b)))
        return expr

    def cut(self, side: Expr) -> Expr:
        """One side of a comparison, cut."""
        if self.left.is_cut(side):
            return side
        if isinstance(side, Const):
            return Const(self.left.number(side.value))
        if side not in self.known:
            self.known[side] = self._cut(side)
        return self.known[side]

    def _cut(self, side: Expr) -> Expr:
        if isinstance(side, Leaf) and side.buffer.format is DataFormat.Float32:
            whole = Leaf(side.buffer, cut=True)
            return whole if side.bcast is None else Leaf(self._made(side.buffer, whole), side.bcast)
        shape = next((n.buffer for n in leaf_nodes(side) if n.bcast is None), self.stmt.dst)
        return Leaf(self._made(shape, side), cut=True)

    def _made(self, like: Buffer, value: Expr) -> Buffer:
        made = like.like(self.program.fresh_name(f"{like.name}_cut"), _REAL)
        self.before.append(Eltwise(self.stmt.node, made, value))
        return made
