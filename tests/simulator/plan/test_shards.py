"""Where pages of sharded tensors lie, and positions of blocks on the Z curve."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.arch import find_arch
from simulator.memory.dram import placement_of
from simulator.plan.schema import CoreRange, Layout, Shard
from simulator.plan.shards import page_homes, resident_pages, shard_cores
from simulator.plan.zorder import blocks_at, codes_of, curve_length, inside


def layout(shape: tuple[int, ...], shard: Shard) -> Layout:
    """A bfloat16 tensor in L1."""
    return Layout(dtype="bfloat16", logical_shape=shape, padded_shape=shape, role="input",
                  memory="L1", layout="sharded", shard=shard)  # fmt: skip


def shard(strategy: str, shape: tuple[int, ...], extent: tuple[int, int], **more: str) -> Shard:
    """A shard on a rectangle of cores at the origin."""
    return Shard(strategy=strategy, shape=shape,  # type: ignore[arg-type]
                 core_ranges=(CoreRange(start=(0, 0), extent=extent),), **more)  # type: ignore[arg-type]  # fmt: skip


def test_shards_are_dealt_in_orientation() -> None:
    """Row-major along rows of cores, column-major down their columns."""
    assert shard_cores(shard("height", (32, 32), (2, 2))) == ((0, 0), (1, 0), (0, 1), (1, 1))
    down = shard("height", (32, 32), (2, 2), orientation="column_major")
    assert shard_cores(down) == ((0, 0), (0, 1), (1, 0), (1, 1))


def test_pages_inside_a_shard_are_row_major() -> None:
    """A 2 x 2 tile shard of a 4 x 4 tile tensor holds two pages of each of its rows."""
    found = resident_pages(layout((128, 128), shard("block", (64, 64), (2, 2))))
    assert found == {(0, 0): (0, 1, 4, 5), (1, 0): (2, 3, 6, 7),
                     (0, 1): (8, 9, 12, 13), (1, 1): (10, 11, 14, 15)}  # fmt: skip


def test_a_ragged_shard_has_holes() -> None:
    """Five tiles over three cores of two: the last shard is half empty."""
    found = resident_pages(layout((160, 32), shard("height", (64, 32), (3, 1))))
    assert list(found.values()) == [(0, 1), (2, 3), (4, -1)]


def test_nd_shards_are_dealt_in_rounds() -> None:
    """With fewer cores than shards a core holds several, one after the other."""
    found = resident_pages(layout((2, 64, 32), shard("nd", (1, 32, 32), (3, 1))))
    assert list(found.values()) == [(0, 3), (1, -1), (2, -1)]


def test_addresses_follow_from_core_and_place() -> None:
    """The page's core, and its address there."""
    made = layout((128, 64), shard("height", (64, 64), (2, 1)))
    place = placement_of(made, 4096, find_arch("wormhole_n150"))
    assert [place.address(p) for p in (0, 3, 4)] == [(0, 4096), (0, 4096 + 6144), (1, 4096)]


def test_an_interleaved_tensor_has_no_homes() -> None:
    """Asking is a mistake of the caller."""
    plain = Layout(dtype="bfloat16", logical_shape=(32, 32), padded_shape=(32, 32), role="input")
    with pytest.raises(ValueError, match="not sharded"):
        page_homes(plain)
    with pytest.raises(ValueError, match="not sharded"):
        resident_pages(plain)


@pytest.mark.parametrize("grid", [(1, 1, 1), (4, 4, 1), (3, 5, 2), (1, 6, 3), (16, 2, 1)])
def test_the_curve_visits_every_block_once(grid: tuple[int, int, int]) -> None:
    """Positions and blocks are one to one, and the curve starts at the origin."""
    blocks = blocks_at(np.arange(curve_length(grid)), grid)
    kept = blocks[inside(blocks, grid)]
    assert len(np.unique(kept, axis=0)) == len(kept) == np.prod(grid)
    np.testing.assert_array_equal(codes_of(blocks, grid), np.arange(curve_length(grid)))
    assert blocks[0].tolist() == [0, 0, 0]


def test_the_curve_is_mortons() -> None:
    """The bits of bx and by take turns, bx first."""
    blocks = blocks_at(np.arange(8), (4, 2, 1))
    assert blocks[:, 0].tolist() == [0, 1, 0, 1, 2, 3, 2, 3]
    assert blocks[:, 1].tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
