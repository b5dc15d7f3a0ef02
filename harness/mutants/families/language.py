"""The dialect: what the source says, lost or turned round before anybody reads it.

Compiler and golden read the same program, so only the packaged NumPy references can tell.
"""

from __future__ import annotations

from typing import Any, Final

from tvm import tirx
from tvm.ir import StringImm

from harness.mutants.registry import Kind, Mutant, Where
from harness.mutants.tir import (
    change_calls,
    change_stmts,
    constant,
    drop,
    integer,
    with_body,
)

FAMILY: Final = "language"


def _one(name: str, breaks: str, apply: Any, equivalent: str | None = None) -> Mutant:
    return Mutant(f"parsed-{name}", FAMILY, Where.LANGUAGE, Kind.FUNC, breaks, apply, equivalent)


def _flag(name: str, index: int, change: Any) -> Any:
    def operands(args: list[Any]) -> Any:
        old = constant(args[index])
        new = change(bool(old))
        if new == bool(old):
            return None
        return [*args[:index], tirx.const(new, "bool"), *args[index + 1 :]]

    return lambda f: change_calls(f, name, operands)


def _loops(change: Any, kind: Any = tirx.For) -> Any:
    def visit(stmt: Any) -> Any:
        if isinstance(stmt, kind) and stmt.annotations and (constant(stmt.extent) or 0) > 1:
            return [change(stmt, constant(stmt.extent))]
        return None

    return lambda f: change_stmts(f, visit, "first")


def _expr(pattern: type, change: Any) -> Any:
    """Expressions of one class replaced inside BufferStores."""
    import tvm_ffi

    def apply(func: Any) -> Any:
        changed = False

        def rewrite(node: Any) -> Any:
            nonlocal changed
            new = change(node)
            if new is None:
                return node
            changed = True
            return new

        def visit(stmt: Any) -> Any:
            if isinstance(stmt, tirx.BufferStore):
                return [tvm_ffi.structural_map(stmt, [(pattern, rewrite)], order="post")]
            return None

        body = change_stmts(func, visit)
        return body if changed else None

    return apply


def _reduce(index: int, change: Any) -> Any:
    return lambda f: change_calls(f, "reduce", lambda a: [*a[:index], change(a[index]),
                                                          *a[index + 1 :]])  # fmt: skip


def _fill(func: Any) -> Any:
    return change_calls(func, "fill", lambda a: [a[0], tirx.FloatImm(str(a[1].ty.dtype), 1.0)])


def _exchange_gemm(args: list[Any]) -> Any:
    return [args[1], args[0], *args[2:]]


def _no_stages(func: Any) -> Any:
    def visit(stmt: Any) -> Any:
        if isinstance(stmt, tirx.For) and stmt.annotations:
            return [tirx.For(stmt.loop_var, stmt.min, stmt.extent, stmt.kind, stmt.body,
                             span=stmt.span)]  # fmt: skip
        return None

    return change_stmts(func, visit)


MUTANTS: Final = (
    _one("clear-dropped", "T.clear and T.fill are lost.", drop("fill")),
    _one("fill-value", "T.fill and T.clear fill with one.", _fill),
    _one("transpose-a-flipped", "T.gemm's transpose_A is turned round.",
         _flag("gemm", 3, lambda t: not t)),
    _one("transpose-b-flipped", "T.gemm's transpose_B is turned round.",
         _flag("gemm", 4, lambda t: not t)),
    _one("clear-accum-dropped", "T.gemm's clear_accum is lost.", _flag("gemm", 5, lambda t: False)),
    _one("clear-accum-forced", "T.gemm always clears its accumulator.",
         _flag("gemm", 5, lambda t: True)),
    _one("gemm-operands-exchanged", "T.gemm has B for A.",
         lambda f: change_calls(f, "gemm", _exchange_gemm)),
    _one("gemm-dropped", "T.gemm is lost.", drop("gemm")),
    _one("last-copy-dropped", "The last T.copy is lost.", drop("copy", "last")),
    _one("first-copy-dropped", "The first T.copy is lost.", drop("copy", "first")),
    _one("floor-for-ceiling", "A pipelined loop has a step less.",
         _loops(lambda s, n: with_body(s, [s.body], extent=integer(n - 1)))),
    _one("loop-from-one", "A pipelined loop starts at one.",
         _loops(lambda s, n: with_body(s, [s.body], start=integer(1), extent=integer(n - 1)))),
    _one("stages-dropped", "num_stages is lost.", _no_stages),
    _one("reduce-axis", "T.reduce runs along the other axis.",
         _reduce(3, lambda d: integer(1 - (constant(d) or 0)))),
    _one("reduce-kind", "T.reduce_max for T.reduce_sum and the other way.",
         _reduce(2, lambda k: StringImm({"sum": "max", "max": "sum"}.get(str(k.value), "sum")))),
    _one("add-for-subtract", "A minus is read as a plus.",
         _expr(tirx.Sub, lambda e: e.a + e.b if "float" in str(e.a.ty.dtype) else None)),
    _one("subtract-reversed", "A minus has its operands exchanged.",
         _expr(tirx.Sub, lambda e: tirx.Sub(e.b, e.a) if "float" in str(e.a.ty.dtype) else None)),
    _one("min-for-max", "T.max is read as T.min.",
         _expr(tirx.Max, lambda e: tirx.Min(e.a, e.b))),
    _one("multiply-for-add", "A plus is read as a product.",
         _expr(tirx.Add, lambda e: tirx.Mul(e.a, e.b) if "float" in str(e.a.ty.dtype) else None)),
    _one("greater-for-greater-equal", "A mask's >= is read as >.",
         _expr(tirx.GE, lambda e: tirx.GT(e.a, e.b))),
    _one("constant-off", "Literals are 1 % too large.",
         _expr(tirx.FloatImm, lambda e: tirx.FloatImm(str(e.ty.dtype), float(e.value) * 1.01)
               if float(e.value) not in (0.0, 1e-5, 1e-12) else None)),
)  # fmt: skip
