"""What tensors of indices decide: blocks and rows, conditions, bounds, and where masks end.

``T.copy(KV[table[b, k], :, :], block)``: the reader loads the index from L1 and makes a page number
of it, or of the rows it chooses inside pages. Nothing asks whether the page exists; where an index
is out of range, the page is none of the tensor's, which is found.

``Out[ids[i], j] = x[i, j]``: the writer loads the index and makes the page of it. What is stored
where is the data's affair, and the plan says so: nothing else touches such a tensor.

``if mask[b, k]:`` and ``for k in range(count[b]):`` around tile ops: every thread that takes part
loads the datum itself and decides alike. ``i < n[b]`` in T.Parallel: the reader loads the bound,
and writes how far off places are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NoReturn

from tvm import tirx
from tvm.ir import Call, TensorLoad

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import (
    Access,
    accesses,
    check_placed,
    loads,
    loads_of,
    reads_nothing,
)
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.kernel import Kernel
from harness.compiler.facts.statements import children
from harness.language.blockformats import dtype_of
from harness.language.nests import is_parallel
from harness.language.ops import COPY
from harness.language.tensors import INTEGERS, MASKS, VAR
from harness.language.walks import structural_map

INDICES: Final = ("int32", "int64")


@lru_cache(maxsize=8)
def gathers(kernel: Kernel) -> tuple[tuple[Any, list[Any], Any], ...]:
    """Tensors that are read where a tensor of indices says: starts, and the copy or the element."""
    return tuple(_gathers(kernel))


def _gathers(kernel: Kernel) -> Iterator[tuple[Any, list[Any], Any]]:
    for stmt in kernel.statements:
        call = stmt.value if isinstance(stmt, tirx.Evaluate) else None
        if isinstance(call, Call) and getattr(call.op, "name", "") == COPY:
            region = call.args[0]
            starts = [r.min for r in region.region[:]]
            if loads_of(*starts):
                yield region.source, starts, call
        elif isinstance(stmt, tirx.BufferStore):
            for access in loads(stmt.value):
                if access.buffer in kernel.params and loads_of(*access.starts):
                    yield access.buffer, list(access.starts), access.node


def is_told(store: tirx.BufferStore, kernel: Kernel) -> bool:
    """Whether a tensor of indices says where a store goes."""
    return store.buffer in kernel.params and bool(loads_of(*store.indices))


def scatters(kernel: Kernel) -> Iterator[tuple[Any, list[Any], Any]]:
    """Tensors that are stored where a tensor of indices says: starts, and the copy or the store."""
    for stmt in kernel.statements:
        call = stmt.value if isinstance(stmt, tirx.Evaluate) else None
        if isinstance(call, Call) and getattr(call.op, "name", "") == COPY:
            region = call.args[1]
            starts = [r.min for r in region.region]
            if region.source in kernel.params and loads_of(*starts):
                yield region.source, starts, call
        elif isinstance(stmt, tirx.BufferStore) and is_told(stmt, kernel):
            yield stmt.buffer, list(stmt.indices), stmt


@lru_cache(maxsize=8)
def decisions(kernel: Kernel) -> tuple[tuple[TensorLoad, Any], ...]:
    """What bounds of loops and conditions read, and the loop or condition."""
    return tuple(_decisions(kernel))


def _decisions(kernel: Kernel) -> Iterator[tuple[TensorLoad, Any]]:
    for stmt in kernel.statements:
        asked = {tirx.For: ("min", "extent"), tirx.IfThenElse: ("condition",)}.get(type(stmt), ())
        for load in (v for name in asked for v in loads_of(getattr(stmt, name))):
            if load.source.ty.storage_scope != VAR:
                yield load, stmt


@lru_cache(maxsize=8)
def index_tensors(kernel: Kernel) -> Mapping[str, Any]:
    """Names of tensors that choose what is read or done, each with the first that asks it.

    Where masks end they may say besides.
    """
    out: dict[str, Any] = {}
    for _, starts, node in (*gathers(kernel), *scatters(kernel)):
        for load in loads_of(*starts):
            if load.source.ty.storage_scope != VAR:
                out.setdefault(str(load.source.name), node)
    for load, node in decisions(kernel):
        out.setdefault(str(load.source.name), node)
    return out


def check_control(kernel: Kernel) -> None:
    """Refuse loops and conditions that blocks decide.

    Raises:
        CompileError: at the loop or condition.
    """
    for load, stmt in decisions(kernel):
        if load.source not in kernel.params:
            what = "a loop" if isinstance(stmt, tirx.For) else "a condition"
            refuse(f"{what} depends on {load.source.name!r}, and what cores do cannot depend on"
                   " what they compute", node=stmt, code="DataDependent",
                   next_step="do it for every value and choose between results in"
                   " T.Parallel")  # fmt: skip
        check_placed(load.indices, stmt, gathers=True)


def _data(kernel: Kernel) -> Iterator[Access]:
    """Reads of tensors as data: what is asked for indices and bounds left out."""
    for stmt in kernel.statements:
        if isinstance(stmt, (tirx.For, tirx.IfThenElse)):
            continue
        if isinstance(stmt, tirx.BufferStore):
            yield from loads(_without_bounds(stmt.value, kernel))
        elif not children(stmt):
            yield from (a for a in accesses(stmt) if not a.write)


def _without_bounds(value: Any, kernel: Kernel) -> Any:
    """An expression with names for integers that places are compared with, the same at each."""
    variables = _places(kernel)

    def bound(load: TensorLoad) -> Any:
        mine = load.source in kernel.params and dtype_of(load.source) == "int32"
        same = mine and not any(mentions(i, variables) for i in load.indices[:])
        return tirx.Var("bound", "int32") if same else load

    def compared(node: Any) -> Any:
        if dtype_of(node.a) not in INDICES:
            return node
        return structural_map(node, [(TensorLoad, bound)], order="pre")

    if reads_nothing(value):
        return value
    kinds = (tirx.LT, tirx.LE, tirx.GT, tirx.GE, tirx.EQ, tirx.NE)
    return structural_map(value, [(kind, compared) for kind in kinds], order="post")


def _places(kernel: Kernel) -> list[Any]:
    return [s.loop_var for s in kernel.statements
            if is_parallel(s)]  # fmt: skip


def check_gathers(kernel: Kernel) -> None:
    """Refuse gathers that no reader, and scatters that no writer can make.

    Tensors are in stored order.

    Raises:
        CompileError: at the copy.
    """
    written = {a.buffer: a.node for a in kernel.accesses if a.write}
    copied = {a.buffer for a in _data(kernel)}
    for load, stmt in decisions(kernel):
        _check_table(load, written, copied, stmt)
    for tensor, starts, call in gathers(kernel):
        if tensor in written:
            _no(f"tensor {tensor.name!r} is gathered from and written, and nothing tells whether"
                " the same blocks", call, "write to another tensor")  # fmt: skip
        _check_starts(tensor, starts, written, copied, call)
    told = list(scatters(kernel))
    for tensor, starts, call in told:
        for access in kernel.accesses:
            if access.buffer.same_as(tensor) and not any(
                access.node.same_as(n) for _, _, n in told
            ):
                how = "stored elsewhere" if access.write else "read"
                _no(f"tensor {tensor.name!r} is stored where data say, and {how} besides:"
                    " nothing tells which comes first", access.node,
                    "do that in another kernel")  # fmt: skip
        _check_starts(tensor, starts, written, copied, call)


def _check_starts(tensor: Any, starts: list[Any], written: Any, copied: Any, node: Any) -> None:
    """Refuse places that no thread can work out."""
    for dim, start in enumerate(starts):
        found = loads_of(start)
        if found and dim == len(starts) - 1:
            _no(f"{found[0].source.name!r} chooses columns inside the tiles of {tensor.name!r}",
                node, "pass the tensor with that dimension first")  # fmt: skip
        for load in found:
            _check_table(load, written, copied, node)


def _check_table(load: TensorLoad, written: Any, copied: Any, node: Any) -> None:
    table, name = load.source, load.source.name
    if dtype_of(table) not in (*INTEGERS, *MASKS):
        _no(f"{name!r} holds {dtype_of(table)}, and indices are loaded as int32", node,
            "pass the indices as int32")  # fmt: skip
    if table in written:
        _no(f"indices are read from {name!r}, which the kernel also writes", node,
            "compute the indices in another kernel")  # fmt: skip
    if table in copied:
        _no(f"{name!r} is read as indices, row by row, and used as data, tile by tile", node,
            "take it as two parameters, one per use")  # fmt: skip


def _no(what: str, node: Any, instead: str) -> NoReturn:
    refuse(what, node=node, code="UnsupportedIndex", next_step=instead)
