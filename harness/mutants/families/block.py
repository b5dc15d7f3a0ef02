"""Block programs: what pass 4 leaves, changed before pass 5 splits it."""

from __future__ import annotations

from typing import Any, Final

from tvm import tirx
from tvm.ir import StringImm

from harness.compiler import attrs
from harness.compiler.tt_ops import MATMUL_TRANSPOSED
from harness.mutants.registry import Kind, Mutant, Where
from harness.mutants.tir import (
    change_attr,
    change_calls,
    change_stmts,
    constant,
    drop,
    integer,
    op,
    twice,
    with_body,
)

FAMILY: Final = "block program"
READ, WRITE, ZERO = "noc_async_read_page", "noc_async_write_page", "zero_tile_region"


def _one(name: str, breaks: str, apply: Any, equivalent: str | None = None) -> Mutant:
    return Mutant(f"block-{name}", FAMILY, Where.PASS4, Kind.FUNC, breaks, apply, equivalent)


def _set(name: str, index: int, change: Any) -> Any:
    """Operand ``index`` of every call of an op."""

    def operands(args: list[Any]) -> Any:
        new = change(args[index])
        if new is None:
            return None
        return [*args[:index], new, *args[index + 1 :]]

    return lambda f: change_calls(f, name, operands)


def _exchange(name: str, i: int, j: int) -> Any:
    def operands(args: list[Any]) -> Any:
        if args[i].same_as(args[j]):
            return None
        args[i], args[j] = args[j], args[i]
        return args

    return lambda f: change_calls(f, name, operands)


def _renamed(old: str, new: str) -> Any:
    return lambda f: change_calls(f, old, lambda args: (op(new), args))


def _text(name: str, index: int, ring: dict[str, str]) -> Any:
    return _set(name, index, lambda a: StringImm(ring[str(a.value)])
                if str(a.value) in ring else None)  # fmt: skip


def _loop(change: Any, name: str = "") -> Any:
    def visit(stmt: Any) -> Any:
        if isinstance(stmt, tirx.For) and str(stmt.loop_var.name).startswith(name):
            extent = constant(stmt.extent)
            if extent is not None and extent > 1:
                return [change(stmt, extent)]
        return None

    return lambda f: change_stmts(f, visit, "first")


def _thread(ring: dict[str, str]) -> Any:
    def visit(stmt: Any) -> Any:
        if isinstance(stmt, tirx.AttrStmt) and stmt.attr_key == attrs.TT_THREAD:
            kind = str(stmt.node.value)
            if kind in ring:
                return [tirx.AttrStmt(StringImm(ring[kind]), stmt.attr_key, stmt.value, stmt.body,
                                      stmt.span)]  # fmt: skip
        return None

    return lambda f: change_stmts(f, visit, "first")


def _block_dropped(kind: str, which: str) -> Any:
    def visit(stmt: Any) -> Any:
        if isinstance(stmt, tirx.AttrStmt) and stmt.attr_key == attrs.TT_THREAD:
            return [] if str(stmt.node.value) == kind else None
        return None

    return lambda f: change_stmts(f, visit, which)


def _config(**fields: Any) -> Any:
    return change_attr(attrs.TT_COMPUTE_CONFIG, lambda c: {**c, **fields})


def _full_region(args: list[Any]) -> Any:
    return [*args[:2], integer(32), integer(32)]


def _condition_inverted(func: Any) -> Any:
    def visit(stmt: Any) -> Any:
        if isinstance(stmt, tirx.IfThenElse):
            return [tirx.IfThenElse(tirx.Not(stmt.condition), stmt.then_case, stmt.else_case,
                                    stmt.span)]  # fmt: skip
        return None

    return change_stmts(func, visit)


MUTANTS: Final = (
    _one("read-barrier-dropped", "Blocks are used before their reads are waited for.",
         drop("noc_async_read_barrier")),
    _one("write-barrier-dropped", "Blocks are freed before their writes are waited for.",
         drop("noc_async_write_barrier")),
    _one("read-page-constant", "Every read takes page 0.", _set(READ, 0, lambda e: integer(0))),
    _one("write-page-constant", "Every write goes to page 0.",
         _set(WRITE, 0, lambda e: integer(0))),
    _one("read-page-next", "Every read takes the next page.", _set(READ, 0, lambda e: e + 1)),
    _one("write-page-next", "Every write goes to the next page.", _set(WRITE, 0, lambda e: e + 1)),
    _one("read-page-doubled", "Page numbers of reads are doubled.",
         _set(READ, 0, lambda e: e * 2)),
    _one("last-read-dropped", "The last read is left out.", drop(READ, "last")),
    _one("last-write-dropped", "The last write is left out.", drop(WRITE, "last")),
    _one("padding-dropped", "Padding is not zeroed.", drop(ZERO)),
    _one("padding-extent-full", "zero_tile_region keeps whole tiles.",
         lambda f: change_calls(f, ZERO, _full_region)),
    _one("padding-axes", "zero_tile_region takes rows for columns.", _exchange(ZERO, 2, 3)),
    _one("conditions-inverted", "Every condition is negated.", _condition_inverted),
    _one("operands-exchanged", "Products take in0 and in1 crosswise.",
         _exchange("matmul_tiles", 0, 1)),
    _one("in0-twice", "Products take in0 for in1.",
         lambda f: change_calls(f, "matmul_tiles", lambda a: [a[0], a[0], *a[2:]])),
    _one("transposed-for-plain", "Products transpose in1 inside tiles.",
         _renamed("matmul_tiles", MATMUL_TRANSPOSED)),
    _one("plain-for-transposed", "The transpose of in1 is forgotten.",
         _renamed("matmul_tiles_transposed", "tt.matmul_tiles")),
    _one("in1-index-constant", "Products take tile 0 of in1.",
         _set("matmul_tiles", 3, lambda e: integer(0))),
    _one("dst-constant", "Products go to DST tile 0.",
         _set("matmul_tiles", 4, lambda e: integer(0))),
    _one("product-twice", "Products are added twice.", twice("matmul_tiles")),
    _one("product-dropped", "Products are left out.", drop("matmul_tiles")),
    _one("transpose-dropped", "in0 is not transposed through its buffer.",
         _renamed("transpose_tile", "tt.copy_tile")),
    _one("reload-dropped", "The first load into DST is left out.", drop("copy_tile", "first")),
    _one("fill-dropped", "Fills are left out.", drop("fill_tile")),
    _one("acquire-dropped", "DST is not acquired.", drop("tile_regs_acquire")),
    _one("commit-dropped", "DST is not committed.", drop("tile_regs_commit")),
    _one("release-dropped", "DST is not released.", drop("tile_regs_release")),
    _one("pack-dropped", "The last pack is left out.", drop("pack_tile", "last")),
    _one("pack-next-dst", "The packer takes the next DST tile.",
         _set("pack_tile", 0, lambda e: e + 1)),
    _one("subtraction-reversed", "Operands of a subtraction exchanged.",
         lambda f: _exchange("sub_binary_tile", 0, 1)(f) or _exchange("sub_tiles", 0, 1)(f)),
    _one("activation-dropped", "relu is left out.", drop("relu_tile")),
    _one("broadcast-dim", "Broadcasts go along the other axis.",
         _text("unary_bcast", 0, {"ROW": "COL", "COL": "ROW"})),
    _one("reduce-dim", "Reductions go along the other axis.",
         _text("reduce_tile", 1, {"REDUCE_ROW": "REDUCE_COL", "REDUCE_COL": "REDUCE_ROW"})),
    _one("reduce-pool", "SUM for MAX and MAX for SUM.",
         _text("reduce_tile", 0, {"SUM": "MAX", "MAX": "SUM"})),
    _one("reduce-scaler", "The scaler tile holds 2.",
         _set("generate_reduce_scaler", 2, lambda v: tirx.FloatImm("float32", 2.0))),
    _one("reduce-tile-constant", "Reductions take their first tile every time.",
         _set("reduce_tile", 4, lambda e: integer(0))),
    _one("where-exchanged", "A select has its branches crosswise.",
         _exchange("where_tile", 1, 2)),
    _one("first-loop-short", "The first loop ends a step early.",
         _loop(lambda s, n: with_body(s, [s.body], extent=integer(n - 1)))),
    _one("first-loop-late", "The first loop begins a step late.",
         _loop(lambda s, n: with_body(s, [s.body], start=integer(1), extent=integer(n - 1)))),
    _one("k-loop-short", "The K loop ends a step early.",
         _loop(lambda s, n: with_body(s, [s.body], extent=integer(n - 1)), "ko")),
    _one("k-loop-long", "The K loop runs a step too far.",
         _loop(lambda s, n: with_body(s, [s.body], extent=integer(n + 1)), "ko")),
    _one("reader-labelled-writer", "A read is given to the writer.", _thread({"reader": "writer"})),
    _one("writer-labelled-reader", "A write is given to the reader.",
         _thread({"writer": "reader"})),
    _one("compute-labelled-reader", "Arithmetic is given to the reader.",
         _thread({"compute": "reader"})),
    _one("last-load-block-dropped", "The last block op of the reader is left out.",
         _block_dropped("reader", "last")),
    _one("first-compute-block-dropped", "The first block op of compute is left out.",
         _block_dropped("compute", "first")),
    _one("config-lofi", "The compute configuration says LoFi.", _config(math_fidelity="LoFi")),
    _one("config-dest-16", "The compute configuration says 16-bit DST.",
         _config(fp32_dest_acc_en=False)),
    _one("config-approximate", "The compute configuration says approximate.",
         _config(math_approx_mode=True)),
    _one("config-full-sync", "The compute configuration says full sync.",
         _config(dst_full_sync_en=True)),
)  # fmt: skip
