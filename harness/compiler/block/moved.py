"""Elements of a block at computed places, moved datum by datum: ``x[i, 2 * j]``, ``x[i, j - 1]``.

The compute thread works on tiles and takes no element out of one, and the NoC moves 16 bytes at
least. So the reader's RISC copies what a block asks of another within L1. It is slow beside tiles,
and the right answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx

from harness.compiler.block.lattice import Lattice
from harness.compiler.block.model import Buffer, Statement
from harness.compiler.block.names import Names
from harness.compiler.facts.affine import Bounds
from harness.compiler.tt_ops import TILE_ADDR, address, call, thread, zeros
from simulator.arch import TILE


@dataclass(eq=False)
class Moved(Statement):
    """``dst`` = ``base``, or zeros, with elements of ``src`` in places of ``lattices``.

    A lattice's own places are those of ``dst``, or of ``src`` where it ``scatters``; the other end
    is ``row`` and ``col`` further.
    """

    dst: Buffer
    src: Buffer
    base: Buffer | None
    lattices: tuple[Lattice, ...]
    row: Any
    col: Any
    scatters: bool = False

    def defs(self) -> tuple[Buffer, ...]:
        """Buffers it writes."""
        return (self.dst,)

    def uses(self) -> tuple[Buffer, ...]:
        """Buffers it reads."""
        return (self.src,) if self.base is None else (self.base, self.src)


def emit_moved(names: Names, ranges: Sequence[Bounds], stmt: Moved) -> Any:
    """Zeros or the base first, then one op per lattice."""
    span, dst = getattr(stmt.node, "span", None), stmt.dst
    analyzer = tvm.sym.Analyzer()
    for var, start, extent in ranges:
        analyzer.bind(var, tvm.ir.Range.from_min_extent(start, extent))

    def copies(source: Buffer, *numbers: Any) -> Any:
        where, since = (address(TILE_ADDR, names[b], 0) for b in (dst, source))
        rows, cols, to_row, to_col, down, right, row, col, *steps = (
            analyzer.simplify(n) if isinstance(n, tvm.ir.Expr) else n for n in numbers
        )
        return call("copy_datums_l1", names[dst], where, since, rows, cols, to_row, to_col, down,
                    right, dst.cols, row, col, *steps, source.cols, span=span)  # fmt: skip

    out: list[Any] = []
    if stmt.base is not None or not _covers(stmt):
        out += zeros(names[dst], dst.tiles, span)
    if stmt.base is not None:
        out.append(copies(stmt.base, *dst.shape, 0, 0, 1, 1, 0, 0, 1, 0, 1))
    for lattice in stmt.lattices:
        rows, cols = lattice.rows, lattice.cols
        row, col = lattice.row + stmt.row, lattice.col + stmt.col
        steps = lattice.row_down, lattice.col_down, lattice.col_right
        if stmt.scatters:
            out.append(copies(stmt.src, rows.count, cols.count, row, col, steps[0], steps[2],
                              rows.start, cols.start, rows.step, 0, cols.step))  # fmt: skip
        else:
            out.append(copies(stmt.src, rows.count, cols.count, rows.start, cols.start, rows.step,
                              cols.step, row, col, *steps))  # fmt: skip
    return thread("reader", out)


def _covers(stmt: Moved) -> bool:
    """Whether the lattices fill every datum of the block's tiles."""
    held = sum(one.rows.count * one.cols.count for one in stmt.lattices)
    return not stmt.scatters and held == stmt.dst.tiles * TILE**2


def zero() -> Any:
    """The index 0."""
    return tirx.const(0, "int32")
