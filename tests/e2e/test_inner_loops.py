"""Sequential loops inside T.Parallel."""

from __future__ import annotations

from typing import Any

import pytest

import harness
import harness.language as T
from harness.errors import CompileError

DEVICES = ["wormhole_n150", "blackhole_p150"]


def _product(m: int, n: int, k: int, dtype: str, block: int = 32) -> Any:
    """A product written out, one rank at a time."""

    @T.prim_func
    def main(
        A: T.Tensor((m, k), dtype), B: T.Tensor((k, n), dtype), C: T.Tensor((m, n), "float32")
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(n, 32), T.ceildiv(m, block)) as (bx, by):
            a = T.alloc_shared((block, k), dtype)
            b = T.alloc_shared((k, 32), dtype)
            c = T.alloc_fragment((block, 32), "float32")
            T.copy(A[by * block, 0], a)
            T.copy(B[0, bx * 32], b)
            for i, j in T.Parallel(block, 32):
                c[i, j] = 0
                for step in T.serial(k):
                    c[i, j] += a[i, step] * b[step, j]
                c[i, j] = T.max(c[i, j], 0)
            T.copy(c, C[by * block, bx * 32])

    return main


def _triangle(dtype: str) -> Any:
    """A loop for some places only, and another value for the others."""

    @T.prim_func
    def main(X: T.Tensor((32, 40), dtype), Y: T.Tensor((32, 40), "float32")):
        with T.Kernel(1):
            y = T.alloc_fragment((32, 40), "float32")
            T.clear(y)
            for i, j in T.Parallel(32, 40):
                if i > j:
                    for k in T.serial(3):
                        y[i, j] += X[i, j] * k
                else:
                    y[i, j] = -1
            T.copy(y, Y)

    return main


def _parts(dtype: str) -> Any:
    """Parts of a block added up, some under conditions, and elements of a tensor."""

    @T.prim_func
    def main(
        X: T.Tensor((64, 128), dtype), W: T.Tensor((64, 5), dtype),
        Y: T.Tensor((64, 32), "float32"),
    ):  # fmt: skip
        with T.Kernel(2) as bx:
            x = T.alloc_shared((32, 128), dtype)
            y = T.alloc_fragment((32, 32), "float32")
            T.copy(X[bx * 32, 0], x)
            T.clear(y)
            for i, j in T.Parallel(32, 32):
                for k in T.unroll(4):
                    if k > bx:
                        y[i, j] += x[i, k * 32 + j] * W[bx * 32 + i, k]
                    if i >= k * 8:
                        y[i, j] = y[i, j] * 0.5
                if bx > 0:
                    for k in range(1, 3):
                        for h in T.serial(2):
                            y[i, j] += k - h
            T.copy(y, Y[bx * 32, 0])

    return main


def _sums(dtype: str) -> Any:
    """Rows added up column by column, in a loop over a vector."""

    @T.prim_func
    def main(X: T.Tensor((70, 9), dtype), Y: T.Tensor((70,), "float32")):
        with T.Kernel(3) as bx:
            x = T.alloc_shared((32, 9), dtype)
            y = T.alloc_fragment((32,), "float32")
            T.copy(X[bx * 32, 0], x)
            for i in T.Parallel(32):
                y[i] = 0
                for k in T.serial(0, 9, 2):
                    y[i] += x[i, k]
            T.copy(y, Y[bx * 32])

    return main


KERNELS = {
    "product": _product(64, 64, 8, "bfloat16"),
    "product, ragged": _product(70, 50, 7, "float16", 64),
    "product, float32": _product(40, 33, 3, "float32"),
    "product, small blocks": _product(48, 64, 5, "bfloat16", 16),
    "parts": _parts("bfloat16"),
    "parts, float32": _parts("float32"),
    "triangle": _triangle("bfloat16"),
    "sums": _sums("bfloat16"),
    "sums, float16": _sums("float16"),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", KERNELS)
def test_computes_what_it_says(name: str, device: str) -> None:
    """Every place goes through the loop as the source says."""
    verdict = harness.check(KERNELS[name], device=device, numbers="exact")
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


def _refused(form: str) -> Any:
    @T.prim_func
    def bounds(X: T.Tensor((32, 32), "float32"), Y: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            x = T.alloc_fragment((32, 32), "float32")
            T.copy(X, x)
            for i, j in T.Parallel(32, 32):
                for _ in T.serial(i):
                    x[i, j] += 1
            T.copy(x, Y)

    @T.prim_func
    def condition(X: T.Tensor((32, 32), "float32"), Y: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            x = T.alloc_fragment((32, 32), "float32")
            T.copy(X, x)
            for i, j in T.Parallel(32, 32):
                if x[i, j] > 0:
                    for _ in T.serial(3):
                        x[i, j] -= 1
            T.copy(x, Y)

    @T.prim_func
    def otherwise(X: T.Tensor((32, 32), "float32"), Y: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            x = T.alloc_fragment((32, 32), "float32")
            T.copy(X, x)
            for i, j in T.Parallel(32, 32):
                if i > j:
                    for _ in T.serial(3):
                        x[i, j] += 1
                    Y[i, j] = x[i, j]
                else:
                    Y[i, j] = 0

    @T.prim_func
    def nested(X: T.Tensor((32, 32), "float32"), Y: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            x = T.alloc_fragment((32, 32), "float32")
            T.copy(X, x)
            for i in T.Parallel(32):
                for _ in T.serial(3):
                    for j in T.Parallel(32):
                        x[i, j] += 1
            T.copy(x, Y)

    kernels = (bounds, condition, otherwise, nested)
    return next(k for k in kernels if k.attrs["global_symbol"] == form)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("bounds", "differs between iterations"),
        ("condition", "on what is stored under it"),
        ("otherwise", "that store to a tensor"),
        ("nested", "T.Parallel inside a loop inside T.Parallel"),
    ],
)
def test_loops_that_differ_are_refused(form: str, text: str) -> None:
    """A loop that runs more often for some places is refused at its line."""
    with pytest.raises(CompileError, match=text) as caught:
        harness.compile(_refused(form))
    assert caught.value.location
