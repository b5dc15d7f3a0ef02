"""Parts of on-chip blocks: slices and offsets become blocks of their own.

Reading a part extracts it, writing one inserts it. Compute copies tiles whole: a part that starts
at multiples of 32 rows and columns and, where it is written, ends there or with its block. Other
parts of a block of one plane the reader moves, element by element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import tvm
from tvm import tirx

from harness.compiler.block.lattice import Lattice, Run
from harness.compiler.block.model import Buffer, Statement
from harness.compiler.block.moved import Moved, zero
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.affine import Bounds
from harness.language.blockformats import BLOCK_FORMATS
from harness.language.regions import constant
from simulator.arch import TILE


@dataclass(frozen=True)
class Window:
    """Where a part lies: start, extent and size of leading dimensions, first row and column."""

    lead: tuple[tuple[Any, int, int], ...]
    row: Any
    col: Any
    """In tiles."""


@dataclass(eq=False)
class Extract(Statement):
    """``dst`` = the part of ``src`` under a window."""

    dst: Buffer
    src: Buffer
    window: Window

    def defs(self) -> tuple[Buffer, ...]:
        """Buffers it writes."""
        return (self.dst,)

    def uses(self) -> tuple[Buffer, ...]:
        """Buffers it reads."""
        return (self.src,)


@dataclass(eq=False)
class Insert(Statement):
    """``dst`` = ``base`` with the part under a window replaced by ``src``."""

    dst: Buffer
    base: Buffer
    src: Buffer
    window: Window

    def defs(self) -> tuple[Buffer, ...]:
        """Buffers it writes."""
        return (self.dst,)

    def uses(self) -> tuple[Buffer, ...]:
        """Buffers it reads."""
        return (self.base, self.src)


def _all(part: Buffer) -> Lattice:
    """Every element of a part."""
    rows, cols = part.shape
    return Lattice(Run(0, 1, rows), Run(0, 1, cols), 0, 0, 1, 0, 1)


class Parts:
    """The parts one source statement uses: what to do ``before`` it and ``after``."""

    def __init__(
        self, buffers: dict[str, Buffer], ranges: Sequence[Bounds], temp: Callable[[str], str]
    ) -> None:  # fmt: skip
        """``buffers`` by name, ``ranges`` of the variables in scope, ``temp`` makes names."""
        self.buffers, self.ranges, self.temp = buffers, ranges, temp
        self.before: list[Statement] = []
        self.after: list[Statement] = []
        self._known: dict[tuple[str, str, str], Buffer] = {}

    def read(self, var: Any, starts: Sequence[Any], extents: Sequence[int], node: Any) -> Buffer:
        """The block that holds part of a buffer's values."""
        whole = self.buffers[var.name]
        window = self._window(var, starts, extents, node)
        if window is None:
            return whole
        key = (var.name, str(list(starts)), str(list(extents)))
        if key not in self._known:
            part = self._part(whole, extents)
            if isinstance(window, Window):
                self.before.append(Extract(node, part, whole, window))
            else:
                self.before.append(Moved(node, part, whole, None, (_all(part),), *window))
            self._known[key] = part
        return self._known[key]

    def write(self, var: Any, starts: Sequence[Any], extents: Sequence[int], node: Any) -> Buffer:
        """The block whose values become part of a buffer."""
        whole = self.buffers[var.name]
        window = self._window(var, starts, extents, node)
        if window is None:
            return whole
        part = self._part(whole, extents)
        if isinstance(window, Window) and self._ends_tiles(var, starts, extents):
            self.after.append(Insert(node, whole, whole, part, window))
            return part
        if not self._is_moved(var):
            self._no(f"part of a tile of {var.name!r} is written", node)
        at = window if isinstance(window, tuple) else self._place(var, starts)
        self.after.append(Moved(node, whole, part, whole, (_all(part),), *at, scatters=True))
        return part

    def _ends_tiles(self, var: Any, starts: Sequence[Any], extents: Sequence[int]) -> bool:
        """Whether a part that begins with tiles ends with them, or with its block."""
        last = list(zip(starts, extents, var.ty.shape, strict=True))[-2:]
        return all(extent % TILE == 0 or self.proves(start + extent == size)
                   for start, extent, size in last)  # fmt: skip

    def update(self, var: Any, starts: Sequence[Any], extents: Sequence[int], node: Any) -> Buffer:
        """The block that holds part of a buffer's values and gives it new ones."""
        new, old = self.write(var, starts, extents, node), self.read(var, starts, extents, node)
        if new is not old and isinstance(self.after[-1], (Insert, Moved)):
            self.after[-1].src = old
        return old

    def _part(self, whole: Buffer, extents: Sequence[int]) -> Buffer:
        name = self.temp(f"{whole.name}_part")
        if whole.form == "col":
            shape = (extents[-1], 1)
        else:
            shape = (extents[-2] if len(extents) > 1 else 1, extents[-1])
        lead = 1
        for extent in extents[:-2]:
            lead *= extent
        rows, cols = (-(-n // TILE) for n in shape)
        return Buffer(name, whole.dtype, lead, rows, cols, shape, whole.form)

    def _window(
        self, var: Any, starts: Sequence[Any], extents: Sequence[int], node: Any
    ) -> Window | tuple[Any, Any] | None:
        """Where a part lies: in whole tiles, or from a row and a column; None for all of it."""
        sizes = [constant(d) or 0 for d in var.ty.shape]
        if list(extents) == sizes and all(constant(s) == 0 for s in starts):
            return None
        self.inside(var, starts, extents, node)
        if not all(map(self.is_aligned, starts[-2:])) and self._is_moved(var):
            return self._place(var, starts)
        tiles = [self._tile(var, start, node) for start in starts[-2:]]
        if len(tiles) == 1:
            tiles = [*tiles, zero()] if self.buffers[var.name].form == "col" else [zero(), *tiles]
        lead = zip(starts[:-2], extents[:-2], sizes[:-2], strict=True)
        return Window(tuple(lead), *tiles)

    def _is_moved(self, var: Any) -> bool:
        """Whether elements of a block can be moved one by one."""
        block = self.buffers[var.name]
        return block.lead == 1 and block.dtype not in BLOCK_FORMATS

    def _place(self, var: Any, starts: Sequence[Any]) -> tuple[Any, Any]:
        """The row and the column a part begins at."""
        pair = [tirx.const(s, "int32") if isinstance(s, int) else s for s in starts[-2:]]
        if len(pair) == 1:
            pair = [*pair, zero()] if self.buffers[var.name].form == "col" else [zero(), *pair]
        return pair[0], pair[1]

    def inside(self, var: Any, starts: Sequence[Any], extents: Sequence[int], node: Any) -> None:
        """Refuse a part that may lie outside its buffer."""
        for start, extent, size in zip(starts, extents, var.ty.shape, strict=True):
            if not self.proves(start >= 0) or not self.proves(start + extent <= size):
                refuse(f"{extent} elements of on-chip buffer {var.name!r} from {start} on may lie"
                       f" outside its {size}", node=node, code="OutOfBounds",
                       next_step="allocate as many as are used, or use as many as there"
                       " are")  # fmt: skip

    def is_aligned(self, start: Any) -> bool:
        """Whether an index is at the first row or column of a tile."""
        return self._first(start) is not None

    def tile_of(self, index: Any) -> Any:
        """The tile an index lies in."""
        return self.analyzer().simplify(tirx.FloorDiv(index, tirx.const(TILE, "int32")))

    def _first(self, start: Any) -> Any:
        """The tile that begins at an index; None where none is known to."""
        start = tirx.const(start, "int32") if isinstance(start, int) else start
        first = self.tile_of(start)
        return first if self.analyzer().can_prove_equal(first * TILE, start) else None

    def _tile(self, var: Any, start: Any, node: Any) -> Any:
        first = self._first(start)
        if first is None:
            self._no(f"on-chip buffer {var.name!r} is used from {start}, not a multiple of {TILE}",
                     node)  # fmt: skip
        return first

    @staticmethod
    def _no(what: str, node: Any) -> NoReturn:
        refuse(what, node=node, code="UnalignedBlock",
               next_step=f"use parts that begin and end at multiples of {TILE}, or copy from the"
               " tensor into a block of its own")  # fmt: skip

    def analyzer(self) -> Any:
        """An analyzer that knows the variables in scope."""
        analyzer = tvm.sym.Analyzer()
        for var, start, extent in self.ranges:
            analyzer.bind(var, tvm.ir.Range.from_min_extent(start, extent))
        return analyzer

    def proves(self, condition: Any) -> bool:
        """Whether a condition holds for every value in range."""
        if isinstance(condition, bool):
            return condition
        expr = condition.asobject() if hasattr(condition, "asobject") else condition
        return bool(self.analyzer().can_prove(expr))
