"""Tensor elements at computed places: convolution by im2col, as TileLang's example writes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import HarnessError
from harness.fuzz.stages import validate
from harness.kernels.convolution import conv2d_reference

SHAPES = [
    # N, H, W, C, F, K, S, D, P, block_M, block_N, block_K
    (2, 8, 8, 64, 64, 3, 1, 1, 1, 64, 64, 32),
    (1, 7, 5, 48, 40, 3, 2, 1, 1, 32, 32, 32),
    (3, 9, 6, 16, 24, 2, 1, 2, 0, 64, 32, 64),
    (2, 5, 5, 32, 32, 1, 1, 1, 0, 32, 32, 32),
]


def _by_hand(sizes: tuple[int, ...], dtype: str, memory: str = "DRAM") -> Any:
    N, H, W, C, F, K, S, D, P, bM, bN, bK = sizes
    OH, OW = ((x + 2 * P - D * (K - 1) - 1) // S + 1 for x in (H, W))

    @T.prim_func
    def main(
        data: T.Tensor((N, H, W, C), dtype),
        kernel: T.Tensor((K * K * C, F), dtype),
        out: T.Tensor((N * OH * OW, F), "float32"),
    ):
        with T.Kernel(T.ceildiv(F, bN), T.ceildiv(N * OH * OW, bM)) as (bx, by):
            T.annotate_layout({data: {"memory": memory}})
            data_shared = T.alloc_shared((bM, bK), dtype)
            kernel_shared = T.alloc_shared((bK, bN), dtype)
            out_local = T.alloc_fragment((bM, bN), "float32")
            T.clear(out_local)
            for k_iter in T.Pipelined(T.ceildiv(K * K * C, bK), num_stages=2):
                for i, j in T.Parallel(bM, bK):
                    k = k_iter * bK + j
                    m = by * bM + i
                    h = m % (OH * OW) // OW * S + k // (K * C) * D - P
                    w = m % OW * S + k // C % K * D - P
                    inside = (h >= 0) and (w >= 0) and (h < H) and (w < W)
                    data_shared[i, j] = T.if_then_else(inside, data[m // (OH * OW), h, w, k % C], 0)
                T.copy(kernel[k_iter * bK, bx * bN], kernel_shared)
                T.gemm(data_shared, kernel_shared, out_local)
            T.copy(out_local, out[by * bM, bx * bN])

    return main


def _by_name(sizes: tuple[int, ...], dtype: str, memory: str = "DRAM") -> Any:
    N, H, W, C, F, K, S, D, P, bM, bN, bK = sizes
    OH, OW = ((x + 2 * P - D * (K - 1) - 1) // S + 1 for x in (H, W))

    @T.prim_func
    def main(
        data: T.Tensor((N, H, W, C), dtype),
        kernel: T.Tensor((K * K * C, F), dtype),
        out: T.Tensor((N * OH * OW, F), "float32"),
    ):
        with T.Kernel(T.ceildiv(F, bN), T.ceildiv(N * OH * OW, bM)) as (bx, by):
            T.annotate_layout({data: {"memory": memory}})
            data_shared = T.alloc_shared((bM, bK), dtype)
            kernel_shared = T.alloc_shared((bK, bN), dtype)
            out_local = T.alloc_fragment((bM, bN), "float32")
            T.clear(out_local)
            for k_iter in T.Pipelined(T.ceildiv(K * K * C, bK), num_stages=2):
                T.c2d_im2col(data, data_shared, by, k_iter, K, S, D, P)
                T.copy(kernel[k_iter * bK, bx * bN], kernel_shared)
                T.gemm(data_shared, kernel_shared, out_local)
            T.copy(out_local, out[by * bM, bx * bN])

    return main


@pytest.mark.parametrize(("device", "dtype"), [("wormhole_n150", "bfloat16"),
                                               ("wormhole_n150", "float32"),
                                               ("blackhole_p150", "bfloat16"),
                                               ("blackhole_p150", "float32")])  # fmt: skip
@pytest.mark.parametrize("shape", SHAPES)
def test_im2col(shape: tuple[int, ...], device: str, dtype: str) -> None:
    """Strides, dilation, padding and ragged ends give what the golden reference gives."""
    assert harness.check(_by_name(shape, dtype), device=device).passed


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("shape", SHAPES)
def test_im2col_is_right_after_every_pass(
    shape: tuple[int, ...], dtype: str, device: str
) -> None:  # fmt: skip
    """Parts of pages have a meaning in block programs too, so no pass is blamed for them."""
    assert validate(harness.compile(_by_name(shape, dtype), device=device)).name == ""


@pytest.mark.parametrize("shape", SHAPES)
def test_im2col_of_a_tensor_in_l1(shape: tuple[int, ...]) -> None:
    """L1 is read at multiples of 16 bytes everywhere, so nothing bounces."""
    func = _by_name(shape, "bfloat16", "L1")
    assert harness.check(func, device="blackhole_p150").passed


@pytest.mark.parametrize("make", [_by_hand, _by_name])
@pytest.mark.parametrize("shape", SHAPES)
def test_im2col_is_the_convolution(shape: tuple[int, ...], make: Any) -> None:
    """By name or as a loop over elements, it is the convolution NumPy computes, bit for bit."""
    N, H, W, C, F, K, S, D, P, *_ = shape
    rng = np.random.default_rng(7)
    data = rng.integers(-3, 4, (N, H, W, C)).astype(np.float32)
    kernel = rng.integers(-3, 4, (K, K, C, F)).astype(np.float32)
    spread = np.zeros((D * (K - 1) + 1, D * (K - 1) + 1, C, F))
    spread[::D, ::D] = kernel
    wanted = conv2d_reference(data.astype(np.float64), spread, S, P)
    artifact = harness.compile(make(shape, "bfloat16"), device="wormhole_n150")
    got = artifact.run({"data": data, "kernel": kernel.reshape(-1, F)}).outputs["out"]
    np.testing.assert_array_equal(got, wanted.reshape(-1, F))


@pytest.mark.parametrize(
    ("shape", "device", "dtype", "words"),
    [
        ((1, 8, 8, 24, 32, 3, 1, 1, 1, 32, 32, 32), "wormhole_n150", "bfloat16", "of 24"),
    ],
)
def test_refusals(shape: tuple[int, ...], device: str, dtype: str, words: str) -> None:
    """Channels that are no runs: at their line."""
    with pytest.raises(HarnessError, match=words) as caught:
        harness.compile(_by_hand(shape, dtype), device=device)
    assert "test_computed_places.py" in str(caught.value.location)
    assert caught.value.next_step


def test_blocks_below_a_tile_gather_in_turn() -> None:
    """Computed places keep the index of a block of 16 rows."""
    shape = (1, 8, 8, 32, 32, 3, 1, 1, 1, 16, 32, 32)
    verdict = harness.check(_by_hand(shape, "bfloat16"), device="wormhole_n150")
    assert verdict.passed, verdict.reason


def test_columns_need_not_be_whole_runs() -> None:
    """Rows that end within a run, or begin so, come in a window and are moved from there."""

    @T.prim_func
    def main(X: T.Tensor((64, 41), "float32"), Y: T.Tensor((64, 40), "float32")):
        with T.Kernel(1) as _:
            x = T.alloc_fragment((64, 40), "float32")
            for i, j in T.Parallel(64, 40):
                x[i, j] = X[i * 3 % 64, j + 1]
            T.copy(x, Y)

    data = np.arange(64 * 41, dtype=np.float32).reshape(64, 41)
    for device in ("wormhole_n150", "blackhole_p150"):
        got = harness.compile(main, device=device).run({"X": data}).outputs["Y"]
        np.testing.assert_array_equal(got, data[np.arange(64) * 3 % 64, 1:])
        assert harness.check(main, device=device).passed


def test_a_tensor_gathered_from_is_not_written() -> None:
    """Nothing orders writes of a tensor with reads at computed places of it."""

    @T.prim_func
    def main(X: T.Tensor((64, 64), "float32")):
        with T.Kernel(1) as _:
            x = T.alloc_shared((64, 64), "float32")
            for i, j in T.Parallel(64, 64):
                x[i, j] = X[i * 3 % 64, j]
            T.copy(x, X)

    with pytest.raises(HarnessError, match="X is read at computed places and written"):
        harness.compile(main, device="wormhole_n150")


def test_rows_at_computed_places() -> None:
    """Any computed row, without a condition: a permutation of rows, and beyond the edge zero."""

    @T.prim_func
    def main(X: T.Tensor((50, 48), "float32"), Y: T.Tensor((64, 48), "float32")):
        with T.Kernel(2) as b:
            x = T.alloc_fragment((32, 48), "float32")
            for i, j in T.Parallel(32, 48):
                x[i, j] = X[(b * 32 + i) * 3 % 64, j] * 2.0
            T.copy(x, Y[b * 32, 0])

    data = np.arange(50 * 48, dtype=np.float32).reshape(50, 48)
    wanted = np.concatenate([data, np.zeros((14, 48), np.float32)])[np.arange(64) * 3 % 64] * 2
    for device in ("wormhole_n150", "blackhole_p150"):
        got = harness.compile(main, device=device).run({"X": data}).outputs["Y"]
        np.testing.assert_array_equal(got, wanted)
        assert harness.check(main, device=device).passed
