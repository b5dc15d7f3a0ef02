"""An elementwise expression as a sequence of DST tile ops.

A small register allocation: the tree is evaluated in the order that needs fewest DST tiles
(Sethi and Ullman), each SFPU op writing over its first operand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.compiler.block.model import Binary, Buffer, Const, Expr, Leaf
from simulator.formats.dataformat import DataFormat

_FPU_FORMATS: Final = (DataFormat.Float16_b, DataFormat.Float16)
_COMMUTES: Final = ("add", "mul")


@dataclass(frozen=True)
class Micro:
    """One DST op on registers: copy, fpu, binary, scalar or fill.

    ``op`` is the isa op's stem; ``buffers`` are circular-buffer operands, ``registers`` DST operands
    (the result last), ``value`` an immediate.
    """

    kind: str
    op: str
    buffers: tuple[Buffer, ...] = ()
    registers: tuple[int, ...] = ()
    value: float = 0.0


def fpu_pair(expr: Expr) -> bool:
    """Whether an expression is one FPU op of two 16-bit circular buffers of one format."""
    return (
        isinstance(expr, Binary)
        and isinstance(expr.a, Leaf)
        and isinstance(expr.b, Leaf)
        and expr.a.buffer.format in _FPU_FORMATS
        and expr.a.buffer.format is expr.b.buffer.format
    )


def registers_needed(expr: Expr) -> int:
    """DST tiles the evaluation of an expression occupies at once."""
    if isinstance(expr, (Leaf, Const)) or fpu_pair(expr):
        return 1
    if isinstance(expr.a, Const) or isinstance(expr.b, Const):
        return registers_needed(expr.b if isinstance(expr.a, Const) else expr.a)
    a, b = registers_needed(expr.a), registers_needed(expr.b)
    return max(a, b) if a != b else a + 1


def schedule(expr: Expr) -> list[Micro]:
    """Micro ops that leave the value in register 0."""
    out: list[Micro] = []
    _emit(expr, 0, out)
    return out


def _emit(expr: Expr, r: int, out: list[Micro]) -> None:
    """Evaluate into register ``r``, using only registers >= r."""
    if isinstance(expr, Const):
        out.append(Micro("fill", "fill", registers=(r,), value=expr.value))
    elif isinstance(expr, Leaf):
        out.append(Micro("copy", "copy", (expr.buffer,), (r,)))
    elif fpu_pair(expr):
        out.append(Micro("fpu", expr.op, (expr.a.buffer, expr.b.buffer), (r,)))  # type: ignore[union-attr]
    elif isinstance(expr.b, Const):
        _emit(expr.a, r, out)
        out.append(Micro("scalar", f"{expr.op}_unary", registers=(r,), value=expr.b.value))
    elif isinstance(expr.a, Const):
        _emit(expr.b, r, out)
        op = expr.op if expr.op in _COMMUTES else "rsub"
        out.append(Micro("scalar", f"{op}_unary", registers=(r,), value=expr.a.value))
    else:
        first_b = registers_needed(expr.b) > registers_needed(expr.a)
        _emit(expr.b if first_b else expr.a, r, out)
        _emit(expr.a if first_b else expr.b, r + 1, out)
        a, b = (r + 1, r) if first_b else (r, r + 1)
        out.append(Micro("binary", f"{expr.op}_binary", registers=(a, b, r)))
