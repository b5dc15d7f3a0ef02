"""Elements stored where data say: rows of a block to rows of a tensor, run by run.

A run is 16 neighbouring columns of a row, which a tile keeps in one piece. The writer goes through
the rows of the block, loads what places each and what says whether it is stored, and writes its
runs. A place that the tensor does not have is written to no page of it, which is found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import tvm
from tvm import tirx

from harness.compiler.block.emitting.lookup import Lookup, Scope, answered, asked_of
from harness.compiler.block.emitting.pieces import datum_of, tile_of
from harness.compiler.block.model import Store
from harness.compiler.block.names import Names
from harness.compiler.block.reading.gather import RUN, Gathered
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import Bounds, conjuncts, mentions, supposing
from harness.compiler.facts.signed import stored_dtype
from harness.compiler.tt_ops import TILE_ADDR, address, call, loop, seq, thread
from harness.language.regions import constant
from harness.language.walks import replaced
from simulator.arch import TILE
from simulator.formats.dataformat import DataFormat
from simulator.plan.tensors import padded_shape

if TYPE_CHECKING:
    from harness.compiler.block.reading.nest import Nest

Body = Callable[[list[Lookup]], list[Any]]
"""Statements, by what is known where they stand."""


def scattered(
    nest: Nest, buffer: Any, indices: list[Any], where: Any, node: Any
) -> Gathered | None:  # fmt: skip
    """The places of a store that data say, ``where`` it happens; None of another store.

    Raises:
        CompileError: loops that do not run over rows and columns.
    """
    if not loads_of(*indices):
        return None
    variables, extents = list(nest.variables), list(nest.extents)
    lone = constant(buffer.ty.shape[-1]) == 1 and constant(indices[-1]) == 0
    if len(variables) == 1 and (lone or mentions(indices[-1], variables)):
        at = len(variables) if lone else 0
        variables.insert(at, tirx.Var("column" if lone else "row", "int32"))
        extents.insert(at, 1)
    if len(variables) < 2 or not (lone or mentions(indices[-1], variables[-1:])):
        refuse(f"{buffer.name!r} is stored where data say by {len(variables)} loops, of which the"
               " last does not run along its last dimension", node=node, code="UnsupportedIndex",
               next_step="store whole rows, `for i, j in T.Parallel(rows, columns):"
               " out[ids[i], j] = x[i, j]`")  # fmt: skip
    *planes, row, column = zip(variables, extents, strict=True)
    sizes = [*[1] * (len(indices) - 2), row[1], column[1]]
    return Gathered(buffer, indices, sizes, variables=(row[0], column[0]), inside=where,
                    planes=tuple(planes))  # fmt: skip


def emit_scatter(names: Names, ranges: Sequence[Bounds], stmt: Store, scope: Scope) -> Any:
    """Rows of indices for the writer, then one write per run that is stored, then a barrier.

    Args:
        names: of block buffers.
        ranges: of the block and loop variables in scope.
        stmt: a store to :class:`Gathered` places.
        scope: what holds there.

    Raises:
        CompileError: elements that do not go in runs, or an index that may lie outside its table.
    """
    return _Scatter(names, ranges, stmt, scope).emit()


class _Scatter:
    def __init__(self, names: Names, ranges: Sequence[Bounds], stmt: Store, scope: Scope) -> None:
        region = stmt.region
        if not isinstance(region, Gathered):
            raise TypeError(type(region).__name__)
        self.region, self.node, self.span = region, stmt.node, getattr(stmt.node, "span", None)
        self.names, self.scope, self.src, self.tensor = names, scope, stmt.src, region.tensor
        self.buffer = names[stmt.src]
        self.sizes = [constant(d) or 0 for d in self.tensor.ty.shape]
        self.bytes = DataFormat.from_ir(stored_dtype(self.tensor)).tile_bytes() // TILE**2
        self.pages = math.prod(padded_shape(self.sizes)) // TILE**2
        self.analyzer = tvm.sym.Analyzer()
        for var, start, extent in ranges:
            self.analyzer.bind(var, tvm.ir.Range.from_min_extent(start, extent))
        self.fetched: list[Lookup] = []
        self.known = ExitStack()
        self.places = [*(var for var, _ in region.planes), *region.variables]
        self.row: list[Any] = []
        self.plane: Any = tirx.const(0, "int32")

    def no(self, why: str, step: str) -> NoReturn:
        refuse(f"elements of {self.tensor.name!r} are stored where data say, {RUN} at a time, and"
               f" {why}", node=self.node, code="UnsupportedIndex", next_step=step)  # fmt: skip

    def emit(self) -> Any:
        row, column = self.region.variables
        spans = zip((row, column), self.src.shape, strict=True)
        for var, extent in (*self.region.planes, *spans):
            self.analyzer.bind(var, tvm.ir.Range.from_min_extent(0, extent))
        self._check_columns()
        whole, each = [], [] if self.region.inside is None else conjuncts(self.region.inside)
        while each and not mentions(each[0], self.places):
            whole.append(each.pop(0))
        if any(mentions(test, [column]) for test in each):
            self.no("the condition may change within them", "let it depend on rows")
        body = self._under(whole, [], lambda asked: self._rows(each, asked))
        barrier = call("noc_async_write_barrier", span=self.span)
        rows = [stmt for one in self.fetched for stmt in one.fetch(self.span)]
        self.known.close()
        return seq([*rows, thread("writer", [*body, barrier])])

    def _rows(self, tests: list[Any], asked: list[Lookup]) -> list[Any]:
        """What is the same for all rows, and the stores of each where ``tests`` hold."""
        row = self.region.variables[0]
        steady = [load for load in loads_of(*self.region.starts, *tests)
                  if not mentions(load, self.places)]  # fmt: skip
        binds, asked, _ = self._ask(steady, asked)

        def one(r: Any, at: dict[Any, Any]) -> list[Any]:
            place = {**at, row: r}
            self.row = [v for v in place.values() if isinstance(v, tvm.ir.Var)]
            starts = [replaced(start, place) for start in self.region.starts]
            here = [replaced(test, place) for test in tests]
            return self._under(here, asked, lambda found: self._runs(r, starts, found))

        def down(planes: Any, at: dict[Any, Any], number: Any) -> list[Any]:
            if not planes:
                self.plane = number
                return self._loop("r", self.src.shape[0], lambda r: one(r, at))
            (var, extent), *rest = planes
            return self._loop("p", extent, lambda p: down(rest, {**at, var: p},
                                                          number * extent + p))  # fmt: skip

        return [*binds, *down(self.region.planes, {}, self.plane)]

    def _loop(self, name: str, extent: int, body: Callable[[Any], list[Any]]) -> list[Any]:
        """A loop whose variable's range is known inside."""

        def known(var: Any) -> list[Any]:
            if isinstance(var, tvm.ir.Var):
                self.analyzer.bind(var, tvm.ir.Range.from_min_extent(0, extent))
            return body(var)

        return loop(name, extent, known)

    def _runs(self, r: Any, starts: list[Any], asked: list[Lookup]) -> list[Any]:
        """The stores of one row."""
        binds, asked, places = self._ask(starts, asked)
        told = [one.var for one in asked]
        count = -(-self.src.shape[1] // RUN)
        return [*binds, *self._loop("c", count, lambda c: self._run(r, c, places, told))]

    def _under(self, tests: list[Any], asked: list[Lookup], body: Body) -> list[Any]:
        """``body`` where all tests hold, each asked where those before it do."""
        if not tests:
            return body(asked)
        binds, asked, (test,) = self._ask(tests[:1], asked)
        self.known.enter_context(supposing(self.analyzer, [test]))
        inner = seq(self._under(tests[1:], asked, body))
        return [*binds, tirx.IfThenElse(test, inner, None)]

    def _ask(
        self, exprs: list[Any], asked: list[Lookup]
    ) -> tuple[list[Any], list[Lookup], list[Any]]:  # fmt: skip
        """The binds of what expressions ask, all that is known then, and the expressions of it."""
        rest = [answered(expr, asked) for expr in exprs]
        told = [*self.scope.told, *(one.var for one in asked)]
        scope = Scope(self.scope.conditions, told)
        new, places = asked_of(rest, self.names, self.analyzer, scope, self.node)
        made: list[Lookup] = []
        for one in new:
            if any(mentions(part, self.row) for part in _paged_by(one)):
                self.no(f"which row of {one.load.source.name!r} says where is not the same for all"
                        " of the block", "index the table's last dimension by the block's"
                        " rows")  # fmt: skip
            same = next((o for o in self.fetched if o.same_row(one)), None)
            self.fetched += [one] if same is None else []
            made.append(one if same is None else replace(one, row=same.row))
        return [one.bind() for one in made], [*asked, *made], places

    def _check_columns(self) -> None:
        """Refuse columns that do not begin and end with runs, or with the tensor."""
        column = self.region.variables[1]
        *outer, last = self.region.starts
        first = self.analyzer.simplify(last - column) if mentions(last, [column]) else last
        if mentions(first, self.places) or any(mentions(s, [column]) for s in outer):
            self.no("they do not lie side by side along its last dimension",
                    "index its last dimension by the last loop, plus what is the same for all of"
                    " the block")  # fmt: skip
        if not self.analyzer.can_prove(tirx.FloorMod(first, tirx.const(RUN, "int32")).equal(0)):
            self.no(f"their columns begin at {first}", f"begin at a multiple of {RUN} columns")
        wide = self.src.shape[1]
        if wide % RUN and not self.analyzer.can_prove(first + wide >= self.sizes[-1]):
            self.no(f"the block has {wide} columns", f"use a multiple of {RUN}")

    def _run(self, r: Any, c: Any, places: list[Any], told: list[Any]) -> list[Any]:
        """The write of one run: ``c`` of row ``r``.

        What other indices place beyond the tensor is clipped, as everywhere; what data place there
        is written to a page that it does not have.
        """
        simplify, own = self.analyzer.simplify, [r, c * RUN]
        at = [simplify(replaced(place, {self.region.variables[1]: own[1]})) for place in places]
        clipped: list[Any] = []
        lost: list[Any] = []
        for index, size in zip(at, self.sizes, strict=True):
            tests = [t for t in (index >= 0, index < size) if not self.analyzer.can_prove(t)]
            (lost if mentions(index, told) else clipped).extend(tests)
        page: Any = 0
        for index, size in zip(at[:-2], self.sizes[:-2], strict=True):
            page = page * size + index
        down, across = (-(-size // TILE) for size in self.sizes[-2:])
        page = (page * down + tile_of(at[-2])) * across + tile_of(at[-1])
        if lost:
            page = tirx.Select(tirx.all(*lost), page, tirx.const(self.pages, "int32"))
        down_to = self.plane * self.src.rows + tile_of(own[0])
        tile = simplify(down_to * self.src.cols + tile_of(own[1]))
        where = address(TILE_ADDR, self.buffer, tile) + simplify(datum_of(own) * self.bytes)
        write = call("noc_async_write_partial_page", simplify(page), self.tensor, where,
                     simplify(datum_of(at[-2:]) * self.bytes), RUN * self.bytes,
                     span=self.span)  # fmt: skip
        return [tirx.IfThenElse(tirx.all(*clipped), write, None)] if clipped else [write]


def _paged_by(one: Lookup) -> Iterator[Any]:
    """What says in which row of its table a datum lies."""
    yield one.page
    for inner in one.paging:
        yield inner.index
        yield from _paged_by(inner)
