"""Whole numbers from memory in expressions: labels, lengths, segment numbers.

The vector unit turns int32 into float32, exact below 2 ** 24. A block that is repeated along rows
or columns goes through the matrix unit's sources, which keep as little as 8 bits: it is repeated in
three parts of 8 bits each, and these are added again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Any, Final

from harness.compiler.block.model import (
    Binary,
    Buffer,
    Const,
    Convert,
    Eltwise,
    Expr,
    Leaf,
    Statement,
    Unary,
)
from simulator.formats.dataformat import SIGNED_BYTE

WHOLE: Final = "int32"
"""The dtype of whole numbers that are computed."""
SIGNED: Final = SIGNED_BYTE
"""The dtype of int8 in two's complement."""
NARROW: Final = MappingProxyType({"int8": (-128.0, 127.0), "uint8": (0.0, 255.0)})
"""The numbers of the dtypes of bytes."""
SMALL: Final = ("uint8", SIGNED)
"""Dtypes of data that are numbers of at most 8 bits."""
NUMBERS: Final = (WHOLE, *SMALL)
"""Dtypes of data that may be used as numbers; others go through T.copy and T.gemm alone."""
REAL: Final = "float32"
_STEPS: Final = (2.0**16, 2.0**8)
"""What the high and the middle part are multiples of."""


def number(block: Buffer) -> Expr:
    """The real numbers that whole ones are, as they lie in memory."""
    value: Expr = Convert(REAL, Leaf(block))
    if block.dtype != SIGNED:
        return value
    over = Unary("gez", Binary("sub", value, Const(128.0)))
    return Binary("sub", value, Binary("mul", over, Const(256.0)))


def given(expr: Expr) -> Buffer | None:
    """The block whose numbers an expression takes as memory holds them, or None."""
    converted = expr.a if isinstance(expr, Binary) else expr
    leaf = converted.a if isinstance(converted, Convert) else None
    if not isinstance(leaf, Leaf) or leaf.buffer.dtype not in NUMBERS or leaf.bcast is not None:
        return None
    return leaf.buffer if expr == number(leaf.buffer) else None


def as_stored(value: Leaf, dtype: str) -> Expr:
    """Real numbers that are whole, as memory holds them; ``spans`` proves that it does."""
    if dtype != SIGNED:
        return Convert(WHOLE, value)
    below = Binary("mul", Unary("ltz", value), Const(256.0))
    return Convert(WHOLE, Binary("add", value, below))


def copied(source: Buffer, target: Buffer) -> Expr:
    """What a copy stores: integers become float32 on their way to real numbers.

    Integers are made of them as well.
    """
    if target.dtype in NUMBERS and not source.format.is_integer:
        return as_stored(Leaf(source), target.dtype)
    if source.dtype in NUMBERS and not target.format.is_integer:
        return number(source)
    return Leaf(source)


def in_parts(
    block: Buffer, node: Any, temp: Callable[[str], str]
) -> tuple[list[Statement], list[Buffer]]:
    """Statements that make of whole numbers blocks of float32 whose sum they are, and those.

    None holds numbers of more than 8 bits. ``temp`` makes names.
    """
    made: list[Statement] = []

    def put(value: Expr) -> Buffer:
        new = block.like(temp(block.name), REAL)
        made.append(Eltwise(node, new, value))
        return new

    rest = block if block.dtype == REAL else put(number(block))
    if block.dtype in SMALL:
        return made, [rest]
    parts: list[Buffer] = []
    for step in _STEPS:
        whole = Unary("floor", Binary("mul", Leaf(rest), Const(1 / step)))
        parts.append(put(Binary("mul", whole, Const(step))))
        rest = put(Binary("sub", Leaf(rest), Leaf(parts[-1])))
    return made, [*parts, rest]


def total(parts: Iterable[Leaf]) -> Expr:
    """The sum of the parts: exact in any order."""
    first, *others = parts
    found: Expr = first
    for part in others:
        found = Binary("add", found, part)
    return found
