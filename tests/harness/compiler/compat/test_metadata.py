"""Legacy functions that describe, against values worked out by hand (decision 30)."""

from __future__ import annotations

import pytest

from harness.compiler import (
    annotate_tt_layout,
    attrs,
)
from harness.compiler import compat as module
from harness.compiler.dealing.partition import expand
from harness.errors import CompileError
from tests.harness.compiler import samples
from tests.harness.compiler.compat.legacy import RUNS, facts, run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_infer_default_tt_schedule() -> None:
    """Contiguous runs of blocks, base + 1 for the first ones, as tt_schedule and its parts."""
    func = run("infer_default_tt_schedule")
    assert facts(func, "tt_num_tiles", "tt_grid_x", "tt_grid_y", "tt_grid_z", "tt_num_cores") == [
        6, 2, 3, 1, 64,
    ]  # fmt: skip
    assert attrs.get(func, "tt_tiles_per_core") == RUNS
    assert attrs.get(func, "tt_schedule") == {
        "policy": "contiguous",
        "order": "row_major",
        "grid_shape": [2, 3, 1],
        "total_tiles": 6,
        "num_cores": 64,
        "assignments": [
            {"core_id": core, "start_tile": start, "tile_count": count}
            for core, (start, count) in enumerate(RUNS)
        ],
    }


def test_infer_default_tt_schedule_splits_evenly() -> None:
    """100 blocks on 64 cores: 36 cores have two, 28 one, in order."""
    func = run("infer_default_tt_schedule", samples.copy(320, 320))
    runs = attrs.get(func, "tt_tiles_per_core")
    assert [count for _, count in runs] == [2] * 36 + [1] * 28
    assert [start for start, _ in runs] == [*range(0, 72, 2), *range(72, 100)]


@pytest.mark.parametrize(("device", "cores"), [("wormhole_n300", None), ("grayskull_e150", 108)])
def test_infer_default_tt_schedule_asks_the_device(device: str, cores: int | None) -> None:
    """The number of cores is the device's, where 64 used to be written down."""
    func = run("infer_default_tt_schedule", device=device)
    count = attrs.get(func, "tt_num_cores")
    assert count == (cores or count)
    assert len(attrs.get(func, "tt_tiles_per_core")) == count


def test_infer_default_tt_schedule_refuses_another_grid() -> None:
    """A grid attribute that contradicts the kernel is an error, since only one can be true."""
    for key in ("tl.grid_x", "tt_grid_x"):
        assert run("infer_default_tt_schedule", samples.gemm().with_attr(key, 2)) is not None
        with pytest.raises(CompileError):
            run("infer_default_tt_schedule", samples.gemm().with_attr(key, 4))
    with pytest.raises(CompileError):
        run("infer_default_tt_schedule", samples.gemm().with_attr("tt_schedule_policy", "strided"))


def test_infer_default_tt_shard() -> None:
    """Tiles and padding of every tensor: A 100x50, B 50x70, C 100x70."""
    func = run("infer_default_tt_shard", samples.gemm(100, 70, 50))
    expected = {
        "A": (4, 2, True, [128, 64]),
        "B": (2, 3, True, [64, 96]),
        "C": (4, 3, True, [128, 96]),
    }
    for name, (height, width, needs, padded) in expected.items():
        parts = {
            "layout": "dram_interleaved",
            "tile_shape": [32, 32],
            "num_tiles_height": height,
            "num_tiles_width": width,
            "needs_padding": needs,
            "padded_shape": padded,
        }
        assert {p: attrs.get(func, f"tt_buffer_{name}_{p}") for p in parts} == parts
        assert attrs.get(func, "tt_shard")[name] == parts
    whole = run("infer_default_tt_shard")
    assert attrs.get(whole, "tt_buffer_A_needs_padding") is False
    assert attrs.get(whole, "tt_buffer_A_padded_shape") == [96, 128]


def test_infer_default_tt_shard_of_other_ranks() -> None:
    """A batch is not counted into the tiles of a matrix."""
    func = run("infer_default_tt_shard", samples.batched(3, 64, 96))
    assert attrs.get(func, "tt_shard")["X"]["num_tiles_height"] == 2
    assert attrs.get(func, "tt_shard")["X"]["num_tiles_width"] == 3


def test_apply_tt_metadata_passes() -> None:
    """Schedule and shards together, and the partition of the first three passes means the same."""
    func = run("apply_tt_metadata_passes")
    assert attrs.get(func, "tt_tiles_per_core") == RUNS
    assert attrs.get(func, "tt_shard")["C"]["num_tiles_height"] == 3
    dealt = attrs.get(func, attrs.TT_WORK_DESCRIPTORS)
    for (start, count), descriptor in zip(RUNS, dealt.values(), strict=True):
        ids = [x + 2 * y for x, y, _ in expand(descriptor, (2, 3, 1))]
        assert ids == list(range(start, start + count))


def test_tt_tiles_to_core_map() -> None:
    """Core 0..5 are the first row of the grid; idle cores receive [0, 0] and are not listed."""
    func = run("tt_tiles_to_core_map")
    assert attrs.get(func, "tt_core_ranges") == [[x, 0, x, 0, x, 1] for x in range(6)]
    assert attrs.get(func, "tt_core_runtime_args") == [[i, 1] for i in range(6)] + [[0, 0]] * 58


def test_tt_tiles_to_core_map_follows_the_devices_rows() -> None:
    """core_id is x + width * y with the device's own width: core 12 is (0, 1) on Grayskull."""
    func = run("tt_tiles_to_core_map", samples.copy(32, 32 * 14), device="grayskull_e150")
    places = attrs.get(func, "tt_core_ranges")
    assert places[11][:2] == [11, 0]
    assert places[12][:2] == [0, 1]


def test_infer_tt_layout() -> None:
    """Where each tensor lies, with the user's annotation honoured, legacy spelling included."""
    func = annotate_tt_layout(samples.gemm(100, 70, 50), {"A": {"layout": "dram_interleaved"}})
    out = run("infer_tt_layout", func)
    assert attrs.get(out, "tt.buffer.A") == {
        "memory": "DRAM", "layout": "interleaved", "tile_shape": [32, 32], "dtype": "bfloat16",
        "needs_padding": True, "padded_shape": [128, 64],
    }  # fmt: skip
    sharded = {"memory": "L1", "layout": "sharded", "nd_shard": {"axes": ["M", "N"]}}
    with pytest.raises(CompileError):
        run("infer_tt_layout", annotate_tt_layout(samples.gemm(), {"A": sharded}))


def test_propagate_tt_layout() -> None:
    """A circular buffer of two tiles per tensor, its page that of the tensor's format."""
    func = run("propagate_tt_layout", samples.gemm(dtype="float32"))
    assert attrs.get(func, "tt.cb.A") == {"page_size": 4096, "depth": 2, "data_format": "Float32"}
    func = run("propagate_tt_layout")
    assert attrs.get(func, "tt.cb.C") == {"page_size": 2048, "depth": 2, "data_format": "Float16_b"}


def test_layout_aware_work_partition_tt() -> None:
    """Mode, tile grid, constants and what each core receives; Kt is the real one."""
    func = run("layout_aware_work_partition_tt")
    assert facts(func, "tt.partition_mode", "tt.grid_tiles", "tt.local_shape_tiles",
                 "tt.shard_grid", "tt.runtime_constants") == [
        "global", [3, 2], [3, 2], [1, 1], {"Mt": 3, "Nt": 2, "Kt": 4},
    ]  # fmt: skip
    names = ["tt_start_tile", "tt_tile_count", "Mt", "Kt", "Nt"]
    assert attrs.get(func, "tt.runtime_arg_names") == names
    assert attrs.get(func, "tt_core_runtime_args")[:7] == [
        *([i, 1, 3, 4, 2] for i in range(6)), [0, 0, 3, 4, 2],
    ]  # fmt: skip
    local = samples.gemm().with_attr("tt.user_schedule", {"partition_mode": "local_shard"})
    with pytest.raises(CompileError):
        run("layout_aware_work_partition_tt", local)


def test_apply_layout_aware_metadata_passes() -> None:
    """The three layout functions in one give what they give one by one."""
    whole = run("apply_layout_aware_metadata_passes")
    for name in ("infer_tt_layout", "propagate_tt_layout", "layout_aware_work_partition_tt"):
        alone = run(name)
        for key in module.TABLE[name].writes:
            for tensor in "ABC" if "<n>" in key else "-":
                one = key.replace("<n>", tensor)
                assert attrs.get(whole, one) == attrs.get(alone, one)
