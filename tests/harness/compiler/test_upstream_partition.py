"""Pass 3 against what upstream's did wrong: lost tiles, dummy items, swapped axes, lost batches."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compiler import CoreRange, ir_sugar, lower
from harness.compiler.attrs import WorkItem
from harness.compiler.dealing.partition import describe, descriptors, expand
from harness.errors import CompileError, OptionError
from tests.harness.compiler import samples

STRATEGIES = ("row_major", "column_major", "block")


def every_block(gx: int, gy: int, gz: int = 1) -> set[tuple[int, int, int]]:
    """(io, jo, bo) of every block of a grid."""
    return {(y, x, z) for x, y, z in product(range(gx), range(gy), range(gz))}


def counts(data: dict[str, Any]) -> list[int]:
    """Blocks per core."""
    return [len(items) for items in data["work_partition"].values()]


@pytest.mark.parametrize("grid", [(2, 3), (8, 8), (4, 4), (1, 1), (3, 5)])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_gemm_of_six_blocks(strategy: str, grid: tuple[int, int]) -> None:
    """96x64x128: upstream listed tile (0,0) 59 times on 8x8, and three times with block."""
    data = samples.plan(samples.gemm(96, 64, 128), strategy=strategy, grid=grid)
    assert Counter(samples.blocks(data)) == Counter(every_block(2, 3))
    assert len(counts(data)) == grid[0] * grid[1]
    assert {i["len_k"] for items in data["work_partition"].values() for i in items} == {4}


def test_idle_cores_have_nothing_to_do() -> None:
    """Upstream gave each idle core a dummy item, which under its own semantics was tile (0,0)."""
    data = samples.plan(samples.gemm(96, 64, 128))
    assert counts(data).count(0) == 58
    for core, items in data["work_partition"].items():
        assert data["work_descriptors"][core]["count"] == len(items)
        for kernel in data["kernels"]:
            told = dict(
                zip(kernel["work_args"].values(), kernel["runtime_args"][core], strict=True)
            )
            assert told["count"] == len(items)
            assert told.get("start", 0) == 0 or items


@pytest.mark.parametrize("strategy", ["row_major", "column_major"])
def test_runs_are_balanced(strategy: str) -> None:
    """160x160 on 4x4: upstream's ceil-split left three cores idle, one would have been right."""
    data = samples.plan(samples.gemm(160, 160, 128), strategy=strategy, grid=(4, 4))
    assert max(counts(data)) - min(counts(data)) <= 1
    assert sum(counts(data)) == 25


def test_block_gives_rows_to_rows_and_columns_to_columns() -> None:
    """Upstream's block strategy used the x extent, which is N, to cut M."""
    data = samples.plan(samples.gemm(96, 64, 128), strategy="block", grid=(2, 3))
    for x, y in product(range(2), range(3)):
        (item,) = data["work_partition"][f"({x},{y})"]
        assert (item["jo"], item["io"]) == (x, y)


def test_row_major_and_column_major_walk_as_they_say() -> None:
    """The order in which a core visits its blocks, and in which cores are dealt them."""
    rows = samples.plan(samples.gemm(96, 64, 128), strategy="row_major", grid=(2, 1))
    assert [(i["io"], i["jo"]) for i in rows["work_partition"]["(0,0)"]] == [(0, 0), (0, 1), (1, 0)]
    columns = samples.plan(samples.gemm(96, 64, 128), strategy="column_major", grid=(2, 1))
    order = [(i["io"], i["jo"]) for i in columns["work_partition"]["(0,0)"]]
    assert order == [(0, 0), (1, 0), (2, 0)]


@pytest.mark.parametrize("name", ["Out", "D", "c", "result"])
def test_no_tile_is_lost_whatever_the_output_is_called(name: str) -> None:
    """Upstream assumed 4x4 tiles unless the output was called C: 48 of 64 tiles were missing."""
    text = (
        "@T.prim_func\n"
        f'def f(A: T.Tensor((256, 256), "bfloat16"), {name}: T.Tensor((256, 256), "bfloat16")):\n'
        "    with T.Kernel(8, 8) as (bx, by):\n"
        '        s = T.alloc_shared((32, 32), "bfloat16")\n'
        "        T.copy(A[by * 32, bx * 32], s)\n"
        f"        T.copy(s, {name}[by * 32, bx * 32])\n"
    )
    data = samples.plan(samples.from_text(text, "f"), grid=(4, 4))
    assert Counter(samples.blocks(data)) == Counter(every_block(8, 8))


@pytest.mark.parametrize("strategy", ["zigzag", "shard", "morton", "ROW_MAJOR", ""])
def test_an_unknown_strategy_is_refused(strategy: str) -> None:
    """Upstream gave core (x,y) tile (x,y) and lost the rest."""
    with pytest.raises(OptionError) as caught:
        lower(samples.gemm(256, 256, 32), strategy=strategy)
    assert "row_major, column_major, block, z_order, match_shard" in str(caught.value.next_step)


@pytest.mark.parametrize("way", ["option", "attribute"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_work_stays_on_the_core_ranges(strategy: str, way: str) -> None:
    """Two 2x2 quadrants of 4x4: upstream spread work over all 16 cores, 8 of them not running."""
    ranges = (CoreRange((0, 0), (2, 2)), CoreRange((2, 2), (2, 2)))
    func = samples.gemm(128, 128, 32)
    if way == "option":
        data = samples.plan(func, strategy=strategy, grid=(4, 4), core_ranges=ranges)
    else:
        func = ir_sugar.with_core_ranges(func, ranges)
        data = samples.plan(func, strategy=strategy, grid=(4, 4))
    cores = {f"({x},{y})" for r in ranges for x in range(r.start[0], r.start[0] + 2)
             for y in range(r.start[1], r.start[1] + 2)}  # fmt: skip
    assert set(data["work_partition"]) == cores
    assert Counter(samples.blocks(data)) == Counter(every_block(4, 4))
    for kernel in data["kernels"]:
        assert kernel["core_ranges"] == [r.to_json() for r in ranges]


def test_the_batch_is_part_of_the_work() -> None:
    """(3, 64, 64): upstream dropped the third grid dimension and with it two of three matrices."""
    data = samples.plan(samples.batched(3, 64, 64))
    assert data["kernel_grid"] == [2, 2, 3]
    assert Counter(samples.blocks(data)) == Counter(every_block(2, 2, 3))
    for strategy in STRATEGIES:
        data = samples.plan(samples.batched(3, 64, 64), strategy=strategy, grid=(2, 1))
        assert Counter(samples.blocks(data)) == Counter(every_block(2, 2, 3))


def test_work_is_counted_in_the_kernels_blocks() -> None:
    """1024^3 with 128-blocks is 64 work items of 32 K tiles, not 1024 tiles of a fixed size."""
    data = samples.plan(samples.gemm(1024, 1024, 1024, 128, 128, 32))
    assert counts(data) == [1] * 64
    assert data["work_partition"]["(0,0)"][0]["len_k"] == 32
    assert data["output_blocks"]["C"]["extent"] == [4, 4]


@pytest.mark.parametrize(
    ("K", "bk", "tiles"), [(32, 32, 1), (96, 32, 3), (160, 64, 5), (50, 32, 2)]
)
def test_len_k_is_the_kernels(K: int, bk: int, tiles: int) -> None:
    """Upstream's len_k was always 4; it is the K loop in tiles, a ragged end included."""
    data = samples.plan(samples.gemm(64, 64, K, bk=bk))
    assert {i["len_k"] for items in data["work_partition"].values() for i in items} == {tiles}
    copied = samples.plan(samples.copy())
    assert all("len_k" not in i for items in copied["work_partition"].values() for i in items)


def test_both_outputs_are_covered() -> None:
    """A kernel with two outputs has a block map for each; upstream knew one at most."""
    data = samples.plan(samples.sum_and_difference())
    assert list(data["output_blocks"]) == ["Diff", "Sum"] or set(data["output_blocks"]) == {
        "Sum", "Diff",
    }  # fmt: skip
    assert all(b.get("coverage", "full") == "full" for b in data["output_blocks"].values())


BLOCKS = [WorkItem(y, x) for y in range(3) for x in range(2)]
PARTITIONS = {
    "5 of 6 blocks are dealt to no core": {"(0,0)": BLOCKS[:1]},
    "block jo=0 io=0 bo=0 is dealt to (0,0) and (1,0)": {"(0,0)": BLOCKS, "(1,0)": BLOCKS[:1]},
    "block jo=2 io=0 bo=0 is outside": {"(0,0)": [*BLOCKS, WorkItem(0, 2)]},
    "block jo=1 io=-1 bo=0 is outside": {"(0,0)": [*BLOCKS[:5], WorkItem(-1, 1)]},
    "core (9,0) is not in the core ranges": {"(9,0)": BLOCKS},
    "neither all runs of one order nor all rectangles": {"(0,0)": [BLOCKS[0], *BLOCKS[:0:-1]]},
}  # fmt: skip


@pytest.mark.parametrize("words", PARTITIONS)
def test_a_users_partition_covers_every_block_once(words: str) -> None:
    """Upstream's own example covered 32 of 64 tiles, and its validation let it pass."""
    with pytest.raises(CompileError, match=re.escape(words)) as caught:
        lower(ir_sugar.with_work_partition(samples.gemm(), PARTITIONS[words]), grid=(2, 2))
    assert caught.value.code == "InvalidPartition"


@given(data=st.data())
def test_descriptors_deal_every_block_once(data: st.DataObject) -> None:
    """For any grid, ranges and strategy: exactly once, in range, balanced, and told apart again."""
    grid = data.draw(st.tuples(*[st.integers(1, 7)] * 3), label="grid")
    width = data.draw(st.integers(1, 4), label="width")
    heights = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3), label="heights")
    strategy = data.draw(st.sampled_from((*STRATEGIES, "z_order")), label="strategy")
    ranges = [CoreRange((5 * i, 4 * i), (width, h)) for i, h in enumerate(heights)]
    dealt = descriptors(strategy, grid, ranges)
    lists = {core: expand(d, grid) for core, d in dealt.items()}
    assert len(lists) == width * sum(heights)
    assert Counter(b for blocks in lists.values() for b in blocks) == Counter(
        product(range(grid[0]), range(grid[1]), range(grid[2]))
    )
    if strategy != "block":
        sizes = [len(blocks) for blocks in lists.values()]
        assert max(sizes) - min(sizes) <= 1
    again = describe(
        {c: [WorkItem(io=y, jo=x, bo=z) for x, y, z in blocks] for c, blocks in lists.items()},
        grid, list(lists),
    )  # fmt: skip
    assert {c: expand(d, grid) for c, d in again.items()} == lists


def test_block_needs_ranges_that_stack() -> None:
    """Ranges of different widths have no rows and columns to cut along."""
    ranges = (CoreRange((0, 0), (2, 1)), CoreRange((0, 1), (3, 1)))
    with pytest.raises(OptionError) as caught:
        lower(samples.gemm(), strategy="block", core_ranges=ranges)
    assert caught.value.location == "strategy"


def test_the_first_cores_take_the_blocks_that_are_over() -> None:
    """Seven blocks on four cores are two, two, two and one, counted as the strategy says."""
    grid, ranges = (7, 1, 1), [CoreRange((0, 0), (2, 2))]
    rows = {c: d["start"] for c, d in descriptors("row_major", grid, ranges).items()}
    columns = {c: d["start"] for c, d in descriptors("column_major", grid, ranges).items()}
    assert rows == {"(0,0)": 0, "(1,0)": 2, "(0,1)": 4, "(1,1)": 6}
    assert columns == {"(0,0)": 0, "(0,1)": 2, "(1,0)": 4, "(1,1)": 6}
    five = descriptors("row_major", (5, 1, 1), ranges).values()
    assert [d["count"] for d in five] == [2, 1, 1, 1]
