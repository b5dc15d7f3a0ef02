"""Blocks that are one column of a tensor, done together by the tile: a scalar per step and head."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from tests.e2e.judged import run_judged


def _sums(shape: tuple[int, int, int], dtype: str, *, copies: bool, line: bool) -> Any:
    """Running sums of every head, along a chunk of the steps."""
    batch, steps, heads = shape

    @T.prim_func
    def main(X: T.Tensor((batch, steps, heads), dtype), Y: T.Tensor(shape, "float32")):
        with T.Kernel(T.ceildiv(steps, 64), batch * heads) as (bs, bh):
            b, h = bh // heads, bh % heads
            if copies and line:
                r = T.alloc_shared((1, 64), "float32")
                T.copy(X[b, bs * 64 : (bs + 1) * 64, h], r)
                T.cumsum(r, dim=1, reverse=True)
                T.copy(r, Y[b, bs * 64 : (bs + 1) * 64, h])
            elif copies:
                s = T.alloc_fragment((64,), "float32")
                T.copy(X[b, bs * 64 : (bs + 1) * 64, h], s)
                T.cumsum(s, dim=0)
                T.copy(s, Y[b, bs * 64 : (bs + 1) * 64, h])
            else:
                v = T.alloc_fragment((64,), "float32")
                for i in T.Parallel(64):
                    v[i] = X[b, bs * 64 + i, h] * 2.0
                for i in T.Parallel(64):
                    Y[b, bs * 64 + i, h] = v[i] - 1.0

    return main


def _flipped(dtype: str) -> Any:
    """A column read, a row of another tensor written."""

    @T.prim_func
    def main(X: T.Tensor((96, 40), dtype), Y: T.Tensor((40, 96), "float32")):
        with T.Kernel(3, 40) as (bs, h):
            v = T.alloc_fragment((32,), "float32")
            T.copy(X[bs * 32 : (bs + 1) * 32, h], v)
            for i in T.Parallel(32):
                v[i] = T.exp2(v[i])
            T.copy(v, Y[h, bs * 32 : (bs + 1) * 32])

    return main


KERNELS = {
    "copies": _sums((1, 128, 2), "float32", copies=True, line=False),
    "copies, ragged": _sums((2, 100, 33), "bfloat16", copies=True, line=False),
    "blocks of one row, ragged": _sums((1, 70, 35), "float32", copies=True, line=True),
    "elements": _sums((2, 100, 3), "float32", copies=False, line=False),
    "elements, many heads": _sums((1, 64, 70), "bfloat16", copies=False, line=False),
    "flipped": _flipped("float16"),
}


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("name", KERNELS)
def test_computes_what_it_says(name: str, device: str) -> None:
    """A column of a tensor is a line on chip, whatever else moves, and goes back to one."""
    verdict = harness.check(KERNELS[name], device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
def test_a_tensor_read_by_its_column_and_whole(device: str) -> None:
    """Two parts of a tensor that begin at one place are two blocks where one reaches further."""

    @T.prim_func
    def main(X: T.Tensor((32, 40), "float32"), Y: T.Tensor((32, 40), "float32")):
        with T.Kernel(1):
            y = T.alloc_fragment((32, 40), "float32")
            T.clear(y)
            for i, j in T.Parallel(32, 40):
                for k in T.serial(4):
                    y[i, j] += X[i, k] * X[i, j]
            T.copy(y, Y)

    x = np.random.default_rng(0).integers(-9, 10, (32, 40)).astype(np.float32)
    expected = x * x[:, :4].sum(1, keepdims=True)
    np.testing.assert_array_equal(run_judged(main, {"X": x}, device), expected)
