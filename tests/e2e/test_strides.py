"""Elements of a tensor every so many rows, and at sums of several loop variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.fuzz.stages import validate

DEVICES = ("wormhole_n150", "blackhole_p150")


def pooled(H: int, W: int, C: int, k: int, dtype: str) -> Any:
    """The greatest of every ``k`` by ``k`` places of an image (H, W, C)."""

    @T.prim_func
    def main(X: T.Tensor((H, W, C), dtype), Y: T.Tensor((H // k, W // k, C), dtype)):
        with T.Kernel(H // k, C // 32, threads=64) as (row, channels):
            y = T.alloc_fragment((W // k, 32), dtype)
            T.fill(y, -T.infinity(dtype))
            for a in T.serial(k):
                for b in T.serial(k):
                    for i, j in T.Parallel(W // k, 32):
                        y[i, j] = T.max(y[i, j], X[row * k + a, i * k + b, channels * 32 + j])
            T.copy(y, Y[row, :, channels * 32 : (channels + 1) * 32])

    return main


def regrouped(M: int, N: int) -> Any:
    """A vector as rows of ``N``, one index made of both variables."""

    @T.prim_func
    def main(X: T.Tensor((1, M * N), "float32"), Y: T.Tensor((M, N), "float32")):
        with T.Kernel(M // 32) as block:
            y = T.alloc_fragment((32, N), "float32")
            for i, j in T.Parallel(32, N):
                y[i, j] = X[0, (block * 32 + i) * N + j] + 1.0
            T.copy(y, Y[block * 32, 0])

    return main


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("H", "W", "C", "k", "dtype"),
    [(8, 64, 64, 2, "float32"), (6, 42, 32, 3, "float32"), (4, 80, 32, 2, "bfloat16"),
     (4, 20, 32, 4, "float16")],
)  # fmt: skip
def test_rows_are_taken_at_their_stride(
    H: int, W: int, C: int, k: int, dtype: str, device: str
) -> None:
    """Pooling reads every k-th row of a tensor, and starts from minus infinity in any dtype."""
    artifact = harness.compile(pooled(H, W, C, k, dtype), device=device)
    assert harness.check(artifact, oracle="llvm").passed
    assert validate(artifact).name == ""
    x = np.random.default_rng(1).integers(-9, 9, (H, W, C)).astype(np.float32)
    got = artifact.run({"X": x}).outputs["Y"]
    cut = x[: H // k * k, : W // k * k].reshape(H // k, k, W // k, k, C)
    np.testing.assert_array_equal(got, cut.max((1, 3)))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("M", "N"), [(32, 32), (64, 48)])
def test_an_index_of_several_variables(M: int, N: int, device: str) -> None:
    """A row-major index of two loops is read where it leads, 16 elements at a time."""
    artifact = harness.compile(regrouped(M, N), device=device)
    assert harness.check(artifact, oracle="llvm").passed
    x = np.arange(M * N, dtype=np.float32).reshape(1, -1) % 509
    np.testing.assert_array_equal(artifact.run({"X": x}).outputs["Y"], x.reshape(M, N) + 1)
