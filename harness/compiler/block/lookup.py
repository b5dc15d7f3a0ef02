"""Indices that the reader asks a tensor for before it fetches the block they choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import tvm_ffi
from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.affine import mentions
from harness.compiler.block.names import Names
from harness.compiler.block.region import Region
from harness.compiler.diagnostics import refuse
from harness.compiler.kernel import loads_of
from harness.compiler.tt_ops import LOAD_L1, TILE_ADDR, address, call
from harness.language.blockformats import dtype_of
from harness.language.regions import constant
from harness.language.tensors import TRUTH
from simulator.arch import TILE
from simulator.plan.tensors import padded_shape

Placed = TypeVar("Placed", bound=Region)


@dataclass
class Scope:
    """What is known where a tensor of indices is asked.

    Attributes:
        conditions: that hold.
        told: variables of loops whose bounds a tensor gives, so that nothing is known of them.
    """

    conditions: list[Any] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)


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


def asked_of(
    exprs: Sequence[Any], names: Names, ana: Any, scope: Scope, node: Any
) -> tuple[list[Lookup], list[Any]]:  # fmt: skip
    """What expressions ask tensors of indices, and the expressions with variables for the answers.

    ``ana`` knows the variables in scope.

    Raises:
        CompileError: an index of the tensor of indices that may lie outside it.
    """
    found = loads_of(*exprs)
    if not found:
        return [], list(exprs)
    with ExitStack() as known:
        for condition in scope.conditions:
            known.enter_context(ana.constraint_scope(condition))
        asked = [_lookup(load, names, ana, scope.told, node) for load in found]

    def answer(load: TensorLoad) -> Any:
        var = next(a.var for a in asked if tvm_ffi.structural_equal(a.load, load))
        return var != 0 if dtype_of(load) == TRUTH else var

    return asked, [tvm_ffi.structural_map(e, [(TensorLoad, answer)], order="pre")
                   if loads_of(e) else e for e in exprs]  # fmt: skip


def looked_up(
    region: Placed, names: Names, ana: Any, scope: Scope, node: Any
) -> tuple[list[Lookup], Placed]:  # fmt: skip
    """What a region asks tensors of indices, and the region with variables for the answers.

    Where its rows or columns begin at no multiple of how many they are, as sequences laid end to
    end do, they may go beyond the tensor.

    Raises:
        CompileError: an index of the tensor of indices that may lie outside it.
    """
    asked, starts = asked_of(region.starts, names, ana, scope, node)
    if not asked:
        return [], region
    variables = tuple(a.var for a in asked)
    last = range(max(len(starts) - 2, 0), len(starts))
    loose = tuple(dim for dim in last if mentions(starts[dim], variables) and not ana.can_prove(
        tirx.FloorMod(starts[dim], tirx.const(region.extents[dim], "int32")).equal(0)))  # fmt: skip
    return asked, replace(region, starts=starts, indices=variables, open=loose)


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


def _lookup(
    load: TensorLoad, names: Names, ana: Any, told: Sequence[Any], node: Any
) -> Lookup:  # fmt: skip
    """The place of a datum, which lies inside its tensor.

    Along a row that is for the data to see to where they say how far a loop goes: what lies beyond
    is not read from elsewhere, and the load finds that nobody wrote it.
    """
    table, page = load.source, tirx.const(0, "int32")
    sizes = [constant(d) or 0 for d in table.ty.shape]
    for dim, (index, size) in enumerate(zip(load.indices, sizes, strict=True)):
        open_end = dim == len(sizes) - 1 and mentions(index, told)
        if not (ana.can_prove(index >= 0) and (open_end or ana.can_prove(index < size))):
            refuse(f"index {index} of {table.name!r} may lie outside its {size}, where it has no"
                   " indices", node=node, code="OutOfBounds",
                   next_step="ask it under a condition, such as k < n, that proves there is one, or"
                   " pass a larger one")  # fmt: skip
    for index, size in zip(load.indices[:-1], sizes[:-1], strict=True):
        page = page * size + index
    var = tirx.Var(f"{table.name}_at", "int32")
    return Lookup(load, var, names.row(table), ana.simplify(page), ana.simplify(load.indices[-1]))
