"""Each pass by itself: what it reads, what it writes, that it can be repeated, that it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import tvm
import tvm_ffi

from harness.compiler import (
    GridToPersistentTT,
    InferTTLayout,
    LowerTTTileIntrinsics,
    PropagateTTLayout,
    TTTilesToCoreMap,
    attrs,
    ir_sugar,
    lower,
)
from harness.compiler.attrs import WorkItem
from harness.errors import CompileError
from tests.harness.compiler import samples

WRITES: dict[str, set[str]] = {
    "InferTTLayout": {"tt.core_grid", "tt.kernel_grid", "tt.layout_desc"},
    "PropagateTTLayout": {"tt.onchip_desc"},
    "TTTilesToCoreMap": {
        "tt.core_ranges", "tt.core_range", "tt.work_partition", "tt.work_descriptors",
        "tt.device_grid", "tt.coalesce", "tt.output_blocks", "tt.partition_strategy",
        "tt.target_device", "tt.len_k",
    },
    "LowerTTTileIntrinsics": {"tt.compute_config"},
}  # fmt: skip
CLASSES: dict[str, Any] = {
    "InferTTLayout": InferTTLayout,
    "PropagateTTLayout": PropagateTTLayout,
    "TTTilesToCoreMap": TTTilesToCoreMap,
    "LowerTTTileIntrinsics": LowerTTTileIntrinsics,
    "GridToPersistentTT": GridToPersistentTT,
}
READS = {
    "PropagateTTLayout": "tt.layout_desc",
    "TTTilesToCoreMap": "tt.onchip_desc",
    "LowerTTTileIntrinsics": "tt.work_descriptors",
    "GridToPersistentTT": "tt.compute_config",
}


def keys(func: Any) -> set[str]:
    """The attribute keys of a function, its name apart."""
    return {str(key) for key, _ in func.attrs.items()} - {"global_symbol"}


@pytest.mark.parametrize("name", list(WRITES))
def test_a_pass_adds_exactly_its_own_attributes(name: str) -> None:
    """Keeps one writer per attribute, so that every fact has one place it comes from."""
    position = samples.PASSES.index(name)
    before = samples.staged(samples.gemm(), position)
    after = CLASSES[name]()(before)
    assert keys(samples.only(after)) - keys(samples.only(before)) == WRITES[name]


def test_the_last_pass_leaves_three_functions_with_their_plan() -> None:
    """Protects what GridToPersistentTT hands on: who a function is, and its kernel's plan."""
    after = samples.staged(samples.gemm(), 5)
    assert [v.name_hint for v in after.functions] == ["main_reader", "main_compute", "main_writer"]
    for func in after.functions.values():
        assert keys(func) == {attrs.TT_KERNEL, attrs.TT_PROCESSOR, attrs.TT_PLAN}
    assert len({attrs.get(f, attrs.TT_PLAN) for f in after.functions.values()}) == 1


@pytest.mark.parametrize("name", list(READS))
def test_a_pass_without_its_predecessor_is_refused(name: str) -> None:
    """A pass run out of order says which attribute is missing instead of guessing it."""
    with pytest.raises(CompileError) as caught:
        CLASSES[name]()(samples.module(main=samples.gemm()))
    assert caught.value.code == "PassOrder"
    assert READS[name] in caught.value.message
    assert caught.value.location is not None


@pytest.mark.parametrize("name", samples.PASSES)
def test_a_pass_leaves_its_input_alone(name: str) -> None:
    """The module given to a pass is the same afterwards, attributes included."""
    before = samples.staged(samples.gemm(100, 70, 50), samples.PASSES.index(name))
    text = before.script()
    copy = tvm.IRModule(dict(before.functions_items()))
    after = CLASSES[name]()(before)
    assert tvm_ffi.structural_equal(before, copy)
    assert before.script() == text
    assert not tvm_ffi.structural_equal(before, after)


@pytest.mark.parametrize("last", range(1, 6))
def test_the_module_stays_well_formed(last: int) -> None:
    """Every stage is IR that TVM's own verifier accepts: no variable is left without a binding."""
    for make in (samples.gemm, samples.fma, samples.batched, samples.sum_and_difference):
        mod = samples.staged(make(), last)
        for func in mod.functions.values():
            assert tvm.tirx.analysis.verify_well_formed(func, False)


@pytest.mark.parametrize("name", samples.PASSES[:3])
def test_a_descriptive_pass_can_run_twice(name: str) -> None:
    """Running a pass again on its own result changes nothing."""
    once = CLASSES[name]()(samples.staged(samples.gemm(100, 70, 50), samples.PASSES.index(name)))
    assert tvm_ffi.structural_equal(CLASSES[name]()(once), once)


def test_joining_small_blocks_twice_keeps_the_factor() -> None:
    """A repeated core map does not forget how many source blocks a work block joins."""
    once = samples.staged(samples.gemm(96, 64, 128, bm=16), 3)
    assert attrs.get(samples.only(once), attrs.TT_COALESCE) == [1, 2, 1]
    twice = samples.only(TTTilesToCoreMap()(once))
    assert attrs.get(twice, attrs.TT_COALESCE) == [1, 2, 1]


@pytest.mark.parametrize("last", [4, 5])
def test_the_lowering_passes_rewrite_the_body(last: int) -> None:
    """A lowered kernel holds device ops only: no tile op of the source is left behind a marker."""
    for make in (samples.gemm, samples.copy, samples.fma, samples.sum_and_difference):
        for func in samples.staged(make(), last).functions.values():
            names = samples.ops(func)
            assert names
            assert all(name.startswith("tt.") for name in names)


def test_functions_that_are_no_kernels_are_passed_on() -> None:
    """A module may hold other functions; the pipeline hands them on unchanged."""
    extern = tvm.ir.GlobalVar("helper")
    mod = tvm.IRModule({"main": samples.gemm()})
    mod[extern] = tvm.relax.ExternFunc("helper")
    out = InferTTLayout()(mod)
    assert isinstance(out["helper"], tvm.relax.ExternFunc)
    assert [k.name for k in lower(mod).kernels] == ["main"]


def test_a_users_partition_gets_the_kernels_k_length() -> None:
    """A work item the user wrote states the K loop of the kernel, and no other."""
    items = {f"({x},0)": [WorkItem(io=y, jo=x) for y in range(3)] for x in range(2)}
    func = ir_sugar.with_work_partition(samples.gemm(), items)
    data = samples.plan(func, grid=(2, 1))
    assert {i["len_k"] for items in data["work_partition"].values() for i in items} == {4}
    wrong = {
        core: [WorkItem(i.io, i.jo, len_k=128) for i in list_] for core, list_ in items.items()
    }
    with pytest.raises(CompileError) as caught:
        lower(ir_sugar.with_work_partition(samples.gemm(), wrong), grid=(2, 1))
    assert caught.value.code == "InvalidPartition"
