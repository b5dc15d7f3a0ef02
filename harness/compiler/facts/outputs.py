"""Which tiles of an output one block writes, from the regions the body writes."""

from __future__ import annotations

from itertools import product
from typing import Any, Final

import msgspec
import numpy as np

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import Access, accesses, loads_of
from harness.compiler.facts.affine import affine, with_loops
from harness.compiler.facts.boxes import Box, disjoint, fill
from harness.compiler.facts.conditional import sure_writes
from harness.compiler.facts.kernel import Kernel
from harness.language.regions import constant
from simulator.arch import TILE
from simulator.plan.schema import BlockMap
from simulator.plan.tensors import padded_shape
from simulator.plan.work import canonical_block_map

Writes = list[tuple[Access, tuple[Any, ...]]]
"""Writes of one tensor, each with the loops around it."""
TOLD: Final = "told"
"""Coverage of outputs whose places data say."""
Hull = tuple[list[int], list[int], tuple[tuple[int, ...], ...]]


def output_blocks(kernel: Kernel, grid: tuple[int, int, int]) -> dict[str, dict[str, Any]]:
    """Block map per written tensor, in the plan's units.

    Raises:
        CompileError: an output index that is not affine in block and loop indices, not
            aligned to tiles, or two blocks that write one tile.
    """
    return {name: _block_map(kernel, grid, writes) for name, writes in written(kernel).items()}


def written(kernel: Kernel) -> dict[str, Writes]:
    """Writes of every tensor, by name, with the loops around them."""
    params = {p.name for p in kernel.params}
    found: dict[str, Writes] = {}
    for stmt, around in with_loops(kernel.body):
        if type(stmt).__name__ in ("SeqStmt", "For", "IfThenElse", "AttrStmt"):
            continue
        for access in accesses(stmt):
            if access.write and access.buffer.name in params:
                found.setdefault(access.buffer.name, []).append((access, around))
    return dict(sorted(found.items()))


def hull(kernel: Kernel, writes: Writes, *, tiles: bool) -> Hull:
    """What one block writes of a tensor, per dimension: first, past the last, and how both move.

    ``tiles`` counts tiles and not elements; a vector is one row.

    Raises:
        CompileError: an index that is not affine, writes that move differently with the block,
            or, in tiles, one that moves by no whole tiles.
    """
    rank, vector = max(len(writes[0][0].starts), 2), len(writes[0][0].starts) == 1
    name = writes[0][0].buffer.name
    coefficients: tuple[tuple[int, ...], ...] | None = None
    low, high = [0] * rank, [0] * rank
    for number, (access, around) in enumerate(writes):
        starts, extents = list(access.starts), list(access.extents)
        if vector:
            starts, extents = [0, *starts], [1, *extents]
        per_dim = []
        for dim in range(rank):
            tiled = tiles and (dim == rank - 1 or (dim == rank - 2 and not vector))
            unit = TILE if tiled else 1
            first, last, coeffs = _span(kernel, access, around, starts[dim], extents[dim], unit)
            per_dim.append(coeffs)
            low[dim] = first if number == 0 else min(low[dim], first)
            high[dim] = last if number == 0 else max(high[dim], last)
        if coefficients is not None and tuple(per_dim) != coefficients:
            refuse(f"output {name!r} is written at differently moving places", node=access.node,
                   code="UnsupportedIndex",
                   next_step="write each output at one affine place per block")  # fmt: skip
        coefficients = tuple(per_dim)
    assert coefficients is not None  # noqa: S101  (writes is never empty)
    return low, high, coefficients


def boxes(kernel: Kernel, writes: Writes) -> list[Box]:
    """What block (0, 0, 0) writes of a tensor, in elements: boxes that share none.

    Raises:
        CompileError: as :func:`hull`.
    """
    found = []
    for write in writes:
        low, high, _ = hull(kernel, [write], tiles=False)
        found.append((tuple(low), tuple(high)))
    return disjoint(found)


def _block_map(kernel: Kernel, grid: tuple[int, int, int], writes: Writes) -> dict[str, Any]:
    shape = [constant(d) for d in writes[0][0].buffer.ty.shape]
    name = writes[0][0].buffer.name
    if is_told(writes):
        return told_map(_tile_counts([d for d in shape if d is not None]))
    low, high, coefficients = hull(kernel, writes, tiles=True)
    x, y, z = (tuple(c[axis] for c in coefficients) for axis in range(3))
    block_map: dict[str, Any] = {"base": list(low), "x": list(x), "y": list(y), "z": list(z),
                 "extent": [h - lo for lo, h in zip(low, high, strict=True)]}  # fmt: skip
    tiles = _tile_counts([d for d in shape if d is not None])
    if (bad := _outside(block_map, grid, tiles)) is not None:
        refuse(f"block (bx, by, bz) = {bad} begins outside output {name!r}",
               node=writes[0][0].node, code="OutOfBounds",
               next_step="give T.Kernel as many blocks as the output has")  # fmt: skip
    counts = coverage(block_map, grid, tiles)
    if counts.max(initial=0) > 1:
        refuse(f"two blocks write one tile of output {name!r}", node=writes[0][0].node,
               code="OverlappingWrites", next_step="give every block tiles of its own, or let one"
               " write for all, as `if bx == 0:` does")  # fmt: skip
    block_map["coverage"] = "full" if counts.min(initial=1) == 1 else "partial"
    if block_map["coverage"] == "full" and not _in_any_case(kernel, writes):
        block_map["coverage"] = "guarded"
    canonical = canonical_block_map(msgspec.convert(block_map, BlockMap), grid, tiles)
    return {**msgspec.to_builtins(canonical), "coverage": block_map["coverage"]}


def is_told(writes: Writes) -> bool:
    """Whether data say where a tensor is written."""
    return any(loads_of(*access.starts) for access, _ in writes)


def told_map(tiles: tuple[int, ...]) -> dict[str, Any]:
    """The map of an output that data say the places of: any block may write any tile of it."""
    none = [0] * len(tiles)
    return {"base": none, "x": none, "y": none, "z": none, "extent": list(tiles),
            "coverage": TOLD}  # fmt: skip


def _in_any_case(kernel: Kernel, writes: Writes) -> bool:
    """Whether the writes that happen in any case fill what all of them reach together."""
    sure = [(access, around) for access, around in sure_writes(kernel.body)
            if access.buffer.name == writes[0][0].buffer.name]  # fmt: skip
    if not sure or not fill(boxes(kernel, sure)):
        return False
    if len(sure) == len(writes):
        return True
    return hull(kernel, sure, tiles=False) == hull(kernel, writes, tiles=False)


def _tile_counts(shape: list[int]) -> tuple[int, ...]:
    *lead, rows, columns = padded_shape(shape)
    return (*lead, rows // TILE, columns // TILE)


def _outside(
    block_map: dict[str, Any], grid: tuple[int, int, int], tiles: tuple[int, ...]
) -> tuple[int, int, int] | None:
    """A block whose first tile is outside the output: the first or the last along every axis."""
    for x, y, z in product(*((0, g - 1) for g in grid)):
        for dim, limit in enumerate(tiles):
            base, *steps = (block_map[k][dim] for k in ("base", "x", "y", "z"))
            if not 0 <= base + steps[0] * x + steps[1] * y + steps[2] * z < limit:
                return x, y, z
    return None


def coverage(block_map: dict[str, Any], grid: tuple[int, int, int], tiles: tuple[int, ...]) -> Any:
    """How many blocks write each tile, as an array of the tile grid.

    Every block adds one at its first corner and takes it away past its last; running sums along
    every dimension then give the counts.
    """
    bz, by, bx = np.meshgrid(*(np.arange(g) for g in reversed(grid)), indexing="ij", sparse=True)
    shape = tuple(reversed(grid))
    ends = []
    for base, x, y, z, extent, limit in zip(
        *(block_map[k] for k in ("base", "x", "y", "z", "extent")), tiles, strict=True
    ):
        first = np.broadcast_to(base + x * bx + y * by + z * bz, shape).ravel()
        ends.append((np.clip(first, 0, limit), np.clip(first + extent, 0, limit)))
    counts = np.zeros([n + 1 for n in tiles], dtype=np.int32)
    for corner in product((0, 1), repeat=len(tiles)):
        place = tuple(end[side] for end, side in zip(ends, corner, strict=True))
        np.add.at(counts, place, -1 if sum(corner) % 2 else 1)
    for axis in range(len(tiles)):
        np.cumsum(counts, axis=axis, out=counts)
    return counts[tuple(slice(0, n) for n in tiles)]


def _span(
    kernel: Kernel, access: Access, around: tuple[Any, ...], start: Any, extent: int, unit: int
) -> tuple[int, int, tuple[int, int, int]]:
    """First and last+1 index at block (0,0,0), and the block coefficients, in units."""
    name = access.buffer.name
    blocks = [v for v in kernel.block_vars if v is not None]
    form = affine(start, [*blocks, *(loop.var for loop in around)])
    if form is None:
        refuse(f"an index of output {name!r} is not affine in block and loop indices",
               node=access.node, code="UnsupportedIndex",
               next_step="write outputs at affine places")  # fmt: skip
    first = last = form.base
    for loop in around:
        c = form.of(loop.var)
        if c == 0:
            continue
        if loop.start is None or loop.extent is None:
            refuse(f"an index of output {name!r} moves with a loop of unknown range",
                   node=access.node, code="UnsupportedIndex",
                   next_step="give the loop constant bounds")  # fmt: skip
        ends = (c * loop.start, c * (loop.start + loop.extent - 1))
        first, last = first + min(ends), last + max(ends)
    last += extent
    coefficients = tuple(form.of(v) for v in kernel.block_vars)
    steps = [c for c, g in zip(coefficients, kernel.grid, strict=True) if g > 1]
    if any(v % unit for v in steps):
        refuse(
            f"output {name!r} is written by blocks that do not move by multiples of {unit}",
            node=access.node,
            code="UnalignedBlock",
            next_step=f"use block extents that are multiples of {TILE}, or that divide it",
        )
    scaled = tuple(c // unit if c % unit == 0 else 0 for c in coefficients)
    return first // unit, -(-last // unit), scaled  # type: ignore[return-value]
