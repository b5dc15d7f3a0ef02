"""Output coverage from the plan alone: the blocks of every output tile it exactly once.

Where data choose what blocks write there is nothing to count before they run.
"""

from __future__ import annotations

from math import prod
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.plan.coords import core_key
from simulator.plan.facts import Facts
from simulator.plan.report import Report
from simulator.plan.schema import BlockMap
from simulator.plan.shards import page_homes, shard_cores
from simulator.plan.tensors import tile_grid
from simulator.plan.work import Blocks, block_rectangle, blocks_of_ids, item_blocks

MAX_CELLS: Final = 2**22
"""Cells of the compressed grid coverage is counted on; regular maps need one per block."""

FIELDS: Final = ("base", "x", "y", "z", "extent")


def check_outputs(facts: Facts, report: Report) -> None:
    """One block map per written tensor, canonical, in bounds, covering."""
    plan = facts.plan
    written = {name for name, layout in plan.layouts.items() if layout.role in ("output", "inout")}
    if not written:
        report.add("$.layouts", "no tensor is written", expected="a layout of role output or inout")
    for name in sorted(written - set(plan.output_blocks)):
        report.add("$.output_blocks", f"output {name} has no block map")
    blocks = blocks_of_ids(np.arange(prod(facts.grid), dtype=np.int64), facts.grid)
    for name, block_map in plan.output_blocks.items():
        path = f'$.output_blocks["{name}"]'
        if name not in written:
            report.add(path, "not a tensor of role output or inout")
            continue
        grid = tile_grid(plan.layouts[name])
        if _shaped(block_map, grid, facts, path, report):
            _cover(block_map, blocks, grid, path, report)


def check_homes(facts: Facts, report: Report) -> None:
    """Lists ordered ``match_shard`` hold blocks that write their own core's shards alone."""
    plan = facts.plan
    for name, block_map in plan.output_blocks.items():
        layout = plan.layouts[name]
        if layout.shard is None:
            continue
        grid, cores = tile_grid(layout), shard_cores(layout.shard)
        home = page_homes(layout)[0].reshape(grid)
        for key, items in plan.work_partition.items():
            if not items or items[0].tile_order != "match_shard":
                continue
            blocks = item_blocks(items)
            first, last = block_rectangle(block_map, blocks, grid)
            for block, low, high in zip(blocks, first.tolist(), last.tolist(), strict=True):
                owners = np.unique(home[tuple(map(slice, low, high))]).tolist()
                where = ", ".join(core_key(cores[i]) for i in owners)
                if where != key:
                    report.add(f'$.work_partition["{key}"]',
                               f"{_name(block)} writes shards of {name} on other cores",
                               found=where, expected=key, code="PlanInconsistent")  # fmt: skip
                    break


def _shaped(
    block_map: BlockMap, grid: tuple[int, ...], facts: Facts, path: str, report: Report
) -> bool:
    """One entry per dimension, in the canonical spelling."""
    ok = True
    for field in FIELDS:
        found = len(getattr(block_map, field))
        if found != len(grid):
            report.add(f"{path}.{field}", "not one entry per dimension of the tile grid",
                       found=f"{found} entries", expected=f"{len(grid)} entries")  # fmt: skip
            ok = False
    if not ok:
        return False
    for d, (extent, tiles) in enumerate(zip(block_map.extent, grid, strict=True)):
        if extent > tiles:
            report.add(f"{path}.extent[{d}]", "more tiles than the output has", found=extent,
                       expected=f"at most {tiles} (see work.canonical_block_map)")  # fmt: skip
            ok = False
    for axis, name in enumerate("xyz"):
        for d, value in enumerate(getattr(block_map, name)):
            if value and facts.grid[axis] == 1:
                report.add(f"{path}.{name}[{d}]", "moves along an axis of one block", found=value,
                           expected="0 (see work.canonical_block_map)")  # fmt: skip
                ok = False
    return ok


def _cover(
    block_map: BlockMap, blocks: Blocks, grid: tuple[int, ...], path: str, report: Report
) -> None:
    first, last = block_rectangle(block_map, blocks, grid)
    if block_map.coverage == "told":
        if (first != 0).any() or (last != grid).any():
            report.add(path, "data choose what blocks write, and the map says more",
                       found=f"tiles from {first[0].tolist()} to {last[0].tolist()}",
                       expected=f"all of the {list(grid)} grid for every block")  # fmt: skip
        return
    outside = ((first < 0) | (first >= last)).any(axis=1)
    if outside.any():
        index = int(np.nonzero(outside)[0][0])
        report.add(path, f"{int(outside.sum())} of {len(blocks)} blocks write outside the output",
                   found=f"{_name(blocks[index])} begins at tile {first[index].tolist()}",
                   expected=f"a tile of the {list(grid)} grid")  # fmt: skip
        return
    area, total = int((last - first).prod(axis=1).sum()), prod(grid)
    full = block_map.coverage != "partial"
    counted = _count(first, last)
    if counted is None:
        report.add(path, "the blocks are too irregular to be checked",
                   expected="rectangles on a grid")  # fmt: skip
        return
    counts, edges = counted
    if counts.max(initial=0) > 1:
        cell = np.argwhere(counts > 1)[0]
        tile = [int(e[c]) for e, c in zip(edges, cell, strict=True)]
        inside = ((first <= tile) & (last > tile)).all(axis=1)
        who = " and ".join(_name(b) for b in blocks[inside][:2])
        report.add(path, f"tile {tile} is written by {int(inside.sum())} blocks", found=who,
                   expected="one block per tile")  # fmt: skip
    elif full and area != total:
        report.add(path, f"{total - area} of {total} tiles are written by no block",
                   found=f"e.g. tile {_hole(counts, edges, grid)}",
                   expected="every tile, or coverage partial")  # fmt: skip
    elif not full and area == total:
        report.add(f"{path}.coverage", "the blocks cover the whole output", found="partial",
                   expected="full", code="PlanInconsistent")  # fmt: skip


def _count(first: Blocks, last: Blocks) -> tuple[npt.NDArray[np.int32], list[Blocks]] | None:
    """How many blocks cover each cell between block edges, and those edges per dimension."""
    edges = [np.unique(np.concatenate([first[:, d], last[:, d]])) for d in range(first.shape[1])]
    shape = tuple(len(e) for e in edges)
    if prod(shape) > MAX_CELLS:
        return None
    low = [np.searchsorted(e, first[:, d]) for d, e in enumerate(edges)]
    high = [np.searchsorted(e, last[:, d]) for d, e in enumerate(edges)]
    counts = np.zeros(shape, np.int32)
    for corner in range(2 ** len(edges)):  # inclusion and exclusion over the corners
        at = [high[d] if corner >> d & 1 else low[d] for d in range(len(edges))]
        flat = np.ravel_multi_index(tuple(at), shape)
        sign = -1 if corner.bit_count() % 2 else 1
        counts += sign * np.bincount(flat, minlength=counts.size).reshape(shape).astype(np.int32)
    for d in range(len(edges)):
        np.cumsum(counts, axis=d, out=counts)
    return counts, edges


def _hole(counts: npt.NDArray[np.int32], edges: list[Blocks], grid: tuple[int, ...]) -> list[int]:
    """A tile nobody writes: between edges, or before the first or after the last."""
    for d, e in enumerate(edges):
        for beyond, tile in ((e[0] > 0, 0), (e[-1] < grid[d], grid[d] - 1)):
            if beyond:
                return [tile if i == d else int(edges[i][0]) for i in range(len(edges))]
    inner = counts[tuple(slice(0, -1) for _ in edges)]
    cell = np.argwhere(inner == 0)[0]
    return [int(e[c]) for e, c in zip(edges, cell, strict=True)]


def _name(block: object) -> str:
    x, y, z = (int(v) for v in block)  # type: ignore[attr-defined]
    return f"block io {y}, jo {x}, bo {z}"
