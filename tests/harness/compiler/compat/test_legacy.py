"""Every legacy function against values worked out by hand from what it did before (decision 30)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tvm
import tvm_ffi

from harness.compiler import (
    WorkItem,
    annotate_tt_layout,
    attrs,
    ir_sugar,
    lower,
    plan_dict,
    run_pipeline,
    validate_plan,
)
from harness.compiler import compat as module
from harness.compiler.partition import expand
from harness.errors import CompileError, HarnessError
from tests.harness.compiler import samples

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# T.Kernel(2, 3): six blocks on 64 cores, one each to the first six, nothing from block 6 on.
RUNS = [[i, 1] for i in range(6)] + [[6, 0]] * 58

# The order old code called them in.
CHAIN = (
    "apply_tt_defaults",
    "infer_default_tt_schedule",
    "infer_default_tt_shard",
    "tt_tiles_to_core_map",
    "memory_space_lower_tt",
    "tile_pad_tt",
    "lower_gemm_to_tt_intrinsics",
    "grid_to_persistent_tt",
    "verify_tt_ir",
)


def run(name: str, source: Any = None, **options: Any) -> Any:
    """The function a legacy function makes of a kernel (of a GEMM 96x64x128 unless told)."""
    func = samples.gemm() if source is None else source
    out = getattr(module, name)(samples.module(main=func), **options)
    return out["main"] if "main" in {v.name_hint for v in out.functions} else out


def facts(func: Any, *keys: str) -> list[Any]:
    """Attributes as plain data."""
    return [attrs.get(func, key) for key in keys]


@pytest.mark.parametrize("name", list(module.TABLE))
def test_it_warns_and_writes_what_the_table_says(name: str) -> None:
    """Protects the table: a DeprecationWarning naming the successor, legacy and new attributes."""
    entry = module.TABLE[name]
    function: Callable[[Any], Any] = getattr(module, name)
    func = samples.gemm(100, 70, 50)
    source: Any = func if name == "legacy_to_new_attrs" else samples.module(main=func)
    before = source.script()
    with pytest.warns(DeprecationWarning, match=name) as caught:
        out = function(source)
    (warning,) = caught
    assert str(warning.message) == f"{name} is deprecated: use {entry.successor}"
    assert warning.filename == __file__
    assert source.script() == before
    for written in [out] if name == "legacy_to_new_attrs" else list(out.functions.values()):
        for key in (*entry.writes, *entry.new):
            for tensor in "ABC" if "<n>" in key else "-":
                assert key.replace("<n>", tensor) in written.attrs


def test_the_tables_corrections_are_the_three_agreed_on() -> None:
    """Names to dataflow, 64 cores to the device, rank-3 padding: what must never come back."""
    text = " ".join(c for entry in module.TABLE.values() for c in entry.corrected)
    for part in ("dataflow", "device's table", "whatever the rank"):
        assert part in text


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


def test_tile_pad_tt_pads() -> None:
    """Each tensor that is not of whole tiles is padded, and the plan holds the padded shape."""
    func = run("tile_pad_tt", samples.gemm(100, 64, 50))
    assert attrs.get(func, "tt_padding_info") == {
        "A": {"needs_padding": True, "original_shape": [100, 50], "padded_shape": [128, 64],
              "padding_amount": [28, 14]},
        "B": {"needs_padding": True, "original_shape": [50, 64], "padded_shape": [64, 64],
              "padding_amount": [14, 0]},
        "C": {"needs_padding": True, "original_shape": [100, 64], "padded_shape": [128, 64],
              "padding_amount": [28, 0]},
    }  # fmt: skip
    layouts = plan_dict(run_pipeline(samples.module(main=func)))["layouts"]
    assert layouts["A"]["padded_shape"] == [128, 64]
    assert attrs.get(run("tile_pad_tt"), "tt_padding_info") == {}


def test_tile_pad_tt_leaves_the_batch_alone() -> None:
    """The rank-3 defect, corrected: the batch used to be padded to 32 as if it were rows."""
    func = run("tile_pad_tt", samples.batched(3, 64, 64))
    assert attrs.get(func, "tt_padding_info") == {}
    text = (
        "@T.prim_func\n"
        'def f(X: T.Tensor((3, 50, 70), "bfloat16"), Y: T.Tensor((3, 50, 70), "bfloat16")):\n'
        "    with T.Kernel(3, 2, 3) as (bx, by, bz):\n"
        '        s = T.alloc_shared((32, 32), "bfloat16")\n'
        "        T.copy(X[bz, by * 32, bx * 32], s)\n"
        "        T.copy(s, Y[bz, by * 32, bx * 32])\n"
    )
    info = attrs.get(run("tile_pad_tt", samples.from_text(text, "f")), "tt_padding_info")
    assert info["X"]["padded_shape"] == [3, 64, 96]
    assert info["X"]["padding_amount"] == [0, 14, 26]


def test_lower_gemm_to_tt_intrinsics() -> None:
    """The body is really lowered: the product is there, in one DST bracket, and no tile op left."""
    ops = samples.ops(run("lower_gemm_to_tt_intrinsics"))
    assert ops.count("tt.matmul_tiles") == ops.count("tt.tile_regs_acquire") == 1
    assert ops.count("tt.pack_tile") == ops.count("tt.tile_regs_release") == 1
    assert not any(name.startswith("tl.") for name in ops)


def test_memory_space_lower_tt() -> None:
    """The circular buffers are those the plan will have, page for page."""
    func = run("memory_space_lower_tt")
    found = attrs.get(func, "tt_circular_buffers")
    page = {"num_pages": 2, "tile_size": 2048, "data_format": "Float16_b"}
    assert found == [
        {"cb_id": 0, "name": "a", **page},
        {"cb_id": 1, "name": "b", **page},
        {"cb_id": 16, "name": "c_out", **page},
    ]
    assert attrs.get(func, "tt_num_cbs") == 3
    planned = plan_dict(run_pipeline(samples.gemm()))["circular_buffers"]
    assert [(c["cb_id"], c["name"], c["num_pages"], c["tile_size"]) for c in found] == [
        (c["id"], c["name"], c["depth"], c["page_bytes"]) for c in planned
    ]


def test_grid_to_persistent_tt() -> None:
    """Three functions that loop over their blocks, and the description of their arguments."""
    out = run("grid_to_persistent_tt")
    reader = out["main_reader"]
    assert facts(reader, "tt_persistent_loop", "tt_persistent_iteration_ndims") == [True, 2]
    assert [str(p.name) for p in reader.params] == ["A", "B", "start", "count"]
    assert attrs.get(reader, "tt_runtime_args") == {
        "start_tile": {"name": "start", "dtype": "int32", "semantic": "tile_start"},
        "tile_count": {"name": "count", "dtype": "int32", "semantic": "tile_count"},
        "grid_shape": [2, 3, 1],
        "grid_tiles": [3, 2],
        "local_shape_tiles": [3, 2],
        "shard_grid": [1, 1],
        "runtime_constants": {"Mt": 3, "Nt": 2, "Kt": 4},
        "partition_mode": "global",
        "iteration_ndims": 2,
        "iteration_order": "row_major_xyz",
        "iteration_symbols": ["bx", "by"],
        "param_order": ["start", "count"],
        "arg_names": ["start", "count"],
    }
    assert samples.ops(reader) == samples.ops(run_pipeline(samples.gemm())["main_reader"])
    three = run("grid_to_persistent_tt", samples.batched())["main_reader"]
    assert attrs.get(three, "tt_runtime_args")["iteration_symbols"] == ["bx", "by", "bz"]


def test_verify_tt_ir_verifies() -> None:
    """A sound kernel counts no error at any stage; an unsound one counts, or raises if asked to."""
    sound = samples.module(main=samples.gemm())
    for last in (0, 3, 5):
        out = module.verify_tt_ir(samples.staged(sound, last))
        for func in out.functions.values():
            assert facts(func, "tt_ir_validated", "tt_validation_error_count",
                         "tt_validation_warning_count") == [True, 0, 0]  # fmt: skip
    unsound = samples.module(main=samples.gemm(bm=48))
    out = module.verify_tt_ir(unsound)
    assert facts(out["main"], "tt_ir_validated", "tt_validation_error_count") == [False, 1]
    with pytest.raises(HarnessError):
        module.verify_tt_ir(unsound, strict=True)


def test_verify_tt_ir_reads_the_plan() -> None:
    """A lowered module whose plan was tampered with does not verify."""
    lowered = run_pipeline(samples.gemm())
    broken = tvm.IRModule(
        {
            v: f.with_attr(
                attrs.TT_PLAN,
                attrs.get(f, attrs.TT_PLAN).replace('"core_grid": [8, 8]', '"core_grid": [4, 4]'),
            )
            for v, f in lowered.functions_items()
        }
    )
    out = module.verify_tt_ir(broken)
    assert attrs.get(out["main_reader"], "tt_validation_error_count") > 0
    with pytest.raises(CompileError):
        module.verify_tt_ir(broken, strict=True)


def test_apply_tt_transform_passes(tmp_path: Path) -> None:
    """All transforms at once: the module of run_pipeline, its plan, and every legacy attribute."""
    path = tmp_path / "tt.plan.json"
    out = module.apply_tt_transform_passes(samples.module(main=samples.gemm(100, 70, 50)), path)
    assert validate_plan(path) == []
    assert plan_dict(out) == plan_dict(run_pipeline(samples.gemm(100, 70, 50)))
    writer = out["main_writer"]
    assert attrs.get(writer, "tt_ir_validated") is True
    assert attrs.get(writer, "tt_num_cbs") == 3
    assert attrs.get(writer, "tt_padding_info")["A"]["padding_amount"] == [28, 14]
    assert len(attrs.get(writer, "tt_core_ranges")) == 12
    (tmp_path / "tt.plan.json").unlink()
    module.apply_tt_transform_passes(samples.module(main=samples.gemm()))
    assert not list(tmp_path.iterdir())


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


def test_legacy_to_new_attrs() -> None:
    """tt.grid and core assignments become grid and partition, and the plan follows them."""
    items = [{"m_idx": m, "n_idx": n, "k_len": 4} for m in range(3) for n in range(2)]
    func = ir_sugar.with_tt_runtime_args(
        ir_sugar.with_tt_grid(samples.gemm(), (2, 3)),
        {"core_assignments": {"(1,1)": items[:4], "(2,1)": items[4:]}},
    )
    new = module.legacy_to_new_attrs(func)
    assert attrs.get(new, attrs.TT_CORE_GRID) == [2, 3]
    partition = ir_sugar.work_partition(new)
    assert partition["(2,1)"] == [WorkItem(2, 0, 4), WorkItem(2, 1, 4)]
    listed = plan_dict(lower(new))["work_partition"]
    assert [len(listed[core]) for core in ("(1,1)", "(2,1)", "(0,0)")] == [4, 2, 0]


def test_legacy_to_new_attrs_makes_nothing_up() -> None:
    """Arguments without assignments used to become one block for the whole kernel."""
    func = ir_sugar.with_tt_runtime_args(samples.gemm(), {"start": 0})
    new = module.legacy_to_new_attrs(func)
    assert attrs.get(new, attrs.TT_WORK_PARTITION) is None
    assert samples.blocks(plan_dict(lower(new))) == samples.blocks(plan_dict(lower(samples.gemm())))
    with pytest.raises(CompileError):
        module.legacy_to_new_attrs(ir_sugar.with_tt_grid(samples.gemm(), (3, 2)))


def test_apply_compatibility_transforms() -> None:
    """Every kernel of a module is converted, roles by what it does and not by its names."""
    mod = samples.module(a=ir_sugar.with_tt_grid(samples.gemm(), (2, 3)), b=samples.copy())
    out = module.apply_compatibility_transforms(mod)
    assert attrs.get(out["a"], attrs.TT_CORE_GRID) == [2, 3]
    assert attrs.get(out["b"], attrs.TT_LAYOUT_DESC)["Out"]["role"] == "output"


def test_apply_tt_defaults() -> None:
    """Five defaults, again and again the same, and none where one attribute is the user's own."""
    once = run("apply_tt_defaults")
    assert facts(once, "tt_schedule_policy", "tt_schedule_order", "tt_layout_type",
                 "tt_tile_height", "tt_tile_width") == [
        "contiguous", "row_major", "dram_interleaved", 32, 32,
    ]  # fmt: skip
    assert tvm_ffi.structural_equal(run("apply_tt_defaults", once), once)
    own = samples.gemm().with_attr("tt_mine", 1)
    assert tvm_ffi.structural_equal(run("apply_tt_defaults", own), own)


def test_legacy_functions_chain() -> None:
    """The order old code called them in still works, each finding what the one before left."""
    mod = samples.module(main=samples.gemm())
    for name in CHAIN:
        mod = getattr(module, name)(mod)
    assert attrs.get(mod["main_compute"], "tt_ir_validated") is True
    assert plan_dict(mod) == plan_dict(run_pipeline(samples.gemm()))


def test_attributes_without_effect_are_refused() -> None:
    """Nothing ever read a block shape or a start tile, so attaching one is an error."""
    for attach, value in (
        (ir_sugar.with_tt_block_shape, (32, 32)), (ir_sugar.with_tt_start_tile, (0, 0)),
    ):  # fmt: skip
        with pytest.raises(HarnessError) as caught:
            attach(samples.gemm(), value)
        assert caught.value.next_step
    assert str(ir_sugar.make_core_var("core_x").name) == "core_x"


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_older_helpers_warn() -> None:
    """The old attribute helpers name their successors."""
    with pytest.warns(DeprecationWarning, match="with_core_grid"):
        ir_sugar.with_tt_grid(samples.gemm(), (2, 3))
    with pytest.warns(DeprecationWarning, match="with_work_partition"):
        ir_sugar.with_tt_runtime_args(samples.gemm(), {})
