"""Loads and stores of a block program as page transfers, ragged edges included.

A load reads the pages that exist, waits, and then zeroes what lies outside the region or the
tensor (T.copy reads zero out of bounds; padding in DRAM is unspecified). A store writes the pages
that exist. Regions that do not begin with a tile, and stores that end inside one, move pieces of
pages instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import tvm
from tvm import tirx

from harness.compiler.block.emitting.bounce import Bounce, Move, anew, directly
from harness.compiler.block.emitting.lookup import (
    Lookup,
    Scope,
    asked_of,
    fetched,
    looked_up,
    page_if_inside,
)
from harness.compiler.block.emitting.pieces import Pieces, Span
from harness.compiler.block.model import Buffer, IndexTiles, Load, Scaler, Store
from harness.compiler.block.names import Names
from harness.compiler.block.region import Region
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.affine import supposing
from harness.compiler.tt_ops import TILE_ADDR, address, call, loop, seq, thread, zeros
from harness.language.regions import constant
from simulator.arch import TILE


@dataclass(frozen=True)
class Axis:
    """One tile dimension of a transfer: first tile, tiles moved, tiles and elements there are.

    ``given`` is that of its :class:`Span`.
    """

    first: Any
    count: int
    start: Any
    extent: int
    tiles: int
    elements: int
    given: bool = False


class TransferEmitter:
    """Emits loads and stores; ``ranges`` bounds the block and loop variables in scope."""

    def __init__(
        self, names: Names, ranges: list[tuple[Any, Any, Any]], align: Callable[[Any], int]
    ) -> None:  # fmt: skip
        """``ranges`` holds (variable, minimum, extent), ``scope`` what holds besides.

        The caller keeps them current. ``align`` says for a tensor modulo how many bytes both ends
        of a read of it are alike.
        """
        self.names = names
        self.ranges = ranges
        self.align = align
        self.scope = Scope()

    def analyzer(self) -> Any:
        """What knows the variables in scope."""
        ana = tvm.sym.Analyzer()
        for var, start, extent in self.ranges:
            ana.bind(var, tvm.ir.Range.from_min_extent(start, extent))
        return ana

    def _lead(self, region: Region, node: Any) -> tuple[list[tuple[Any, int, int]], Any | None]:
        """Leading dimensions (start, extent, size), and a condition.

        The condition says where the leading indices are inside the tensor; None where always.
        """
        shape = [constant(d) or 0 for d in region.tensor.ty.shape]
        lead = list(zip(region.starts, region.extents, shape, strict=True))[:-2]
        ana = self.analyzer()
        inside: Any | None = None
        for start, extent, size in lead:
            for test in (start >= 0, start + extent <= size):
                if region.gathered(start) or _proves(ana, test):
                    continue
                if extent > 1:
                    refuse(f"tensor {region.tensor.name!r}: several leading indices at once may"
                           " leave the tensor", node=node, code="OutOfBounds",
                           next_step="move one leading index at a time")  # fmt: skip
                inside = test if inside is None else tirx.And(inside, test)
        return lead, inside

    def _spans(self, region: Region) -> tuple[Span, Span]:
        """The row and column dimensions of a region; a vector is one row."""
        sizes = [constant(d) or 0 for d in region.tensor.ty.shape]
        found = [Span(tirx.const(0, "int32"), 1, 1)] if len(sizes) == 1 else []
        for at, extent, size in zip(region.starts, region.extents, sizes, strict=True):
            start = tirx.const(at, "int32") if isinstance(at, int) else at
            found.append(Span(self.analyzer().simplify(start), extent, size,
                              region.gathered(start)))  # fmt: skip
        rows, cols = found[-2:]
        return rows, cols

    def _axis(self, span: Span) -> Axis | None:
        """A dimension in tiles; None where it does not begin with one."""
        ana = self.analyzer()
        first = ana.simplify(tirx.FloorDiv(span.start, tirx.const(TILE, "int32")))
        if not ana.can_prove_equal(first * TILE, span.start):
            return None
        return Axis(first, -(-span.extent // TILE), span.start, span.extent,
                    -(-span.size // TILE), span.size, span.given)  # fmt: skip

    def _pieces(self, region: Region, node: Any) -> Pieces:
        ana = self.analyzer()

        def proves(condition: Any) -> bool:
            with supposing(ana, self.scope.conditions):
                return _proves(ana, condition)

        return Pieces(region.tensor, self._spans(region), ana, proves, node)

    def _tiles(self, lead: Any, rows: Axis, cols: Axis, body: Any) -> list[Any]:
        """``body(page, index, row, col)`` over the tiles of a region, in block order."""

        def inner(outer_page: Any, outer_index: Any) -> list[Any]:
            return loop("i", rows.count, lambda i: loop("j", cols.count, lambda j: body(
                (outer_page * rows.tiles + rows.first + i) * cols.tiles + cols.first + j,
                (outer_index * rows.count + i) * cols.count + j, i, j)))  # fmt: skip

        return _planes(lead, inner)

    def _begins(self, ana: Any, axis: Axis) -> bool:
        """Whether an axis surely begins inside the tensor, and not before it."""
        if axis.given:
            return True
        with supposing(ana, self.scope.conditions):
            return _proves(ana, axis.first >= 0)

    def _inside(self, ana: Any, axis: Axis, i: Any) -> list[Any]:
        """Conditions that tile ``i`` of an axis exists; those that always hold are left out."""
        last = axis.first + (axis.count - 1)
        found = [] if self._begins(ana, axis) else [axis.first + i >= 0]
        ends = axis.given or _proves(ana, last < axis.tiles)
        return found if ends else [*found, axis.first + i < axis.tiles]

    def _guard(self, ana: Any, rows: Axis, cols: Axis, i: Any, j: Any, stmt: Any) -> list[Any]:
        conditions = [*self._inside(ana, rows, i), *self._inside(ana, cols, j)]
        return [tirx.IfThenElse(tirx.all(*conditions), stmt, None)] if conditions else [stmt]

    def load(self, stmt: Load) -> Any:
        """Read pages, wait, zero what lies outside."""
        span, buffer, tensor = (
            getattr(stmt.node, "span", None),
            self.names[stmt.dst],
            stmt.region.tensor,
        )
        ana = self.analyzer()
        asked, region = looked_up(stmt.region, self.names, ana, self.scope, stmt.node)
        lead, inside = self._lead(region, stmt.node)
        rows, cols = map(self._axis, self._spans(region))
        before = fetched(asked, span)
        bound = [lookup.bind() for lookup in asked]
        if rows is None or cols is None:
            return seq([*before, *self._read_pieces(stmt, region, lead, inside, asked)])

        def read(page: Any, index: Any, i: Any, j: Any) -> list[Any]:
            where = address(TILE_ADDR, buffer, ana.simplify(index))
            page = page_if_inside(region, ana.simplify(page))
            op = call("noc_async_read_page", page, tensor, where, span=span)
            return self._guard(ana, rows, cols, i, j, op)

        if (
            _apart(ana, rows)
            or _apart(ana, cols)
            or (inside is not None and _proves(ana, tirx.Not(inside)))
        ):
            return thread("reader", zeros(buffer, stmt.dst.tiles, span))
        out = _where(inside, self._tiles(lead, rows, cols, read))
        out.append(call("noc_async_read_barrier", span=span))
        keep_rows, keep_cols = self._keep(ana, rows), self._keep(ana, cols)
        if inside is not None:
            keep_rows = _nothing_outside(inside, keep_rows)
        if keep_rows is not None or keep_cols is not None:

            def zero(_page: Any, index: Any, i: Any, j: Any) -> list[Any]:
                r = tirx.const(TILE, "int32") if keep_rows is None else keep_rows(i)
                c = tirx.const(TILE, "int32") if keep_cols is None else keep_cols(j)
                partial = [x < TILE for x, k in ((r, keep_rows), (c, keep_cols)) if k is not None]
                test = partial[0] if len(partial) == 1 else tirx.Or(*partial)
                where = address(TILE_ADDR, buffer, ana.simplify(index))
                return [
                    tirx.IfThenElse(
                        test, call("zero_tile_region", buffer, where, r, c, span=span), None
                    )
                ]

            out += self._tiles(lead, rows, cols, zero)
        return seq([*before, thread("reader", [*bound, *out])])

    def _read_pieces(
        self, stmt: Load, region: Region, lead: Any, inside: Any, asked: Sequence[Lookup]
    ) -> list[Any]:  # fmt: skip
        """Zeros where not every element is read, pieces, wait, and zeros beside the columns.

        Pieces that are not read as they are come in spans, which are there before they are copied.
        """
        span, dst, tensor = getattr(stmt.node, "span", None), stmt.dst, region.tensor
        pieces, align = self._pieces(region, stmt.node), self.align(region.tensor)
        bound = [lookup.bind() for lookup in asked]
        whole = inside is None and pieces.inside()
        out = [] if whole else zeros(self.names[dst], dst.tiles, span)
        if inside is not None and _proves(self.analyzer(), tirx.Not(inside)):
            return [thread("reader", [*bound, *out])]
        barrier = call("noc_async_read_barrier", span=span)
        ends = self._zero_columns(pieces, dst, span)

        def moved(move: Move) -> list[Any]:
            paged = partial(page_if_inside, region)
            return _where(inside, _planes(lead, lambda page, index: pieces.moves(
                move, self.names, dst, (page, index), paged)))  # fmt: skip

        if pieces.is_read_at_once(align):
            reads = moved(directly("noc_async_read_partial_page", tensor, span))
            return [thread("reader", [*bound, *out, *reads, barrier, *ends])]
        spans = self.names.spans(tensor, pieces.count(dst.lead), align)
        bounce = Bounce(tensor, spans, align, pieces.analyzer.simplify)
        brought = [*bound, *moved(bounce.fetch(span)), barrier]
        settled = [*bound, *out, *moved(bounce.settle(self.names[dst], span)), *ends]
        return [thread("reader", brought), thread("reader", anew(settled, asked))]

    def _zero_columns(self, pieces: Pieces, dst: Buffer, span: Any) -> list[Any]:
        """Zeros beside the columns of what pieces bring."""
        keep = pieces.keep_columns()
        if keep is None:
            return []

        def zero(t: Any) -> list[Any]:
            kept = keep(tirx.FloorMod(t, tirx.const(dst.cols, "int32")))
            where = address(TILE_ADDR, self.names[dst], t)
            cut = call("zero_tile_region", self.names[dst], where, TILE, kept, span=span)
            return [tirx.IfThenElse(kept < TILE, cut, None)]

        return loop("t", dst.tiles, zero)

    def _keep(self, ana: Any, axis: Axis) -> Any | None:
        """Elements of tile ``i`` that are inside region and tensor; None where always all 32."""
        whole_region = axis.extent % TILE == 0
        begins = self._begins(ana, axis)
        ends = axis.given or _proves(ana, axis.start + axis.extent <= axis.elements)
        if whole_region and begins and ends:
            return None

        def keep(i: Any) -> Any:
            if axis.given:
                return tirx.Min(tirx.const(axis.extent, "int32") - i * TILE,
                                tirx.const(TILE, "int32"))  # fmt: skip
            left: Any = tirx.const(axis.elements, "int32") - axis.start - i * TILE
            if not whole_region:
                left = tirx.Min(left, tirx.const(axis.extent, "int32") - i * TILE)
            if not begins:
                left = tirx.Select(axis.first + i >= 0, left, tirx.const(0, "int32"))
            return tirx.Max(tirx.Min(left, tirx.const(TILE, "int32")), tirx.const(0, "int32"))

        return keep

    def scaler(self, stmt: Scaler) -> Any:
        """The scaler tile of a reduction."""
        where = address(TILE_ADDR, self.names[stmt.dst], 0)
        return thread("reader", [call("generate_reduce_scaler", self.names[stmt.dst], where, 1.0,
                                      span=getattr(stmt.node, "span", None))])  # fmt: skip

    def index_tiles(self, stmt: IndexTiles) -> Any:
        """Tiles of an affine index expression."""
        span, dst = getattr(stmt.node, "span", None), stmt.dst
        asked, (start,) = asked_of([stmt.base], self.names, self.analyzer(), self.scope,
                                   stmt.node)  # fmt: skip

        def one(b: Any, i: Any, j: Any) -> list[Any]:
            base = start + i * (TILE * stmt.row_step) + j * (TILE * stmt.col_step)
            where = address(TILE_ADDR, self.names[dst], (b * dst.rows + i) * dst.cols + j)
            base = self.analyzer().simplify(base)
            return [call("index_tile_l1", self.names[dst], where, base, stmt.row_step,
                         stmt.col_step, span=span)]  # fmt: skip

        tiles = loop("b", dst.lead, lambda b: loop("i", dst.rows, lambda i: loop(
            "j", dst.cols, lambda j: one(b, i, j))))  # fmt: skip
        before = fetched(asked, span)
        return seq([*before, thread("reader", [*(a.bind() for a in asked), *tiles])])

    def store(self, stmt: Store) -> Any:
        """Write pages that exist, or pieces of them, wait.

        Raises:
            CompileError: a region that ends inside a row of a face that other elements share.
        """
        span, buffer, tensor = (
            getattr(stmt.node, "span", None),
            self.names[stmt.src],
            stmt.region.tensor,
        )
        ana = self.analyzer()
        asked, region = looked_up(stmt.region, self.names, ana, self.scope, stmt.node)
        before = fetched(asked, span)
        bound = [lookup.bind() for lookup in asked]
        lead, inside = self._lead(region, stmt.node)
        rows, cols = map(self._axis, self._spans(region))
        barrier = call("noc_async_write_barrier", span=span)
        if rows is None or cols is None or not all(_ends_tiles(ana, a) for a in (rows, cols)):
            pieces = self._pieces(region, stmt.node)
            pieces.check_writes()
            move, paged = (directly("noc_async_write_partial_page", tensor, span),
                           partial(page_if_inside, region))  # fmt: skip
            moved = _planes(lead, lambda page, index: pieces.moves(
                move, self.names, stmt.src, (page, index), paged))  # fmt: skip
            return seq([*before, thread("writer", [*bound, *_where(inside, moved), barrier])])

        def write(page: Any, index: Any, i: Any, j: Any) -> list[Any]:
            where = address(TILE_ADDR, buffer, ana.simplify(index))
            page = page_if_inside(region, ana.simplify(page))
            op = call("noc_async_write_page", page, tensor, where, span=span)
            return self._guard(ana, rows, cols, i, j, op)

        out = _where(inside, self._tiles(lead, rows, cols, write))
        return seq([*before, thread("writer", [*bound, *out, barrier])])


def _planes(lead: list[tuple[Any, int, int]], body: Any) -> list[Any]:
    """``body(page, index)`` over leading dimensions: a plane's number in tensor and in block."""

    def down(dims: list[Any], page: Any, index: Any) -> list[Any]:
        if not dims:
            return list(body(page, index))
        (start, extent, size), *rest = dims
        return loop("b", extent, lambda b: down(rest, page * size + start + b,
                                                index * extent + b))  # fmt: skip

    zero = tirx.const(0, "int32")
    return down(lead, zero, zero)


def _ends_tiles(ana: Any, axis: Axis) -> bool:
    """Whether an axis ends with a tile, or where its tensor does."""
    return axis.extent % TILE == 0 or _proves(ana, axis.start + axis.extent >= axis.elements)


def _apart(ana: Any, axis: Axis) -> bool:
    """Whether no tile of an axis ever exists."""
    last = axis.first + (axis.count - 1)
    return _proves(ana, last < 0) or _proves(ana, axis.first >= axis.tiles)


def _where(condition: Any | None, stmts: list[Any]) -> list[Any]:
    """Statements under a condition, if there is one."""
    return stmts if condition is None else [tirx.IfThenElse(condition, seq(stmts), None)]


def _nothing_outside(inside: Any, keep: Any | None) -> Any:
    """Rows of tile ``i`` to keep: none where the leading indices are outside the tensor."""

    def rows(i: Any) -> Any:
        kept = tirx.const(TILE, "int32") if keep is None else keep(i)
        return tirx.Select(inside, kept, tirx.const(0, "int32"))

    return rows


def _proves(ana: Any, condition: Any) -> bool:
    """Whether a condition holds for every value in range."""
    if isinstance(condition, bool):
        return condition
    expr = condition.asobject() if hasattr(condition, "asobject") else condition
    return bool(ana.can_prove(expr))
