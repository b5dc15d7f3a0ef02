"""Kernels that no integers leave exact: what normal numbers forgive is found all the same."""

import dataclasses
from typing import Any

import pytest

import harness
import harness.language as T
from harness import check
from harness.artifact import compile as compile_kernel
from harness.kernels import attention, norm, softmax
from harness.mutants.edit import Built, dropped, edit, with_arg


def _edited(source: Any, change: Any) -> Any:
    made = compile_kernel(source, grid=(1, 1))
    built = edit(Built(made.plan, made.programs), change, thread="compute").sealed()
    return dataclasses.replace(made, plan=built.plan, programs=built.programs)


@pytest.mark.parametrize(
    ("source", "change"),
    [
        (softmax.softmax(M=32, N=64), dropped("sub_binary_tile")),
        (norm.layer_norm(M=32, N=64), with_arg("add_unary_tile", 1, lambda _: 0.0)),
    ],
    ids=["maximum not subtracted", "epsilon forgotten"],
)
def test_a_shift_or_an_offset_left_out_is_found(source: Any, change: Any) -> None:
    """Both cancel, or vanish, on standard normal numbers."""
    artifact = _edited(source, change)
    assert check(source, artifact=artifact, grid=(1, 1), input_kind="random").passed
    verdict = check(source, artifact=artifact, grid=(1, 1))
    assert verdict.input_kind == "random+scaled"
    assert not verdict.passed


@pytest.mark.parametrize("seed", range(3))
def test_right_answers_stay_right(seed: int) -> None:
    """Rows of other magnitudes are no reason to fail."""
    for source in (softmax.softmax(M=32, N=64), norm.layer_norm(M=32, N=64)):
        assert check(source, grid=(1, 1), seed=seed).passed


def test_a_verdict_counts_what_was_compared_most() -> None:
    """Inputs that leave some elements open do not hide that others judged them all."""
    small: dict[str, Any] = {"heads": 1, "seq_len": 64, "dim": 32, "block_M": 32, "block_N": 32}
    verdict = check(attention.flash_attention(**small, is_causal=True), grid=(1, 1))
    assert verdict.input_kind == "random+scaled"
    assert verdict.tensors["O"]["compared"] == 64 * 32


def test_a_row_nothing_is_known_of_leaves_the_others_judged() -> None:
    """Elements of V that may count as zero cost a row its own sum, not the largest there is."""
    small: dict[str, Any] = {"heads": 1, "seq_len": 64, "dim": 32, "block_M": 64, "block_N": 64}
    source = attention.flash_attention(**small, dtype="float16")
    verdict = check(source, grid=(1, 1), input_kind="scaled")
    assert verdict.passed
    assert verdict.tensors["O"]["compared"] >= 64 * 32 // 3


@T.prim_func
def _differences(A: T.Tensor((64, 32), "float32"), B: T.Tensor((32,), "float32")):
    """Infinity less infinity in every column where some row is large."""
    with T.Kernel(1):
        a = T.alloc_fragment((64, 32), "float32")
        b = T.alloc_fragment((32,), "float32")
        T.copy(A, a)
        for i, j in T.Parallel(64, 32):
            a[i, j] = T.exp2(a[i, j] * 16.0) - T.exp2(a[i, j] * 15.0)
        T.reduce_sum(a, b, dim=0)
        T.copy(b, B)


def test_rows_that_say_nothing_are_left_out() -> None:
    """Magnitudes that leave no answer do not fail a kernel that others judge, nor pass alone."""
    verdict = check(_differences)
    assert verdict.passed, verdict.reason
    assert verdict.input_kind == "random"
    assert not check(_differences, input_kind="scaled").passed


@T.prim_func
def _doubled(B: T.Tensor((32,), "float32"), C: T.Tensor((32,), "float32")):
    with T.Kernel(1):
        b = T.alloc_fragment((32,), "float32")
        T.copy(B, b)
        for i in T.Parallel(32):
            b[i] = b[i] + b[i]
        T.copy(b, C)


def test_a_sequence_leaves_them_out_too() -> None:
    """So does a kernel of a sequence, of which all rounds are of one kind."""
    made = harness.sequence(_differences, _doubled)
    verdict = check(made)
    assert verdict.passed, verdict.reason
    assert verdict.input_kind == "random"
    assert not check(made, input_kind="scaled").passed
