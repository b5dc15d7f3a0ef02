"""Dealing blocks to cores: strategies, and the descriptor each core receives.

``row_major`` and ``column_major`` deal a contiguous run of block ids to each core, the first
``total mod cores`` cores taking one more; cores are counted along rows of the grid for row_major,
along columns for column_major. ``block`` cuts the block grid into one rectangle per core, block
rows over core rows and block columns over core columns. ``z_order`` deals contiguous runs of the
Z curve, equal numbers of blocks each as row_major; ``match_shard`` is :mod:`matching`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.compiler.attrs import TT_WORK_PARTITION, CoreRange, WorkItem
from harness.errors import CompileError, OptionError
from simulator.plan.coords import core_key
from simulator.plan.work import blocks_of_ids
from simulator.plan.zorder import blocks_at, codes_of

Grid = tuple[int, int, int]


def cores_of(ranges: Sequence[CoreRange], *, by_column: bool = False) -> list[tuple[int, int]]:
    """Cores of the ranges in dealing order: range by range, along rows (or columns)."""
    out = []
    for r in ranges:
        (x, y), (w, h) = r.start, r.extent
        if by_column:
            out += [(x + i, y + j) for i in range(w) for j in range(h)]
        else:
            out += [(x + i, y + j) for j in range(h) for i in range(w)]
    return out


def split(total: int, parts: int) -> list[tuple[int, int]]:
    """``total`` things in ``parts`` runs, as even as can be: (start, count) of each."""
    base, extra = divmod(total, parts)
    out, start = [], 0
    for i in range(parts):
        count = base + (i < extra)
        out.append((start, count))
        start += count
    return out


def descriptors(
    strategy: str, grid: Grid, ranges: Sequence[CoreRange]
) -> dict[str, dict[str, Any]]:
    """What each core of ``ranges`` receives, keyed ``"(x,y)"``.

    Raises:
        OptionError: the block strategy with ranges that do not stack to one rectangle.
    """
    gx, gy, gz = grid
    if strategy == "block":
        return _block(grid, ranges)
    cores = cores_of(ranges, by_column=strategy == "column_major")
    runs = split(gx * gy * gz, len(cores))
    if strategy == "z_order":
        runs = _curve_runs(grid, runs)
    dealt = {
        core: {"form": "linear", "order": strategy, "start": start if count else 0, "count": count}
        for core, (start, count) in zip(cores, runs, strict=True)
    }
    return {core_key(core): dealt[core] for core in cores_of(ranges)}


def _curve_runs(grid: Grid, runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs of blocks in the order of the Z curve as runs of its positions, holes included."""
    gx, gy, gz = grid
    codes = np.sort(codes_of(blocks_of_ids(np.arange(gx * gy * gz, dtype=np.int64), grid), grid))
    return [(int(codes[start]), int(codes[start + count - 1] - codes[start]) + 1) if count
            else (0, 0) for start, count in runs]  # fmt: skip


def _block(grid: Grid, ranges: Sequence[CoreRange]) -> dict[str, dict[str, Any]]:
    gx, gy, _ = grid
    width = ranges[0].extent[0]
    if any(r.extent[0] != width for r in ranges):
        raise OptionError(
            "strategy block needs core ranges of one width, stacked to a rectangle",
            location="strategy",
            next_step="use row_major or column_major, or ranges of equal width",
        )
    rows = [(r, j) for r in ranges for j in range(r.extent[1])]
    columns = split(gx, width)
    out = {}
    for (r, j), (y0, h) in zip(rows, split(gy, len(rows)), strict=True):
        for i, (x0, w) in enumerate(columns):
            idle = w == 0 or h == 0
            out[core_key((r.start[0] + i, r.start[1] + j))] = {
                "form": "rect",
                "x0": 0 if idle else x0,
                "y0": 0 if idle else y0,
                "width": 0 if idle else w,
                "height": 0 if idle else h,
            }
    return out


def expand(descriptor: Mapping[str, Any], grid: Grid) -> list[tuple[int, int, int]]:
    """The (bx, by, bz) a descriptor stands for, in the order the core visits them."""
    gx, gy, gz = grid
    if descriptor["form"] == "rect":
        x0, y0 = descriptor["x0"], descriptor["y0"]
        xs = range(x0, x0 + descriptor["width"])
        ys = range(y0, y0 + descriptor["height"])
        return [(x, y, z) for z in range(gz) for y in ys for x in xs] if xs and ys else []
    ids = range(descriptor["start"], descriptor["start"] + descriptor["count"])
    if descriptor["order"] == "z_order":
        found = blocks_at(np.array(ids, dtype=np.int64), grid).tolist()
        return [(x, y, z) for x, y, z in found if x < gx and y < gy]
    if descriptor["order"] == "row_major":
        return [(i % gx, i // gx % gy, i // (gx * gy)) for i in ids]
    return [(i // gy % gx, i % gy, i // (gx * gy)) for i in ids]


def partition_of(
    dealt: Mapping[str, Mapping[str, Any]], grid: Grid, len_k: int | None, strategy: str
) -> dict[str, list[WorkItem]]:
    """The work partition a set of descriptors stands for."""
    return {
        core: [WorkItem(io=y, jo=x, bo=z, len_k=len_k, tile_order=strategy)
               for x, y, z in expand(d, grid)]
        for core, d in dealt.items()
    }  # fmt: skip


def describe(
    partition: Mapping[str, Sequence[WorkItem]], grid: Grid, cores: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Descriptors of a user's own partition.

    Raises:
        CompileError: a core that is not of the ranges, a block missing, dealt twice or outside the
            grid, or lists that are neither runs of one order nor rectangles.
    """

    def bad(message: str, step: str) -> None:
        raise CompileError(message, code="InvalidPartition", location=TT_WORK_PARTITION,
                           next_step=step)  # fmt: skip

    for core in partition:
        if core not in cores:
            bad(f"core {core} is not in the core ranges", f"use cores {cores[0]} … {cores[-1]}")
    seen: dict[tuple[int, int, int], str] = {}
    for core in cores:
        for item in _blocks(partition.get(core, ())):
            if not all(0 <= i < g for i, g in zip(item, grid, strict=True)):
                bad(f"{core}: block jo={item[0]} io={item[1]} bo={item[2]} is outside the grid"
                    f" {grid}", "list blocks of the kernel grid")  # fmt: skip
            if item in seen:
                bad(f"block jo={item[0]} io={item[1]} bo={item[2]} is dealt to {seen[item]} and"
                    f" {core}", "deal every block once")  # fmt: skip
            seen[item] = core
    total = grid[0] * grid[1] * grid[2]
    if len(seen) != total:
        bad(f"{total - len(seen)} of {total} blocks are dealt to no core", "deal every block once")
    lists = {core: _blocks(partition.get(core, ())) for core in cores}
    for make in (_linear_rows, _linear_columns, _rectangle, _curve):
        out = {core: make(blocks, grid) for core, blocks in lists.items()}
        if all(expand(d, grid) == lists[core] for core, d in out.items()):
            return out
    bad(
        "the cores' blocks are neither all runs of one order nor all rectangles",
        "order every core's blocks row_major, column_major or along the Z curve, or as rectangles",
    )
    raise AssertionError("unreachable")


def _blocks(items: Sequence[WorkItem]) -> list[tuple[int, int, int]]:
    return [(i.jo, i.io, i.bo) for i in items]


def _linear_rows(blocks: list[tuple[int, int, int]], grid: Grid) -> dict[str, Any]:
    x, y, z = blocks[0] if blocks else (0, 0, 0)
    start = x + grid[0] * (y + grid[1] * z)
    return {"form": "linear", "order": "row_major", "start": start, "count": len(blocks)}


def _linear_columns(blocks: list[tuple[int, int, int]], grid: Grid) -> dict[str, Any]:
    x, y, z = blocks[0] if blocks else (0, 0, 0)
    start = y + grid[1] * (x + grid[0] * z)
    return {"form": "linear", "order": "column_major", "start": start, "count": len(blocks)}


def _rectangle(blocks: list[tuple[int, int, int]], grid: Grid) -> dict[str, Any]:
    del grid
    if not blocks:
        return {"form": "rect", "x0": 0, "y0": 0, "width": 0, "height": 0}
    x, y, _ = blocks[0]
    return {"form": "rect", "x0": x, "y0": y, "width": max(b[0] for b in blocks) - x + 1,
            "height": max(b[1] for b in blocks) - y + 1}  # fmt: skip


def _curve(blocks: list[tuple[int, int, int]], grid: Grid) -> dict[str, Any]:
    codes = codes_of(np.array(blocks, dtype=np.int64).reshape(-1, 3), grid)
    start, count = (int(codes[0]), max(int(codes[-1] - codes[0]), 0) + 1) if blocks else (0, 0)
    return {"form": "linear", "order": "z_order", "start": start, "count": count}
