"""The device ops of the isa table as TIR calls, registered with TVM as ``tt.*``."""

from __future__ import annotations

from typing import Any, Final

from tvm import tirx
from tvm.ir import StringImm
from tvm.tirx import FloatImm

from harness.compiler import attrs
from harness.language.ops import new_call, register_op
from simulator.isa import OPS

TILE_ADDR: Final = "tt.tile_addr"
"""``(buffer, tile index)``: L1 address of a tile of a named buffer (block programs only)."""
POINTERS: Final = ("tt.get_write_ptr", "tt.get_read_ptr")
"""``(cb)``: L1 address of the window's first byte (after the split)."""

LOAD_L1: Final = "tt.load_l1"
"""``(buffer or cb, index)``: a datum of a row in L1, the value of a bind."""

COPIES: Final = {"tt.copy_l1": 2, "tt.copy_datums_l1": 2}
"""Ops that write L1 and read it too: the operand that they read."""

MATMUL_TRANSPOSED: Final = "tt.matmul_tiles_transposed"
"""As matmul_tiles with in1 transposed inside each tile (block programs only: after the split the
transpose belongs to matmul_init)."""

for _name, _spec in OPS.items():
    register_op(f"tt.{_name}", _spec.doc)
for _name in (TILE_ADDR, *POINTERS):
    register_op(_name, "An L1 address.")
register_op(LOAD_L1, "A datum of a row in L1.")
register_op(MATMUL_TRANSPOSED, "matmul_tiles with in1 transposed inside each tile.")


def call(name: str, *args: Any, span: Any = None) -> Any:
    """A statement that issues device op ``name``; numbers and strings become constants.

    Raises:
        ValueError: arity differs from the isa table (a bug of the compiler, not of the kernel).
    """
    transposed = f"tt.{name}" == MATMUL_TRANSPOSED
    spec = OPS["matmul_tiles" if transposed else name]
    if len(args) != len(spec.operands):
        raise ValueError(f"{name} takes {len(spec.operands)} operands, got {len(args)}")
    converted = []
    for value, operand in zip(args, spec.operands, strict=True):
        if isinstance(value, str):
            converted.append(StringImm(value))
        elif operand.kind == "float":
            converted.append(FloatImm("float32", float(value)))
        elif isinstance(value, int):
            converted.append(tirx.const(value, "int32"))
        else:
            converted.append(value)
    return tirx.Evaluate(new_call(f"tt.{name}", converted, "void", span), span)


def address(name: str, *args: Any) -> Any:
    """An L1 address expression."""
    given = [tirx.const(a, "int32") if isinstance(a, int) else a for a in args]
    return new_call(name, given, "int32")


def seq(stmts: list[Any]) -> Any:
    """One statement of several.

    Raises:
        ValueError: none given.
    """
    if not stmts:
        raise ValueError("an empty statement list")
    return stmts[0] if len(stmts) == 1 else tirx.SeqStmt(stmts)


def loop(name: str, extent: int, body: Any) -> list[Any]:
    """``for name in range(extent)`` around ``body(var)``; no loop where extent is 1.

    Nothing at all where the body is empty.
    """
    if extent == 1:
        return list(body(tirx.const(0, "int32")))
    var = tirx.Var(name, "int32")
    stmts = list(body(var))
    return [tirx.For(var, 0, extent, tirx.ForKind.SERIAL, seq(stmts))] if stmts else []


def zeros(buffer: Any, tiles: int, span: Any) -> list[Any]:
    """Every tile of a block made zero by the reader."""
    return loop("t", tiles, lambda t: [call("fill_tile_l1", buffer, address(TILE_ADDR, buffer, t),
                                            0.0, span=span)])  # fmt: skip


def config_scope(stmts: list[Any]) -> Any:
    """Mark statements whose init stays in force to their end (pass 5 adds the uninit there)."""
    return tirx.AttrStmt(StringImm("scope"), attrs.TT_CONFIG_SCOPE, tirx.const(0, "int32"),
                         seq(stmts))  # fmt: skip


def thread(kind: str, stmts: list[Any]) -> Any:
    """Mark statements as one block op of a thread."""
    return tirx.AttrStmt(StringImm(kind), attrs.TT_THREAD, tirx.const(0, "int32"), seq(stmts))
