"""The table of legacy functions, the conversions, and old code as a whole (decision 30)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tvm_ffi

from harness.compiler import (
    WorkItem,
    attrs,
    ir_sugar,
    lower,
    plan_dict,
    run_pipeline,
)
from harness.compiler import compat as module
from harness.errors import CompileError, HarnessError
from tests.harness.compiler import samples
from tests.harness.compiler.compat.legacy import facts, run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

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
