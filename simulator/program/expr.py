"""Expressions of a program: well-formedness, and the range of values where it is plain to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from simulator.program import EXPR_OPS, LOAD

MAX_DEPTH: Final = 56
"""Deepest expression; the compiler's stay below ten."""

MAX_INT: Final = 2**32 - 1
"""Largest literal: registers of the RISC-V cores hold 32 bits."""

POINTERS: Final = ("get_write_ptr", "get_read_ptr", "get_semaphore")
"""Operators whose operand is a literal id, not an expression."""

Range: TypeAlias = "tuple[int, int] | None"
"""Least and greatest value, or None when unknown."""


def check_expression(
    expr: Any,
    names: Mapping[str, Range],
    say: Callable[[str], None],
    pointer: Callable[[str, Any], None],
    depth: int = 0,
) -> Range:
    """Check ``expr`` and return the range of its values.

    Args:
        expr: the expression.
        names: integer names in scope, with their ranges.
        say: told what is wrong.
        pointer: told each operator of :data:`POINTERS` with its operand.
        depth: lists around ``expr``.
    """
    if type(expr) is int:
        if abs(expr) > MAX_INT:
            say(f"integer {_short(expr)} does not fit 32 bits")
            return None
        return expr, expr
    if isinstance(expr, str):
        if expr not in names:
            say(f"name {_short(expr)} is not an argument, loop variable or let in scope")
            return None
        return names[expr]
    if not isinstance(expr, (list, tuple)) or not expr or not isinstance(expr[0], str):
        say(f"{_short(expr)} is not an expression: an integer, a name or [operator, operands]")
        return None
    operator, operands = expr[0], expr[1:]
    if operator == LOAD:
        say(f"{LOAD} is no part of an expression: it is the whole value of a let")
        return None
    if operator not in EXPR_OPS:
        say(f"operator {_short(operator)} does not exist; one of {' '.join(EXPR_OPS)}")
        return None
    if len(operands) != EXPR_OPS[operator]:
        say(f"operator {operator} takes {EXPR_OPS[operator]} operands, not {len(operands)}")
        return None
    if depth >= MAX_DEPTH:
        say(f"the expression is nested deeper than {MAX_DEPTH}")
        return None
    if operator in POINTERS:
        pointer(operator, operands[0])
        return None
    ranges = [check_expression(item, names, say, pointer, depth + 1) for item in operands]
    if operator in ("//", "%") and ranges[1] == (0, 0):
        say(f"{operator} divides by zero")
        return None
    return _combine(operator, ranges)


def _combine(operator: str, ranges: list[Range]) -> Range:
    if operator == "?":
        if ranges[1] is None or ranges[2] is None:
            return None
        return min(ranges[1][0], ranges[2][0]), max(ranges[1][1], ranges[2][1])
    if operator not in ("+", "-", "*", "min", "max"):
        return _quotient(operator, ranges)
    a, b = ranges
    if a is None or b is None:
        return None
    if operator == "+":
        return a[0] + b[0], a[1] + b[1]
    if operator == "-":
        return a[0] - b[1], a[1] - b[0]
    if operator == "*":
        corners = [x * y for x in a for y in b]
        return min(corners), max(corners)
    pick = min if operator == "min" else max
    return pick(a[0], b[0]), pick(a[1], b[1])


def _quotient(operator: str, ranges: list[Range]) -> Range:
    if operator not in ("//", "%"):
        return 0, 1  # comparisons and logic
    a, b = ranges
    if b is None or b[0] != b[1] or b[0] <= 0:
        return None
    if operator == "%":
        return 0, b[0] - 1
    return None if a is None else (a[0] // b[0], a[1] // b[0])


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
