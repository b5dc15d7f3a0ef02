"""Expressions of places in a block: masks of loop variables and indices, as exact float32 tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import tvm
import tvm_ffi
from tvm import tirx

from harness.compiler.block.fold import RING, binary
from harness.compiler.block.model import Const, Expr, IndexTiles, Leaf, Select, Unary
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads_of
from harness.language.regions import constant

if TYPE_CHECKING:
    from harness.compiler.block.reading.nest import Nest

EXACT: Final = {True: 1 << 20, False: 1 << 7}
"""Index expressions below this are exact, quotients included: in float32, and in a destination
register of 16 bits, which holds eight bits of a number."""


def is_placed(nest: Nest, value: Any) -> bool:
    """Whether the reader can write an expression: of places, indices, and bounds that it loads."""
    found = loads_of(value)
    if any(load.source.name not in nest.reader.tables for load in found):
        return False
    return not found or _steps(nest, value) is not None


def _steps(nest: Nest, value: Any) -> tuple[list[int], Any] | None:
    """How an expression moves with each loop, and what is left; None where it is not so plain."""
    found = tvm.sym.detect_linear_equation(value, nest.variables)
    steps = [constant(c) for c in found[:-1]] if found else [None]
    if any(s is None for s in steps):
        return None
    return [s for s in steps if s is not None], found[-1]


def index_expr(nest: Nest, value: Any) -> Expr:
    """An integer expression of loop variables and indices, as exact float32 tiles."""
    number = constant(value)
    if number is not None:
        return Const(float(number))
    moves = _steps(nest, value)
    if moves is None:
        return _composed(nest, value)
    steps, base = moves
    if len(steps) > 2 and any(steps[:-2]):
        refuse("an index expression uses an outer loop variable of T.Parallel", node=nest.node)
    target = nest.target
    if target is None:
        raise AssertionError("index tiles without a target")
    steps = [0, 0, *steps]
    row, col = steps[-2], steps[-1]
    if len(nest.variables) == 1 and nest.side(target) == "col":
        row, col = col, 0
    made = IndexTiles(nest.node, target.like("", "float32"), base, row, col)
    for known in nest.before:
        if isinstance(known, IndexTiles) and _equal(known, made):
            return Leaf(known.dst)
    made.dst.name = nest.reader.temp("index")
    nest.before.append(made)
    return Leaf(made.dst)


def _equal(a: IndexTiles, b: IndexTiles) -> bool:
    """Whether two blocks hold the same numbers at the same places."""
    alike = all(getattr(a.dst, n) == getattr(b.dst, n) for n in ("lead", "shape", "form"))
    steps = (a.row_step, a.col_step) == (b.row_step, b.col_step)
    return alike and steps and bool(tvm_ffi.structural_equal(a.base, b.base))


def _composed(nest: Nest, value: Any) -> Expr:
    """An index expression of quotients, remainders, products and choices, without rounding.

    A quotient is the floor of (a + 1/2) / c: that is at least 1 / (2 c) away from a whole
    number, which rounding does not cross for numbers as small as all have to be here.
    """
    analyzer = tvm.sym.Analyzer()
    spans = zip(nest.variables, nest.extents, strict=True)
    for var, start, extent in (*nest.reader.ranges, *((v, 0, e) for v, e in spans)):
        analyzer.bind(var, tvm.ir.Range.from_min_extent(start, extent))
    limit = EXACT[nest.reader.fp32_dest]
    names = ("a", "b", "true_value", "false_value")
    parts = [value, *(getattr(value, name) for name in names if hasattr(value, name))]
    bounds = [analyzer.const_int_bound(part) for part in parts]
    if all(max(abs(int(b.min_value)), abs(int(b.max_value))) < limit for b in bounds):
        for kind, op in RING:
            if isinstance(value, kind):
                return binary(op, index_expr(nest, value.a), index_expr(nest, value.b))
        if isinstance(value, tirx.Select):
            from harness.compiler.block.reading.conditions import condition

            return Select(condition(nest, value.condition), index_expr(nest, value.true_value),
                          index_expr(nest, value.false_value))  # fmt: skip
        divisor = constant(value.b) if isinstance(value, (tirx.FloorDiv, tirx.FloorMod)) else 0
        if divisor is not None and divisor > 0:
            a = index_expr(nest, value.a)
            half = binary("add", a, Const(0.5))
            quotient = Unary("floor", binary("mul", half, Const(1.0 / divisor)))
            if isinstance(value, tirx.FloorDiv):
                return quotient
            return binary("sub", a, binary("mul", quotient, Const(float(divisor))))
    refuse("an index expression is not made of sums, products, quotients, remainders and choices of"
           f" loop variables below {limit}", node=nest.node,
           code="UnsupportedIndex" if nest.reader.fp32_dest else "NeedsFp32Dest",
           next_step="use + - * // % with constants" if nest.reader.fp32_dest else
           "use a 32-bit destination register, or smaller numbers")  # fmt: skip
