"""Where integers may go in a block program: through copies as they are, and into int8 products."""

from __future__ import annotations

from typing import NoReturn

from harness.compiler.block.model import (
    Accumulate,
    BlockProgram,
    Buffer,
    Convert,
    Eltwise,
    Expr,
    Gemm,
    Leaf,
    Reduce,
    Statement,
    Transpose,
    leaves,
    operands,
    walk,
)
from harness.compiler.block.whole import NUMBERS, REAL, as_stored
from harness.compiler.diagnostics import refuse
from harness.compiler.options import CompileOptions

_EXACT = "HiFi4"
"""The fidelity whose phases multiply all seven magnitude bits of both operands."""


def check_integers(program: BlockProgram, options: CompileOptions, fidelity: str) -> None:
    """Refuse what the vector and matrix units would compute otherwise than in integers.

    Raises:
        CompileError: at the source line.
    """
    for stmt in walk(program.body):
        if isinstance(stmt, Gemm):
            _check_gemm(stmt, options, fidelity)
            continue
        bare = [b for b in stmt.bare if _is_integer(b)] if isinstance(stmt, Accumulate) else []
        if bare:
            _no(stmt, f"{bare[0].dtype} sums {bare[0].name!r} of products in a loop that may have"
                " no iteration: nothing fills them with zeros",
                "run the loop at least once, over zeros")  # fmt: skip
        used = [b for b in (*stmt.defs(), *stmt.uses()) if b.format.is_integer]
        if not used or not isinstance(stmt, (Eltwise, Reduce, Transpose)):
            continue
        if isinstance(stmt, Eltwise) and isinstance(stmt.expr, Leaf) and not stmt.expr.bcast:
            if stmt.expr.buffer.dtype == stmt.dst.dtype:
                continue
            _no(stmt, f"{stmt.expr.buffer.dtype} {stmt.expr.buffer.name!r} becomes"
                f" {stmt.dst.dtype}", "keep its dtype, and convert outside the kernel")  # fmt: skip
        if isinstance(stmt, Eltwise) and _rounds(stmt):
            continue
        if isinstance(stmt, Eltwise) and _converts(stmt):
            if not options.use_fp32_dest:
                _no(stmt, f"int32 {used[0].name!r} in a 16-bit destination register",
                    "leave --no-fp32-dest out")  # fmt: skip
            continue
        name, dtype = used[0].name, used[0].dtype.removesuffix("_bytes")
        if isinstance(stmt, Eltwise) and not tuple(stmt.uses()):
            _no(stmt, f"{dtype} block {name!r} is filled, and is not an accumulator that stays in"
                " the destination register", "clear it right before the loop of its T.gemm, and"
                " use smaller blocks")  # fmt: skip
        if dtype == "int8":
            _no(stmt, f"int8 block {name!r} in arithmetic, and T.gemm reads it", "write int8 to a"
                " tensor in one T.Kernel and multiply it in a second T.Kernel; numbers to compute"
                " with come from a tensor of their own")  # fmt: skip
        _no(stmt, f"{dtype} block {name!r} in arithmetic", "compute in float32; integers go"
            " through T.copy and T.gemm, and int32 may be an operand of real numbers")  # fmt: skip


def _converts(stmt: Eltwise) -> bool:
    """Whether every integer operand is turned into a real number before anything else."""

    def fine(expr: Expr, *, converted: bool) -> bool:
        if isinstance(expr, Leaf):
            return not expr.buffer.format.is_integer or (converted and expr.bcast is None)
        inner = isinstance(expr, Convert)
        return all(fine(operand, converted=inner) for operand in operands(expr))

    return not stmt.dst.format.is_integer and fine(stmt.expr, converted=False)


def _rounds(stmt: Eltwise) -> bool:
    """Whether whole numbers that are kept as real ones become integers; spans proves them exact."""
    found = list(leaves(stmt.expr))
    if stmt.dst.dtype not in NUMBERS or not found or found[0].dtype != REAL:
        return False
    return stmt.expr == as_stored(Leaf(found[0]), stmt.dst.dtype)


def _check_gemm(stmt: Gemm, options: CompileOptions, fidelity: str) -> None:
    kinds = (stmt.a.dtype, stmt.b.dtype, stmt.c.dtype)
    if not any(_is_integer(b) for b in (stmt.a, stmt.b, stmt.c)):
        return
    if kinds != ("int8", "int8", "int32"):
        _no(stmt, f"a T.gemm of {kinds[0]} by {kinds[1]} into {kinds[2]}",
            "integers are int8 by int8 into int32")  # fmt: skip
    if not options.use_fp32_dest:
        _no(stmt, "an int8 T.gemm in a 16-bit destination register", "leave --no-fp32-dest out")
    if fidelity != _EXACT:
        _no(stmt, f"an int8 T.gemm at {fidelity}, which drops bits of its operands",
            f"leave --fidelity out, or use {_EXACT}")  # fmt: skip


def _is_integer(buffer: Buffer) -> bool:
    return buffer.format.is_integer


def _no(stmt: Statement, what: str, instead: str) -> NoReturn:
    refuse(what, node=stmt.node, code="UnsupportedDtype", next_step=instead)
