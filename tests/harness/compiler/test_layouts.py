"""Tensors in L1, interleaved and sharded: the same bits everywhere, or a located refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness.language as T
from harness.checking import check
from harness.compiler import annotate_tt_layout, ir_sugar, lower
from harness.compiler.layouts import merged
from harness.errors import CompileError
from simulator.run import execute
from tests.harness.compiler import samples

HEIGHT = {"sharding": {"strategy": "height", "grid": [3, 1]}}
PLACES: list[dict[str, Any]] = [
    {"memory": "L1"},
    {"shard": "SRAM", "interleave": True},
    HEIGHT,
    {"layout": "height_sharded", "sharding": {"core_ranges": [{"start": [1, 2],
                                                              "extent": [1, 3]}]}},
    {"sharding": {"strategy": "width", "grid": [1, 2], "orientation": "column_major"}},
    {"memory": "L1", "layout": "sharded", "sharding": {"strategy": "block", "grid": [2, 3]}},
    {"sharding": {"strategy": "block", "grid": [3, 2], "orientation": "column_major"}},
    {"sharding": {"strategy": "nd", "grid": [2, 2], "shape": [32, 32]}},
    {"nd_shard": {"axes": ["M", "N"], "grid": [3, 2], "shard_shape_elems": [32, 32],
                  "projected_grid": [3, 2], "projected_shard_tiles": [1, 1]}},
]  # fmt: skip


def inputs(seed: int) -> dict[str, np.ndarray]:
    """Integers that leave a product nothing to round."""
    rng = np.random.default_rng(seed)
    shapes = {"A": (96, 64), "B": (64, 64)}
    return {n: rng.integers(-7, 8, s).astype(np.float32) for n, s in shapes.items()}


def result(func: Any, seed: int, **options: Any) -> Any:
    """What the machine makes of a kernel, which must break no rule."""
    (kernel,) = lower(func, **options).kernels
    run = execute(kernel.plan, kernel.programs, inputs(seed))
    assert run.completed
    assert not run.findings
    return run


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("tensor", ["A", "C"])
def test_a_kernel_with_a_tensor_in_l1_passes(place: dict[str, Any], tensor: str) -> None:
    """Pages are read from and written to other cores' L1 through the accessor."""
    func = annotate_tt_layout(samples.gemm(96, 64, 64), {tensor: place})
    verdict = check(func, oracle="exact")
    assert verdict.passed
    memory = "dram" if tensor == "C" else "l1"
    assert "A" in verdict.stats[f"{memory}_read_bytes"]
    assert ("C" in verdict.stats["l1_write_bytes"]) == (tensor == "C")


@settings(max_examples=12, deadline=None)
@given(
    places=st.fixed_dictionaries({n: st.sampled_from([{}, *PLACES]) for n in "AC"}),
    strategy=st.sampled_from(["row_major", "column_major", "block", "z_order"]),
    grid=st.sampled_from([(1, 1), (3, 2), (8, 8)]),
    seed=st.integers(0, 9),
)
def test_layout_and_strategy_change_no_bit(
    places: dict[str, Any], strategy: str, grid: tuple[int, int], seed: int
) -> None:
    """On exact inputs every layout under every strategy gives the plain compilation's bits."""
    plain = result(samples.gemm(96, 64, 64), seed).outputs["C"]
    func = annotate_tt_layout(samples.gemm(96, 64, 64), places)
    found = result(func, seed, strategy=strategy, grid=grid).outputs["C"]
    np.testing.assert_array_equal(found, plain)


def batched(n: int = 3) -> Any:
    """Out = In over batches."""

    @T.prim_func
    def main(In: T.Tensor((n, 64, 32), "bfloat16"), Out: T.Tensor((n, 64, 32), "bfloat16")):
        with T.Kernel(1, 2, n) as (bx, by, bz):
            s = T.alloc_shared((32, 32), "bfloat16")
            T.copy(In[bz, by * 32, bx * 32], s)
            T.copy(s, Out[bz, by * 32, bx * 32])

    return main


def test_leading_dimensions_are_sharded_too() -> None:
    """nd_shard over a batch axis puts batches on rows of cores of their own."""
    nd = {"axes": ["B", "M", "N"], "grid": [3, 2, 1], "shard_shape_elems": [1, 32, 32]}
    func = annotate_tt_layout(batched(), {"Out": {"nd_shard": nd}})
    assert check(func, oracle="exact", strategy="match_shard").passed
    shard = samples.plan(func)["layouts"]["Out"]["shard"]
    assert shard["strategy"] == "nd"
    assert shard["core_ranges"] == [{"start": [0, 0], "extent": [1, 6]}]


def test_ragged_tensors_are_sharded_over_their_padding() -> None:
    """Shards are cut from the padded shape, and the edge is zeroed as ever."""
    func = annotate_tt_layout(
        samples.gemm(90, 50, 40), {"A": HEIGHT, "C": {"sharding": {"strategy": "block",
                                                                  "grid": [2, 3]}}}
    )  # fmt: skip
    assert check(func).passed


@pytest.mark.parametrize(
    "place",
    [
        {"sharding": {"strategy": "height"}},
        {"sharding": {"strategy": "height", "grid": [3, 1], "core_ranges": []}},
        {"sharding": {"strategy": "diagonal", "grid": [3, 1]}},
        {"sharding": {"strategy": "height", "grid": [3, 1], "halo": 1}},
        {"sharding": {"strategy": "height", "grid": "3x1"}},
        {"sharding": {"strategy": "height", "grid": [0, 1]}},
        {"sharding": {"strategy": "height", "grid": [4, 1]}},
        {"sharding": {"strategy": "height", "grid": [3, 1], "shape": [48, 64]}},
        {"sharding": {"strategy": "height", "grid": [3, 1], "shape": [32, 96]}},
        {"sharding": {"strategy": "width", "grid": [2, 1], "shape": [128, 32]}},
        {"sharding": {"strategy": "block", "grid": [3, 2]}},
        {"sharding": {"strategy": "nd", "grid": [2, 2]}},
        {"memory": "DRAM", **HEIGHT},
        {"layout": "interleaved", **HEIGHT},
        {"layout": "width_sharded", **HEIGHT},
        {"nd_shard": {"axes": ["N", "M"], "grid": [3, 2], "shard_shape_elems": [32, 32]}},
        {"nd_shard": {"axes": ["M", "N"], "grid": [3, 2], "shard_shape_elems": [64, 32]}},
        {"nd_shard": {"axes": ["M", "N"], "grid": [3, 2], "shard_shape_elems": [32, 32],
                      "order": "block_linear"}},
        {"nd_shard": {"axes": ["M", "N"], "grid": [3, 2], "shard_shape_elems": [32, 32],
                      "projected_grid": [2, 3]}},
    ],
)  # fmt: skip
def test_a_sharding_that_cannot_be_is_refused(place: dict[str, Any]) -> None:
    """Cores and shards that do not fit together are refused at the tensor's annotation."""
    with pytest.raises(CompileError) as caught:
        lower(annotate_tt_layout(samples.gemm(96, 64, 64), {"A": place}))
    assert (caught.value.code, caught.value.location) == ("LayoutConflict", "tt.layout_desc.A")
    assert caught.value.next_step


def test_shards_on_cores_the_device_lacks_are_refused() -> None:
    """A Wormhole's rows of cores end at 8."""
    far = {"sharding": {"strategy": "height", "core_ranges": [{"start": [7, 0], "extent": [3, 1]}]}}
    with pytest.raises(CompileError, match="wormhole_n150 has 8x8"):
        lower(annotate_tt_layout(samples.gemm(96, 64, 64), {"A": far}))
    assert lower(annotate_tt_layout(samples.gemm(96, 64, 64), {"A": far}), device="blackhole")


def test_annotations_of_several_places_merge_or_conflict() -> None:
    """What two attributes say of one tensor is put together, or both places are named."""
    func = ir_sugar.with_layout_desc(samples.gemm(96, 64, 64), {"A": {"memory": "SRAM"}})
    both = annotate_tt_layout(func, {"A": HEIGHT})
    assert samples.plan(both)["layouts"]["A"]["shard"]["strategy"] == "height"
    with pytest.raises(CompileError, match=r"tt\.layout_desc and .* tt\.user_layout"):
        lower(annotate_tt_layout(func, {"A": {"memory": "DRAM"}}))


def test_merging_keeps_what_either_says() -> None:
    """Keys of several sources end up in one description."""
    found = merged("A", (96, 64), {"x": {"layout": "sharded"}, "y": HEIGHT})
    assert found["memory"] == "L1"
    assert found["sharding"]["shape"] == [32, 64]


def test_circular_buffers_and_tensors_share_l1() -> None:
    """A tensor that leaves too little room for circular buffers is named in the refusal."""
    func = samples.gemm(4096, 4096, 32, 128, 128, 32)
    whole = {"sharding": {"strategy": "block", "grid": [4, 4]}}
    with pytest.raises(CompileError, match=r"beside its tensors \(C 2097152 B\)") as caught:
        lower(annotate_tt_layout(func, {"C": whole}))
    assert caught.value.code == "L1Overflow"
