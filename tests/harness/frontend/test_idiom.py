from typing import Any

import pytest

import harness
from tests.harness.frontend.loading import kernel

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gemm and relu": ("matmul_relu", {"M": 128, "N": 64, "K": 96}),
    "gemm, ragged": ("matmul_relu", {"M": 100, "N": 70, "K": 64}),
    "eager gemm": ("matmul_eager", {"M": 96, "N": 64, "K": 64}),
    "eager gemm, other blocks": ("matmul_eager", {"M": 96, "N": 64, "K": 64, "block_M": 32}),
    "scalar parameter": ("scale_in_place", {"M": 64, "N": 70, "factor": 2.5, "block": 32}),
    "autotuned add": ("add_tuned", {"M": 64, "N": 96}),
    "rms norm": ("rms_norm", {"M": 64, "N": 128, "blk_m": 32}),
    "rms norm, one row": ("rms_norm", {"M": 64, "N": 128, "blk_m": 1}),
    "softmax": ("softmax", {"M": 64, "N": 96}),
    "gelu and bias": ("gelu_bias", {"M": 64, "N": 128}),
    "mixed numbers": ("clip_mix", {"M": 64, "N": 64}),
    "mask": ("causal_mask", {"N": 96}),
    "attention": ("attention", {"batch": 1, "heads": 2, "seq_len": 64, "dim": 64}),
    "causal attention": (
        "attention",
        {"batch": 1, "heads": 1, "seq_len": 96, "dim": 32, "is_causal": True},
    ),
    "open size": ("dynamic_copy", {"m": 45}),
    "view and scalars": ("flat_scaled", {"M": 96, "N": 64}),
    "loops": ("unrolled_sum", {"M": 64, "N": 64}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_kernel_in_tilelang_idiom_computes_what_it_says(case: str) -> None:
    """Runs a file that imports tilelang and torch, and judges the kernel by the golden."""
    name, params = CASES[case]
    verdict = harness.check(kernel(name, **params))
    assert verdict.passed, verdict
