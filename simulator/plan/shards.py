"""Where the pages of a sharded tensor lie: which core, and at which place in its L1.

Shards are numbered row-major over :func:`~simulator.plan.tensors.shard_grid` and dealt to the cores
of the ranges in the orientation's order, several rounds for nd. Inside a shard pages lie in
shard-local row-major order, in a shard of full shape also at a ragged edge (tt-metal's
tech_reports/tensor_sharding).
"""

from __future__ import annotations

from math import prod

import numpy as np
import numpy.typing as npt

from simulator.plan.coords import Core
from simulator.plan.schema import Layout, Shard
from simulator.plan.tensors import ceil_div, shard_pages, tile_grid

Index = npt.NDArray[np.int64]


def shard_cores(shard: Shard) -> tuple[Core, ...]:
    """Cores in the order shards are dealt to them: ranges in order, inside by orientation."""
    out: list[Core] = []
    for r in shard.core_ranges:
        (x, y), (w, h) = r.start, r.extent
        if shard.orientation == "column_major":
            out += [(x + i, y + j) for i in range(w) for j in range(h)]
        else:
            out += [(x + i, y + j) for j in range(h) for i in range(w)]
    return tuple(out)


def page_homes(layout: Layout) -> tuple[Index, Index]:
    """(core, slot) of every page: number in :func:`shard_cores`, and pages before it on that core.

    Raises:
        ValueError: the tensor is not sharded.
    """
    if layout.shard is None:
        raise ValueError("the buffer is not sharded")
    grid = tile_grid(layout)
    shape = layout.shard.shape
    height, width = layout.tile_shape
    if layout.shard.strategy != "nd":
        grid = (prod(grid[:-1]), grid[-1])
    tiles = (*shape[:-2], ceil_div(shape[-2], height), ceil_div(shape[-1], width))
    index = np.indices(grid).reshape(len(grid), -1)
    shard, slot = np.zeros_like(index[0]), np.zeros_like(index[0])
    for axis, (extent, part) in enumerate(zip(grid, tiles, strict=True)):
        shard = shard * ceil_div(extent, part) + index[axis] // part
        slot = slot * part + index[axis] % part
    cores = len(shard_cores(layout.shard))
    return shard % cores, slot + shard // cores * shard_pages(layout)


def resident_pages(layout: Layout) -> dict[Core, tuple[int, ...]]:
    """Pages of each core in the order they lie in its L1; -1 where a ragged shard holds nothing.

    Raises:
        ValueError: the tensor is not sharded.
    """
    if layout.shard is None:
        raise ValueError("the buffer is not sharded")
    cores = shard_cores(layout.shard)
    home, slot = page_homes(layout)
    table = np.full((len(cores), int(slot.max()) + 1), -1, np.int64)
    rounded = ceil_div(table.shape[1], shard_pages(layout)) * shard_pages(layout)
    table = np.pad(table, ((0, 0), (0, rounded - table.shape[1])), constant_values=-1)
    table[home, slot] = np.arange(len(home))
    return {core: tuple(row) for core, row in zip(cores, table.tolist(), strict=True)}
