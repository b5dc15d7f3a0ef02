"""Rows, columns and elements of on-chip blocks that an index chooses: scales per group."""

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


def _groups(m: int, n: int, dtype: str, scale: str, block: int = 32) -> Any:
    """A product whose groups of K have a scale per row and one per column."""

    @T.prim_func
    def main(
        A: T.Tensor((m, 128), dtype), B: T.Tensor((128, n), dtype),
        S: T.Tensor((m, 4), scale), R: T.Tensor((4, n), scale), C: T.Tensor((m, n), "float32"),
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(n, 32), T.ceildiv(m, block)) as (bx, by):
            a = T.alloc_shared((block, 32), dtype)
            b = T.alloc_shared((32, 32), dtype)
            s = T.alloc_shared((block, 4), scale)
            r = T.alloc_shared((4, 32), scale)
            c = T.alloc_fragment((block, 32), "float32")
            acc = T.alloc_fragment((block, 32), "float32")
            T.copy(S[by * block, 0], s)
            T.copy(R[0, bx * 32], r)
            T.clear(acc)
            for k in T.Pipelined(4):
                T.copy(A[by * block, k * 32], a)
                T.copy(B[k * 32, bx * 32], b)
                T.clear(c)
                T.gemm(a, b, c)
                for i, j in T.Parallel(block, 32):
                    acc[i, j] += c[i, j] * s[i, k] * r[3 - k, j]
            T.copy(acc, C[by * block, bx * 32])

    return main


def _numbers(dtype: str) -> Any:
    """One number of a vector and one of a matrix, by a loop and by a block index."""

    @T.prim_func
    def main(
        V: T.Tensor((40,), dtype), W: T.Tensor((40, 70), dtype), X: T.Tensor((96, 64), dtype),
        Y: T.Tensor((96, 64), "float32"),
    ):  # fmt: skip
        with T.Kernel(2, 3) as (bx, by):
            v = T.alloc_shared((40,), dtype)
            w = T.alloc_shared((40, 70), dtype)
            x = T.alloc_shared((32, 32), dtype)
            y = T.alloc_fragment((32, 32), "float32")
            T.copy(V, v)
            T.copy(W, w)
            T.copy(X[by * 32, bx * 32], x)
            T.clear(y)
            for k in T.serial(3):
                for i, j in T.Parallel(32, 32):
                    y[i, j] = y[i, j] + x[i, j] * v[k * 7 + by] - w[by + 31, k + bx * 33]
            T.copy(y, Y[by * 32, bx * 32])

    return main


def _lines(dtype: str) -> Any:
    """Rows and columns of a block in loops over vectors."""

    @T.prim_func
    def main(
        X: T.Tensor((96, 64), dtype), R: T.Tensor((192,), "float32"),
        Q: T.Tensor((96,), "float32"), Z: T.Tensor((96, 64), "float32"),
    ):  # fmt: skip
        with T.Kernel(3) as by:
            x = T.alloc_shared((32, 64), dtype)
            r = T.alloc_fragment((64,), "float32")
            q = T.alloc_fragment((32,), "float32")
            z = T.alloc_fragment((32, 64), "float32")
            T.copy(X[by * 32, 0], x)
            T.clear(r)
            T.clear(q)
            for k in T.serial(4):
                for j in T.Parallel(64):
                    r[j] = r[j] + x[k * 9, j]
                for i in T.Parallel(32):
                    q[i] = q[i] + x[i, k * 13 + 2] * 2.0 + x[i, 0]
            for i, j in T.Parallel(32, 64):
                z[i, j] = q[i]
            T.copy(r, R[by * 64])
            T.copy(q, Q[by * 32])
            T.copy(z, Z[by * 32, 0])

    return main


def _crossed(m: int, n: int, dtype: str) -> Any:
    """Rows of a block that run down another, and columns that run along it."""

    @T.prim_func
    def main(
        A: T.Tensor((n, m), dtype), B: T.Tensor((m, n), dtype), C: T.Tensor((2, m, n), "float32"),
    ):  # fmt: skip
        with T.Kernel(2) as bx:
            a = T.alloc_shared((n, m), dtype)
            b = T.alloc_shared((m, n), dtype)
            c = T.alloc_fragment((m, n), "float32")
            T.copy(A, a)
            T.copy(B, b)
            for i, j in T.Parallel(m, n):
                c[i, j] = a[0, i] + a[j, 1]
                for k in T.serial(3):
                    c[i, j] += a[k * 2 + bx, i] * b[k, j] - a[j, k]
            T.copy(c, C[bx, 0, 0])

    return main


KERNELS = {
    "groups": _groups(96, 64, "bfloat16", "bfloat16"),
    "groups, ragged, float16": _groups(70, 100, "float16", "float16"),
    "groups, ragged, float32 scales": _groups(70, 100, "bfloat16", "float32", 64),
    "groups, float32": _groups(64, 64, "float32", "float32"),
    "groups, whole scales": _groups(70, 50, "bfloat16", "int32"),
    "groups, small blocks": _groups(70, 64, "bfloat16", "bfloat16", 16),
    "groups, blocks of 48": _groups(96, 64, "bfloat16", "bfloat16", 48),
    "numbers": _numbers("bfloat16"),
    "numbers, float16": _numbers("float16"),
    "numbers, float32": _numbers("float32"),
    "crossed": _crossed(64, 32, "bfloat16"),
    "crossed, ragged, float16": _crossed(40, 50, "float16"),
    "crossed, float32": _crossed(32, 64, "float32"),
    "crossed, whole": _crossed(32, 40, "int32"),
    "lines": _lines("bfloat16"),
    "lines, float16": _lines("float16"),
    "lines, float32": _lines("float32"),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", KERNELS)
def test_computes_what_it_says(name: str, device: str) -> None:
    """What an index chooses in a block is what the source says."""
    verdict = harness.check(KERNELS[name], device=device, numbers="exact")
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


@pytest.mark.parametrize("name", ["groups, ragged, float16", "numbers", "lines, float32"])
def test_a_16_bit_register_keeps_the_bound(name: str) -> None:
    """What is chosen there is rounded as golden says."""
    assert harness.check(KERNELS[name], fp32_dest=False, numbers="exact").passed


def _columns(dtype: str, step: int, first: int) -> Any:
    """Four columns of a block, each stored as a vector."""

    @T.prim_func
    def main(X: T.Tensor((64, 70), dtype), Y: T.Tensor((256,), dtype)):
        with T.Kernel(1):
            x = T.alloc_shared((64, 70), dtype)
            y = T.alloc_fragment((64,), dtype)
            T.copy(X, x)
            for k in T.serial(4):
                for i in T.Parallel(64):
                    y[i] = x[i, k * step + first]
                T.copy(y, Y[k * 64])

    return main


@given(
    seed=st.integers(0, 99),
    dtype=st.sampled_from(["bfloat16", "float16", "float32"]),
    step=st.integers(0, 20),
    first=st.integers(0, 9),
)
@settings(max_examples=5)
def test_what_is_chosen_loses_nothing(seed: int, dtype: str, step: int, first: int) -> None:
    """Every bit of 16-bit types and the upper ones of float32 survive, among larger neighbours."""
    rng = np.random.default_rng(seed)
    bits = 8 if dtype == "bfloat16" else 11
    whole = rng.integers(-(2**bits) + 1, 2**bits, (64, 70))
    x = (whole * 2.0 ** rng.integers(-8, 4, (64, 70))).astype(np.float32)
    if dtype != "float16":  # which has no infinities on the device
        x[rng.random(x.shape) < 0.1] = np.inf
        x[rng.random(x.shape) < 0.1] = -np.inf
    run = harness.compile(_columns(dtype, step, first)).run({"X": x})
    wanted = x[:, [k * step + first for k in range(4)]].T.reshape(-1)
    np.testing.assert_array_equal(run.outputs["Y"].astype(np.float32), wanted)


def test_float32_is_bounded_as_the_sources_cut_it() -> None:
    """One loop over a column is elementwise, and yet cut: golden knows, and asks no more."""
    x = np.random.default_rng(0).normal(size=(64, 70)).astype(np.float32)
    func = _columns("float32", 5, 3)
    verdict = harness.check(func, {"X": x}, numbers="exact")
    assert verdict.passed, verdict
    y = harness.compile(func).run({"X": x}).outputs["Y"]
    wanted = x[:, [3, 8, 13, 18]].T.reshape(-1)
    assert (y != wanted).any()
    np.testing.assert_allclose(y, wanted, rtol=2.0**-10)


def _refused(index: str, block: int = 32) -> Any:
    at: dict[str, Any] = {
        "outside": lambda k, bx, _: k + bx,
        "data": lambda k, _, p: p[k] % 4,
        "axis": lambda _, bx, __: bx,
    }
    place = at[index]

    @T.prim_func
    def main(
        X: T.Tensor((96, 4), "float32"),
        P: T.Tensor((4,), "int32"),
        Y: T.Tensor((96, 64), "float32"),
    ):
        with T.Kernel(96 // block) as bx:
            x = T.alloc_shared((block, 4), "float32")
            p = T.alloc_shared((4,), "int32")
            y = T.alloc_fragment((block, 64), "float32")
            T.copy(X[bx * block, 0], x)
            T.copy(P, p)
            T.clear(y)
            for k in T.serial(4):
                for i, j in T.Parallel(block, 64):
                    y[i, j] += x[i, place(k, bx, p)]
            T.copy(y, Y[bx * block, 0])

    return main


@pytest.mark.parametrize(
    ("index", "block", "code", "text"),
    [
        ("outside", 32, "OutOfBounds", "may lie outside"),
        ("data", 32, "UnsupportedIndex", "an index is read from"),
    ],
)
def test_other_places_are_refused(index: str, block: int, code: str, text: str) -> None:
    """No index is guessed: outside the block, or from memory."""
    with pytest.raises(CompileError, match=text) as caught:
        harness.compile(_refused(index, block))
    assert caught.value.code == code


@pytest.mark.parametrize("device", DEVICES)
def test_a_block_below_a_tile_chooses_by_its_own_index(device: str) -> None:
    """Blocks that choose from themselves by the axis are done in turn, not joined."""
    verdict = harness.check(_refused("axis", 24), device=device)
    assert verdict.passed, verdict.reason
