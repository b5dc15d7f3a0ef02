"""An elementwise expression as a sequence of DST tile ops.

A small register allocation: operands are evaluated in the order that needs fewest DST tiles
(Sethi and Ullman), each SFPU op writing over its first operand's tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.compiler.block.model import (
    Binary,
    Buffer,
    Const,
    Convert,
    Expr,
    Leaf,
    Select,
    Unary,
    operands,
)
from harness.compiler.block.whole import NARROW
from simulator.formats.dataformat import DataFormat

_FPU_FORMATS: Final = (DataFormat.Float16_b, DataFormat.Float16)
_FPU_OPS: Final = ("add", "sub", "mul")
_COMMUTES: Final = ("add", "mul", "max", "min")
_BINARY_OPS: Final = (("max", "binary_max"), ("min", "binary_min"))


@dataclass(frozen=True)
class Micro:
    """One DST op on registers.

    ``kind`` is copy, cut, turn, bcast, fpu, unary, binary, scalar, fill, where or cast;
    ``op`` is the isa op's stem; ``buffers`` are circular-buffer operands, ``registers`` DST ones
    (the result last), ``value`` an immediate, ``names`` literal operands.
    """

    kind: str
    op: str
    buffers: tuple[Buffer, ...] = ()
    registers: tuple[int, ...] = ()
    value: float = 0.0
    names: tuple[str, ...] = ()


def fpu_pair(expr: Expr) -> bool:
    """Whether an expression is one FPU op of two 16-bit circular buffers of one format.

    The second may be repeated (in1 is the operand the FPU broadcasts).
    """
    return (
        isinstance(expr, Binary)
        and expr.op in _FPU_OPS
        and isinstance(expr.a, Leaf)
        and isinstance(expr.b, Leaf)
        and expr.a.bcast is None
        and expr.a.buffer.format in _FPU_FORMATS
        and expr.a.buffer.format is expr.b.buffer.format
    )


def inputs(expr: Expr) -> list[Expr]:
    """Operands that need a register: immediates of scalar ops do not."""
    if isinstance(expr, Binary) and _immediate(expr) is not None:
        return [expr.b if isinstance(expr.a, Const) else expr.a]
    return list(operands(expr))


def _immediate(expr: Binary) -> tuple[str, float] | None:
    """The scalar op and immediate of a binary op with a number, where there is one."""
    if isinstance(expr.b, Const) and expr.op in ("add", "sub", "mul", "div"):
        return f"{expr.op}_unary", expr.b.value
    if isinstance(expr.a, Const) and expr.op in ("add", "mul"):
        return f"{expr.op}_unary", expr.a.value
    if isinstance(expr.a, Const) and expr.op == "sub":
        return "rsub_unary", expr.a.value
    return None


def registers_needed(expr: Expr) -> int:
    """DST tiles the evaluation of an expression occupies at once."""
    if fpu_pair(expr):
        return 1
    needs = sorted((registers_needed(e) for e in inputs(expr)), reverse=True)
    return max((n + i for i, n in enumerate(needs)), default=1)


def schedule(expr: Expr) -> list[Micro]:
    """Micro ops that leave the value in register 0, all registers being clear before."""
    out: list[Micro] = []
    _emit(expr, 0, out)
    return out


def _emit(expr: Expr, r: int, out: list[Micro]) -> None:
    """Evaluate into register ``r``, using only registers >= r."""
    if isinstance(expr, Const):
        out.append(Micro("fill", "fill", registers=(r,), value=expr.value))
        return
    if isinstance(expr, Leaf):
        if expr.cut:
            out.append(Micro("cut", "transpose", (expr.buffer,), (r,)))
            out.append(Micro("turn", "transpose_dest", registers=(r,)))
        elif expr.bcast is None:
            out.append(Micro("copy", "copy", (expr.buffer,), (r,)))
        else:
            out.append(Micro("bcast", "unary_bcast", (expr.buffer,), (r,), names=(expr.bcast,)))
        return
    if fpu_pair(expr):
        a, b = expr.a, expr.b  # type: ignore[union-attr]
        suffix = {None: "", "ROW": "_bcast_rows", "COL": "_bcast_cols",
                  "SCALAR": "_bcast_scalar"}[b.bcast]  # type: ignore[union-attr]  # fmt: skip
        if expr.op == "mul" and any(r in micro.registers for micro in out):  # type: ignore[union-attr]
            out.append(Micro("fill", "fill", registers=(r,)))  # a product is added to what is there
        out.append(Micro("fpu", f"{expr.op}_tiles{suffix}", (a.buffer, b.buffer), (r,)))  # type: ignore[union-attr]
        return
    parts = inputs(expr)
    order = sorted(range(len(parts)), key=lambda i: -registers_needed(parts[i]))
    at = {}
    for position, index in enumerate(order):
        at[index] = r + position
        _emit(parts[index], r + position, out)
    registers = tuple(at[i] for i in range(len(parts)))
    out.append(_operation(expr, registers, r))


def _cast_to(dtype: str) -> DataFormat:
    """What a register holds after a cast: integers of 8 bits are of 32 there."""
    return DataFormat.Int32 if dtype in NARROW else DataFormat.from_ir(dtype)


def _operation(expr: Expr, registers: tuple[int, ...], r: int) -> Micro:
    if isinstance(expr, Unary):
        return Micro("unary", expr.op, registers=(r,))
    if isinstance(expr, Convert):
        source = DataFormat.Float32
        if isinstance(expr.a, Leaf):
            source = expr.a.buffer.format
        elif isinstance(expr.a, Convert):
            source = _cast_to(expr.a.dtype)
        source = source if source.is_integer else DataFormat.Float32
        names = source.value, _cast_to(expr.dtype).value
        return Micro("cast", "typecast", registers=(r,), names=names)
    if isinstance(expr, Select):
        return Micro("where", "where", registers=(*registers, r))
    if isinstance(expr, Binary):
        immediate = _immediate(expr)
        if immediate is not None:
            return Micro("scalar", immediate[0], registers=(r,), value=immediate[1])
        op = dict(_BINARY_OPS).get(expr.op, f"{expr.op}_binary")
        return Micro("binary", op, registers=(*registers, r))
    raise TypeError(f"{type(expr).__name__} has no DST op")
