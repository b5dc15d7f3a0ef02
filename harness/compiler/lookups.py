"""Blocks that a tensor of indices chooses: ``T.copy(KV[table[b, k], :, :], block)``.

The reader loads the index from L1 and makes a page number of it. No condition can ask whether the
page exists, so the index must choose along a tensor's first dimension: then a page is in the tensor
exactly where the index is in range, and one that is not is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Call, TensorLoad, TensorRegion

from harness.compiler.diagnostics import refuse
from harness.compiler.kernel import Kernel, accesses, read_kernel, statements, with_body
from harness.compiler.tt_ops import seq
from harness.language.blockformats import dtype_of
from harness.language.ops import COPY
from harness.language.regions import constant
from harness.language.tensors import VAR


def loads_of(expr: Any) -> list[TensorLoad]:
    """What an index reads from memory, each once, in order of appearance."""
    found: list[TensorLoad] = []

    def seen(load: TensorLoad) -> None:
        if not any(tvm_ffi.structural_equal(load, known) for known in found):
            found.append(load)

    if isinstance(expr, tvm.ir.Expr):
        tvm_ffi.structural_walk(expr, [(TensorLoad, seen)])
    return found


def gathers(kernel: Kernel) -> Iterator[tuple[TensorRegion, Call]]:
    """Regions of copies that start where a tensor says."""
    for stmt in statements(kernel.body):
        call = stmt.value if isinstance(stmt, tirx.Evaluate) else None
        if not isinstance(call, Call) or getattr(call.op, "name", "") != COPY:
            continue
        if any(loads_of(r.min) for r in call.args[0].region):
            yield call.args[0], call


def index_tensors(kernel: Kernel) -> dict[str, Call]:
    """Names of tensors that choose blocks, each with the first copy that asks it."""
    out: dict[str, Call] = {}
    for region, call in gathers(kernel):
        for load in (v for r in region.region for v in loads_of(r.min)):
            out.setdefault(str(load.source.name), call)
    return out


def without_bound_loads(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with ``page = table[b, k]`` written where ``page`` is used.

    Only tensors that the kernel does not write are read again at another place.
    """
    kernel = read_kernel(func)
    if not any(isinstance(s, tirx.Bind) for s in statements(kernel.body)):
        return func
    written = {a.buffer for a in accesses(kernel.body) if a.write}
    fixed = {p for p in kernel.params if p not in written}
    values: dict[Any, Any] = {}

    def used(node: Any) -> Any:
        if not isinstance(node, (tvm.ir.Expr, tirx.Stmt)):
            return node
        return tvm_ffi.structural_map(node, [(tvm.ir.Var, lambda v: values.get(v, v))])

    def run(stmt: Any) -> Any | None:
        if isinstance(stmt, tirx.SeqStmt):
            done = [s for s in map(run, stmt.seq) if s is not None]
            return seq(done) if done else None
        if isinstance(stmt, tirx.Bind):
            value = used(stmt.value)
            found = loads_of(value)
            if not found or any(load.source not in fixed for load in found):
                return tirx.Bind(stmt.var, value, stmt.span)
            values[stmt.var] = value
            return None
        if isinstance(stmt, tirx.For):
            body = run(stmt.body)
            return None if body is None else tirx.For(
                stmt.loop_var, used(stmt.min), used(stmt.extent), stmt.kind, body,
                annotations=stmt.annotations, span=stmt.span)  # fmt: skip
        if isinstance(stmt, tirx.IfThenElse):
            test, then = used(stmt.condition), run(stmt.then_case)
            orelse = None if stmt.else_case is None else run(stmt.else_case)
            if then is None:
                return None if orelse is None else tirx.IfThenElse(
                    tirx.Not(test), orelse, None, stmt.span)  # fmt: skip
            return tirx.IfThenElse(test, then, orelse, stmt.span)
        return used(stmt)

    body = run(kernel.body)
    return func if body is None else with_body(func, body)


def check_control(kernel: Kernel) -> None:
    """Refuse loops and conditions that memory decides, other than of places in T.Parallel.

    Raises:
        CompileError: at the loop or condition.
    """
    for stmt in statements(kernel.body):
        asked = {tirx.For: ("min", "extent"), tirx.IfThenElse: ("condition",)}.get(type(stmt), ())
        for load in (v for name in asked for v in loads_of(getattr(stmt, name))):
            if load.source.ty.storage_scope != VAR:
                what = "a loop" if isinstance(stmt, tirx.For) else "a condition"
                refuse(f"{what} depends on {load.source.name!r}: what cores do cannot depend on"
                       " data", node=stmt, code="DataDependent",
                       next_step="do it for every value and choose between results in"
                       " T.Parallel")  # fmt: skip


def check_gathers(kernel: Kernel) -> None:
    """Refuse gathers that no reader can make; tensors are in stored order.

    Raises:
        CompileError: at the copy.
    """
    written = {a.buffer: a.node for a in accesses(kernel.body) if a.write}
    copied = {a.buffer for a in accesses(kernel.body) if not a.write}
    for region, call in gathers(kernel):
        name, rank = region.source.name, len(region.region)
        if region.source in written:
            _no(f"tensor {name!r} is gathered from and written, and nothing tells whether the same"
                " blocks", call, "write to another tensor")  # fmt: skip
        for dim, rng in enumerate(region.region):
            found = loads_of(rng.min)
            if not found:
                continue
            table = found[0].source.name
            if dim >= rank - 2:
                _no(f"{table!r} chooses rows or columns inside the tiles of {name!r}", call,
                    "split that dimension: a first one that the index chooses from, and one of"
                    " the rows of a block, as in (pages, page_size, dim)")  # fmt: skip
            before = [constant(d) for d in region.source.ty.shape[:dim]]
            if any(size != 1 for size in before):
                _no(f"{table!r} chooses along a dimension of {name!r} behind others, where an index"
                    " out of range would take another block unnoticed", call,
                    "pass the tensor with that dimension first, or flattened with those before"
                    " it")  # fmt: skip
            for load in found:
                _check_table(load, written, copied, call)


def _check_table(load: TensorLoad, written: Any, copied: Any, call: Call) -> None:
    table, name = load.source, load.source.name
    if dtype_of(table) != "int32":
        _no(f"{name!r} holds {dtype_of(table)}, and indices are loaded as int32", call,
            "pass the indices as int32")  # fmt: skip
    if table in written:
        _no(f"indices are read from {name!r}, which the kernel also writes", call,
            "compute the indices in another kernel")  # fmt: skip
    if table in copied:
        _no(f"{name!r} is read as indices, row by row, and used as data, tile by tile", call,
            "take it as two parameters, one per use")  # fmt: skip


def _no(what: str, node: Any, instead: str) -> NoReturn:
    refuse(what, node=node, code="UnsupportedIndex", next_step=instead)
