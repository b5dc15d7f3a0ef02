"""Whole numbers from memory in expressions: labels, lengths, segment numbers.

The vector unit turns int32 into float32, exact below 2 ** 24. A block that is repeated along rows
or columns goes through the matrix unit's sources, which keep as little as 8 bits: it is repeated in
three parts of 8 bits each, and these are added again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from harness.language.blockformats import dtype_of
from harness.language.tensors import TRUTH

WHOLE: Final = "int32"
"""The dtype of whole numbers that are computed."""
NUMBERS: Final = (WHOLE, "uint8")
"""Dtypes of data that may be used as numbers; others go through T.copy and T.gemm alone."""
REAL: Final = "float32"
_STEPS: Final = (2.0**16, 2.0**8)
"""What the high and the middle part are multiples of."""


def copied(source: Buffer, target: Buffer) -> Expr:
    """What a copy stores: integers become float32 on their way to real numbers.

    int32 is made of them as well.
    """
    if target.dtype == WHOLE and not source.format.is_integer:
        return Convert(WHOLE, Leaf(source))
    if source.dtype in NUMBERS and not target.format.is_integer:
        return Convert(REAL, Leaf(source))
    return Leaf(source)


def stored_dtype(tensor: Any) -> str:
    """The dtype a tensor's elements lie in memory in: conditions are bytes of 0 and 1."""
    dtype = dtype_of(tensor)
    return "uint8" if dtype == TRUTH else dtype


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

    rest = block if block.dtype == REAL else put(Convert(REAL, Leaf(block)))
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
