"""Per-pass validation: right IR is accepted, and a wrong pass is the one that is named."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given

import harness.language as T
from harness.artifact import Artifact, compile_all
from harness.compiler.block.emitting import emit
from harness.compiler.block.emitting.emit import ComputeEmitter
from harness.compiler.block.emitting.expression import schedule
from harness.compiler.dealing.partition import partition_of
from harness.compiler.passes import infer_layout, propagate_layout
from harness.errors import HarnessError
from harness.fuzz.case import Case
from harness.fuzz.judge import compile_options, source_of
from harness.fuzz.options import cases
from harness.fuzz.stages import PASSES, validate
from harness.kernels.table import KERNELS


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_packaged_kernels_are_right_after_every_pass(name: str) -> None:
    """No pass is blamed for a kernel that is right."""
    for artifact in compile_all(KERNELS[name].factory()):
        found = validate(artifact)
        assert not found.name, f"{found.name}: {found.reason}"


def _by_scalars() -> Any:
    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(2, 2) as (bx, by):
            a = T.alloc_shared((32, 32), "float32")
            s = T.alloc_var("int32")
            s = by * 32
            T.copy(A[s, bx * 32], a)
            for i, j in T.Parallel(32, 32):
                a[i, j] = a[i, j] * 2.0 + s
            T.copy(a, C[by * 32, bx * 32])

    return main


def _numbered_by_hand() -> Any:
    @T.prim_func
    def main(A: T.Tensor((96, 64), "float32"), C: T.Tensor((96, 64), "float32")):
        with T.Kernel(6) as b:
            a = T.alloc_shared((32, 32), "float32")
            T.copy(A[b // 2 * 32, b % 2 * 32], a)
            for i, j in T.Parallel(32, 32):
                a[i, j] = a[i, j] * 2.0
            T.copy(a, C[b // 2 * 32, b % 2 * 32])

    return main


@pytest.mark.parametrize("make", [_by_scalars, _numbered_by_hand])
def test_what_the_first_pass_rewrites_is_judged_by_execution(make: Any) -> None:
    """Scalars become expressions, and blocks get other numbers: no pass is blamed for that."""
    (artifact,) = compile_all(make())
    found = validate(artifact)
    assert not found.name, f"{found.name}: {found.reason}"


@given(cases())
def test_drawn_kernels_are_right_after_every_pass(case: Case) -> None:
    """No pass is blamed for what the grammar draws, joined blocks included."""
    try:
        made = compile_all(source_of(case), **compile_options(case.options))
    except HarnessError:
        return
    found = validate(made[0], 0)
    assert not found.name, f"{found.name}: {found.reason}\n{case.text()}"


def _rows_of_products(factor: float = 1.0) -> Any:
    @T.prim_func
    def main(
        A: T.Tensor((32, 64), "bfloat16"),
        B: T.Tensor((64, 48), "bfloat16"),
        C: T.Tensor((32, 48), "float32"),
    ):
        with T.Kernel(32) as by:
            a = T.alloc_shared((1, 64), "bfloat16")
            b = T.alloc_shared((64, 48), "bfloat16")
            c = T.alloc_fragment((1, 48), "float32")
            T.copy(A[by, 0], a)
            T.copy(B[0, 0], b)
            for i, j in T.Parallel(1, 64):
                a[i, j] = T.exp(a[i, j]) * factor
            T.clear(c)
            T.gemm(a, b, c)
            T.copy(c, C[by, 0])

    return main


def test_the_order_of_golden_s_own_sums_is_no_pass_s_fault() -> None:
    """A row is multiplied by another routine than the tile it joins, and rounds otherwise."""
    (artifact,) = compile_all(_rows_of_products())
    found = validate(artifact)
    assert not found.name, f"{found.name}: {found.reason}"


def test_a_rewriting_that_changes_what_rounds_is_blamed() -> None:
    """The order of sums explains a millionth of a bound: no change of the kernel hides in it."""
    (right,), (wrong,) = (
        compile_all(_rows_of_products()),
        compile_all(_rows_of_products(1 + 2.0**-20)),
    )
    passes = [*right.compilation.passes[:2], *wrong.compilation.passes[2:]]
    found = validate(dataclasses.replace(
        right, compilation=dataclasses.replace(right.compilation, passes=tuple(passes))
    ))  # fmt: skip
    assert found.reason == "after the rewriting, C has other values"
    assert found.name == PASSES[2]


def test_an_answer_between_two_branches_is_no_pass_s_fault() -> None:
    """Golden may stand elsewhere between them once a condition is a block of its own."""
    (artifact,) = compile_all(_on_a_threshold(), fp32_dest=False)
    found = validate(artifact, 33)
    assert not found.name, f"{found.name}: {found.reason}"


def _on_a_threshold() -> Any:
    @T.prim_func
    def main(A: T.Tensor((96, 32), "float32"), Y: T.Tensor((96, 32), "float32")):
        with T.Kernel(1) as _:
            a = T.alloc_shared((96, 32), "float32")
            T.copy(A, a)
            for i, j in T.Parallel(96, 32):
                a[i, j] = a[i, j] * T.exp(a[i, j])
            for i, j in T.Parallel(96, 32):
                if a[i, j] > 2.0:
                    a[i, j] -= a[i, j]
                    a[i, j] *= T.log(T.abs(a[i, j]) + 1.0)
            for i, j in T.Parallel(96, 32):
                a[i, j] -= a[i, j] / (T.abs(a[i, j]) + 1.0)
                a[i, j] -= T.tanh(a[i, j] * a[i, j])
            T.copy(a, Y)

    return main


def test_a_wrong_role_is_the_first_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A padded shape that is not the source's is blamed on InferTTLayout."""
    monkeypatch.setattr(infer_layout, "padded_shape", lambda shape: (*shape[:-1], shape[-1] + 32))
    assert blamed() == PASSES[0]


def test_a_wrong_tile_count_is_the_second_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """An on-chip buffer of the wrong size is blamed on PropagateTTLayout."""
    monkeypatch.setattr(propagate_layout, "tile_grid", lambda _: (1, 1, 2))
    assert blamed() == PASSES[1]


def test_a_lost_block_is_the_third_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition without the last block is blamed on TTTilesToCoreMap."""
    true = partition_of

    def lossy(*args: Any) -> Any:
        dealt = true(*args)
        last = [core for core, items in dealt.items() if items][-1]
        return {**dealt, last: []}

    monkeypatch.setattr("harness.compiler.passes.core_map.partition_of", lossy)
    assert blamed() == PASSES[2]


def test_a_lost_product_is_the_fourth_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block program whose product reads the wrong tile is blamed on LowerTTTileIntrinsics."""
    true = ComputeEmitter.products

    def swapped(self: Any, stmt: Any, *args: Any) -> Any:
        turned = dataclasses.replace(stmt)
        turned.trans_b = not stmt.trans_b
        return true(self, turned, *args)

    monkeypatch.setattr(ComputeEmitter, "products", swapped)
    assert blamed() == PASSES[3]


def test_a_product_onto_another_value_is_the_fourth_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products are added to what their DST tile holds, in block programs too."""
    monkeypatch.setattr(emit, "schedule", lambda e: [m for m in schedule(e) if m.kind != "fill"])
    (made,) = compile_all(_onto_a_used_register())
    assert validate(made).name == PASSES[3]


def _onto_a_used_register() -> Any:
    @T.prim_func
    def main(A: T.Tensor((32, 32), "bfloat16"), C: T.Tensor((32, 32), "float32")):
        with T.Kernel(1) as _:
            a = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            T.copy(A, a)
            for i, j in T.Parallel(32, 32):
                c[i, j] = a[i, j] * a[i, j] + T.max(a[i, j], a[i, j])
            T.copy(c, C)

    return main


def blamed() -> str:
    """The pass that is blamed; a later pass may have refused what an earlier one made."""
    from harness.compiler.options import CompileOptions
    from harness.compiler.pipeline import tt_passes

    kernel = KERNELS["gemm"].factory(M=96, N=64, K=64, block_M=32, block_N=32, block_K=32)
    return validate(partly(kernel, tt_passes(CompileOptions())[:4])).name


def partly(kernel: Any, passes: list[Any]) -> Any:
    """An artifact as far as the first four passes make it."""
    from harness.compiler.diagnostics import as_module
    from harness.compiler.options import CompileOptions
    from harness.compiler.pipeline import Compilation, PassRecord

    source = module = as_module(kernel)
    records = []
    for one in passes:
        module = one(module)
        records.append(PassRecord(one.name, 0.0, module))
    (name, func) = next((v.name_hint, f) for v, f in source.functions_items())
    made = Compilation((), tuple(records), source, module)
    return Artifact(name, None, None, CompileOptions(), func, made)  # type: ignore[arg-type]
