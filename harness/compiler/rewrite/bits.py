"""Bits of whole numbers in arithmetic: ``x >> 4`` is ``x // 16``, ``x & 15`` is ``x % 16``.

The vector unit has whole numbers as real ones, without bits, and index arithmetic knows no bits
either. In two's complement both are the same for numbers of either sign. Shifts by an amount that
differs by place stay, and are read where the place is known (``block.shifts``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.facts.kernel import read_kernel, with_body
from harness.language.blockformats import dtype_of
from harness.language.regions import constant
from harness.language.walks import structural_map, structural_walk

BITS: Final = (tirx.BitwiseAnd, tirx.BitwiseOr, tirx.BitwiseXor, tirx.BitwiseNot, tirx.LShift,
               tirx.RShift)  # fmt: skip
_WIDE: Final = ("int32", "int64")
_MOST: Final = 31
"""Bits of a shift or of a mask, at most."""
_SMALL: Final = 7
"""Bits of numbers that int8 has, too."""


def without_bits(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with bit operations by numbers written out in arithmetic."""
    kernel = read_kernel(func)
    found: list[Any] = []
    structural_walk(kernel.body, [(kind, found.append) for kind in BITS])
    if not found:
        return func
    rules: list[tuple[Any, Callable[[Any], Any]]] = [
        (tirx.RShift, _right), (tirx.LShift, _left), (tirx.BitwiseAnd, _both),
        (tirx.BitwiseOr, _either), (tirx.BitwiseXor, _one), (tirx.BitwiseNot, _not),
    ]  # fmt: skip
    return with_body(func, structural_map(kernel.body, rules))


def _number(value: int, like: Any) -> Any:
    return tirx.const(value, dtype_of(like))


def _right(node: Any) -> Any:
    by = constant(node.b)
    return node if by is None or not 0 <= by < _MOST else _as(node, _quotient(node.a, by))


def _quotient(a: Any, bits: int) -> Any:
    a = a if bits < _SMALL else _wide(a)
    return tirx.FloorDiv(a, _number(1 << bits, a)) if bits else a


def _remainder(a: Any, bits: int) -> Any:
    a = a if bits < _SMALL else _wide(a)
    return tirx.FloorMod(a, _number(1 << bits, a))


def _left(node: Any) -> Any:
    by = constant(node.b)
    if by is None or not 0 <= by < _MOST:
        return node
    a = _wide(node.a)
    return _as(node, a * _number(1 << by, a))


def _wide(a: Any) -> Any:
    """A number in a dtype that sums and products do not leave."""
    return a if dtype_of(a) in _WIDE else tirx.Cast("int32", a)


def _as(node: Any, made: Any) -> Any:
    """What was made in the node's own dtype; ``spans`` proves that it fits."""
    return made if dtype_of(made) == dtype_of(node) else tirx.Cast(dtype_of(node), made)


def _sides(node: Any) -> tuple[Any, int | None]:
    """What a bit operation is of, and the number on either of its sides."""
    for a, b in ((node.a, node.b), (node.b, node.a)):
        number = constant(b)
        if number is not None:
            return a, number
    return node, None


def _both(node: Any) -> Any:
    a, mask = _sides(node)
    return node if mask is None else _as(node, _masked(a, mask))


def _masked(a: Any, mask: int) -> Any:
    """``a & mask``: the sum of its runs of ones; of a negative mask what it leaves out is taken."""
    if mask < 0:
        return _wide(a) - _masked(_wide(a), ~mask)
    made = None
    for low, count in _runs(mask):
        part = _remainder(_quotient(a, low), count)
        part = _wide(part) * tirx.const(1 << low, "int32") if low else part
        made = part if made is None else _wide(made) + _wide(part)
    return _number(0, a) if made is None else made


def _runs(mask: int) -> Iterator[tuple[int, int]]:
    """Where the ones of a mask begin, and how many there are."""
    low = 0
    while mask >> low:
        if not mask >> low & 1:
            low += 1
            continue
        count = 1
        while mask >> (low + count) & 1:
            count += 1
        yield low, count
        low += count


def _either(node: Any) -> Any:
    """``a | b``: a sum less what both have, or a plain sum where they have nothing in common."""
    a, number = _sides(node)
    if number is not None:
        wide = _wide(a)
        return _as(node, wide + _number(number, wide) - _masked(wide, number))
    for high, low in ((node.a, node.b), (node.b, node.a)):
        below = _below(low)
        if below is not None and _zeros(high) >= below:
            return _as(node, _wide(high) + _wide(low))
    return node


def _one(node: Any) -> Any:
    a, number = _sides(node)
    if number is None:
        return node
    a = _wide(a)
    return _as(node, a + _number(number, a) - _masked(a, number) * _number(2, a))


def _not(node: Any) -> Any:
    a, last = _wide(node.a), 255 if dtype_of(node) == "uint8" else -1
    return _as(node, _number(last, a) - a)


def _below(expr: Any) -> int | None:
    """How many bits hold an expression, which is not negative; None where that is not seen."""
    number = constant(expr)
    if number is not None:
        return number.bit_length() if number >= 0 else None
    if isinstance(expr, TensorLoad):
        return 8 if dtype_of(expr) == "uint8" else None
    if isinstance(expr, tirx.Cast):
        return _below(expr.value)
    divisor = constant(expr.b) if isinstance(expr, (tirx.FloorDiv, tirx.FloorMod)) else None
    if divisor is None or divisor <= 0:
        return None
    if isinstance(expr, tirx.FloorMod):
        return (divisor - 1).bit_length()
    inner = _below(expr.a)
    return None if inner is None else max(0, inner - (divisor.bit_length() - 1))


def _zeros(expr: Any) -> int:
    """How many of the lowest bits of an expression are surely zero."""
    if isinstance(expr, tirx.Mul):
        factors = [f for f in (constant(expr.a), constant(expr.b)) if f]
        return max(((f & -f).bit_length() - 1 for f in factors), default=0)
    if isinstance(expr, tirx.Cast):
        return _zeros(expr.value)
    if isinstance(expr, tirx.Add):
        return min(_zeros(expr.a), _zeros(expr.b))
    return 0
