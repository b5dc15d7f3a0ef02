"""Indices that the reader asks a tensor for before it fetches the block they choose.

An index may place another: ``table[ids[i]]``. The inner one is loaded first. What says in which row
of a tensor an index lies is asked once more, since the reader has to know it before it fetches that
row, whoever the row is for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import tvm_ffi
from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.block.names import Names
from harness.compiler.block.region import Region
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import ARITHMETIC, loads_of
from harness.compiler.facts.affine import mentions, proves_below, supposing
from harness.compiler.tt_ops import LOAD_L1, TILE_ADDR, address, call, thread
from harness.language.blockformats import dtype_of
from harness.language.regions import constant
from harness.language.tensors import TRUTH
from harness.language.walks import structural_map, structural_walk
from simulator.arch import TILE
from simulator.plan.tensors import padded_shape

Placed = TypeVar("Placed", bound=Region)
_BYTES: Final = ("int8", "uint8")


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
    """One datum: ``var`` is datum ``index`` of row ``page`` of ``table``, read to L1 ``row``.

    ``load`` asks it, of what was asked before; ``paging`` are the data that ``page`` is made of,
    for the reader alone.
    """

    load: TensorLoad
    var: Any
    row: Any
    page: Any
    index: Any
    paging: tuple[Lookup, ...] = ()

    def fetch(self, span: Any) -> list[Any]:
        """Block ops of the reader that read the row."""
        where = address(TILE_ADDR, self.row, 0)
        before = fetched(self.paging, span)
        read = [call("noc_async_read_page", self.page, self.load.source, where, span=span),
                call("noc_async_read_barrier", span=span)]  # fmt: skip
        return [*before, thread("reader", [*(one.bind() for one in self.paging), *read])]

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

    An index that places another comes before it, and data of one row share it. ``ana`` knows the
    variables in scope.

    Raises:
        CompileError: an index of the tensor of indices that may lie outside it.
    """
    found = loads_of(*exprs)
    if not found:
        return [], list(exprs)
    asked: list[Lookup] = []
    with supposing(ana, scope.conditions):
        for load in sorted(found, key=_depth):
            indices = [answered(index, asked) for index in load.indices]
            told = [*scope.told, *(one.var for one in asked)]
            paging, outer = asked_of(list(load.indices[:-1]), names, ana, scope, node)
            own = [*told, *(one.var for one in paging)]
            page, index = _place(load, [*outer, indices[-1]], ana, own, scope, node)
            var = tirx.Var(f"{load.source.name}_at", "int32")
            known_as = tirx.BufferLoad(load.source, indices)
            made = Lookup(known_as, var, None, page, index, tuple(paging))
            same = next((one.row for one in asked if one.same_row(made)), None)
            row = names.row(load.source) if same is None else same
            asked.append(replace(made, row=row))
    return asked, [answered(expr, asked) for expr in exprs]


def fetched(asked: Sequence[Lookup], span: Any) -> list[Any]:
    """Block ops of the reader that read the rows of some data, each once."""
    rows: list[Any] = []
    out: list[Any] = []
    for one in asked:
        if not any(one.row.same_as(row) for row in rows):
            rows.append(one.row)
            out += one.fetch(span)
    return out


def answered(expr: Any, asked: Sequence[Lookup]) -> Any:
    """An expression with variables for what was asked."""
    if not loads_of(expr):
        return expr

    def answer(load: TensorLoad) -> Any:
        one = next((a for a in asked if tvm_ffi.structural_equal(a.load, load)), None)
        if one is None:
            return load
        return one.var != 0 if dtype_of(load) == TRUTH else one.var

    made = structural_map(expr, [(TensorLoad, answer)], order="post")
    return _in_words(made) if any(dtype_of(load) in _BYTES for load in loads_of(expr)) else made


def _in_words(expr: Any) -> Any:
    """A condition on bytes as one on the words that were loaded.

    Raises:
        CompileError: arithmetic of bytes, which would wrap.
    """

    def number(node: tirx.IntImm) -> Any:
        return tirx.const(int(node.value), "int32") if dtype_of(node) in _BYTES else node

    def compared(node: Any) -> Any:
        return type(node)(node.a, node.b, node.span)

    computed: list[Any] = []
    structural_walk(expr, [(kind, computed.append) for kind in ARITHMETIC])
    for node in computed:
        if dtype_of(node) in _BYTES:
            refuse(f"arithmetic of {dtype_of(node)} decides", node=node, code="UnsupportedIndex",
                   next_step="pass the tensor as int32")  # fmt: skip
    numbers = structural_map(expr, [(tirx.IntImm, number)], order="post")
    kinds = (tirx.EQ, tirx.NE, tirx.LT, tirx.LE, tirx.GT, tirx.GE)
    return structural_map(numbers, [(kind, compared) for kind in kinds], order="post")


def _depth(load: TensorLoad) -> int:
    """How many data have to be known one after another before a load."""
    return max((_depth(inner) + 1 for inner in loads_of(*load.indices)), default=0)


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


def _place(
    load: TensorLoad, indices: Sequence[Any], ana: Any, told: Sequence[Any], scope: Scope, node: Any
) -> tuple[Any, Any]:  # fmt: skip
    """The row of a datum and its place in the row, which lie inside its tensor.

    Where data say which it is, that is for the data to see to: a row that there is not is no page
    of the tensor, and what lies beyond a row is not read from elsewhere, as nobody wrote it.
    """
    table, page = load.source, tirx.const(0, "int32")
    sizes = [constant(d) or 0 for d in table.ty.shape]
    tests: list[Any] = []
    for index, size in zip(indices, sizes, strict=True):
        found = [] if ana.can_prove(index >= 0) else [index >= 0]
        found += [] if proves_below(ana, index, size, scope.conditions) else [index < size]
        if found and not mentions(index, told):
            refuse(f"index {index} of {table.name!r} may lie outside its {size}, where it has no"
                   " indices", node=node, code="OutOfBounds",
                   next_step="ask it under a condition, such as k < n, that proves there is one, or"
                   " pass a larger one")  # fmt: skip
        tests += found if index is not indices[-1] else []
    for index, size in zip(indices[:-1], sizes[:-1], strict=True):
        page = page * size + index
    if tests:
        page = tirx.Select(tirx.all(*tests), page, tirx.const(math.prod(sizes[:-1]), "int32"))
    return ana.simplify(page), ana.simplify(indices[-1])
