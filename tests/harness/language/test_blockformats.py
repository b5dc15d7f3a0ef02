"""Tensors the host stores in a block format: declared, annotated, judged, and where refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from golden.blocks import stored_by_host
from harness.compiler import annotate_tt_layout
from harness.errors import HarnessError
from harness.kernels.quantised import dequantised_gemm

SMALL: dict[str, Any] = {"M": 64, "N": 64, "K": 64}


def _scaled(weights: str, out: str = "float32", halved: bool = False) -> Any:
    @T.prim_func
    def main(A: T.Tensor((64, 70), weights), C: T.Tensor((64, 70), out)):
        with T.Kernel(3, 2) as (bx, by):
            for i, j in T.Parallel(32, 32):
                C[by * 32 + i, bx * 32 + j] = (
                    A[by * 32 + i, bx * 32 + j] * A[by * 32 + i, bx * 32 + j]
                    if halved
                    else A[by * 32 + i, bx * 32 + j] * 2.0 + 1.0
                )

    return main


def _planes(weights: str) -> Any:
    @T.prim_func
    def main(A: T.Tensor((64, 64, 3), weights), C: T.Tensor((3, 64, 64), "bfloat16")):
        with T.Kernel(2, 2, 3) as (bx, by, bz):
            a = T.alloc_shared((32, 32), "bfloat16")
            T.copy(A[by * 32 : by * 32 + 32, bx * 32 : bx * 32 + 32, bz], a)
            T.copy(a, C[bz, by * 32, bx * 32])

    return main


@pytest.mark.parametrize("weights", ["bfloat8_b", "bfloat4_b"])
@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_weights_are_judged_as_they_are_stored(weights: str, device: str, dtype: str) -> None:
    """Ragged, with every type of the other operand, both number models of the machine."""
    kernel = dequantised_gemm(M=100, N=70, K=50, dtype=dtype, weights=weights)
    verdict = harness.check(kernel, device=device, numbers="exact")
    assert verdict.passed, verdict.reason


def test_the_answer_is_that_of_the_stored_weights_and_not_of_the_given_ones() -> None:
    """The host's rounding is part of the meaning: the answer shows it, and it is the right one."""
    rng = np.random.default_rng(5)
    arrays = {n: rng.standard_normal((64, 64)).astype(np.float32) for n in ("A", "B")}
    arrays["A"] = np.rint(arrays["A"])
    got = harness.compile(dequantised_gemm(**SMALL)).run(arrays).outputs["C"]
    stored = arrays["A"].astype(np.float64) @ stored_by_host(arrays["B"], "bfloat8_b")
    plain = arrays["A"].astype(np.float64) @ arrays["B"].astype(np.float64)
    assert np.abs(got - stored).max() < 1e-4 < np.abs(got - plain).max()


def test_the_tiles_are_read_in_their_own_format() -> None:
    """A gemm takes its weights from a Bfp8_b circular buffer: no bfloat16 copy is made of them."""
    plan = harness.compile(dequantised_gemm(**SMALL)).plan
    assert (plan.layouts["B"].dtype, plan.layouts["B"].padding) == ("bfloat8_b", "zero")
    formats = [cb.data_format for cb in plan.circular_buffers]
    assert sorted(formats) == ["Bfp8_b", "Float16_b", "Float32"]


def test_elements_are_read_and_cast() -> None:
    """Elementwise work on such a tensor, with a ragged edge."""
    assert harness.check(_scaled("bfloat8_b")).passed


def test_an_annotation_declares_the_format_too() -> None:
    """annotate_tt_layout's dtype gives the kernel that declares it: the same plan."""
    plain = dequantised_gemm(**SMALL, weights="bfloat16")
    stored = annotate_tt_layout(plain, {"B": {"dtype": "bfloat8_b"}})
    assert harness.compile(stored).plan == harness.compile(dequantised_gemm(**SMALL)).plan
    assert harness.check(stored).passed


def test_refusals() -> None:
    """Blocks, results and arithmetic in a block format are refused, each with what to write."""
    with pytest.raises(HarnessError, match="no block or value has it") as block:
        T.alloc_shared((32, 32), "bfloat8_b")
    assert "bfloat16" in str(block.value.next_step)
    with pytest.raises(HarnessError, match="is written, and bfloat8_b is for tensors the host"):
        harness.compile(_scaled("bfloat16", "bfloat8_b"))
    with pytest.raises(HarnessError, match="arithmetic of bfloat8_b values"):
        harness.compile(_scaled("bfloat8_b", halved=True))
    with pytest.raises(HarnessError, match="shares exponents along the last"):
        harness.compile(_planes("bfloat8_b"))
    with pytest.raises(HarnessError, match="contradicts the kernel's float32"):
        harness.compile(annotate_tt_layout(_scaled("float32"), {"A": {"dtype": "bfloat8_b"}}))
