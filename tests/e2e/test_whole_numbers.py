"""Whole numbers from memory in expressions: labels, lengths, quantised values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness
import harness.language as T
from harness.errors import CompileError

DEVICES = ["wormhole_n150", "blackhole_p150"]
M, N = 40, 70


def _ordered(dtype: str) -> Any:
    """One number per row against one per column."""

    @T.prim_func
    def main(
        P: T.Tensor((M,), "int32"), Q: T.Tensor((N,), "int32"),
        X: T.Tensor((M, N), dtype), Y: T.Tensor((M, N), dtype),
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            p = T.alloc_shared((32,), "int32")
            q = T.alloc_fragment((32,), "int32")
            x = T.alloc_shared((32, 32), dtype)
            T.copy(P[by * 32], p)
            T.copy(Q[bx * 32], q)
            T.copy(X[by * 32, bx * 32], x)
            for i, j in T.Parallel(32, 32):
                x[i, j] = T.if_then_else(p[i] >= q[j], x[i, j], -x[i, j])
            T.copy(x, Y[by * 32, bx * 32])

    return main


def _turned() -> Any:
    @T.prim_func
    def main(Q: T.Tensor((N, M), "int32"), Y: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            q = T.alloc_shared((32, 32), "int32")
            y = T.alloc_fragment((32, 32), "float32")
            T.copy(Q[bx * 32, by * 32], q)
            for i, j in T.Parallel(32, 32):
                y[i, j] = T.cast(q[j, i], "float32")
            T.copy(y, Y[by * 32, bx * 32])

    return main


def _direct() -> Any:
    @T.prim_func
    def main(
        P: T.Tensor((M,), "int32"), Q: T.Tensor((M, N), "int32"), Y: T.Tensor((M, N), "float32")
    ):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            for i, j in T.Parallel(32, 32):
                Y[by * 32 + i, bx * 32 + j] = T.cast(
                    Q[by * 32 + i, bx * 32 + j] * 2 - T.min(P[by * 32 + i], j), "float32"
                )

    return main


def _copied(dtype: str) -> Any:
    @T.prim_func
    def main(
        P: T.Tensor((M,), "int32"), Q: T.Tensor((M, N), "int32"),
        R: T.Tensor((M,), "float32"), Y: T.Tensor((M, N), dtype),
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(M, 32)) as by:
            p = T.alloc_shared((32,), "float32")
            q = T.alloc_shared((32, 96), "int32")
            f = T.alloc_fragment((32, 96), dtype)
            r = T.alloc_fragment((32,), "float32")
            T.copy(P[by * 32], p)
            T.copy(Q[by * 32, 0], q)
            T.copy(q, f)
            T.reduce_max(f, r, dim=1)
            for i in T.Parallel(32):
                r[i] = r[i] + p[i]
            T.copy(r, R[by * 32])
            T.copy(f, Y[by * 32, 0])

    return main


def _lengths(block: int) -> Any:
    @T.prim_func
    def main(
        P: T.Tensor((M,), "int32"), X: T.Tensor((M, 64), "float32"), Y: T.Tensor((M, 64), "float32")
    ):
        with T.Kernel(T.ceildiv(M, block)) as by:
            p = T.alloc_shared((block,), "int32")
            x = T.alloc_shared((block, 64), "float32")
            T.copy(P[by * block], p)
            T.copy(X[by * block, 0], x)
            for i, j in T.Parallel(block, 64):
                x[i, j] = T.if_then_else(j < p[i], x[i, j], 0.0)
            T.copy(x, Y[by * block, 0])

    return main


KERNELS = {
    "ordered": _ordered("float32"),
    "ordered, bfloat16": _ordered("bfloat16"),
    "ordered, float16": _ordered("float16"),
    "turned": _turned(),
    "direct": _direct(),
    "copied": _copied("float32"),
    "copied, bfloat16": _copied("bfloat16"),
    "lengths": _lengths(32),
    "lengths of small blocks": _lengths(8),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", KERNELS)
def test_computes_what_it_says(name: str, device: str) -> None:
    """Comparisons, sums, turns, copies and broadcasts of int32 are those of the source."""
    verdict = harness.check(KERNELS[name], device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)
    assert verdict.oracle.startswith("exact")


@given(seed=st.integers(0, 99), bits=st.integers(8, 24))
@settings(max_examples=10)
def test_numbers_below_two_to_the_24_lose_nothing(seed: int, bits: int) -> None:
    """Neighbours are told apart, though what is repeated or turned passes sources of 8 bits."""
    rng = np.random.default_rng(seed)
    p, q = (rng.integers(-(2**bits) + 1, 2**bits, n).astype(np.int32) for n in (M, N))
    q[:M] = np.clip(p + rng.integers(-1, 2, M), -(2**24) + 1, 2**24 - 1)
    x = rng.integers(1, 9, (M, N)).astype(np.float32)
    y = harness.compile(KERNELS["ordered, float16"]).run({"P": p, "Q": q, "X": x}).outputs["Y"]
    np.testing.assert_array_equal(y, np.where(p[:, None] >= q, x, -x))
    q2 = rng.integers(-(2**bits) + 1, 2**bits, (N, M)).astype(np.int32)
    out = harness.compile(KERNELS["turned"]).run({"Q": q2}).outputs["Y"]
    np.testing.assert_array_equal(out, q2.T)


def test_larger_numbers_are_rounded_as_float32_is() -> None:
    """The bound knows what the conversion loses."""
    q = np.random.default_rng(0).integers(-(2**31), 2**31, (N, M)).astype(np.int32)
    verdict = harness.check(KERNELS["turned"], {"Q": q})
    assert verdict.passed, verdict
    out = harness.compile(KERNELS["turned"]).run({"Q": q}).outputs["Y"]
    np.testing.assert_array_equal(out, q.T.astype(np.float32))


def test_integer_results_are_refused() -> None:
    """Numbers from memory may be any: the vector unit computes them in float32, up to 2**24."""

    @T.prim_func
    def main(P: T.Tensor((32, 32), "int32"), Y: T.Tensor((32, 32), "int32")):
        with T.Kernel(1):
            p = T.alloc_shared((32, 32), "int32")
            T.copy(P, p)
            for i, j in T.Parallel(32, 32):
                p[i, j] = p[i, j] + 1
            T.copy(p, Y)

    with pytest.raises(CompileError, match="'p' that may exceed 16,777,216"):
        harness.compile(main)


def test_quotients_are_refused() -> None:
    """Division of whole numbers rounds down, which float32 quotients do not."""

    @T.prim_func
    def main(P: T.Tensor((32, 32), "int32"), Y: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            p = T.alloc_shared((32, 32), "int32")
            y = T.alloc_fragment((32, 32), "float32")
            T.copy(P, p)
            for i, j in T.Parallel(32, 32):
                y[i, j] = T.cast(p[i, j] // 3, "float32")
            T.copy(y, Y)

    with pytest.raises(CompileError, match="FloorDiv of whole numbers"):
        harness.compile(main)


def test_a_16_bit_register_is_refused() -> None:
    """A 16-bit destination cannot hold int32."""
    with pytest.raises(CompileError, match="16-bit destination"):
        harness.compile(KERNELS["ordered"], fp32_dest=False)


@pytest.mark.parametrize("device", DEVICES)
def test_real_numbers_are_cut_to_whole_ones(device: str) -> None:
    """A cast to int32 cuts towards zero, compared or turned back, and then real bits follow."""

    @T.prim_func
    def main(X: T.Tensor((32, 32), "float32"), Y: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            x = T.alloc_fragment((32, 32), "float32")
            T.copy(X, x)
            for i, j in T.Parallel(32, 32):
                x[i, j] = T.if_then_else(
                    T.cast(x[i, j], "int32") == 1,
                    100.0,
                    T.cast(T.cast(x[i, j], "int32"), "float32"),
                )
            T.copy(x, Y)

    x = np.linspace(-3.9, 3.9, 1024, dtype=np.float32).reshape(32, 32)
    artifact = harness.compile(main, device=device)
    cut = np.trunc(x)
    assert np.array_equal(artifact.run({"X": x}).outputs["Y"], np.where(cut == 1, 100.0, cut))
    assert "'Int32', 'Float32'" in str(artifact.programs)
    assert harness.check(main, device=device).passed
