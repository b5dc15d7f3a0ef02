"""Loads and stores of a block program as page transfers, ragged edges included.

A load reads the pages that exist, waits, and then zeroes what lies outside the region or the
tensor (T.copy reads zero out of bounds; padding in DRAM is unspecified). A store writes the pages
that exist.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx

from harness.compiler.block.lookup import looked_up
from harness.compiler.block.model import IndexTiles, Load, Region, Scaler, Store
from harness.compiler.block.names import Names
from harness.compiler.diagnostics import refuse
from harness.compiler.tt_ops import TILE_ADDR, address, call, loop, seq, thread, zeros
from harness.language.regions import constant
from simulator.arch import TILE


@dataclass(frozen=True)
class Axis:
    """One tile dimension of a transfer: first tile, tiles moved, tiles and elements there are."""

    first: Any
    count: int
    start: Any
    extent: int
    tiles: int
    elements: int


class TransferEmitter:
    """Emits loads and stores; ``ranges`` bounds the block and loop variables in scope."""

    def __init__(self, names: Names, ranges: list[tuple[Any, Any, Any]]) -> None:
        """``ranges`` holds (variable, minimum, extent), ``conditions`` what holds besides.

        The caller keeps them current.
        """
        self.names = names
        self.ranges = ranges
        self.conditions: list[Any] = []

    def _analyzer(self) -> Any:
        ana = tvm.sym.Analyzer()
        for var, start, extent in self.ranges:
            ana.bind(var, tvm.ir.Range.from_min_extent(start, extent))
        return ana

    def _axes(
        self, region: Region, node: Any
    ) -> tuple[list[tuple[Any, int, int]], Axis, Axis, Any | None]:
        """Leading dimensions (start, extent, size), the row and column axes, and a condition.

        The condition says where the leading indices are inside the tensor; None where always.
        """
        shape = [constant(d) or 0 for d in region.tensor.ty.shape]
        starts, extents = list(region.starts), list(region.extents)
        if len(shape) == 1:
            shape, starts, extents = [1, *shape], [0, *starts], [1, *extents]
        lead = list(zip(starts[:-2], extents[:-2], shape[:-2], strict=True))
        ana = self._analyzer()
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
        rows, cols = (self._axis(region, s, e, n, node)
                      for s, e, n in zip(starts[-2:], extents[-2:], shape[-2:],
                                         strict=True))  # fmt: skip
        return lead, rows, cols, inside

    def _axis(self, region: Region, start: Any, extent: int, size: int, node: Any) -> Axis:
        start = tirx.const(start, "int32") if isinstance(start, int) else start
        ana = self._analyzer()
        first = ana.simplify(tirx.FloorDiv(start, tirx.const(TILE, "int32")))
        if not ana.can_prove_equal(first * TILE, start):
            refuse(
                f"tensor {region.tensor.name!r} is accessed at {start}, not a multiple of {TILE}",
                node=node,
                code="UnalignedBlock",
                next_step=f"start regions at multiples of {TILE} rows and columns",
            )
        start = ana.simplify(start)
        return Axis(first, -(-extent // TILE), start, extent, -(-size // TILE), size)

    def _tiles(self, lead: Any, rows: Axis, cols: Axis, body: Any) -> list[Any]:
        """``body(page, index, row, col)`` over the tiles of a region, in block order."""

        def inner(outer_page: Any, outer_index: Any) -> list[Any]:
            return loop("i", rows.count, lambda i: loop("j", cols.count, lambda j: body(
                (outer_page * rows.tiles + rows.first + i) * cols.tiles + cols.first + j,
                (outer_index * rows.count + i) * cols.count + j, i, j)))  # fmt: skip

        def down(dims: list[Any], page: Any, index: Any) -> list[Any]:
            if not dims:
                return inner(page, index)
            (start, extent, size), *rest = dims
            return loop("b", extent, lambda b: down(rest, page * size + start + b,
                                                    index * extent + b))  # fmt: skip

        zero = tirx.const(0, "int32")
        return down(list(lead), zero, zero)

    def _begins(self, ana: Any, axis: Axis) -> bool:
        """Whether an axis surely begins inside the tensor, and not before it."""
        with ExitStack() as known:
            for condition in self.conditions:
                known.enter_context(ana.constraint_scope(condition))
            return _proves(ana, axis.first >= 0)

    def _inside(self, ana: Any, axis: Axis, i: Any) -> list[Any]:
        """Conditions that tile ``i`` of an axis exists; those that always hold are left out."""
        last = axis.first + (axis.count - 1)
        found = [] if self._begins(ana, axis) else [axis.first + i >= 0]
        return found if _proves(ana, last < axis.tiles) else [*found, axis.first + i < axis.tiles]

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
        ana = self._analyzer()
        asked, region = looked_up(stmt.region, self.names, ana, self.conditions, stmt.node)
        lead, rows, cols, inside = self._axes(region, stmt.node)

        def read(page: Any, index: Any, i: Any, j: Any) -> list[Any]:
            where = address(TILE_ADDR, buffer, ana.simplify(index))
            op = call("noc_async_read_page", ana.simplify(page), tensor, where, span=span)
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
        before = [thread("reader", lookup.fetch(span)) for lookup in asked]
        return seq([*before, thread("reader", [*(lookup.bind() for lookup in asked), *out])])

    def _keep(self, ana: Any, axis: Axis) -> Any | None:
        """Elements of tile ``i`` that are inside region and tensor; None where always all 32."""
        whole_region = axis.extent % TILE == 0
        begins = self._begins(ana, axis)
        if whole_region and begins and _proves(ana, axis.start + axis.extent <= axis.elements):
            return None

        def keep(i: Any) -> Any:
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

        def one(b: Any, i: Any, j: Any) -> list[Any]:
            base = stmt.base + i * (TILE * stmt.row_step) + j * (TILE * stmt.col_step)
            where = address(TILE_ADDR, self.names[dst], (b * dst.rows + i) * dst.cols + j)
            base = self._analyzer().simplify(base)
            return [call("index_tile_l1", self.names[dst], where, base, stmt.row_step,
                         stmt.col_step, span=span)]  # fmt: skip

        return thread("reader", loop("b", dst.lead, lambda b: loop("i", dst.rows, lambda i: loop(
            "j", dst.cols, lambda j: one(b, i, j)))))  # fmt: skip

    def store(self, stmt: Store) -> Any:
        """Write pages that exist, wait.

        Raises:
            CompileError: a region that ends inside a tile that other elements share.
        """
        span, buffer, tensor = (
            getattr(stmt.node, "span", None),
            self.names[stmt.src],
            stmt.region.tensor,
        )
        lead, rows, cols, inside = self._axes(stmt.region, stmt.node)
        ana = self._analyzer()
        for axis in (rows, cols):
            if axis.extent % TILE and not _proves(ana, axis.start + axis.extent >= axis.elements):
                refuse(
                    f"output {tensor.name!r} is written {axis.extent} elements at a time, which"
                    f" shares tiles with its neighbours",
                    node=stmt.node,
                    code="UnalignedBlock",
                    next_step=f"write multiples of {TILE} rows and columns",
                )

        def write(page: Any, index: Any, i: Any, j: Any) -> list[Any]:
            where = address(TILE_ADDR, buffer, ana.simplify(index))
            op = call("noc_async_write_page", ana.simplify(page), tensor, where, span=span)
            return self._guard(ana, rows, cols, i, j, op)

        out = _where(inside, self._tiles(lead, rows, cols, write))
        out.append(call("noc_async_write_barrier", span=span))
        return thread("writer", out)


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
