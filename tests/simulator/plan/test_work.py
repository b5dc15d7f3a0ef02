"""Work grid, descriptors and block maps, against their definitions written out slowly."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.plan.coords import core_key, parse_core_key
from simulator.plan.schema import BlockMap, CoreRange, Linear, Rect, Table, WorkItem
from simulator.plan.tensors import padded_shape, tile_grid
from simulator.plan.validate import validate_plan
from simulator.plan.work import (
    block_rectangle,
    blocks_of_ids,
    canonical_block_map,
    expand,
    item_blocks,
    range_cores,
    table_contents,
    work_grid,
    work_ids,
)
from tests.simulator.plan.editing import edited, spelled_out
from tests.simulator.plan.samples import copy_artifact, gemm_artifact, with_changes

grids = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3))


@given(grids, st.data())
def test_linear_expansion(grid: Any, data: st.DataObject) -> None:
    """Row-major runs bx fastest, column-major by fastest, bz always slowest."""
    gx, gy, gz = grid
    start = data.draw(st.integers(0, prod(grid)))
    count = data.draw(st.integers(0, prod(grid) - start))
    rows = [(x, y, z) for z in range(gz) for y in range(gy) for x in range(gx)]
    columns = [(x, y, z) for z in range(gz) for x in range(gx) for y in range(gy)]
    for order, every in (("row_major", rows), ("column_major", columns)):
        found = expand(Linear(order=order, start=start, count=count), grid)  # type: ignore[arg-type]
        assert list(map(tuple, found.tolist())) == every[start : start + count]


@given(grids, st.data())
def test_rect_expansion(grid: Any, data: st.DataObject) -> None:
    """A rectangle is walked bx fastest, then by, then bz over the whole depth."""
    gx, gy, gz = grid
    x0, y0 = data.draw(st.integers(0, gx)), data.draw(st.integers(0, gy))
    width, height = data.draw(st.integers(0, gx - x0)), data.draw(st.integers(0, gy - y0))
    found = expand(Rect(x0=x0, y0=y0, width=width, height=height), grid)
    want = product(range(gz), range(y0, y0 + height), range(x0, x0 + width))
    assert list(map(tuple, found.tolist())) == [(x, y, z) for z, y, x in want]


@given(grids)
def test_ids_and_blocks_are_inverse(grid: Any) -> None:
    """Index recovery on the device (id to block) undoes numbering on the host."""
    ids = np.arange(prod(grid))
    assert np.array_equal(work_ids(blocks_of_ids(ids, grid), grid), ids)


def test_items_name_rows_first() -> None:
    """Rows are io = by, columns jo = bx: the seed's M and N, never the other way round."""
    assert item_blocks([WorkItem(io=1, jo=2, bo=3)]).tolist() == [[2, 1, 3]]
    assert item_blocks([]).shape == (0, 3)


@pytest.mark.parametrize(
    "descriptor",
    [
        Linear(order="row_major", start=5, count=2),
        Linear(order="column_major", start=0, count=2**32 - 1),
        Rect(x0=2, y0=0, width=2, height=1),
        Rect(x0=0, y0=2**31, width=1, height=1),
    ],
)
def test_expansion_outside_the_grid_is_an_error(descriptor: Any) -> None:
    """A descriptor is compared with the grid before arrays of its size are made."""
    with pytest.raises(ValueError, match=r"outside|exceeds"):
        expand(descriptor, (3, 2, 1))


def test_work_grid_rounds_up() -> None:
    """Joining blocks leaves a ragged last one."""
    plan = with_changes(copy_artifact()[0], kernel_grid=(5, 4, 1), coalesce=(2, 4, 1))
    assert work_grid(plan) == (3, 1, 1)


def test_cores_in_order() -> None:
    """Ranges in order, rows inside: the order work is dealt and keys are written in."""
    ranges = (CoreRange(start=(4, 1), extent=(2, 2)), CoreRange(start=(0, 0), extent=(1, 2)))
    assert range_cores(ranges) == ((4, 1), (5, 1), (4, 2), (5, 2), (0, 0), (0, 1))


@pytest.mark.parametrize(
    "key", ["(1, 2)", "1,2", "(01,2)", "core_1_2", "(1,2", "(1,2)\n", "(-1,2)"]
)
def test_one_spelling_of_core_keys(key: str) -> None:
    """Keys of other formats, the old core_<cy>_<cx> among them, are refused, not guessed at."""
    with pytest.raises(ValueError, match="not of the form"):
        parse_core_key(key)
    assert parse_core_key(core_key((1, 2))) == (1, 2)


@pytest.mark.parametrize(
    ("shape", "tile", "padded"),
    [
        ((100,), (32, 32), (32, 128)),
        ((5, 100, 70), (32, 32), (5, 128, 96)),
        ((3, 40), (16, 16), (16, 48)),
    ],
)
def test_padded_shape(shape: Any, tile: Any, padded: Any) -> None:
    """The last two dimensions are rounded up, leading ones kept; N is stored as 1 x N."""
    assert padded_shape(shape, tile) == padded


def coverage(block_map: BlockMap, work: Any, tiles: Any) -> np.ndarray[Any, Any]:
    """How many blocks write each tile, tile by tile."""
    counts = np.zeros(tiles, int)
    for bz, by, bx in product(*(range(n) for n in reversed(work))):
        low = [
            b + x * bx + y * by + z * bz
            for b, x, y, z in zip(
                block_map.base, block_map.x, block_map.y, block_map.z, strict=True
            )
        ]
        spans = [range(max(lo, 0), min(lo + e, n))
                 for lo, e, n in zip(low, block_map.extent, tiles, strict=True)]  # fmt: skip
        for tile in product(*spans):
            counts[tile] += 1
    return counts


small = st.tuples(st.integers(-1, 3), st.integers(-1, 3))


@given(
    work=st.tuples(st.integers(1, 3), st.integers(1, 3), st.just(1)),
    tiles=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    base=st.tuples(st.integers(-1, 1), st.integers(-1, 1)),
    x=small,
    y=small,
    extent=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    full=st.booleans(),
)
def test_coverage_is_judged_as_counting_would(
    work: Any, tiles: Any, base: Any, x: Any, y: Any, extent: Any, full: bool
) -> None:
    """The fast count agrees with a slow one on every small map: no gap or overlap slips through."""
    block_map = canonical_block_map(
        BlockMap(base=base, x=x, y=y, z=(0, 0), extent=extent,
                 coverage="full" if full else "partial"),
        work, tiles,
    )  # fmt: skip
    plan = copy_artifact()[0]
    blocks = [(bx, by) for by in range(work[1]) for bx in range(work[0])]
    layout = spelled_out(plan)["layouts"]["B"] | {
        "logical_shape": [32 * n for n in tiles],
        "padded_shape": [32 * n for n in tiles],
    }
    plan = edited(plan, "kernel_grid", list(work))
    plan = edited(plan, "layouts.B", layout)
    plan = edited(plan, "work_partition.(0,0)", [{"io": by, "jo": bx} for bx, by in blocks])
    plan = edited(plan, "work_descriptors.(0,0).count", len(blocks))
    plan = edited(plan, "output_blocks.B", spelled_out(block_map))
    grid = tile_grid(plan.layouts["B"])
    first, last = block_rectangle(block_map, np.array([(*b, 0) for b in blocks]), grid)
    inside = bool(((first >= 0) & (first < last)).all())
    counts = coverage(block_map, work, grid)
    sound = inside and counts.max() <= 1 and (counts.min() == 1) == full
    said = [f for f in validate_plan(plan) if (f.location or "").startswith("$.output_blocks")]
    assert (said == []) == sound, said


def test_canonical_map_means_the_same() -> None:
    """Clipping extents and dropping dead coefficients changes no tile."""
    loose = BlockMap(base=(0, 0), x=(0, 2), y=(7, 0), z=(5, 5), extent=(9, 2))
    tight = canonical_block_map(loose, (2, 1, 1), (3, 4))
    assert (tight.extent, tight.y, tight.z) == ((3, 2), (0, 0), (0, 0))
    assert np.array_equal(coverage(tight, (2, 1, 1), (3, 4)), coverage(loose, (2, 1, 1), (3, 4)))


def test_work_table_holds_the_lists() -> None:
    """A list without a regular form reaches the cores as row-major ids in a tensor."""
    data = gemm_artifact()[0]
    keys = list(data.work_partition)
    blocks = [11, 0, 7, 2, 3, 4, 5, 6, 1, 8, 9, 10]
    plan = with_changes(
        data,
        work_partition={
            key: tuple(WorkItem(io=b // 3, jo=b % 3, len_k=2, tile_order="shuffled")
                       for b in blocks[2 * i : 2 * i + 2])
            for i, key in enumerate(keys)
        },
        work_descriptors={key: Table(tensor="W", start=2 * i, count=2)
                          for i, key in enumerate(keys)},
        layouts={**data.layouts, "W": edited(data, "layouts.A", {
            "dtype": "uint32", "logical_shape": [12], "padded_shape": [32, 32], "role": "table",
        }).layouts["A"]},
        io=("A", "B", "W", "C"),
    )  # fmt: skip
    assert validate_plan(plan) == ()
    assert table_contents(plan, "W").tolist() == blocks
    shared = edited(plan, "work_descriptors.(2,2).start", 1)
    assert any("shares table entries" in f.message for f in validate_plan(shared))
    beyond = edited(plan, "work_descriptors.(2,4).start", 11)
    assert any("past the work table" in f.message for f in validate_plan(beyond))
