"""What names and scalars of a kernel stand for, and what memory their values come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import tvm
from tvm import tirx

from golden.walks import structural_walk

_PARALLEL: Final = (1, 2)
_TENSORS: Final = ("", "global")
_WHOLE: Final = ("int", "uint", "bool")
Named = Mapping[Any, list[Any]]


def scalars(body: Any) -> set[Any]:
    """On-chip buffers that hold one number: T.alloc_var, and integers of one element like it.

    Such a block is stored by itself alone, and not for every iteration of T.Parallel.
    """
    found: set[Any] = set()
    others: set[Any] = set()

    def allocated(stmt: Any) -> None:
        shape, scope = stmt.buffer.ty.shape, str(stmt.buffer.ty.storage_scope)
        single = all(isinstance(d, tirx.IntImm) and int(d.value) == 1 for d in shape)
        whole = str(stmt.buffer.ty.dtype).startswith("int")
        if scope == "local.var" or (scope == "local" and single and whole):
            found.add(stmt.buffer)

    def region(node: Any) -> None:
        others.add(node.source)

    def loop(stmt: Any) -> None:
        if int(stmt.kind) in _PARALLEL:
            structural_walk(stmt.body, [(tirx.BufferStore, lambda store: others.add(store.buffer))])

    structural_walk(body, [(tirx.AllocBuffer, allocated), (tvm.ir.TensorRegion, region),
                           (tirx.For, loop)])  # fmt: skip
    return {b for b in found if str(b.ty.storage_scope) == "local.var" or b not in others}


def stored_lists(body: Any) -> set[Any]:
    """On-chip lists of whole numbers that are stored by elements alone: no tile op touches them."""
    found: set[Any] = set()
    others: set[Any] = set()

    def allocated(stmt: Any) -> None:
        if str(stmt.buffer.ty.dtype).startswith(_WHOLE):
            found.add(stmt.buffer)

    def region(node: Any) -> None:
        others.add(node.source)

    structural_walk(body, [(tirx.AllocBuffer, allocated), (tvm.ir.TensorRegion, region)])
    return found - others


def named(body: Any, *, elements: bool = False) -> dict[Any, list[Any]]:
    """The values that every name and scalar is ever given; with ``elements`` those of lists too."""
    out: dict[Any, list[Any]] = {}
    known = scalars(body) | stored_lists(body) if elements else scalars(body)

    def bind(stmt: Any) -> None:
        out.setdefault(stmt.var, []).append(stmt.value)

    def store(stmt: Any) -> None:
        if stmt.buffer in known:
            out.setdefault(stmt.buffer, []).append(stmt.value)

    structural_walk(body, [(tirx.Bind, bind), (tirx.BufferStore, store)])
    return out


def loads_behind(expr: Any, names: Named) -> Iterator[Any]:
    """What an expression reads of memory, directly, by a name, or through a scalar."""
    if not isinstance(expr, tvm.ir.Expr):
        return
    loads: list[Any] = []
    used: list[Any] = []
    structural_walk(expr, [(tvm.ir.TensorLoad, loads.append), (tvm.ir.Var, used.append)])
    yield from (load for load in loads if load.source not in names)
    for var in dict.fromkeys(used):
        rest = {k: v for k, v in names.items() if not k.same_as(var)}
        for value in names.get(var, []):
            yield from loads_behind(value, rest)


def told(expr: Any, names: Named) -> bool:
    """Whether an index is one that a tensor says."""
    return any(str(load.source.ty.storage_scope) in _TENSORS for load in loads_behind(expr, names))
