"""Numbers folded, and the cheaper op where there is one."""

from __future__ import annotations

import math
from typing import Any, Final

from tvm import tirx

from harness.compiler.block.model import Binary, Const, Expr, Leaf, Unary
from harness.compiler.diagnostics import refuse

RING: Final = ((tirx.Add, "add"), (tirx.Sub, "sub"), (tirx.Mul, "mul"), (tirx.Max, "max"),
               (tirx.Min, "min"))  # fmt: skip
"""Operators that mean the same for whole and for real numbers, and their ops."""
LARGEST: Final = (2 - 2.0**-23) * 2.0**127
"""The largest finite float32."""


def number(value: Any, node: Any) -> Const:
    """A number of the source.

    Raises:
        CompileError: NaN, which no packer stores.
    """
    found = float(value)
    if math.isnan(found):
        refuse("NaN as a number, which packers store as infinity", node=node,
               next_step="use T.infinity, or a finite number to tell by")  # fmt: skip
    return Const(found)


def binary(op: str, a: Expr, b: Expr) -> Expr:
    """A binary op, folded where both are numbers, and one op where there is a cheaper one."""
    if isinstance(a, Const) and isinstance(b, Const):
        x, y = a.value, b.value
        if op == "div" and y == 0:
            return Binary(op, a, b)
        return Const({"add": x + y, "sub": x - y, "mul": x * y, "max": max(x, y), "min": min(x, y),
                      "div": x / y if y else 0.0}[op])  # fmt: skip
    if op == "max" and b == Const(0.0):
        return Unary("relu", a)
    if op == "div" and a == Const(1.0):
        return Unary("recip", b)
    if op == "mul" and a == b and not isinstance(a, Leaf):
        return Unary("square", a)
    return Binary(op, a, b)


def infinite(x: Expr) -> Expr:
    """Where something is an infinity, of either sign."""
    return Unary("gtz", Binary("sub", Unary("abs", x), Const(LARGEST)))


def is_real(value: Any) -> bool:
    """Whether an expression is of a floating dtype."""
    return "float" in str(value.ty.dtype)
