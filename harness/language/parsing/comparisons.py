"""Comparisons in kernel bodies, of whatever dtypes meet, and ``and``, ``or``, ``not`` of numbers.

TVM's parser compares operands of one dtype, knows no numbers beside bfloat16 and joins booleans
only; inside a kernel both sides are brought to a common dtype, or to a condition, first.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.script.parser._core import dispatch, doc

from harness.language.elementwise import same_dtype, truth
from harness.language.parsing.located import PARSER

_OPS: Final = (doc.Eq, doc.NotEq, doc.Lt, doc.LtE, doc.Gt, doc.GtE)
_JOINS: Final = ((doc.And, 0), (doc.And, 1), (doc.Or, 0), (doc.Or, 1), (doc.Not, 0))
_BITS: Final = ((doc.BitAnd, operator.and_, tirx.And), (doc.BitOr, operator.or_, tirx.Or),
                (doc.Invert, operator.invert, tirx.Not))  # fmt: skip

_Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


def _number(value: Any, other: Any) -> Any:
    """A Python number beside a floating expression, as a constant."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if not isinstance(other, tvm.ir.Expr) or "float" not in str(other.ty.dtype):
        return value
    return tirx.const(float(value), "float32" if isinstance(value, float) else str(other.ty.dtype))


def _common(compare: Callable[..., Any]) -> Callable[..., Any]:
    def method(a: Any, b: Any) -> Any:
        if PARSER.get() is None:
            return compare(a, b)
        left, right = _number(a, b), _number(b, a)
        plain = isinstance(left, tvm.ir.Expr) and isinstance(right, tvm.ir.Expr)
        return compare(*(same_dtype(left, right) if plain else (left, right)))

    return method


def _of_conditions(join: Callable[..., Any]) -> Callable[..., Any]:
    def method(*operands: Any) -> Any:
        if PARSER.get() is None:
            return join(*operands)
        tests = [truth(operand) for operand in operands]
        plain = [t if isinstance(t, tvm.ir.Expr) else bool(t) for t in tests]
        return join(*plain)

    return method


def _bits(plain: Callable[..., Any], join: Callable[..., Any]) -> Callable[..., Any]:
    """``&``, ``|`` and ``~`` of conditions are ``and``, ``or`` and ``not``, as in NumPy."""

    def method(*operands: Any) -> Any:
        conditions = PARSER.get() is not None and all(map(_is_condition, operands))
        return (join if conditions else plain)(*operands)

    return method


def _is_condition(value: Any) -> bool:
    return isinstance(value, tvm.ir.Expr) and str(value.ty.dtype) == "bool"


def register() -> None:
    """Put the comparisons and joins of kernel bodies before the parser's own."""
    wrapped: list[tuple[Any, int, _Wrap]] = [(op, side, _common) for op in _OPS for side in (0, 1)]
    wrapped += [(op, side, _of_conditions) for op, side in _JOINS]
    for op, side, wrap in wrapped:
        known = dispatch.get_op(tirx.Expr, op, side)
        if known is None:
            raise AssertionError(f"the parser has no {op.__name__}")
        dispatch.register_op(tirx.Expr, op, side)(wrap(known))
    for op, plain, join in _BITS:  # the parser leaves these to Python
        for side in range(1 if op is doc.Invert else 2):
            dispatch.register_op(tirx.Expr, op, side)(_bits(plain, join))
