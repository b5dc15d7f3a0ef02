"""How large the whole numbers become that a block program computes in float32.

Every block gets one interval that holds whatever any statement stores to it: stores are followed
until nothing grows. Whole numbers below 2 ** 24 are exact in the vector unit; what passes the
matrix unit, which keeps 11 bits of a number and 8 beside float16, has to be as small as that.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import tvm
from tvm.ir import Call

from harness.compiler.block.model import (
    TESTS,
    Binary,
    BlockProgram,
    Buffer,
    Const,
    Convert,
    Eltwise,
    Expr,
    For,
    IndexTiles,
    Leaf,
    Load,
    Reduce,
    Select,
    Statement,
    Store,
    Transpose,
    Unary,
    operands,
    walk,
)
from harness.compiler.block.moved import Moved
from harness.compiler.block.parts import Extract, Insert
from harness.compiler.block.reading.shifts import remainder
from harness.compiler.block.settling.added import additions, gain
from harness.compiler.block.whole import NARROW, SIGNED, WHOLE, given
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.affine import Bounds
from harness.language.blockformats import dtype_of
from harness.language.ops import REDUCE
from simulator.arch import TILE
from simulator.formats.dataformat import DataFormat

Span = tuple[float, float]

EXACT: Final = 2.0**24
_ROUNDS: Final = 8
"""Numbers that still grow after as many rounds grow with every turn of a loop."""
_ANY: Final = (-math.inf, math.inf)
_ROUNDINGS: Final = ("floor", "ceil", "round", "relu")
_BYTES: Final = {"uint8": NARROW["uint8"], SIGNED: NARROW["int8"]}
"""Numbers that bytes in memory are."""
_CUTS: Final = (WHOLE, *NARROW)
_PARTIAL: Final = 255.0
"""Sums of numbers up to this pass the matrix unit without loss."""


class _Spans:
    """Intervals of all blocks."""

    def __init__(self, program: BlockProgram, ranges: list[Bounds]) -> None:
        self.known: dict[Buffer, Span] = {}
        self.program, self.analyzer = program, tvm.sym.Analyzer()
        self.whole = set(program.held)
        """Blocks of whole numbers: those kept so, and numbers of rows and columns."""
        self.whole |= {s.dst for s in walk(program.body) if isinstance(s, IndexTiles)}
        for var, start, extent in ranges:
            self.analyzer.bind(var, tvm.ir.Range.from_min_extent(start, extent))
        for stmt in walk(program.body):
            if isinstance(stmt, For):
                loop = stmt.node
                self.analyzer.bind(
                    loop.loop_var, tvm.ir.Range.from_min_extent(loop.min, loop.extent)
                )
        self.added = additions(program.body, self._turns)
        self.summed = {stmt.dst for stmt in self.added}
        self.bases: dict[Buffer, Span] = {}
        """What is stored to blocks by statements that do not add to them."""
        for _ in range(_ROUNDS):
            if not self._grow():
                return
        while self._grow(widen=True):
            pass

    def _grow(self, *, widen: bool = False) -> bool:
        grown = False
        for stmt in walk(self.program.body):
            for dst in stmt.defs():
                old, new = self.known.get(dst), self._stored(stmt, dst)
                both = new if old is None or new is None else _hull(old, new)
                if both is not None and both != old:
                    self.known[dst], grown = (_ANY if widen else both), True
        return grown

    def _turns(self, loop: For) -> float:
        most = float(self.analyzer.const_int_bound(loop.node.extent).max_value)
        return most if most < EXACT else math.inf

    def _stored(self, stmt: Statement, dst: Buffer) -> Span | None:
        """What a statement leaves in a block, where others add to it included."""
        new = None if stmt in self.added else self._made(stmt)
        if dst not in self.summed:
            return new
        if new is not None:
            self.bases[dst] = _hull(self.bases.get(dst, new), new)
        if dst not in self.bases:
            return None
        low, high = self.bases[dst]
        for adding, times in self.added.items():
            if adding.dst is dst and (more := gain(adding.expr, dst, self.of)) is not None:
                low += times * more[0] if more[0] < 0 else 0.0
                high += times * more[1] if more[1] > 0 else 0.0
        return low, high

    def _made(self, stmt: Statement) -> Span | None:
        if isinstance(stmt, Eltwise):
            return self.of(stmt.expr)
        if isinstance(stmt, Transpose):
            return self.known.get(stmt.src)
        if isinstance(stmt, (Moved, Extract, Insert)):
            spans = [self.known[b] for b in stmt.uses() if b in self.known]
            beside = [(0.0, 0.0)] if isinstance(stmt, Moved) else []
            return functools.reduce(_hull, [*spans, *beside]) if spans else None
        if isinstance(stmt, Reduce):
            span = self.known.get(stmt.src)
            if stmt.pool == "MAX" or span is None:
                return span
            count = stmt.src.shape[1] if stmt.axis else stmt.src.shape[0]
            return min(0.0, count * span[0]), max(0.0, count * span[1])
        if isinstance(stmt, Load) and stmt.dst.dtype in _BYTES:
            return _BYTES[stmt.dst.dtype]
        if isinstance(stmt, IndexTiles):
            base = self.analyzer.const_int_bound(stmt.base)
            steps = ((stmt.row_step, stmt.dst.rows), (stmt.col_step, stmt.dst.cols))
            ends = [step * (tiles * TILE - 1) for step, tiles in steps]
            low = int(base.min_value) + sum(min(0, end) for end in ends)
            return low, int(base.max_value) + sum(max(0, end) for end in ends)
        return _ANY

    def of(self, expr: Expr) -> Span | None:
        """The interval of an expression; None where nothing is stored yet to what it reads."""
        if isinstance(expr, Const):
            return expr.value, expr.value
        if isinstance(expr, Leaf):
            return self.known.get(expr.buffer)
        if (block := given(expr)) is not None:
            return self.known.get(block)
        if isinstance(expr, Unary) and expr.op in TESTS:
            return 0.0, 1.0
        if (divisor := remainder(expr)) is not None:
            return 0.0, divisor - 1.0
        if isinstance(expr, Select):
            a, b = self.of(expr.a), self.of(expr.b)
            return a or b if a is None or b is None else _hull(a, b)
        if isinstance(expr, Convert) and expr.dtype not in _CUTS:
            return self.of(expr.a)
        if isinstance(expr, Convert) or (isinstance(expr, Unary) and expr.op in _ROUNDINGS):
            a, op = self.of(expr.a), "trunc" if isinstance(expr, Convert) else expr.op
            return None if a is None else (_rounded(op, a[0]), _rounded(op, a[1]))
        if isinstance(expr, Binary):
            a, b = self.of(expr.a), self.of(expr.b)
            return None if a is None or b is None else _combined(expr.op, a, b)
        return _ANY

    def conditions(self, expr: Expr, *, within: bool = False) -> list[Span | None]:
        """The intervals of all whole numbers that conditions of an expression compare."""
        test = isinstance(expr, Unary) and expr.op in TESTS
        # A number alone keeps its sign, and a constant may be one that real numbers are held to.
        computed = not test and not isinstance(expr, (Leaf, Const))
        found = [self.of(expr)] if within and computed and self._whole(expr) else []
        parts = [(getattr(expr, name), within or test or name == "cond")
                 for name in ("cond", "a", "b") if hasattr(expr, name)]  # fmt: skip
        return [*found, *(s for part, inside in parts
                          for s in self.conditions(part, within=inside))]  # fmt: skip

    def _whole(self, expr: Expr) -> bool:
        """Whether an expression is made of nothing but whole numbers."""
        if isinstance(expr, Leaf):
            return expr.buffer in self.whole
        if isinstance(expr, Const):
            return float(expr.value).is_integer()
        if isinstance(expr, Unary):
            return expr.op in TESTS or self._whole(expr.a)
        if isinstance(expr, Convert):
            return self._whole(expr.a)
        return self._whole(expr.a) and self._whole(expr.b)

    def steps(self, expr: Expr) -> list[Span | None]:
        """The intervals of an expression and of all whole numbers it is made of.

        Conditions aside, and what a real number is made of that is cut. What bounds a block's
        numbers need not be told how large they were: conversion to float32 keeps their order.
        """
        inner: list[Expr] = []
        if isinstance(expr, (Select, Binary)):
            inner = [expr.a, expr.b]
        elif isinstance(expr, Convert) and expr.dtype in _CUTS:
            inner = []
        elif isinstance(expr, Convert) or (isinstance(expr, Unary) and expr.op not in TESTS):
            inner = [expr.a]
        if _bounds(expr):
            inner = [part for part in inner for part in _unbounded(part)]
        return [self.of(expr), *(span for part in inner for span in self.steps(part))]


def check_spans(program: BlockProgram, ranges: list[Bounds], *, fp32_dest: bool) -> None:
    """Refuse whole numbers that could become too large to be exact.

    Raises:
        CompileError: at the source line.
    """
    narrow_casts = any(
        isinstance(s, Eltwise) and any(_narrowed(s.expr)) for s in walk(program.body)
    )
    placed = any(isinstance(s, IndexTiles) for s in walk(program.body))
    if not program.held and not placed and not narrow_casts and not program.exact:
        return
    spans, whole = _Spans(program, ranges), set(program.held)
    half = any(b.format is DataFormat.Float16 for s in walk(program.body)
               for b in (*s.defs(), *s.uses()))  # fmt: skip
    narrow = 2.0**8 if half else 2.0**11
    for node, expr in program.exact:
        _check_exact(node, spans.of(expr), EXACT if fp32_dest else _PARTIAL)
    for stmt in walk(program.body):
        if isinstance(stmt, Eltwise):
            _check(stmt, stmt.dst.name, spans.conditions(stmt.expr), EXACT)
            for cut in _narrowed(stmt.expr):
                name = stmt.dst.name.removesuffix("_cut")
                _check_narrow(stmt, name, cut.dtype, spans.of(cut))
        for name, dtype, block in _kept_narrow(stmt, program):
            _check_narrow(stmt, name, dtype, spans.of(Leaf(block)))
        mine = [b for b in (*stmt.defs(), *stmt.uses()) if b in whole]
        if not mine:
            continue
        name = mine[0].name
        if not fp32_dest:
            _no(stmt, f"int32 {name!r} in a 16-bit destination register",
                "leave --no-fp32-dest out")  # fmt: skip
        if isinstance(stmt, Eltwise):
            if isinstance(stmt.node, Call) and stmt.node.op.name == REDUCE:
                whole.add(stmt.dst)  # what is reduced in its place
            if stmt.dst in whole and not _given(stmt.expr):
                _check(stmt, name, spans.steps(stmt.expr), EXACT)
            elif stmt.dst.dtype == WHOLE and mine:
                _check(stmt, name, [spans.of(Leaf(b)) for b in mine], EXACT)
        elif isinstance(stmt, (Reduce, Transpose)):
            limit = narrow if isinstance(stmt, Transpose) or stmt.pool == "MAX" else _PARTIAL
            _check(stmt, stmt.src.name, [spans.of(Leaf(stmt.src))], limit)
            _check(stmt, stmt.dst.name, [spans.of(Leaf(stmt.dst))], EXACT)
            whole.add(stmt.dst)
        elif isinstance(stmt, (Extract, Insert)):
            _check(stmt, name, [spans.of(Leaf(b)) for b in (stmt.dst, stmt.src)], narrow)
            whole.add(stmt.dst)
        elif isinstance(stmt, Moved):  # as bytes, within L1
            whole.add(stmt.dst)
        elif not isinstance(stmt, Store):
            _no(stmt, f"a part of int32 block {name!r}, which is computed",
                "use whole blocks of it, or float32")  # fmt: skip


def _check_exact(node: Any, span: Span | None, limit: float) -> None:
    """Refuse bits of numbers that are not exact."""
    if span is not None and max(abs(span[0]), abs(span[1])) > limit:
        refuse(f"bits of whole numbers that may exceed {limit:,.0f}, beyond which they are not"
               " exact", node=node, code="UnsupportedDtype", next_step="pass packed numbers as"
               " uint8, of which an int32 tensor is four along its last dimension, bound them by"
               " T.clamp, or let the host store weights as bfloat8_b or bfloat4_b")  # fmt: skip


def _narrowed(expr: Expr) -> Iterator[Convert]:
    """What an expression cuts to numbers of 8 bits."""
    if isinstance(expr, Convert) and expr.dtype in NARROW:
        yield expr
    for operand in operands(expr):
        yield from _narrowed(operand)


def _kept_narrow(stmt: Statement, program: BlockProgram) -> Iterator[tuple[str, str, Buffer]]:
    """Names, dtypes and blocks of the computed numbers of 8 bits that a statement stores."""
    for dst in stmt.defs():
        dtype = program.held.get(dst, WHOLE)
        if dtype in NARROW:
            yield dst.name, dtype, dst
    if isinstance(stmt, Store) and stmt.src in program.held:
        dtype = dtype_of(stmt.region.tensor)
        if dtype in NARROW:
            yield stmt.region.tensor.name, dtype, stmt.src


def _check_narrow(stmt: Statement, name: str, dtype: str, span: Span | None) -> None:
    """Refuse numbers that 8 bits may not hold: a cast of those means nothing in C."""
    low, high = NARROW[dtype]
    if span is not None and not (low <= span[0] and span[1] <= high):
        _no(
            stmt,
            f"numbers of {name!r} that {dtype} may not hold, which has {low:,.0f} to {high:,.0f}",
            f"bound them before the cast, T.clamp(x, {low:,.0f}, {high:,.0f})",
        )


def _given(expr: Expr) -> bool:
    """Whether numbers are taken as memory holds them: what is made of them is checked."""
    if isinstance(expr, Leaf):
        return expr.buffer.dtype == WHOLE
    return given(expr) is not None


def _cut(expr: Expr) -> bool:
    """Whether a real number is cut to a whole one, and is a number again."""
    inner = expr.a if isinstance(expr, Convert) else expr
    return expr is not inner and isinstance(inner, Convert) and inner.dtype in _CUTS


def _check(stmt: Statement, name: str, found: list[Span | None], limit: float) -> None:
    for span in found:
        if span is not None and max(abs(span[0]), abs(span[1])) > limit:
            _no(stmt, f"whole numbers of {name!r} that may exceed {limit:,.0f}, beyond which"
                " they are not exact", "bound them with T.min and T.max,"
                " or compute in float32")  # fmt: skip


def _bounds(expr: Expr) -> bool:
    """Whether an expression only chooses between numbers by their order."""
    ordered = isinstance(expr, Binary) and expr.op in ("max", "min")
    return ordered or (isinstance(expr, Unary) and expr.op == "relu")


def _unbounded(expr: Expr) -> list[Expr]:
    """What of the operands of a bound is neither a block nor a bound itself."""
    if isinstance(expr, Leaf) or _given(expr) or _cut(expr):
        return []
    return [p for o in operands(expr) for p in _unbounded(o)] if _bounds(expr) else [expr]


def _rounded(op: str, value: float) -> float:
    """One end of an interval of what is rounded, which keeps the order."""
    if op == "relu":
        return max(value, 0.0)
    if not math.isfinite(value):
        return value
    down, up = float(math.floor(value)), float(math.ceil(value))
    return {"floor": down, "ceil": up, "trunc": down if value > 0 else up,
            "round": float(round(value))}[op]  # fmt: skip


def _combined(op: str, a: Span, b: Span) -> Span:
    if op == "max":
        return max(a[0], b[0]), max(a[1], b[1])
    if op == "min":
        return min(a[0], b[0]), min(a[1], b[1])
    if not all(map(math.isfinite, (*a, *b))):
        return _ANY
    if op == "add":
        return a[0] + b[0], a[1] + b[1]
    if op == "sub":
        return a[0] - b[1], a[1] - b[0]
    if op == "mul":
        ends = [x * y for x in a for y in b]
        return min(ends), max(ends)
    return _ANY


def _hull(a: Span, b: Span) -> Span:
    return min(a[0], b[0]), max(a[1], b[1])


def _no(stmt: Statement, what: str, instead: str) -> NoReturn:
    refuse(what, node=stmt.node, code="UnsupportedDtype", next_step=instead)
