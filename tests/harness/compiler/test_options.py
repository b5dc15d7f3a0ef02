"""Options: each has its effect, in every place it can be given, or is refused."""

from __future__ import annotations

from typing import Any

import pytest

import harness
from harness.compiler import (
    CompileOptions,
    CoreRange,
    GridToPersistentTT,
    InferTTLayout,
    LowerTTTileIntrinsics,
    PropagateTTLayout,
    TTTilesToCoreMap,
    attrs,
    ir_sugar,
    plan_dict,
)
from harness.compiler.options import parse_core_ranges, parse_grid
from harness.errors import CompileError, OptionError
from harness.kernels.gemm import matmul
from tests.harness.compiler import samples


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"device": "grayskul"}, "device"),
        ({"device": ""}, "device"),
        ({"strategy": "zigzag"}, "strategy"),
        ({"strategy": "matchshard"}, "strategy"),
        ({"strategy": "morton"}, "strategy"),
        ({"fidelity": "HiFi5"}, "fidelity"),
        ({"double_buffer": 1}, "double_buffer"),
        ({"prefetch": "yes"}, "prefetch"),
        ({"grid": (9, 8)}, "grid"),
        ({"grid": (0, 1)}, "grid"),
        ({"grid": 5}, "grid"),
        ({"grid": "2x3"}, "grid"),
        ({"grid": "23"}, "grid"),
        ({"grid": (2.0, 3)}, "grid"),
        ({"grid": (True, 1)}, "grid"),
        ({"grid": (1, 2, 3)}, "grid"),
        ({"device": ["wormhole_n150"]}, "device"),
        ({"fp32_dest": "no"}, "fp32_dest"),
        ({"fp32_dest": 0}, "fp32_dest"),
        ({"core_ranges": 3}, "core_ranges"),
        ({"core_ranges": "0,0:2x2"}, "core_ranges"),
        ({"core_ranges": [(0, 0, 2, 2)]}, "core_ranges"),
        ({"core_ranges": ()}, "core_ranges"),
        ({"core_ranges": (CoreRange((7, 7), (2, 1)),)}, "core_ranges"),
        (
            {"core_ranges": (CoreRange((0, 0), (2, 2)), CoreRange((1, 1), (1, 1)))},
            "core_ranges",
        ),
        ({"device": "grayskull", "fp32_dest": True}, "fp32_dest"),
    ],
)
def test_a_value_that_does_not_exist_or_fit_is_refused(options: dict[str, Any], place: str) -> None:
    """An unknown device or strategy is an error that names the option, never a silent default."""
    with pytest.raises(OptionError) as caught:
        CompileOptions(**options)
    assert caught.value.location == place


def test_cores_may_be_plain_pairs() -> None:
    """From Python a rectangle is (first core, size), as on the command line, and a list will do."""
    options = CompileOptions(grid=[3, 4], core_ranges=[((0, 0), [2, 2])])  # type: ignore[arg-type]
    assert options == CompileOptions(grid=(3, 4), core_ranges=(CoreRange((0, 0), (2, 2)),))


@pytest.mark.parametrize("text", ["", "3", "3x", "0x2", "3X5", "-1x2", "3x5x1"])
def test_a_grid_is_columns_x_rows(text: str) -> None:
    """Protects the one spelling of a grid."""
    assert parse_grid("3x5") == (3, 5)
    with pytest.raises(OptionError):
        parse_grid(text)


@pytest.mark.parametrize("text", ["", "0,0", "0,0:2", "0,0:0x2", "a,b:2x2", "0,0:2x2;"])
def test_core_ranges_are_start_and_size(text: str) -> None:
    """Protects the one spelling of core ranges."""
    assert parse_core_ranges("0,0:2x2;4,4:2x3") == (
        CoreRange((0, 0), (2, 2)), CoreRange((4, 4), (2, 3)),
    )  # fmt: skip
    with pytest.raises(OptionError):
        parse_core_ranges(text)


def by_hand(*passes: Any) -> dict[str, Any]:
    """The plan after five passes called one by one."""
    mod = samples.module(main=samples.gemm())
    for one in passes:
        mod = one(mod)
    return plan_dict(mod)


def test_fallback_grid_and_strategy_are_the_cores_and_the_order() -> None:
    """TTTilesToCoreMap's own two options reach the plan."""
    data = by_hand(
        InferTTLayout(),
        PropagateTTLayout(),
        TTTilesToCoreMap(fallback_grid=(2, 3), partition_strategy="block"),
        LowerTTTileIntrinsics(),
        GridToPersistentTT(),
    )
    assert data["core_grid"] == [2, 3]
    assert data["options"]["strategy"] == "block"
    assert {d["form"] for d in data["work_descriptors"].values()} == {"rect"}


def test_fallback_grid_yields_to_ranges_on_the_function() -> None:
    """Ranges the user attached win over the grid meant for functions without any."""
    func = ir_sugar.with_core_ranges(samples.gemm(), [CoreRange((1, 1), (2, 1))])
    mod = samples.staged(func, 2)
    mod = TTTilesToCoreMap(fallback_grid=(4, 4))(mod)
    assert set(attrs.get(samples.only(mod), attrs.TT_WORK_PARTITION)) == {"(1,1)", "(2,1)"}
    assert attrs.get(samples.only(mod), attrs.TT_DEVICE_GRID) == [4, 4]


def test_target_device_of_the_fourth_pass_is_the_plans() -> None:
    """LowerTTTileIntrinsics retargets where the mapped cores exist on the device it names."""
    data = by_hand(
        InferTTLayout(),
        PropagateTTLayout(),
        TTTilesToCoreMap(),
        LowerTTTileIntrinsics(target_device="blackhole"),
        GridToPersistentTT(),
    )
    assert data["device"]["name"] == "blackhole_p100"
    assert data["options"]["device"] == "blackhole_p100"
    assert data["options"]["grid"] == [8, 8]


def test_a_device_with_fewer_cores_than_were_mapped_is_refused() -> None:
    """Blocks mapped to a large grid are not handed to a device that lacks those cores."""
    mod = samples.staged(samples.gemm(), 3, device="blackhole_p100")
    with pytest.raises(CompileError) as caught:
        LowerTTTileIntrinsics(target_device="wormhole")(mod)
    assert caught.value.code == "DeviceMismatch"


def test_the_fourth_pass_keeps_the_device_blocks_were_mapped_to() -> None:
    """Without a device of its own, pass 4 lowers for the one pass 3 chose."""
    mod = samples.staged(samples.gemm(accum="bfloat16"), 3, device="grayskull_e150")
    after = samples.only(LowerTTTileIntrinsics()(mod))
    assert attrs.get(after, attrs.TT_TARGET_DEVICE) == "grayskull_e150"
    assert not attrs.get(after, attrs.TT_COMPUTE_CONFIG)["fp32_dest_acc_en"]


def test_options_that_contradict_an_earlier_pass_are_refused() -> None:
    """Passes given different options do not quietly make a plan of neither."""
    mod = samples.staged(samples.gemm(), 4)
    with pytest.raises(CompileError) as caught:
        GridToPersistentTT(options=CompileOptions(fidelity="LoFi"))(mod)
    assert caught.value.code == "OptionConflict"


@pytest.mark.parametrize(("flag", "depth"), [(True, 2), (False, 1)])
def test_double_buffering_is_the_depth_of_circular_buffers(flag: bool, depth: int) -> None:
    """enable_double_buffer changes what is allocated, which upstream's never did."""
    mod = GridToPersistentTT(enable_double_buffer=flag)(samples.staged(samples.gemm(), 4))
    assert {cb["depth"] for cb in plan_dict(mod)["circular_buffers"]} == {depth}


@pytest.mark.parametrize(("stages", "depth"), [(0, 2), (1, 2), (2, 2), (3, 3), (4, 4)])
def test_stages_are_the_depth_of_what_a_loop_reads(stages: int, depth: int) -> None:
    """As many blocks are under way as a pipelined loop asks for, and no fewer than two."""
    made = harness.compile(matmul(M=32, N=32, K=128, block_M=32, block_N=32, num_stages=stages))
    read = [cb for cb in made.plan.circular_buffers if cb.producer == "ncrisc"]
    assert [cb.depth for cb in read] == [depth, depth]


@pytest.mark.parametrize(("flag", "depth"), [(True, 2), (False, 1)])
def test_prefetch_reads_one_work_item_ahead(flag: bool, depth: int) -> None:
    """enable_prefetch deepens the buffers read once per item, where a core has several items."""
    mod = GridToPersistentTT(enable_prefetch=flag)(samples.staged(samples.copy(), 4, grid=(2, 1)))
    assert {cb["depth"] for cb in plan_dict(mod)["circular_buffers"]} == {depth}


def test_options_come_whole_or_one_by_one() -> None:
    """Options given in two ways at once are refused, since one would lose."""
    with pytest.raises(OptionError):
        TTTilesToCoreMap(partition_strategy="block", options=CompileOptions())


@pytest.mark.parametrize("defaults", [{"interleave": False}, {"shard": "HBM"}, {"shard": 3}])
def test_a_default_layout_that_cannot_be_placed_is_refused(defaults: dict[str, Any]) -> None:
    """InferTTLayout's defaults have an effect; what they ask for and cannot have is an error."""
    with pytest.raises(CompileError) as caught:
        InferTTLayout(defaults)(samples.module(main=samples.gemm()))
    assert caught.value.code == "LayoutConflict"


def test_an_unknown_default_is_refused() -> None:
    """A default nobody reads is refused where it is given."""
    with pytest.raises(OptionError):
        InferTTLayout({"tile_id_order": "row_major"})


def test_numeric_options_are_in_the_plan() -> None:
    """Fidelity and destination mode reach the compute kernel's configuration."""
    data = samples.plan(samples.gemm(accum="bfloat16"), fidelity="LoFi", fp32_dest=False)
    (config,) = [k["compute"] for k in data["kernels"] if "compute" in k]
    assert (config["math_fidelity"], config["fp32_dest_acc_en"]) == ("LoFi", False)


def test_the_default_fidelity_avoids_the_wormhole_erratum() -> None:
    """HiFi4 with a 32-bit destination miscomputes on Wormhole, so it is not the default there."""
    for device, fidelity in (("wormhole_n150", "HiFi3"), ("blackhole_p100", "HiFi4")):
        data = samples.plan(samples.gemm(), device=device)
        assert data["kernels"][1]["compute"]["math_fidelity"] == fidelity
