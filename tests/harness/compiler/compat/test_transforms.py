"""Legacy functions that rewrite, against what they did before (decision 30)."""

from __future__ import annotations

from pathlib import Path

import pytest
import tvm

from harness.compiler import (
    attrs,
    plan_dict,
    run_pipeline,
    validate_plan,
)
from harness.compiler import compat as module
from harness.errors import CompileError, HarnessError
from tests.harness.compiler import samples
from tests.harness.compiler.compat.legacy import facts, run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


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
    unsound = samples.module(main=samples.gemm(accum="int32"))
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
