"""Elements of a tensor at computed places, as im2col takes them: moved in runs of a face's row.

A tile keeps 16 neighbouring columns of a row in one piece, a row of a face. So a block whose
elements come from computed places can be read where every such piece of it is one of the tensor:
16 neighbours along its last dimension from a multiple of 16 on, at one place in the others. Pieces
that lie outside the tensor, or where the kernel's condition does not hold, are zero. A tensor of
indices may say which row each is of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

import tvm
from tvm import tirx

from harness.compiler.block.emitting.bounce import Bounce, Move, Piece, anew, directly
from harness.compiler.block.emitting.lookup import Scope, fetched, looked_up, page_if_inside
from harness.compiler.block.emitting.pieces import FACE, datum_of, tile_of
from harness.compiler.block.model import Buffer, Expr, Leaf, Load, Statement
from harness.compiler.block.names import Names
from harness.compiler.block.reading.access import no_index
from harness.compiler.block.region import Region
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import Bounds, conjuncts, mentions
from harness.compiler.facts.signed import stored_dtype
from harness.compiler.tt_ops import LOAD_L1, TILE_ADDR, address, call, loop, seq, thread, zeros
from harness.language.blockformats import BLOCK_FORMATS
from harness.language.regions import constant
from harness.language.walks import replaced
from simulator.arch import TILE
from simulator.formats.dataformat import DataFormat

if TYPE_CHECKING:
    from harness.compiler.block.reading.nest import Nest

RUN: Final = FACE
"""Elements of a row of a face."""


@dataclass(eq=False, kw_only=True)
class Gathered(Region):
    """One element per place of a block: ``starts`` are its indices, in terms of ``variables``.

    ``inside`` says where it is read at all; elsewhere, and outside the tensor, it is zero. What is
    stored may be several ``planes`` of rows, by more variables with their extents.
    """

    variables: tuple[Any, Any]
    inside: Any | None
    planes: tuple[tuple[Any, int], ...] = ()


def is_gathered(indices: Sequence[Any], variables: Sequence[Any]) -> bool:
    """Whether some index is no sum of a start and one of the loop variables."""
    return any(mentions(i, variables) and not _runs(i, variables) for i in indices)


def _runs(index: Any, variables: Sequence[Any]) -> bool:
    found = tvm.sym.detect_linear_equation(index, list(variables))
    steps = [constant(step) for step in found[:-1]]
    return sorted(steps, key=str) == sorted([0] * (len(steps) - 1) + [1], key=str)


def gathers_into(before: Sequence[Statement], made: Leaf, block: Buffer) -> Load | None:
    """The load that makes ``made``, if it gathers what may as well be gathered into ``block``."""
    last = before[-1] if before else None
    if not isinstance(last, Load) or not isinstance(last.region, Gathered):
        return None
    return last if last.dst is made.buffer and last.dst.dtype == block.dtype else None


def gathered(nest: Nest, buffer: Any, indices: list[Any], inside: Any, node: Any) -> Expr:
    """An element of a tensor at a computed place, zero where ``inside`` does not hold.

    Raises:
        CompileError: a place that does not go with rows and columns of the loops.
    """
    along = [k for k, v in enumerate(nest.variables) if any(mentions(i, [v]) for i in indices)]
    if len(along) == 1 and constant(buffer.ty.shape[-1]) == 1 and len(indices) > 1:
        return _column(nest, buffer, indices, along[0], inside, node)
    if len(nest.variables) != 2 or len(indices) < 2:
        no_index(buffer, node)
    block = nest.reader.block_of(
        f"{buffer.name}_block", nest.reader.stored(buffer), tuple(nest.extents)
    )
    row, column = nest.variables
    region = Gathered(buffer, indices, [1] * len(indices), variables=(row, column),
                      inside=inside)  # fmt: skip
    nest.before.append(Load(node, block, region))
    return nest.operand(block, None, node, turned=False)


def _column(
    nest: Nest, buffer: Any, indices: list[Any], along: int, inside: Any, node: Any
) -> Expr:  # fmt: skip
    """Single numbers, one per place of a loop: rows of one column, which come one below another."""
    others = [v for k, v in enumerate(nest.variables) if k != along]
    stored, extent = nest.reader.stored(buffer), nest.extents[along]
    if inside is not None and mentions(inside, others):
        no_index(buffer, node)
    if nest.target is not None and nest.target.format.is_integer:
        refuse(f"single numbers of {buffer.name!r} of {stored} come one below another, and whole"
               " numbers are not turned into a row", node=node, code="UnsupportedIndex",
               next_step="store them to a block of float32")  # fmt: skip
    block = nest.reader.block_of(f"{buffer.name}_block", stored, (extent,), "col")
    column = tirx.Var("column", "int32")
    region = Gathered(buffer, [*indices[:-1], column], [1] * len(indices),
                      variables=(nest.variables[along], column), inside=inside)  # fmt: skip
    nest.before.append(Load(node, block, region))
    if len(nest.variables) > 1:
        return nest.operand(block, "ROW" if along else "COL", node, turned=bool(along))
    turned = nest.target is not None and nest.side(nest.target) != "col"
    return nest.operand(block, None, node, turned=turned)


def emit_gather(
    names: Names, ranges: Sequence[Bounds], stmt: Load, align: int, scope: Scope
) -> Any:  # fmt: skip
    """Rows of indices, zeros, then one read per run that is inside, then a barrier.

    Args:
        names: of block buffers.
        ranges: of the block and loop variables in scope.
        stmt: a load of :class:`Gathered` elements.
        align: addresses of both ends of a read are alike modulo this many bytes.
        scope: what holds there.

    Raises:
        CompileError: the elements do not come in runs, or the device cannot move one.
    """
    return _Gather(names, ranges, stmt, align, scope).emit()


class _Gather:
    def __init__(
        self, names: Names, ranges: Sequence[Bounds], stmt: Load, align: int, scope: Scope
    ) -> None:
        region = stmt.region
        if not isinstance(region, Gathered):
            raise TypeError(type(region).__name__)
        self.region, self.node, self.span = region, stmt.node, getattr(stmt.node, "span", None)
        self.dst, self.buffer, self.tensor = stmt.dst, names[stmt.dst], region.tensor
        self.names, self.scope = names, scope
        self.sizes = [constant(d) or 0 for d in self.tensor.ty.shape]
        self.analyzer = tvm.sym.Analyzer()
        for var, start, extent in ranges:
            self.analyzer.bind(var, tvm.ir.Range.from_min_extent(start, extent))
        dtype = stored_dtype(self.tensor)
        if dtype in BLOCK_FORMATS:
            self.no(f"{dtype} keeps exponents apart from the values", "store it as bfloat16")
        self.bytes = DataFormat.from_ir(dtype).tile_bytes() // TILE**2
        self.align = align
        self.runs = -(-self.dst.shape[1] // RUN)
        if self.dst.shape[1] % RUN and self.dst.form != "col" and not self._to_the_end():
            self.no(f"the block has {self.dst.shape[1]} columns",
                    f"use a multiple of {RUN}, or all the tensor has")  # fmt: skip

    def no(self, why: str, step: str) -> NoReturn:
        refuse(f"elements of {self.tensor.name!r} are taken from computed places, {RUN} at a time,"
               f" and {why}", node=self.node, code="UnsupportedIndex", next_step=step)  # fmt: skip

    def _to_the_end(self) -> bool:
        """Whether a row ends where the tensor's does, behind which everything is made zero."""
        first = self.at(self.region.starts[-1], {self.region.variables[1]: 0})
        return bool(self.analyzer.can_prove(first + self.dst.shape[1] >= self.sizes[-1]))

    def emit(self) -> Any:
        row, column = self.region.variables
        self.analyzer.bind(row, tvm.ir.Range.from_min_extent(0, self.dst.shape[0]))
        for load in loads_of(*self.region.starts):
            *outer, last = load.indices
            if mentions(last, [column]) or any(mentions(i, [row, column]) for i in outer):
                self.no(f"{load.source.name!r} is not asked once per row, along its last dimension",
                        "index the table's last dimension by the block's rows")  # fmt: skip
        tests = self._of_rows()
        scope = replace(self.scope, conditions=[*self.scope.conditions, *tests])
        asked, self.found = looked_up(self.region, self.names, self.analyzer, scope, self.node)
        tests = [t for t in tests if asked and not self.analyzer.can_prove(t)]
        self.zeroed = bool(tests) or any(extent % TILE for extent in self.dst.shape)

        def lines(move: Move) -> list[Any]:
            def line(r: Any) -> list[Any]:
                place = {row: r}
                bound = [tirx.Bind(a.var, address(LOAD_L1, a.row, self.at(a.index, place)))
                         for a in asked]  # fmt: skip
                moved = [*bound, *loop("c", self.runs, lambda c: self.run(r, c, move))]
                holds = [self.at(test, place) for test in tests]
                return [tirx.IfThenElse(tirx.all(*holds), seq(moved), None)] if holds else moved

            return loop("r", self.dst.shape[0], line)

        rows = fetched(asked, self.span)
        barrier = call("noc_async_read_barrier", span=self.span)
        if self.bytes * RUN % self.align == 0:
            reads = lines(directly("noc_async_read_partial_page", self.tensor, self.span))
            return seq([*rows, thread("reader", [*self.zeros(), *reads, barrier, *self.ends()])])
        count = self.dst.shape[0] * self.runs
        spans = self.names.spans(self.tensor, count, self.align)
        bounce = Bounce(self.tensor, spans, self.align, self.analyzer.simplify)
        reads = [*lines(bounce.fetch(self.span)), barrier]
        copies = lines(bounce.settle(self.buffer, self.span))
        return seq([*rows, thread("reader", reads),
                    thread("reader", anew([*self.zeros(), *copies, *self.ends()],
                                          asked))])  # fmt: skip

    def _of_rows(self) -> list[Any]:
        """Conditions that say of whole rows whether they are read, and so whether data place them.

        Where none holds, there may be no such data.
        """
        column = self.region.variables[1]
        tests = [] if self.region.inside is None else conjuncts(self.region.inside)
        return [test for test in tests if not mentions(test, [column]) and not loads_of(test)]

    def zeros(self) -> list[Any]:
        """The block made zero, where not every element is read."""
        return zeros(self.buffer, self.dst.tiles, self.span) if self.zeroed else []

    def ends(self) -> list[Any]:
        """Zeros beside the last column of the tensor, where a run goes beyond it."""
        index, size = self.found.starts[-1], self.sizes[-1]
        row, column = self.region.variables
        if size % RUN == 0 or mentions(index, [row]):
            return []

        def end(t: Any) -> list[Any]:
            first = tirx.FloorMod(t, tirx.const(self.dst.cols, "int32")) * TILE
            kept = self.analyzer.simplify(tirx.Max(size - self.at(index, {column: first}), 0))
            where = address(TILE_ADDR, self.buffer, t)
            cut = call("zero_tile_region", self.buffer, where, TILE, kept, span=self.span)
            return [tirx.IfThenElse(kept < TILE, cut, None)]

        return loop("t", self.dst.tiles, end)

    def run(self, r: Any, c: Any, move: Move) -> list[Any]:
        """The move of one run: ``c`` of row ``r``."""
        for var, extent in ((r, self.dst.shape[0]), (c, self.runs)):
            if isinstance(var, tvm.ir.Var):
                self.analyzer.bind(var, tvm.ir.Range.from_min_extent(0, extent))
        row, column = self.region.variables
        own = [r, c * RUN]
        place = dict(zip((row, column), own, strict=True))
        for n, index in enumerate(self.found.starts):
            wanted = int(n == len(self.sizes) - 1)
            if self.step(index, place) != wanted or (wanted and not self.whole(index, place)):
                step = f"pad that dimension to a multiple of {RUN}"
                if self.sizes[-1] % RUN == 0:
                    step = "make last the dimension whose elements follow one another"
                self.no(f"they do not lie side by side from a multiple of {RUN} on along its last"
                        f" dimension of {self.sizes[-1]}", step)  # fmt: skip
        if self.region.inside is not None and self.step(self.region.inside, place) != 0:
            self.no("the condition may change within them", "let it depend on rows, or on"
                    f" multiples of {RUN} columns")  # fmt: skip
        at = [self.at(index, place) for index in self.found.starts]
        tests = [t for index, size in zip(at, self.sizes, strict=True)
                 if not self.found.gathered(index)
                 for t in (index >= 0, index < size)]  # fmt: skip
        if self.region.inside is not None:
            tests.append(self.at(self.region.inside, place))
        tests = [t for t in tests if not self.analyzer.can_prove(t)]
        self.zeroed |= bool(tests)
        if any(self.analyzer.can_prove(tirx.Not(t)) for t in tests):
            return []
        read = move(self.piece(at, own))
        return [tirx.IfThenElse(tirx.all(*tests), read, None)] if tests else [read]

    def piece(self, at: Sequence[Any], own: Sequence[Any]) -> Piece:
        """The run at ``at`` in the tensor, and at ``own`` row and column of the block."""
        page: Any = 0
        for index, size in zip(at[:-2], self.sizes[:-2], strict=True):
            page = page * size + index
        down, across = (-(-size // TILE) for size in self.sizes[-2:])
        page = (page * down + tile_of(at[-2])) * across + tile_of(at[-1])
        page = page_if_inside(replace(self.found, starts=list(at)), self.analyzer.simplify(page))
        tile = self.analyzer.simplify(tile_of(own[0]) * self.dst.cols + tile_of(own[1]))
        where = address(TILE_ADDR, self.buffer, tile) + self.analyzer.simplify(
            datum_of(own) * self.bytes)  # fmt: skip
        number = own[0] * self.runs + tirx.FloorDiv(own[1], tirx.const(RUN, "int32"))
        return Piece(page, self.analyzer.simplify(datum_of(at[-2:]) * self.bytes), where,
                     self.bytes * RUN, self.analyzer.simplify(number))  # fmt: skip

    def at(self, expr: Any, place: dict[Any, Any]) -> Any:
        """An expression at the first place of a run."""
        return self.analyzer.simplify(replaced(expr, place))

    def whole(self, expr: Any, place: dict[Any, Any]) -> bool:
        """Whether an expression is a multiple of a run where one begins."""
        return bool(self.analyzer.can_prove(
            tirx.FloorMod(self.at(expr, place), tirx.const(RUN, "int32")).equal(0)))  # fmt: skip

    def step(self, expr: Any, place: dict[Any, Any]) -> int | None:
        """How much an expression grows per element of a run; None where not evenly."""
        column = self.region.variables[1]
        if not mentions(expr, [column]):
            return 0
        if isinstance(expr, tvm.ir.Var):
            return 1
        a = getattr(expr, "a", None)
        b = getattr(expr, "b", None)
        if a is None:
            return None
        x, y = self.step(a, place), 0 if b is None else self.step(b, place)
        if x is None or y is None:
            return None
        if isinstance(expr, (tirx.LT, tirx.GE)) and (x, y) == (1, 0):  # turns where a run begins
            return 0 if self.whole(a - b, place) else None
        if isinstance(expr, (tirx.LE, tirx.GT)) and (x, y) == (0, 1):
            return 0 if self.whole(b - a, place) else None
        if isinstance(expr, tirx.Add):
            return x + y
        if isinstance(expr, tirx.Sub):
            return x - y
        factor = constant(b) if b is not None else None
        if isinstance(expr, tirx.Mul) and factor is not None:
            return x * factor
        even = x == 1 and factor is not None and factor > 0 and factor % RUN == 0
        if isinstance(expr, (tirx.FloorDiv, tirx.FloorMod)) and even and self.whole(a, place):
            return int(isinstance(expr, tirx.FloorMod))
        return 0 if x == y == 0 else None
