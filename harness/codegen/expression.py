"""Integer expressions of a program as C++.

Program arithmetic is that of integers; the text computes in ``int32_t``. Addresses, which may pass
2^31, come from ``get_write_ptr`` and its like as ``uint32_t`` and make their sums unsigned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from harness.codegen.errors import CodegenError
from simulator.program import LOAD, load_of
from simulator.program.expr import POINTERS, Range, check_expression

ARGUMENT: Final = (0, 2**31 - 1)
"""Range of an argument's value as the text reads it (a non-negative ``int32_t``)."""

_BINARY: Final[Mapping[str, tuple[int, str]]] = {
    "||": (1, "||"), "&&": (2, "&&"), "==": (3, "=="), "!=": (3, "!="), "<": (4, "<"),
    "<=": (4, "<="), "+": (5, "+"), "-": (5, "-"), "*": (6, "*"), "//": (6, "/"), "%": (6, "%"),
}  # fmt: skip
"""Operator to C++ precedence (higher binds tighter) and spelling."""

_CONDITIONAL: Final = 0
_UNARY: Final = 7
_ATOM: Final = 8


@dataclass
class Scope:
    """What expressions may name.

    Attributes:
        names: program name to C++ identifier.
        ranges: known values of names in scope.
        pointer: text of a pointer operator and its literal id.
        helpers: collects the helpers and includes the text needs.
        compute: whether it is a compute program's, whose three RISCs load as one.
    """

    names: Mapping[str, str]
    ranges: dict[str, Range]
    pointer: Callable[[str, Any], str]
    helpers: set[str] = field(default_factory=set)
    compute: bool = False

    def print(self, expr: Any) -> str:
        """``expr`` as C++.

        Raises:
            CodegenError: not an expression, or a name that is not in scope.
        """
        return self._print(expr)[0]

    def range_of(self, expr: Any) -> Range:
        """Least and greatest value, or None."""
        if load_of(expr) is not None:
            return None
        return check_expression(expr, self.ranges, _ignore, _ignore)

    def _print(self, expr: Any) -> tuple[str, int]:
        if type(expr) is int:
            return _literal(expr), _ATOM if expr >= 0 else _UNARY
        if isinstance(expr, str):
            if expr not in self.names:
                raise CodegenError(f"the name {expr!r} is not in scope")
            return self.names[expr], _ATOM
        if not isinstance(expr, (list, tuple)) or not expr:
            raise CodegenError(f"{expr!r} is not an expression")
        operator, operands = expr[0], expr[1:]
        if operator in POINTERS:
            return self.pointer(operator, operands[0]), _ATOM
        if operator == LOAD:
            if self.compute:  # the unpacker's, which math and packer get by their mailboxes
                cb = self.pointer(LOAD, operands[0])
                datum = f"read_tile_value({cb}, 0, {self.print(operands[1])})"
                return f"static_cast<int32_t>({datum})", _ATOM
            start = self.pointer("get_read_ptr", operands[0])
            datums = f"reinterpret_cast<volatile tt_l1_ptr int32_t*>({start})"
            return f"{datums}[{self.print(operands[1])}]", _ATOM
        if operator in ("min", "max"):
            self.helpers.add("algorithm")
            a, b = (self.print(item) for item in operands)
            return f"std::{operator}<int32_t>({a}, {b})", _ATOM
        if operator == "!":
            return f"!{self._within(operands[0], _UNARY)}", _UNARY
        if operator == "?":
            cond, then = (self._within(item, _CONDITIONAL + 1) for item in operands[:2])
            return f"{cond} ? {then} : {self._within(operands[2], _CONDITIONAL)}", _CONDITIONAL
        if operator not in _BINARY:
            raise CodegenError(f"operator {operator!r} does not exist")
        if operator in ("//", "%") and not self._truncates(*operands):
            name = "floor_div" if operator == "//" else "floor_mod"
            self.helpers.add(name)
            return f"{name}({self.print(operands[0])}, {self.print(operands[1])})", _ATOM
        level, spelled = _BINARY[operator]
        left = self._within(operands[0], level)
        right = self._within(operands[1], level + 1)
        return f"{left} {spelled} {right}", level

    def _within(self, expr: Any, level: int) -> str:
        text, own = self._print(expr)
        return text if own >= level else f"({text})"

    def _truncates(self, dividend: Any, divisor: Any) -> bool:
        """Whether C++'s division, toward zero, gives the program's, toward minus infinity."""
        a, b = self.range_of(dividend), self.range_of(divisor)
        return a is not None and b is not None and a[0] >= 0 and b[0] > 0


def _literal(value: int) -> str:
    return f"{value}u" if value >= 2**31 else str(value)


def _ignore(*_: Any) -> None:
    """Well-formedness is the loader's business; here only ranges are wanted."""
