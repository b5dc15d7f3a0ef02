"""Scalars and names that blocks give a value, and copies of as much as an expression says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import HarnessError


def _normed(rows: int, n: int, dtype: str) -> Any:
    """Rows made normal: mean and scale have names, and running ones are updated in place."""

    @T.prim_func
    def main(
        X: T.Tensor((rows, n), dtype), R: T.Tensor((rows,), "float32"),
        M: T.Tensor((rows,), "float32"), Y: T.Tensor((rows, n), dtype),
    ):  # fmt: skip
        with T.Kernel(rows) as r:
            x = T.alloc_shared((n,), dtype)
            s = T.alloc_fragment((1, n), "float32")
            total = T.alloc_fragment((1,), "float32")
            T.copy(X[r, 0], x)
            for i, j in T.Parallel(1, n):
                s[i, j] = x[j] * 1.0
            T.reduce_sum(s, total, dim=1)
            mean = total[0] / n
            for i, j in T.Parallel(1, n):
                s[i, j] = (x[j] - mean) * (x[j] - mean)
            T.reduce_sum(s, total, dim=1)
            scale = 1.0 / T.sqrt(total[0] / n + 0.5)
            M[r] = mean
            R[r] = R[r] * 0.75 + scale
            for _i, j in T.Parallel(1, n):
                Y[r, j] = (x[j] - mean) * scale

    return main


def _weighted(tokens: int, dtype: str) -> Any:
    """Rows that a list on chip names, times weights that a scalar takes one after another."""

    @T.prim_func
    def main(
        X: T.Tensor((40, 64), dtype), W: T.Tensor((tokens, 3), "float32"),
        F: T.Tensor((64,), "float32"), P: T.Tensor((tokens, 3), "int32"),
        Y: T.Tensor((tokens, 64), dtype),
    ):  # fmt: skip
        with T.Kernel(tokens) as t:
            y = T.alloc_fragment((64,), "float32")
            w = T.alloc_fragment((3,), "float32")
            p = T.alloc_fragment((3,), "int32")
            T.clear(y)
            T.copy(W[t, :], w)
            T.copy(P[t, :], p)
            for k in T.unroll(3):
                at = p[k]
                if at > 0:
                    s = T.alloc_var("float32")
                    s = 1.0
                    s = w[k] * 2.0
                    s *= w[0]
                    s = s * F[at]
                    for i in T.Parallel(64):
                        y[i] += X[at, i] * s
            for i in T.Parallel(64):
                Y[t, i] = y[i]

    return main


def _pooled(steps: int, heads: int, dim: int, dtype: str) -> Any:
    """Chunks of a sequence averaged, the last one shorter."""
    chunks = -(-steps // 32)

    @T.prim_func
    def main(X: T.Tensor((steps, heads, dim), dtype), Y: T.Tensor((chunks, heads, dim), dtype)):
        with T.Kernel(T.ceildiv(dim, 64), chunks, heads) as (bd, c, h):
            x = T.alloc_shared((32, 64), dtype)
            y = T.alloc_fragment((64,), "float32")
            first = T.alloc_var("int32")
            last = T.alloc_var("int32")
            first = c * 32
            last = T.min(first + 32, steps)
            end = T.min(bd * 64 + 64, dim)
            T.clear(x)
            T.copy(X[first:last, h, bd * 64 : end], x[0 : last - first, : end - bd * 64])
            T.reduce_sum(x, y, dim=0)
            for j in T.Parallel(64):
                Y[c, h, bd * 64 + j] = y[j] / T.cast(last - first, "float32")

    return main


def _carried(rows: int, n: int) -> Any:
    """A largest number, and a sum of what it scales: loops carry both on."""

    @T.prim_func
    def main(X: T.Tensor((rows, n), "float32"), Y: T.Tensor((rows, 32), "float32")):
        with T.Kernel(rows) as r:
            top = T.alloc_var("float32")
            total = T.alloc_var("float32", init=0.0)
            top = -T.infinity("float32")
            for k in T.serial(n):
                top = T.max(top, X[r, k])
            for k in T.serial(n):
                each = X[r, k] - top
                total += T.exp2(each)
            total = T.log2(total) + top
            for i in T.Parallel(32):
                Y[r, i] = total * i

    return main


KERNELS = {
    "carried": _carried(2, 40),
    "normed": _normed(40, 96, "bfloat16"),
    "normed, float32": _normed(33, 50, "float32"),
    "weighted": _weighted(40, "bfloat16"),
    "weighted, float32": _weighted(20, "float32"),
    "pooled": _pooled(128, 2, 64, "bfloat16"),
    "pooled, ragged": _pooled(120, 2, 100, "float32"),
}


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("name", KERNELS)
def test_computes_what_it_says(name: str, device: str) -> None:
    """A number that compute made is what it was where it was given its name."""
    verdict = harness.check(KERNELS[name], device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


@pytest.mark.parametrize("name", ["normed", "weighted"])
def test_a_16_bit_register_keeps_the_bound(name: str) -> None:
    """What a name stands for is rounded as golden says where the register has 16 bits."""
    verdict = harness.check(KERNELS[name], fp32_dest=False)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


def test_a_name_keeps_its_value_when_the_block_changes() -> None:
    """A name is worth what the block held when it was given, not what it holds when used."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            a = T.alloc_fragment((32, 32), "float32")
            n = T.alloc_fragment((1,), "float32")
            T.copy(A, a)
            n[0] = A[0, 0] + 1.0
            before = n[0] * 2.0
            n[0] = 100.0
            for i, j in T.Parallel(32, 32):
                a[i, j] = a[i, j] + before + n[0]
            T.copy(a, C)

    verdict = harness.check(main)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


def _sizes(take: Any, put: Any) -> Any:
    @T.prim_func
    def main(A: T.Tensor((64, 32), "float32"), C: T.Tensor((64, 32), "float32")):
        with T.Kernel(2) as b:
            a = T.alloc_shared((32, 32), "float32")
            T.clear(a)
            T.copy(A[b * 32 : b * 32 + b * take, :], a[0 : b * put, :])
            T.copy(a, C[b * 32, 0])

    return main


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
def test_numbers_made_from_one_another_lose_nothing(device: str) -> None:
    """A number stands for itself where one is made: it is not repeated, which cuts it to TF32."""

    @T.prim_func
    def main(X: T.Tensor((4, 40), "float32"), N: T.Tensor((1,), "int32"),
             Y: T.Tensor((1,), "float32")):  # fmt: skip
        with T.Kernel(1):
            hits = T.alloc_fragment((40,), "int32")
            more = T.alloc_fragment((1,), "int32")
            n = T.alloc_fragment((1,), "int32")
            x = T.alloc_fragment((1,), "float32")
            y = T.alloc_fragment((1,), "float32")
            n[0] = 0
            T.clear(y)
            for k in T.serial(4):
                for j in T.Parallel(40):
                    hits[j] = T.if_then_else(X[k, j] > 0, 1, 0)
                T.reduce_sum(hits, more, dim=0)
                n[0] = n[0] + more[0]
                T.copy(X[k, 0:1], x)
                y[0] += x[0]
            N[0] = n[0]
            Y[0] = y[0]

    x = np.random.default_rng(0).integers(-9, 10, (4, 40)).astype(np.float32)
    x[:, 0] = 1 + 2.0**-20
    made = harness.compile(main, device=device).run({"X": x}).outputs
    assert (made["N"][0], made["Y"][0]) == ((x > 0).sum(), 4 + 2.0**-18)
    assert harness.check(main, {"X": x}, device=device).passed


def test_sizes_that_may_differ_are_refused() -> None:
    """A slice of one size is not copied to one of another."""
    with pytest.raises(HarnessError, match="not known to be equal"):
        _sizes(3, 4)


def test_nothing_bounds_a_copy_between_tensors() -> None:
    """A copy of any size needs a block for the most there can be."""
    with pytest.raises(HarnessError, match="no block bounds it"):

        @T.prim_func
        def main(A: T.Tensor((64, 32), "float32"), C: T.Tensor((64, 32), "float32")):
            with T.Kernel(2) as b:
                T.copy(A[0 : b * 3, :], C[0 : b * 3, :])
