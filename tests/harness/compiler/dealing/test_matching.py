"""Strategies z_order and match_shard: which core gets which block, and when they are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.checking import check
from harness.compiler import annotate_tt_layout, lower
from harness.compiler.attrs import CoreRange
from harness.compiler.dealing.partition import descriptors, expand
from harness.errors import CompileError
from simulator.plan.shards import resident_pages
from tests.harness.compiler import samples


def sharded(strategy: str, grid: list[int], **more: Any) -> Any:
    """A GEMM of 8 x 6 blocks whose output is sharded."""
    place = {"sharding": {"strategy": strategy, "grid": grid, **more}}
    return annotate_tt_layout(samples.gemm(256, 192, 64), {"C": place})


@pytest.mark.parametrize(
    ("strategy", "grid", "more"),
    [
        ("height", [2, 4], {}),
        ("height", [4, 2], {"orientation": "column_major"}),
        ("width", [3, 2], {}),
        ("block", [3, 4], {}),
        ("block", [4, 3], {"orientation": "column_major"}),
        ("nd", [3, 4], {"shape": [64, 64]}),
    ],
)
def test_a_block_runs_where_its_output_lies(
    strategy: str, grid: list[int], more: dict[str, Any]
) -> None:
    """Every tile of a core's blocks is a page of its own L1."""
    func = sharded(strategy, grid, **more)
    assert check(func, oracle="exact", strategy="match_shard").passed
    (kernel,) = lower(func, strategy="match_shard").kernels
    assert kernel.plan.core_ranges == kernel.plan.layouts["C"].shard.core_ranges  # type: ignore[union-attr]
    for (x, y), pages in resident_pages(kernel.plan.layouts["C"]).items():
        items = kernel.plan.work_partition[f"({x},{y})"]
        assert sorted(i.io * 6 + i.jo for i in items) == sorted(pages)


def test_match_shard_needs_a_sharded_output() -> None:
    """Without one there is nothing to match; a sharded input does not count."""
    for func in (
        samples.gemm(256, 192, 64),
        annotate_tt_layout(samples.gemm(256, 192, 64),
                           {"A": {"sharding": {"strategy": "height", "grid": [8, 1]}}}),
    ):  # fmt: skip
        with pytest.raises(CompileError, match="no output is sharded") as caught:
            lower(func, strategy="match_shard")
        assert (caught.value.code, caught.value.location) == ("ShardMismatch", "strategy")


def test_a_block_over_two_shards_is_refused() -> None:
    """A block that writes to several cores' shards belongs to none of them."""
    func = annotate_tt_layout(
        samples.gemm(256, 192, 64, bm=64), {"C": {"sharding": {"strategy": "height",
                                                              "grid": [8, 1]}}}
    )  # fmt: skip
    with pytest.raises(CompileError, match="shards of 'C' on several cores"):
        lower(func, strategy="match_shard")


def test_blocks_dealt_in_rounds_are_refused() -> None:
    """Shards dealt round robin make lists no descriptor can say."""
    with pytest.raises(CompileError, match="neither all runs") as caught:
        lower(sharded("nd", [3, 2], shape=[64, 64]), strategy="match_shard")
    assert caught.value.code == "ShardMismatch"


def test_cores_must_be_those_of_the_shards() -> None:
    """Core ranges that leave out a shard's core cannot match."""
    with pytest.raises(CompileError, match="is not in the core ranges"):
        lower(sharded("height", [8, 1]), strategy="match_shard", grid=(2, 2),
              core_ranges=samples.CORNER)  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 4, 1), (3, 5, 2), (1, 7, 1), (8, 3, 3)])
@pytest.mark.parametrize("cores", [(1, 1), (2, 3), (8, 8)])
def test_the_z_curve_is_dealt_evenly(shape: tuple[int, int, int], cores: tuple[int, int]) -> None:
    """Every block once, and no core more than one block ahead of another."""
    dealt = descriptors("z_order", shape, [CoreRange((0, 0), cores)])
    lists = [expand(d, shape) for d in dealt.values()]
    assert len({b for blocks in lists for b in blocks}) == sum(map(len, lists)) == np.prod(shape)
    assert max(map(len, lists)) - min(map(len, lists)) <= 1


def test_a_run_of_the_curve_stays_together() -> None:
    """Four cores share a 4 x 4 grid as four squares."""
    dealt = descriptors("z_order", (4, 4, 1), [CoreRange((0, 0), (2, 2))])
    for d, (x, y) in zip(dealt.values(), [(0, 0), (2, 0), (0, 2), (2, 2)], strict=True):
        assert set(expand(d, (4, 4, 1))) == {(x + i, y + j, 0) for i in (0, 1) for j in (0, 1)}


@pytest.mark.parametrize("sizes", [(96, 64, 64), (128, 128, 32), (160, 224, 64)])
def test_z_order_passes_end_to_end(sizes: tuple[int, int, int]) -> None:
    """Grids that are and are not powers of two; positions without a block are passed over."""
    assert check(samples.gemm(*sizes), oracle="exact", strategy="z_order", grid=(3, 2)).passed
