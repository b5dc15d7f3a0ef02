"""Whole numbers computed on chip and stored as int32: places, counts, index arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import CompileError
from harness.kernels import selection

DEVICES = ["wormhole_n150", "blackhole_p150"]


def _kernel(statement: str) -> Any:
    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), D: T.Tensor((32, 32), "int32")):
        with T.Kernel(1):
            a = T.alloc_fragment((32, 32), "float32")
            n = T.alloc_fragment((32, 32), "int32")
            r = T.alloc_fragment((32,), "int32")
            T.copy(A, a)
            if statement == "turned":
                for i, j in T.Parallel(32, 32):
                    n[i, j] = (i * 32 + j) * 1000 - 500000
                    D[j, i] = n[i, j]
            if statement == "least":
                for i, j in T.Parallel(32, 32):
                    n[i, j] = T.if_then_else(a[i, j] > 0, i - 40, 3 * j)
                T.reduce_min(n, r, dim=0)
                for i, j in T.Parallel(32, 32):
                    D[i, j] = r[j] - n[i, j]
            if statement == "count":
                for i, j in T.Parallel(32, 32):
                    n[i, j] = T.cast(a[i, j] > 0, "int32")
                T.reduce_sum(n, r, dim=1)
                for i, j in T.Parallel(32, 32):
                    D[i, j] = r[i]
            if statement == "literals":
                for i, j in T.Parallel(32, 32):
                    n[i, j] = T.if_then_else(a[i, j] > 0, 1, 0)
                for i, j in T.Parallel(32, 32):
                    D[i, j] = n[i, j] + T.if_then_else(i > j, 7, -7)
            if statement == "wide reduction":
                for i, j in T.Parallel(32, 32):
                    n[i, j] = i * 100 + j
                T.reduce_max(n, r, dim=1)
                T.copy(r, D[0, 0:32])
            if statement == "wide least":
                for i, j in T.Parallel(32, 32):
                    n[i, j] = i * 100 + j
                T.reduce_min(n, r, dim=1)
                T.copy(r, D[0, 0:32])
            if statement == "running":
                T.clear(n)
                for _k in T.serial(4):
                    for i, j in T.Parallel(32, 32):
                        n[i, j] = n[i, j] + 1
                T.copy(n, D)
            if statement == "real copy":
                T.copy(a, D)
            if statement == "real block":
                T.fill(a, 0.5)
                T.copy(a, n)
                T.copy(n, D)
            if statement == "real store":
                for i, j in T.Parallel(32, 32):
                    n[i, j] = T.cast(a[i, j], "int32")
                T.copy(n, D)
            if statement == "real reduction":
                T.reduce_max(a, r, dim=1)
                T.copy(r, D[0, 0:32])

    return main


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("statement", ["turned", "least", "count", "literals", "running"])
def test_computed_whole_numbers_are_exact(statement: str, device: str) -> None:
    """Whole numbers from indices and conditions reach an int32 tensor without any error."""
    i, j = np.mgrid[:32, :32]
    a = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    n = np.where(a > 0, i - 40, 3 * j)
    want = {
        "turned": ((i * 32 + j) * 1000 - 500000).T,
        "least": n.min(0)[None, :] - n,
        "literals": (a > 0) + np.where(i > j, 7, -7),
        "count": np.broadcast_to((a > 0).sum(1)[:, None], (32, 32)),
        "running": np.full((32, 32), 4),
    }[statement]
    kernel = _kernel(statement)
    got = harness.compile(kernel, device=device).run({"A": a}).outputs["D"]
    assert got.dtype == np.int32
    assert np.array_equal(got, want)
    assert harness.check(kernel, device=device).passed


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("wide reduction", "may exceed 2,048"),
        ("wide least", "may exceed 2,048"),
        ("real copy", "may exceed 16,777,216"),
        ("real block", "may exceed 16,777,216"),
        ("real store", "may exceed 16,777,216"),
        ("real reduction", "of real numbers, goes to 'r'"),
    ],
)
def test_what_could_lose_is_refused(statement: str, why: str) -> None:
    """Numbers that may be too large for the unit they pass, and real ones, are refused."""
    with pytest.raises(CompileError, match=why):
        harness.compile(_kernel(statement))


def test_a_float16_operand_narrows_what_is_reduced() -> None:
    """Beside float16 the matrix unit keeps 8 bits: places up to 255 and no further."""
    with pytest.raises(CompileError, match="may exceed 256"):
        harness.compile(selection.argmax(N=512, block_M=32, dtype="float16"))
