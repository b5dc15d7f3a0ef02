"""Elements of a tensor at computed places, as im2col takes them: moved in runs of a face's row.

A tile keeps 16 neighbouring columns of a row in one piece, a row of a face. So a block whose
elements come from computed places can be read where every such piece of it is one of the tensor:
16 neighbours along its last dimension from a multiple of 16 on, at one place in the others. Pieces
that lie outside the tensor, or where the kernel's condition does not hold, are zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import tvm
import tvm_ffi
from tvm import tirx

from harness.compiler.affine import Bounds, mentions
from harness.compiler.block.model import Buffer, Leaf, Load, Region, Statement
from harness.compiler.block.names import Names
from harness.compiler.diagnostics import refuse
from harness.compiler.tt_ops import TILE_ADDR, address, call, loop, thread, zeros
from harness.language.blockformats import BLOCK_FORMATS, dtype_of
from harness.language.regions import constant
from simulator.arch import TILE
from simulator.formats.dataformat import DataFormat

RUN: Final = TILE // 2
"""Elements of a row of a face."""


@dataclass(eq=False, kw_only=True)
class Gathered(Region):
    """One element per place of a block: ``starts`` are its indices, in terms of ``variables``.

    ``inside`` says where it is read at all; elsewhere, and outside the tensor, it is zero.
    """

    variables: tuple[Any, Any]
    inside: Any | None


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


def emit_gather(names: Names, ranges: Sequence[Bounds], stmt: Load, align: int) -> Any:
    """Zeros, then one read per run that is inside, then a barrier.

    Args:
        names: of block buffers.
        ranges: of the block and loop variables in scope.
        stmt: a load of :class:`Gathered` elements.
        align: addresses of both ends of a read are alike modulo this many bytes.

    Raises:
        CompileError: the elements do not come in runs, or the device cannot move one.
    """
    return _Gather(names, ranges, stmt, align).emit()


class _Gather:
    def __init__(self, names: Names, ranges: Sequence[Bounds], stmt: Load, align: int) -> None:
        region = stmt.region
        if not isinstance(region, Gathered):
            raise TypeError(type(region).__name__)
        self.region, self.node, self.span = region, stmt.node, getattr(stmt.node, "span", None)
        self.dst, self.buffer, self.tensor = stmt.dst, names[stmt.dst], region.tensor
        self.sizes = [constant(d) or 0 for d in self.tensor.ty.shape]
        self.analyzer = tvm.sym.Analyzer()
        for var, start, extent in ranges:
            self.analyzer.bind(var, tvm.ir.Range.from_min_extent(start, extent))
        dtype = dtype_of(self.tensor)
        if dtype in BLOCK_FORMATS:
            self.no(f"{dtype} keeps exponents apart from the values", "store it as bfloat16")
        self.bytes = DataFormat.from_ir(dtype).tile_bytes() // TILE // 2
        if self.bytes % align:
            self.no(f"{RUN} elements are {self.bytes} bytes, and this device reads memory at"
                    f" multiples of {align}", "keep the tensor in L1, or use float32")  # fmt: skip
        if self.dst.shape[1] % RUN:
            self.no(f"the block has {self.dst.shape[1]} columns",
                    f"use a multiple of {RUN}")  # fmt: skip

    def no(self, why: str, step: str) -> NoReturn:
        refuse(f"elements of {self.tensor.name!r} are taken from computed places, {RUN} at a time,"
               f" and {why}", node=self.node, code="UnsupportedIndex", next_step=step)  # fmt: skip

    def emit(self) -> Any:
        rows = range(-(-self.dst.shape[0] // TILE))
        self.zeroed = False
        reads = loop("i", len(rows), lambda i: loop("j", self.dst.cols, lambda j: loop(
            "h", 2, lambda h: loop("f", 2, lambda f: loop("r", RUN, lambda r: self.run(
                i, j, h, f, r))))))  # fmt: skip
        before = zeros(self.buffer, self.dst.tiles, self.span) if self.zeroed else []
        barrier = call("noc_async_read_barrier", span=self.span)
        return thread("reader", [*before, *reads, barrier])

    def run(self, i: Any, j: Any, h: Any, f: Any, r: Any) -> list[Any]:
        """The read of one run: row ``r`` of face (``h``, ``f``) of tile (``i``, ``j``)."""
        for var, extent in ((i, self.dst.rows), (j, self.dst.cols), (h, 2), (f, 2), (r, RUN)):
            if isinstance(var, tvm.ir.Var):
                self.analyzer.bind(var, tvm.ir.Range.from_min_extent(0, extent))
        row, column = self.region.variables
        place = {row: i * TILE + h * RUN + r, column: j * TILE + f * RUN}
        for n, index in enumerate(self.region.starts):
            wanted = int(n == len(self.sizes) - 1)
            if self.step(index, place) != wanted or (wanted and not self.whole(index, place)):
                self.no(f"they do not lie side by side from a multiple of {RUN} on along its last"
                        f" dimension of {self.sizes[-1]}",
                        f"pad that dimension to a multiple of {RUN}")  # fmt: skip
        if self.region.inside is not None and self.step(self.region.inside, place) != 0:
            self.no("the condition may change within them", "let it depend on rows, or on"
                    f" multiples of {RUN} columns")  # fmt: skip
        at = [self.at(index, place) for index in self.region.starts]
        tests = [t for index, size in zip(at, self.sizes, strict=True)
                 for t in (index >= 0, index < size)]  # fmt: skip
        tests += [place[v] < n for v, n in zip((row, column), self.dst.shape, strict=True)]
        if self.region.inside is not None:
            tests.append(self.at(self.region.inside, place))
        tests = [t for t in tests if not self.analyzer.can_prove(t)]
        self.zeroed |= bool(tests)
        if any(self.analyzer.can_prove(tirx.Not(t)) for t in tests):
            return []
        read = self.read(at, (i * self.dst.cols + j, h * 2 + f, r))
        return [tirx.IfThenElse(tirx.all(*tests), read, None)] if tests else [read]

    def read(self, at: Sequence[Any], to: tuple[Any, Any, Any]) -> Any:
        page: Any = 0
        for index, size in zip(at[:-2], self.sizes[:-2], strict=True):
            page = page * size + index
        across = -(-self.sizes[-1] // TILE)
        tile_row, tile_column = (tirx.FloorDiv(x, tirx.const(TILE, "int32")) for x in at[-2:])
        page = (page * -(-self.sizes[-2] // TILE) + tile_row) * across + tile_column
        (half, line), (side, _) = (
            (tirx.FloorDiv(tirx.FloorMod(x, tirx.const(TILE, "int32")), tirx.const(RUN, "int32")),
             tirx.FloorMod(x, tirx.const(RUN, "int32"))) for x in at[-2:])  # fmt: skip
        offset = ((half * 2 + side) * RUN + line) * self.bytes
        tile, face, row = to
        where = address(TILE_ADDR, self.buffer, self.analyzer.simplify(tile))
        where = where + (face * RUN + row) * self.bytes
        return call("noc_async_read_partial_page", self.analyzer.simplify(page), self.tensor, where,
                    self.analyzer.simplify(offset), self.bytes, span=self.span)  # fmt: skip

    def at(self, expr: Any, place: dict[Any, Any]) -> Any:
        """An expression at the first place of a run."""
        return self.analyzer.simplify(tvm_ffi.structural_map(
            expr, [(tvm.ir.Var, lambda v: place.get(v, v))]))  # fmt: skip

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
