"""The work grid and how its blocks reach the cores.

A block is ``(bx, by, bz)``; arrays of blocks have shape (count, 3). Work ids are row-major: bx
fastest, then by, then bz.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.plan.coords import Core, core_key
from simulator.plan.schema import BlockMap, CoreRange, Linear, Plan, Rect, Table, WorkItem
from simulator.plan.tensors import ceil_div
from simulator.plan.zorder import blocks_at, curve_length, inside

Blocks = npt.NDArray[np.int64]
Grid = tuple[int, int, int]

MAX_BLOCKS: Final = 2**20
"""Largest work grid a plan may state. Every block is listed, so a larger one would not fit into a
file of ``strict_json.MAX_BYTES`` either."""


def work_grid(plan: Plan) -> Grid:
    """Work blocks along x, y and z: ``ceil(kernel_grid / coalesce)``."""
    x, y, z = (ceil_div(n, c) for n, c in zip(plan.kernel_grid, plan.coalesce, strict=True))
    return x, y, z


def range_cores(ranges: Iterable[CoreRange]) -> tuple[Core, ...]:
    """Every core of ``ranges``: ranges in order, inside each row by row."""
    return tuple(
        (x, y)
        for r in ranges
        for y in range(r.start[1], r.start[1] + r.extent[1])
        for x in range(r.start[0], r.start[0] + r.extent[0])
    )


def all_cores(plan: Plan) -> tuple[Core, ...]:
    """Every core that runs or holds anything, row by row."""
    ranges = [plan.core_ranges, *(item.core_ranges for item in plan.kernels)]
    ranges += [item.core_ranges for item in plan.circular_buffers]
    ranges += [item.core_ranges for item in plan.semaphores]
    cores = {core for each in ranges for core in range_cores(each)}
    return tuple(sorted(cores, key=lambda core: (core[1], core[0])))


def work_ids(blocks: Blocks, grid: Grid) -> npt.NDArray[np.int64]:
    """Row-major ids of blocks."""
    ids: npt.NDArray[np.int64] = blocks[:, 0] + grid[0] * (blocks[:, 1] + grid[1] * blocks[:, 2])
    return ids


def blocks_of_ids(ids: npt.NDArray[np.int64], grid: Grid) -> Blocks:
    """Blocks of row-major ids: bx = id mod gx, by = id div gx mod gy, bz = the rest."""
    return np.stack([ids % grid[0], ids // grid[0] % grid[1], ids // (grid[0] * grid[1])], axis=1)


def item_blocks(items: Sequence[WorkItem]) -> Blocks:
    """Blocks of a list of work items, in order (io = by, jo = bx, bo = bz)."""
    flat = np.fromiter(
        (value for item in items for value in (item.jo, item.io, item.bo)), np.int64, 3 * len(items)
    )
    return flat.reshape(-1, 3)


def expand(descriptor: Linear | Rect, grid: Grid) -> Blocks:
    """Blocks a core with this descriptor works on, in order.

    Raises:
        ValueError: the descriptor reaches outside the grid.
    """
    gx, gy, gz = grid
    if isinstance(descriptor, Rect):
        if descriptor.x0 + descriptor.width > gx or descriptor.y0 + descriptor.height > gy:
            raise ValueError(f"the rectangle reaches outside the work grid {gx} x {gy}")
        z, y, x = np.meshgrid(
            np.arange(gz if descriptor.width and descriptor.height else 0),
            np.arange(descriptor.y0, descriptor.y0 + descriptor.height),
            np.arange(descriptor.x0, descriptor.x0 + descriptor.width),
            indexing="ij",
        )
        return np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1).astype(np.int64)
    if descriptor.order == "z_order":
        length = curve_length(grid)
        if descriptor.start + descriptor.count > length:
            raise ValueError(f"start + count exceeds the {length} positions of the Z curve")
        codes = np.arange(descriptor.start, descriptor.start + descriptor.count, dtype=np.int64)
        blocks = blocks_at(codes, grid)
        return blocks[inside(blocks, grid)]
    if descriptor.start + descriptor.count > gx * gy * gz:
        raise ValueError(f"start + count exceeds the {gx * gy * gz} blocks of the work grid")
    ids = np.arange(descriptor.start, descriptor.start + descriptor.count, dtype=np.int64)
    if descriptor.order == "row_major":
        return blocks_of_ids(ids, grid)
    return np.stack([ids // gy % gx, ids % gy, ids // (gx * gy)], axis=1)


def core_blocks(plan: Plan, core: Core) -> Blocks:
    """Blocks one core works on, in order, from its work list.

    Raises:
        KeyError: the plan has no such core.
    """
    return item_blocks(plan.work_partition[core_key(core)])


def table_contents(plan: Plan, tensor: str) -> npt.NDArray[np.uint32]:
    """What the host writes into work table ``tensor``: row-major ids as the work lists say.

    Entries no descriptor claims are zero. The length is the table's logical size.
    """
    grid = work_grid(plan)
    out = np.zeros(int(np.prod(plan.layouts[tensor].logical_shape)), np.uint32)
    for key, descriptor in plan.work_descriptors.items():
        if isinstance(descriptor, Table) and descriptor.tensor == tensor:
            ids = work_ids(item_blocks(plan.work_partition[key]), grid)
            out[descriptor.start : descriptor.start + descriptor.count] = ids
    return out


def block_rectangle(
    block_map: BlockMap, blocks: Blocks, grid: Sequence[int]
) -> tuple[Blocks, Blocks]:
    """First and one-past-last tile of each block along each dimension of tile grid ``grid``.

    Both are (blocks, dimensions); the ends are clipped to the grid.
    """
    coefficients = np.array([block_map.x, block_map.y, block_map.z], np.int64)
    first = blocks @ coefficients + np.array(block_map.base, np.int64)
    last = np.minimum(first + np.array(block_map.extent, np.int64), np.array(grid, np.int64))
    return first, last


def canonical_block_map(block_map: BlockMap, work: Grid, tiles: Sequence[int]) -> BlockMap:
    """``block_map`` in the one spelling a plan may use.

    Extents are clipped to the tile grid, and an axis with a single block has coefficients zero;
    what the map means stays the same.
    """

    def live(row: tuple[int, ...], blocks: int) -> tuple[int, ...]:
        return row if blocks > 1 else (0,) * len(row)

    return BlockMap(
        base=block_map.base,
        x=live(block_map.x, work[0]),
        y=live(block_map.y, work[1]),
        z=live(block_map.z, work[2]),
        extent=tuple(min(e, n) for e, n in zip(block_map.extent, tiles, strict=True)),
        coverage=block_map.coverage,
    )
