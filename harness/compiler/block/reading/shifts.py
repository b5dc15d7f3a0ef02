"""Quotients, remainders and shifts of whole numbers from memory, as exact real numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from tvm import tirx

from harness.compiler.block.fold import binary
from harness.compiler.block.model import Binary, Const, Expr, Select, Unary
from harness.compiler.block.reading.indices import index_expr
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.values import value_of
from harness.compiler.rewrite.bits import BITS
from harness.language.regions import constant

if TYPE_CHECKING:
    from harness.compiler.block.reading.nest import Nest

_MOST: Final = 8
"""Amounts that places of one block are shifted by, at most."""
_FURTHEST: Final = 30


def divided(nest: Nest, value: Any, of: Expr) -> Expr:
    """``x // c`` or ``x % c`` of whole numbers below 2 ** 24, c a power of two: nothing rounds."""
    divisor = constant(value.b)
    if divisor is None or divisor < 1 or divisor & (divisor - 1):
        refuse(f"{type(value).__name__} of whole numbers read from memory by {value.b}", node=value,
               next_step="divide by a power of two, or compute in float32 and T.floor")  # fmt: skip
    nest.reader.exact.append((nest.node, of))
    quotient = Unary("floor", binary("mul", of, Const(1 / divisor)))
    if isinstance(value, tirx.FloorDiv):
        return quotient
    return Binary("sub", of, Binary("mul", quotient, Const(float(divisor))))


def remainder(expr: Expr) -> int | None:
    """The divisor of what :func:`divided` makes of a remainder, or None."""
    if not (isinstance(expr, Binary) and expr.op == "sub" and isinstance(expr.b, Binary)):
        return None
    whole, divisor = expr.b.a, expr.b.b
    if not (expr.b.op == "mul" and isinstance(whole, Unary) and isinstance(divisor, Const)):
        return None
    inverse = binary("mul", expr.a, Const(1 / divisor.value)) if divisor.value else None
    return int(divisor.value) if whole == Unary("floor", inverse or expr) else None


def shifted(nest: Nest, value: Any, of: Expr) -> Expr:
    """``x >> n`` or ``x << n``, where n follows from the place: a product by a power of two."""
    by = value.b
    while isinstance(by, tirx.Cast):  # the amounts are small enough for any type
        by = by.value
    amounts = _amounts(nest, by)
    if amounts is None:
        refuse(f"{type(value).__name__} by what data or blocks say", node=value,
               next_step=f"shift by numbers and loop variables, as in (j % 2) * 4, at most {_MOST}"
               " amounts in a block")  # fmt: skip
    right = isinstance(value, tirx.RShift)
    factors = [2.0**-n if right else 2.0**n for n in amounts]
    factor: Expr = Const(factors[-1])
    index = index_expr(nest, by) if len(amounts) > 1 else None
    for amount, one in zip(amounts[:-1], factors[:-1], strict=True):
        if index is not None:
            here = Unary("eqz", binary("sub", index, Const(float(amount))))
            factor = Select(here, Const(one), factor)
    nest.reader.exact.append((nest.node, of))
    product = binary("mul", of, factor)
    return Unary("floor", product) if right else product


def _amounts(nest: Nest, by: Any) -> list[int] | None:
    """All amounts that places are shifted by; None where they are too many, or not known."""
    shape = tuple(nest.extents)
    axes = dict(zip(nest.variables, np.ogrid[tuple(slice(n) for n in shape)], strict=True))
    found = value_of(by, axes)
    if found is None:
        return None
    amounts = [int(n) for n in np.unique(np.asarray(found))]
    fine = len(amounts) <= _MOST and amounts[0] >= 0 and amounts[-1] <= _FURTHEST
    return amounts if fine else None


def no_bits(value: Any) -> None:
    """Refuse a bit operation that nothing could write out in arithmetic.

    Raises:
        CompileError: at the source line.
    """
    if isinstance(value, BITS):
        refuse(f"{type(value).__name__} of two whole numbers read from memory: the vector unit has"
               " them as real ones, without bits", node=value,
               next_step="let one side be a number, or join parts that surely have no bit in"
               " common, (a << 4) | (b & 15)")  # fmt: skip
