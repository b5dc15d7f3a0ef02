"""T.reduce of blocks: pooled along an axis, then joined with what the destination holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tvm.ir import Call

from harness.compiler.block.lines import crosses
from harness.compiler.block.model import (
    Binary,
    Buffer,
    Const,
    Eltwise,
    Expr,
    Leaf,
    Statement,
    Transpose,
    Unary,
)
from harness.compiler.block.parts import Parts
from harness.compiler.block.reading.copies import Copies
from harness.compiler.block.reading.pool import pooled
from harness.compiler.diagnostics import refuse
from harness.language.regions import constant


def _absolute(x: Expr) -> Expr:
    return Unary("abs", x)


def negated(x: Expr) -> Expr:
    """What a maximum is taken of, for a minimum."""
    return Binary("mul", x, Const(-1.0))


BEFORE: Final[dict[str, Callable[[Expr], Expr]]] = {
    "min": negated, "absmax": _absolute, "abssum": _absolute,
}  # fmt: skip
"""What is pooled in place of x, by kind: the matrix unit knows sums and maxima."""
JOIN: Final = {"sum": "add", "abssum": "add", "min": "min"}
"""Ops that join two results; ``max`` for the other kinds."""


def reduced(reader: Copies, call: Call, parts: Parts) -> list[Statement]:
    """A reduction: of abs(x) or -x where it must be, pooled, then joined with the old value."""
    args = call.args[:]
    kind, clear = str(args[2].value), bool(constant(args[4]))
    src = reader.block(args[0], call, parts.read)
    dst = reader.block(args[1], call, parts.write if clear else parts.update)
    rank, dim = len(args[0].region), constant(args[3]) or 0
    if rank > 3 or src.lead != 1:
        refuse(f"T.reduce_{kind} of a block of rank {rank}", node=call,
               next_step="reduce blocks of at most three dimensions")  # fmt: skip
    axis = 1 if dim == rank - 1 and src.form != "col" else 0
    # Without the old value the result is stored as the destination stores it; a value that is
    # still to be joined stays in float32.
    dtype = dst.dtype if clear else "float32"
    out, made = line(reader, call, kind, src, axis, dtype, f"{dst.name}_{kind}")
    value: Expr = Leaf(made)
    if kind == "min":
        value = negated(value)
    if crosses(dst, made.form):
        turned = made.turned(reader.temp(f"{made.name}_t"))
        source = made
        if kind == "min":
            source = made.like(reader.temp(f"{made.name}_min"))
            out.append(Eltwise(call, source, value))
        out.append(Transpose(call, turned, source))
        value = Leaf(turned)
    if not clear:
        value = Binary(JOIN.get(kind, "max"), Leaf(dst), value)
    out.append(Eltwise(call, dst, value))
    return out


def line(
    reader: Copies, node: Any, kind: str, src: Buffer, axis: int, dtype: str, name: str
) -> tuple[list[Statement], Buffer]:
    """Statements that pool a matrix, and the line they make: of a minimum, negated."""
    out: list[Statement] = []
    if kind in BEFORE:
        changed = src.like(reader.temp(f"{src.name}_{kind}"))
        out.append(Eltwise(node, changed, BEFORE[kind](Leaf(src))))
        src = changed
    pool = "SUM" if kind in ("sum", "abssum") else "MAX"
    pools, made = pooled(src, pool, axis, node, reader.temp, dtype, name)
    return [*out, *pools], made
