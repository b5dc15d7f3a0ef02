"""What a block reads of a tensor after it wrote it there: what it wrote, without asking memory.

``m[k] = b * m[k] + g[k]`` and then ``p[k] = p[k] - m[k]``: nothing tells the reader when a store
has arrived, but what was stored is in a block still. A load of the very region that was stored
becomes a copy of that block, where nothing stored to the tensor or changed the block in between.

What a load finds beside a tensor is zero, and what was computed for there is anything. So the copy
is made where the region lies inside the tensor, or where whatever is made of it is clipped again.
Of a vector in rows of 32 the last row, which it may not fill, does not count as inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tvm

from harness.compiler.block.model import (
    BlockProgram,
    Buffer,
    Eltwise,
    For,
    Leaf,
    Load,
    Statement,
    Store,
    leaf_nodes,
    walk,
)
from harness.compiler.block.region import Region
from harness.compiler.facts.affine import Bounds
from harness.language.regions import constant
from simulator.arch import TILE


def forward_stores(
    program: BlockProgram, ranges: Sequence[Bounds], lengths: Mapping[str, int]
) -> None:
    """Replace such loads in place.

    ``ranges`` bounds the grid's variables; ``lengths`` are those of vectors in rows of 32, by name.
    """
    _Forward(program, lengths).run(program.body, list(ranges))


class _Forward:
    """One block program."""

    def __init__(self, program: BlockProgram, lengths: Mapping[str, int]) -> None:
        self.program, self.lengths = program, lengths

    def run(self, body: list[Statement], ranges: list[Bounds]) -> None:
        """The loads of a list of statements, and of those inside them."""
        stored: list[Store] = []
        for at, stmt in enumerate(body):
            if isinstance(stmt, Load):
                source = self._of(stmt, stored, ranges)
                if source is not None:
                    stmt = body[at] = Eltwise(stmt.node, stmt.dst, Leaf(source))  # noqa: PLW2901
            inner = [*ranges]
            if isinstance(stmt, For):
                inner.append((stmt.node.loop_var, stmt.node.min, stmt.node.extent))
            for nested in stmt.bodies():
                self.run(nested, inner)
            stored = [s for s in stored if not _undone(s, stmt)]
            if isinstance(stmt, Store) and _plain(stmt.region):
                stored.append(stmt)

    def _of(self, load: Load, stored: list[Store], ranges: list[Bounds]) -> Buffer | None:
        """The block that holds what a load would read, if one does."""
        if not _plain(load.region):
            return None
        for store in stored:
            if self._same(store.region, load.region) and _alike(store.src, load.dst):
                kept = self._is_inside(load.region, ranges) or self._is_clipped(
                    load, load.dst, set()
                )
                return store.src if kept else None
        return None

    def _is_clipped(self, load: Load, buffer: Buffer, seen: set[Buffer]) -> bool:
        """Whether all that is made of a block is stored to the same places of tensors as large."""
        seen.add(buffer)
        for stmt in walk(self.program.body):
            if buffer not in stmt.uses():
                continue
            if isinstance(stmt, Store):
                if not (_plain(stmt.region) and self._lines_up(stmt.region, load.region)):
                    return False
            elif isinstance(stmt, Eltwise):
                repeated = any(n.bcast for n in leaf_nodes(stmt.expr) if n.buffer is buffer)
                if repeated or not (stmt.dst in seen or self._is_clipped(load, stmt.dst, seen)):
                    return False
            else:
                return False
        return True

    def _same(self, one: Region, two: Region) -> bool:
        return bool(one.tensor.same_as(two.tensor)) and self._lines_up(one, two)

    def _lines_up(self, one: Region, two: Region) -> bool:
        """Whether two regions begin and end alike in tensors of one shape."""
        return (
            self._sizes(one) == self._sizes(two)
            and list(one.extents) == list(two.extents)
            and all(constant(a - b) == 0 for a, b in zip(one.starts, two.starts, strict=True))
        )

    def _sizes(self, region: Region) -> list[Any]:
        """What tells the shape of a region's tensor."""
        shape = [constant(d) for d in region.tensor.ty.shape]
        return [*shape, self.lengths.get(region.tensor.name)]

    def _is_inside(self, region: Region, ranges: list[Bounds]) -> bool:
        analyzer = tvm.sym.Analyzer()
        for var, start, extent in ranges:
            analyzer.bind(var, tvm.ir.Range.from_min_extent(start, extent))

        def holds(test: Any) -> bool:
            return test if isinstance(test, bool) else bool(analyzer.can_prove(test))

        length, sizes = self.lengths.get(region.tensor.name), list(region.tensor.ty.shape)
        if length is not None:
            sizes[0] = length // TILE
        return all(
            holds(start >= 0) and holds(start + extent <= size)
            for start, extent, size in zip(region.starts, region.extents, sizes, strict=True)
        )


def _plain(region: Region) -> bool:
    """Whether a region is where indices of blocks and loops say, and nothing else."""
    return type(region) is Region and not region.indices


def _undone(store: Store, stmt: Statement) -> bool:
    """Whether a statement may change what a store left, in memory or in its block."""
    for one in walk([stmt]):
        if store.src in one.defs():
            return True
        if isinstance(one, Store) and one.region.tensor.same_as(store.region.tensor):
            return True
    return False


def _alike(one: Buffer, two: Buffer) -> bool:
    def kind(b: Buffer) -> Any:
        return b.dtype, b.lead, b.rows, b.cols, b.shape, b.form

    return bool(kind(one) == kind(two))
