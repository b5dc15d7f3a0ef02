"""What must hold of a plan, computed here from the source's parameters and not by the validator."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from simulator.plan.schema import Linear, Plan, Rect
from tests.properties.drawing import Case

TILE = 32
PAGE_BYTES = {"Float32": 4096, "Float16_b": 2048, "Float16": 2048}
ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
Block = tuple[int, int, int]


def expanded(descriptor: Any, grid: Block) -> list[Block]:
    """(bx, by, bz) a core's descriptor stands for, by a loop over all blocks."""
    gx, gy, gz = grid
    rows = [(x, y, z) for z in range(gz) for y in range(gy) for x in range(gx)]
    columns = [(x, y, z) for z in range(gz) for x in range(gx) for y in range(gy)]
    if isinstance(descriptor, Rect):
        return [
            (x, y, z) for x, y, z in rows
            if descriptor.x0 <= x < descriptor.x0 + descriptor.width
            and descriptor.y0 <= y < descriptor.y0 + descriptor.height
        ]  # fmt: skip
    assert isinstance(descriptor, Linear)
    if descriptor.order == "z_order":
        span = range(descriptor.start, descriptor.start + descriptor.count)
        return [block for position, block in z_order(grid) if position in span]
    order = rows if descriptor.order == "row_major" else columns
    return order[descriptor.start : descriptor.start + descriptor.count]


def z_order(grid: Block) -> list[tuple[int, Block]]:
    """Blocks with their positions on the Z curve of the smallest grid of powers of two.

    From the lowest, a bit of bx and a bit of by in turn, as long as an axis has bits; then bz.
    """
    gx, gy, gz = grid
    out = []
    for z in range(gz):
        for y in range(gy):
            for x in range(gx):
                digits = ""
                for b in range(max(gx, gy).bit_length()):
                    digits = (str(x >> b & 1) if gx > 1 << b else "") + digits
                    digits = (str(y >> b & 1) if gy > 1 << b else "") + digits
                out.append((int(f"{z:b}{digits}", 2), (x, y, z)))
    return sorted(out)


def cores(ranges: Iterable[Any]) -> list[tuple[int, int]]:
    """Cores of rectangles, one entry per mention."""
    return [
        (r.start[0] + i, r.start[1] + j)
        for r in ranges for i in range(r.extent[0]) for j in range(r.extent[1])
    ]  # fmt: skip


def work_grid(case: Case) -> Block:
    """Blocks per axis once blocks below a tile are joined."""
    p = case.params
    x = -(-p["N"] // max(p["block_N"], TILE))
    y = -(-p["M"] // max(p["block_M"], TILE))
    return x, y, p.get("batch", 1)


def check_plan(case: Case, plan: Plan, device_grid: tuple[int, int], l1: int, cbs: int) -> None:
    """Every invariant of a packaged kernel's plan.

    Raises:
        AssertionError: naming what does not hold.
    """
    grid = work_grid(case)
    assert plan.kernel_grid == case.extents
    joined = tuple(-(-g // c) for g, c in zip(plan.kernel_grid, plan.coalesce, strict=True))
    assert joined == grid
    _check_cores(case, plan, device_grid)
    _check_work(case, plan, grid)
    _check_coverage(plan)
    _check_buffers(case, plan, l1, cbs)


def _check_cores(case: Case, plan: Plan, device_grid: tuple[int, int]) -> None:
    width, height = case.options.get("grid") or device_grid
    assert plan.core_grid == (width, height)
    active = cores(plan.core_ranges)
    assert len(active) == len(set(active)), "core ranges overlap"
    assert all(0 <= x < width and 0 <= y < height for x, y in active)
    asked = case.options.get("core_ranges")
    assert set(active) == (set(cores(asked)) if asked else
                           {(x, y) for x in range(width) for y in range(height)})  # fmt: skip
    keys = {f"({x},{y})" for x, y in active}
    assert set(plan.work_partition) == set(plan.work_descriptors) == keys
    for kernel in plan.kernels:
        assert set(cores(kernel.core_ranges)) == set(active)


def _check_work(case: Case, plan: Plan, grid: Block) -> None:
    k = case.params.get("K")
    length = None if k is None else -(-k // case.params["block_K"]) * case.params["block_K"] // TILE
    dealt: list[Block] = []
    for core, items in plan.work_partition.items():
        blocks = [(i.jo, i.io, i.bo) for i in items]
        assert blocks == expanded(plan.work_descriptors[core], grid), core
        if k is not None:
            assert {i.len_k for i in items} <= {-(-k // TILE), length}
        dealt += blocks
    assert len(dealt) == len(set(dealt)) == math.prod(grid)
    if case.options["strategy"] != "block":
        counts = [len(items) for items in plan.work_partition.values()]
        assert max(counts) - min(counts) <= 1, "unbalanced"


def _check_coverage(plan: Plan) -> None:
    for name, block_map in plan.output_blocks.items():
        shape = plan.layouts[name].padded_shape
        tiles = [*shape[:-2], shape[-2] // TILE, shape[-1] // TILE]
        seen: dict[tuple[int, ...], int] = {}
        for items in plan.work_partition.values():
            for item in items:
                spans = []
                for d, size in enumerate(tiles):
                    first = (block_map.base[d] + block_map.x[d] * item.jo
                             + block_map.y[d] * item.io + block_map.z[d] * item.bo)  # fmt: skip
                    spans.append(range(first, min(first + block_map.extent[d], size)))
                for place in _product(spans):
                    seen[place] = seen.get(place, 0) + 1
        assert len(seen) == math.prod(tiles), f"{name}: tiles without a core"
        assert set(seen.values()) == {1}, f"{name}: tiles written by two blocks"


def _product(spans: list[range]) -> list[tuple[int, ...]]:
    out: list[tuple[int, ...]] = [()]
    for span in spans:
        out = [(*place, i) for place in out for i in span]
    return out


def _check_buffers(case: Case, plan: Plan, l1: int, cbs: int) -> None:
    ids = [c.id for c in plan.circular_buffers]
    assert len(ids) == len(set(ids))
    assert all(i < cbs for i in ids)
    used = sum(c.page_bytes * c.depth for c in plan.circular_buffers if c.alias_of is None)
    assert used <= l1
    for c in plan.circular_buffers:
        assert c.page_bytes == PAGE_BYTES[c.data_format]
    for layout in plan.layouts.values():
        assert layout.dtype in ITEM_BYTES
        assert all(p % TILE == 0 for p in layout.padded_shape[-2:])
        for logical, padded in zip(layout.logical_shape, layout.padded_shape, strict=True):
            assert padded == logical or 0 < padded - logical < TILE
    p = case.params
    if case.kernel == "matmul":  # depths are whole blocks: pages per revolution sum to the depth
        rows, columns = -(-p["block_M"] // TILE), -(-p["block_N"] // TILE)
        inner = p["block_K"] // TILE
        blocks = {"A_shared": rows * inner, "B_shared": columns * inner, "C_local": rows * columns}
        for c in plan.circular_buffers:
            if c.name in blocks:
                assert c.depth % blocks[c.name] == 0, c
