"""Indices that the reader asks a tensor for before it fetches the block they choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import tvm_ffi
from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.affine import mentions
from harness.compiler.block.names import Names, is_index_row
from harness.compiler.block.region import Region
from harness.compiler.diagnostics import refuse
from harness.compiler.kernel import loads_of, statements
from harness.compiler.tt_ops import LOAD_L1, TILE_ADDR, address, call
from harness.language.regions import constant
from simulator.arch import TILE
from simulator.plan.tensors import padded_shape

Placed = TypeVar("Placed", bound=Region)


@dataclass(frozen=True)
class Lookup:
    """One datum: ``var`` is datum ``index`` of row ``page`` of ``table``, read to L1 ``row``."""

    load: TensorLoad
    var: Any
    row: Any
    page: Any
    index: Any

    def fetch(self, span: Any) -> list[Any]:
        """Read the row."""
        where = address(TILE_ADDR, self.row, 0)
        return [call("noc_async_read_page", self.page, self.load.source, where, span=span),
                call("noc_async_read_barrier", span=span)]  # fmt: skip

    def same_row(self, other: Lookup) -> bool:
        """Whether another datum lies in the row that this one's is read to."""
        return bool(self.load.source.same_as(other.load.source)
                    and tvm_ffi.structural_equal(self.page, other.page))  # fmt: skip

    def bind(self) -> Any:
        """Load the datum."""
        return tirx.Bind(self.var, address(LOAD_L1, self.row, self.index))


def looked_up(
    region: Placed, names: Names, ana: Any, conditions: Sequence[Any], node: Any
) -> tuple[list[Lookup], Placed]:  # fmt: skip
    """What a region asks tensors of indices, and the region with variables for the answers.

    ``ana`` knows the variables in scope, and ``conditions`` hold there.

    Raises:
        CompileError: an index of the tensor of indices that may lie outside it.
    """
    asked, starts = answered(region.starts, names, ana, conditions, node)
    if not asked:
        return [], region
    return asked, replace(region, starts=starts, indices=tuple(a.var for a in asked))


def answered(
    exprs: Sequence[Any], names: Names, ana: Any, conditions: Sequence[Any], node: Any
) -> tuple[list[Lookup], list[Any]]:
    """What expressions ask tensors of indices, and the expressions with variables for the answers.

    ``ana`` knows the variables in scope, and ``conditions`` hold there.

    Raises:
        CompileError: an index of the tensor of indices that may lie outside it.
    """
    found = loads_of(*exprs)
    if not found:
        return [], list(exprs)
    with ExitStack() as known:
        for condition in conditions:
            known.enter_context(ana.constraint_scope(condition))
        asked = [_lookup(load, names, ana, node) for load in found]

    def answer(load: TensorLoad) -> Any:
        same = tvm_ffi.structural_equal
        return next((a.var for a in asked if same(a.load, load)), load)

    return asked, [tvm_ffi.structural_map(e, [(TensorLoad, answer)], order="pre")
                   if loads_of(e) else e for e in exprs]  # fmt: skip


def reads_row(stmt: Any, ana: Any, var: Any) -> bool:
    """Whether a statement reads a row for what is asked below it, the same for every ``var``.

    ``ana`` knows what holds without the loop over ``var``.
    """
    if not isinstance(stmt, tirx.AttrStmt):
        return False
    first = next((s for s in statements(stmt.body) if isinstance(s, tirx.Evaluate)), None)
    if first is None or first.value.op.name != "tt.noc_async_read_page":
        return False
    page, tensor, where = first.value.args
    if where.op.name != TILE_ADDR or not is_index_row(where.args[0]) or mentions(page, [var]):
        return False
    rows = math.prod(constant(d) or 0 for d in tensor.ty.shape[:-1])
    return bool(ana.can_prove(tirx.all(page >= 0, page < rows)))


def page_if_inside(region: Region, page: Any) -> Any:
    """The page, or one behind the last where an index places the region beside its tensor.

    Along the first dimension it is none of the tensor's anyway; along others it might be another
    block's, which nobody would notice.
    """
    sizes = [constant(d) or 0 for d in region.tensor.ty.shape]
    tests: list[Any] = []
    for dim, (start, extent) in enumerate(zip(region.starts, region.extents, strict=True)):
        if region.gathered(start) and any(size != 1 for size in sizes[:dim]):
            tests += [start >= 0, start + extent <= sizes[dim]]
    if not tests:
        return page
    pages = math.prod(padded_shape(sizes)) // TILE**2
    return tirx.Select(tirx.all(*tests), page, tirx.const(pages, "int32"))


def _lookup(load: TensorLoad, names: Names, ana: Any, node: Any) -> Lookup:
    table, page = load.source, tirx.const(0, "int32")
    sizes = [constant(d) or 0 for d in table.ty.shape]
    for index, size in zip(load.indices, sizes, strict=True):
        if not (ana.can_prove(index >= 0) and ana.can_prove(index < size)):
            refuse(f"index {index} of {table.name!r} may lie outside its {size}, where it has no"
                   " indices", node=node, code="OutOfBounds",
                   next_step="ask it under a condition, such as k < n, that proves there is one, or"
                   " pass a larger one")  # fmt: skip
    for index, size in zip(load.indices[:-1], sizes[:-1], strict=True):
        page = page * size + index
    var = tirx.Var(f"{table.name}_at", "int32")
    return Lookup(load, var, names.row(table), ana.simplify(page), ana.simplify(load.indices[-1]))
