"""Regions that begin or end inside tiles of their tensor, moved in pieces of faces.

A tile keeps 16 neighbouring columns of 16 rows, a face, one row after the other. So ``lines`` rows
of a face are one piece of memory, in the tensor as in the block, wherever both begin at multiples
of ``lines``. Rows may begin anywhere so; columns at multiples of 16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import tvm
from tvm import tirx

from harness.compiler.block.emitting.bounce import Move, Piece
from harness.compiler.block.model import Buffer
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.signed import stored_dtype
from harness.compiler.tt_ops import TILE_ADDR, address, loop
from harness.language.blockformats import BLOCK_FORMATS
from simulator.arch import TILE
from simulator.formats.dataformat import DataFormat

FACE: Final = TILE // 2
"""Rows and columns of a face."""

_WHOLE_ROW: Final = (
    "fill a block with what a row gets, as `w[j] = T.if_then_else(j == 0, a, c)` in T.Parallel, and"
    " T.copy that to the row"
)

Prove = Callable[[Any], bool]
"""Whether a condition always holds."""


@dataclass(frozen=True)
class Span:
    """One tile dimension of a region: its start, the elements it covers and the tensor has.

    Where it is ``given`` by a tensor of indices, it is taken to lie in the tensor.
    """

    start: Any
    extent: int
    size: int
    given: bool = False


class Pieces:
    """The pieces of one region; ``analyzer`` knows the variables in scope."""

    def __init__(self, tensor: Any, spans: tuple[Span, Span], analyzer: Any, proves: Prove,
                 node: Any) -> None:  # fmt: skip
        """``proves`` also knows what conditions hold there.

        Raises:
            CompileError: columns that begin inside a row of a face, or a block format.
        """
        self.tensor, self.analyzer, self.proves, self.node = tensor, analyzer, proves, node
        self.rows, self.cols = spans
        dtype = stored_dtype(tensor)
        if dtype in BLOCK_FORMATS:
            self.no(f"{self._at(self.rows)}, and {dtype} keeps exponents apart from the values",
                    f"start at multiples of {TILE}, or store it as bfloat16")  # fmt: skip
        if not self._divides(self.cols.start, FACE):
            self.no(f"{self._at(self.cols)}, not a multiple of {FACE} columns",
                    f"start regions at multiples of {FACE} columns, pad the tensor, or T.copy what"
                    " a loop stores to one block, and that to the tensor")  # fmt: skip
        self.bytes = DataFormat.from_ir(dtype).tile_bytes() // TILE**2
        self.lines = next(n for n in (16, 8, 4, 2, 1) if self.rows.extent % n == 0
                          and self._divides(self.rows.start, n)
                          and (self.rows.size % n == 0 or self._ends(self.rows)))  # fmt: skip

    def no(self, why: str, step: str) -> NoReturn:
        """Refuse the region."""
        refuse(f"tensor {self.tensor.name!r} is accessed {why}", node=self.node,
               code="UnalignedBlock", next_step=step)  # fmt: skip

    @staticmethod
    def _at(span: Span) -> str:
        return f"at {span.start}"

    def _divides(self, start: Any, number: int) -> bool:
        return self.proves(tirx.FloorMod(start, tirx.const(number, "int32")).equal(0))

    def _ends(self, span: Span) -> bool:
        """Whether a dimension surely ends inside the tensor, or with it."""
        return span.given or self.proves(span.start + span.extent <= span.size)

    def is_read_at_once(self, align: int) -> bool:
        """Whether NoC reads fetch the pieces as they are: both ends are alike modulo ``align``."""
        return self._divides(self.rows.start * FACE * self.bytes, align)

    def count(self, planes: int) -> int:
        """How many pieces that many planes of the region have."""
        return planes * self.rows.extent // self.lines * -(-self.cols.extent // FACE)

    def check_writes(self) -> None:
        """Refuse columns that end inside a row of a face, where others begin."""
        cols = self.cols
        if cols.extent % FACE and not self.proves(cols.start + cols.extent >= cols.size):
            one = cols.extent == 1
            refuse(f"output {self.tensor.name!r} is written {cols.extent} column{'s'[one:]} at a"
                   " time, which shares rows of faces with its neighbours", node=self.node,
                   code="UnalignedBlock", next_step=_WHOLE_ROW if one else
                   f"write multiples of {FACE} columns")  # fmt: skip

    def inside(self) -> bool:
        """Whether the pieces fill their block's tiles, from a place inside the tensor."""
        begin = all(s.given or self.proves(s.start >= 0) for s in (self.rows, self.cols))
        return begin and all(s.extent % TILE == 0 and self._ends(s) for s in (self.rows, self.cols))

    def keep_columns(self) -> Callable[[Any], Any] | None:
        """Columns of tile ``j`` of the block to keep of what was read; None where all."""
        cols = self.cols
        if cols.extent % FACE == 0 and (cols.size % FACE == 0 or self._ends(cols)):
            return None

        def keep(j: Any) -> Any:
            left = tirx.Min(tirx.const(cols.size, "int32") - cols.start,
                            tirx.const(cols.extent, "int32")) - j * TILE  # fmt: skip
            return tirx.Max(tirx.Min(left, tirx.const(TILE, "int32")), tirx.const(0, "int32"))

        return keep

    def moves(
        self, move: Move, names: Any, buffer: Buffer, outer: tuple[Any, Any],
        paged: Callable[[Any], Any] = lambda page: page,
    ) -> list[Any]:  # fmt: skip
        """``move`` of each piece of a plane, where it lies in the tensor.

        ``outer`` is the plane's number in the tensor and in the block; ``paged`` says what page
        to name for the one that was computed.
        """
        down, wide = self.rows.extent // self.lines, -(-self.cols.extent // FACE)
        return loop("r", down, lambda r: loop("c", wide, lambda c: self._move(
            move, names, buffer, outer, (r, c), paged)))  # fmt: skip

    def _move(
        self, move: Move, names: Any, buffer: Buffer, outer: tuple[Any, Any],
        piece: tuple[Any, Any], paged: Callable[[Any], Any],
    ) -> list[Any]:  # fmt: skip
        counts = self.rows.extent // self.lines, -(-self.cols.extent // FACE)
        for var, count in zip(piece, counts, strict=True):
            if isinstance(var, tvm.ir.Var):
                self.analyzer.bind(var, tvm.ir.Range.from_min_extent(0, count))
        simplify = self.analyzer.simplify
        own = [piece[0] * self.lines, piece[1] * FACE]
        there = [s.start + o for s, o in zip((self.rows, self.cols), own, strict=True)]
        tests = [t for at, span in zip(there, (self.rows, self.cols), strict=True)
                 for t in (at >= 0, at < span.size)
                 if not (span.given or self.proves(t))]  # fmt: skip
        if any(self.proves(tirx.Not(t)) for t in tests):
            return []
        down, across = -(-self.rows.size // TILE), -(-self.cols.size // TILE)
        page = (outer[0] * down + tile_of(there[0])) * across + tile_of(there[1])
        tile = (outer[1] * buffer.rows + tile_of(own[0])) * buffer.cols + tile_of(own[1])
        where = address(TILE_ADDR, names[buffer], simplify(tile)) + simplify(
            datum_of(own) * self.bytes)  # fmt: skip
        number = (outer[1] * counts[0] + piece[0]) * counts[1] + piece[1]
        done = move(Piece(paged(simplify(page)), simplify(datum_of(there) * self.bytes), where,
                          self.lines * FACE * self.bytes, simplify(number)))  # fmt: skip
        return [tirx.IfThenElse(tirx.all(*tests), done, None)] if tests else [done]


def tile_of(index: Any) -> Any:
    """The tile an element lies in, along one dimension."""
    return tirx.FloorDiv(index, tirx.const(TILE, "int32"))


def datum_of(place: Sequence[Any]) -> Any:
    """Which datum of its tile an element is, in the first column of a face."""
    row, column = (tirx.FloorMod(x, tirx.const(TILE, "int32")) for x in place)
    face = tirx.const(FACE, "int32")
    half, side = tirx.FloorDiv(row, face), tirx.FloorDiv(column, face)
    return (half * 2 + side) * (FACE * FACE) + tirx.FloorMod(row, face) * FACE
