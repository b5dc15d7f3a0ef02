"""What lies beside a block in its last tiles never enters a sum, a maximum or a product."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.kernels import attention, softmax

M, N, P = 100, 70, 50
"""Extents that all end inside a tile."""


def _reductions(dtype: str) -> Any:
    """Reductions of 1 / x, which is infinite beside the block, where x reads zero."""

    @T.prim_func
    def main(
        A: T.Tensor((M, N), dtype),
        Total: T.Tensor((M,), "float32"), Greatest: T.Tensor((M,), "float32"),
        Least: T.Tensor((M,), "float32"), Size: T.Tensor((M,), "float32"),
        Down: T.Tensor((N,), "float32"), Top: T.Tensor((N,), "float32"),
    ):  # fmt: skip
        with T.Kernel(1):
            a = T.alloc_shared((M, N), dtype)
            f = T.alloc_fragment((M, N), "float32")
            r = T.alloc_fragment((M,), "float32")
            c = T.alloc_fragment((N,), "float32")
            T.copy(A, a)
            for i, j in T.Parallel(M, N):
                f[i, j] = 1.0 / a[i, j]
            T.reduce_sum(f, r, dim=1)
            T.copy(r, Total)
            T.reduce_max(f, r, dim=1)
            T.copy(r, Greatest)
            T.reduce_min(f, r, dim=1)
            T.copy(r, Least)
            T.reduce_absmax(f, r, dim=1)
            T.copy(r, Size)
            T.reduce_sum(f, c, dim=0)
            T.copy(c, Down)
            T.reduce_max(f, c, dim=0)
            T.copy(c, Top)

    return main


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_reductions_over_a_tail(device: str, dtype: str) -> None:
    """Sum, maxima and minima along both axes see the elements of the block only."""
    func = _reductions(dtype)
    verdict = harness.check(func, device=device)
    assert verdict.passed, (verdict, verdict.findings)
    a = -(2.0 ** np.random.default_rng(0).integers(-2, 3, (M, N)).astype(np.float32))
    out = harness.compile(func, device=device).run({"A": a}).outputs
    f = 1 / a
    want = {"Total": f.sum(1), "Greatest": f.max(1), "Least": f.min(1),
            "Size": np.abs(f).max(1), "Down": f.sum(0), "Top": f.max(0)}  # fmt: skip
    for name, expected in want.items():
        np.testing.assert_array_equal(out[name], expected, name)


def _product(turned: bool) -> Any:
    a_shape, b_shape = ((N, M), (P, N)) if turned else ((M, N), (N, P))

    @T.prim_func
    def main(
        A: T.Tensor(a_shape, "bfloat16"), B: T.Tensor(b_shape, "bfloat16"),
        C: T.Tensor((M, P), "float32"),
    ):  # fmt: skip
        with T.Kernel(1):
            a = T.alloc_shared(a_shape, "bfloat16")
            b = T.alloc_shared(b_shape, "bfloat16")
            c = T.alloc_fragment((M, P), "float32")
            T.copy(A, a)
            T.copy(B, b)
            for i, j in T.Parallel(*a_shape):
                a[i, j] = 1.0 / a[i, j]
            for i, j in T.Parallel(*b_shape):
                b[i, j] = b[i, j] + 3.0
            T.clear(c)
            T.gemm(a, b, c, transpose_A=turned, transpose_B=turned)
            T.copy(c, C)

    return main


@pytest.mark.parametrize("turned", [False, True])
def test_products_over_a_tail(turned: bool) -> None:
    """Both computed operands of a product have zeros beside what is summed."""
    func = _product(turned)
    assert harness.check(func).passed
    rng = np.random.default_rng(1)
    a = 2.0 ** rng.integers(-1, 2, (M, N)).astype(np.float32)
    b = rng.integers(-4, 5, (N, P)).astype(np.float32)
    arrays = {"A": a.T, "B": b.T} if turned else {"A": a, "B": b}
    out = harness.compile(func).run(arrays).outputs["C"]
    np.testing.assert_array_equal(out, (1 / a) @ (b + 3))


def _running(reverse: bool) -> Any:
    @T.prim_func
    def main(A: T.Tensor((M, N), "bfloat16"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(1):
            a = T.alloc_fragment((M, N), "float32")
            T.copy(A, a)
            for i, j in T.Parallel(M, N):
                a[i, j] = 1.0 / a[i, j]
            T.cumsum(a, dim=1, reverse=reverse)
            T.copy(a, C)

    return main


@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums_over_a_tail(reverse: bool) -> None:
    """Running sums from either end hold nothing of what lies beside the block."""
    assert harness.check(_running(reverse)).passed
    a = np.full((M, N), 2.0, np.float32)
    out = harness.compile(_running(reverse)).run({"A": a}).outputs["C"]
    want = np.cumsum(1 / a, axis=1)
    np.testing.assert_array_equal(out, want[:, ::-1] if reverse else want)


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("dim", [48, 80, 96])
def test_attention_of_any_head_size(device: str, dim: int) -> None:
    """Heads of 48, 80 or 96 elements, as models have them."""
    func = attention.flash_attention(batch=1, heads=2, seq_len=128, dim=dim)
    assert harness.check(func, device=device).passed


@pytest.mark.parametrize(("rows", "columns"), [(48, 130), (20, 64), (7, 33), (80, 96)])
def test_rows_in_blocks_of_any_height(rows: int, columns: int) -> None:
    """Blocks of rows that are no tiles, ragged at the end of the tensor too."""
    assert harness.check(softmax.softmax(M=100, N=columns, block_M=rows)).passed
