"""Which core writes a tile: read from the plan's block maps and work lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.plan.coords import Core, parse_core_key
from simulator.plan.schema import Plan
from simulator.plan.tensors import tile_grid
from simulator.plan.work import block_rectangle, core_blocks, work_grid


@dataclass(frozen=True)
class Owner:
    """A core and the block ``(bx, by, bz)`` of its work list that covers a tile."""

    core: Core
    block: tuple[int, int, int]


def owners(plan: Plan, tensor: str, tile: Sequence[int]) -> list[Owner]:
    """Every core whose blocks cover ``tile`` of an output; one in a sound plan.

    None where data choose what blocks write. ``tile`` indexes the tensor's tile grid: leading
    dimensions, then row tile and column tile.
    """
    block_map = plan.output_blocks.get(tensor)
    if block_map is None or block_map.coverage == "told":
        return []
    grid = tile_grid(plan.layouts[tensor])
    wanted = np.array(((0,) * len(grid) + tuple(tile))[-len(grid) :])
    found = []
    for key in plan.work_partition:
        core = parse_core_key(key)
        blocks = core_blocks(plan, core)
        first, last = block_rectangle(block_map, blocks, grid)
        covers = ((first <= wanted) & (wanted < last)).all(axis=1)
        found += [Owner(core, (int(x), int(y), int(z))) for x, y, z in blocks[covers]]
    return found


def block_names(plan: Plan, block: tuple[int, int, int]) -> str:
    """A block as words: ``bx=2 by=1``, with ``bz`` where the grid has depth."""
    axes = zip(("bx", "by", "bz"), block, work_grid(plan), strict=True)
    return " ".join(f"{name}={i}" for name, i, extent in axes if name != "bz" or extent > 1)
