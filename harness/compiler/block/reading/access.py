"""How a T.Parallel nest reads and stores an on-chip buffer: along which loops, and from where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NoReturn

import tvm
from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.affine import mentions
from harness.language.regions import constant

REPEATED: Final = {
    "ROW": "ROW", "COL": "COL", "SCALAR": "SCALAR", "row as COL": "COL", "column as ROW": "ROW",
}  # fmt: skip
"""Ways of access that repeat one row, column or element, and what is repeated in the end."""

_POOLED: Final = ((tirx.Add, "sum"), (tirx.Max, "max"), (tirx.Min, "min"))
"""What joins the elements of a reduction."""


def no_index(buffer: Any, node: Any) -> NoReturn:
    """Refuse an index."""
    refuse(f"{buffer.name!r} is indexed in a way that is neither elementwise nor a broadcast",
           node=node, code="UnsupportedIndex",
           next_step="index by the loop variables in order, or by one of them")  # fmt: skip


def check_pooling(variables: Sequence[Any], stmt: tirx.BufferStore) -> None:
    """Refuse a store that adds to what other iterations add to: a reduction in a loop's clothes.

    Raises:
        CompileError: at the store, with the reduction that it is.
    """
    value = _inner(stmt.value)
    kind = next((name for node, name in _POOLED if isinstance(value, node)), None)
    lost = [v for v in variables if not any(mentions(i, [v]) for i in stmt.indices)]
    if kind is None or not lost:
        return
    parts = [_inner(part) for part in (value.a, value.b)]
    own = [p for p in parts if isinstance(p, TensorLoad) and p.source.same_as(stmt.buffer)]
    if not own:
        return
    added = next((p for p in parts if isinstance(p, TensorLoad) and p is not own[0]), None)
    dims = [] if added is None else [d for d, i in enumerate(added.indices) if mentions(i, lost)]
    source = added.source.name if added is not None and len(dims) == 1 else "block"
    dim = dims[0] if len(dims) == 1 else 1
    refuse(f"iterations of T.Parallel along {' and '.join(v.name for v in lost)} have no order, and"
           f" all of them store to one element of {stmt.buffer.name!r}", node=stmt,
           code="UnsupportedIndex", next_step=f"T.reduce_{kind}({source}, {stmt.buffer.name},"
           f" dim={dim}, clear=False) of an on-chip block")  # fmt: skip


def _inner(value: Any) -> Any:
    while isinstance(value, tirx.Cast):
        value = value.value
    return value


def accessed(
    variables: Sequence[Any], sizes: Sequence[int], buffer: Any, indices: Sequence[Any], node: Any
) -> tuple[list[Any], list[int], str]:
    """Starts and extents of what loops of ``sizes`` access of a buffer, and how.

    How is one of full, turned, ROW, COL, SCALAR, line: a row or column in one loop, row as COL and
    column as ROW: one row or column that runs along the other loop.

    Raises:
        CompileError: any other way.
    """
    along = [_along(variables, i, buffer, node) for i in indices]
    starts = [start for _, start in along]
    extents = [1 if k is None else sizes[k] for k, _ in along]
    places = [k for k, _ in along]
    while len(places) > 2 and places[0] is None:  # a fixed leading index
        places.pop(0)
    rank = len(variables)
    last = [rank - 2, rank - 1]
    if places == list(range(rank)):
        return starts, extents, "full"
    if all(p is None for p in places):
        return starts, extents, "SCALAR"
    if rank == 1 and places in ([0, None], [None, 0]):
        alone = constant(buffer.ty.shape[len(indices) - 2 + places.index(None)]) == 1
        return starts, extents, "full" if alone else "line"
    ways = {
        (last[1], last[0]): "turned", (last[0], None): "COL", (last[0],): "COL",
        (None, last[1]): "ROW", (last[1],): "ROW", (None, last[0]): "row as COL",
        (last[1], None): "column as ROW",
    }  # fmt: skip
    found = ways.get(tuple(places)) if rank > 1 else None
    if found is None:
        no_index(buffer, node)
    return starts, extents, found


def _along(
    variables: Sequence[Any], index: Any, buffer: Any, node: Any
) -> tuple[int | None, Any]:  # fmt: skip
    """(loop, start) of an index ``start + loop variable``, or of a start alone."""
    used = [k for k, v in enumerate(variables) if mentions(index, [v])]
    if not used:
        return None, index
    start = tvm.sym.Analyzer().simplify(index - variables[used[0]])
    if len(used) > 1 or mentions(start, variables):
        no_index(buffer, node)
    return used[0], start
