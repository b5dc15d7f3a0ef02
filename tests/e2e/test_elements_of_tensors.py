"""Elements, rows and columns of tensors that lie inside tiles, read as they are needed."""

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


def _scaled(m: int, n: int, dtype: str, scale: str, block: int = 32) -> Any:
    """A product with one scale per row and group of K, and one per block of columns and group."""

    @T.prim_func
    def main(
        A: T.Tensor((m, 128), dtype), B: T.Tensor((n, 128), dtype), S: T.Tensor((m, 4), scale),
        R: T.Tensor((T.ceildiv(n, 32), 4), scale), C: T.Tensor((m, n), "float32"),
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(n, 32), T.ceildiv(m, block)) as (bx, by):
            a = T.alloc_shared((block, 32), dtype)
            b = T.alloc_shared((32, 32), dtype)
            s = T.alloc_shared((block,), "float32")
            c = T.alloc_fragment((block, 32), "float32")
            acc = T.alloc_fragment((block, 32), "float32")
            T.clear(c)
            T.clear(acc)
            for k in T.Pipelined(4):
                T.copy(A[by * block, k * 32], a)
                T.copy(B[bx * 32, k * 32], b)
                number = R[bx, k]
                for i in T.Parallel(block):
                    s[i] = S[by * block + i, k] * number
                T.gemm(a, b, c, transpose_B=True)
                for i, j in T.Parallel(block, 32):
                    acc[i, j] += c[i, j] * s[i]
                T.clear(c)
            T.copy(acc, C[by * block, bx * 32])

    return main


def _gated(steps: int, heads: int, dtype: str) -> Any:
    """States of chunks, decayed by the gate of a chunk's last place; heads are the last axis."""

    @T.prim_func
    def main(
        K: T.Tensor((2, steps, heads, 32), "bfloat16"),
        V: T.Tensor((2, steps, heads, 64), "bfloat16"),
        G: T.Tensor((2, steps, heads), dtype), H: T.Tensor((2, heads, 32, 64), "float32"),
    ):  # fmt: skip
        with T.Kernel(2, 2 * heads) as (bv, bbh):
            bb, bh = bbh // heads, bbh % heads
            h = T.alloc_fragment((32, 32), "float32")
            k = T.alloc_shared((32, 32), "bfloat16")
            v = T.alloc_shared((32, 32), "bfloat16")
            last = T.alloc_local((1,), "float32")
            g = T.alloc_fragment((32,), dtype)
            T.clear(h)
            for s in T.Pipelined(steps // 32):
                T.copy(K[bb, s * 32 : (s + 1) * 32, bh, 0:32], k)
                T.copy(V[bb, s * 32 : (s + 1) * 32, bh, bv * 32 : (bv + 1) * 32], v)
                last[0] = G[bb, (s + 1) * 32 - 1, bh]
                for i in T.Parallel(32):
                    g[i] = G[bb, s * 32 + i, bh]
                for i, j in T.Parallel(32, 32):
                    v[i, j] = v[i, j] * (last[0] - g[i])
                last[0] = last[0] * 0.5
                for i, j in T.Parallel(32, 32):
                    h[i, j] *= last[0]
                T.gemm(k, v, h, transpose_A=True)
            T.copy(h, H[bb, bh, 0:32, bv * 32 : (bv + 1) * 32])

    return main


def _numbers(dtype: str) -> Any:
    """Numbers of tensors of one, two and four dimensions, by constants, blocks and loops."""

    @T.prim_func
    def main(
        U: T.Tensor((70,), dtype), W: T.Tensor((70, 40), dtype), Z: T.Tensor((2, 3, 5, 33), dtype),
        P: T.Tensor((1, 1), dtype), X: T.Tensor((96, 64), dtype),
        Y: T.Tensor((96, 64), "float32"),
    ):  # fmt: skip
        with T.Kernel(2, 3) as (bx, by):
            x = T.alloc_shared((32, 32), dtype)
            y = T.alloc_fragment((32, 32), "float32")
            s = T.alloc_local((1,), "float32")
            T.copy(X[by * 32, bx * 32], x)
            T.clear(y)
            for k in T.serial(3):
                s[0] = W[k * 20 + by, 39 - bx] + P[0, 0]
                for i, j in T.Parallel(32, 32):
                    y[i, j] = y[i, j] + x[i, j] * U[k * 31 + by] - Z[bx, by, k, 32] * s[0]
            T.copy(y, Y[by * 32, bx * 32])

    return main


def _lines(m: int, n: int, dtype: str) -> Any:
    """A row and a column of a tensor repeated over blocks, chosen by the blocks' own axes."""

    @T.prim_func
    def main(
        R: T.Tensor((37, n), dtype), Q: T.Tensor((m, 41), dtype), X: T.Tensor((m, n), dtype),
        Y: T.Tensor((m, n), "float32"),
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(n, 64), T.ceildiv(m, 32)) as (bx, by):
            x = T.alloc_shared((32, 64), dtype)
            y = T.alloc_fragment((32, 64), "float32")
            T.copy(X[by * 32, bx * 64], x)
            for i, j in T.Parallel(32, 64):
                y[i, j] = x[i, j] * R[by + 33, bx * 64 + j] + Q[by * 32 + i, bx * 3 + 35]
            T.copy(y, Y[by * 32, bx * 64])

    return main


def _turns(dtype: str) -> Any:
    """Blocks whose places are remainders and quotients, some of them outside the tensor."""

    @T.prim_func
    def main(A: T.Tensor((100, 70), dtype), B: T.Tensor((160, 32), "float32")):
        with T.Kernel(5) as x:
            s = T.alloc_shared((32, 32), dtype)
            t = T.alloc_fragment((32, 32), "float32")
            T.clear(t)
            for k in T.Pipelined(5):
                T.copy(A[((x + k) % 4) * 32, ((k + 1) // 2) * 32], s)
                for i, j in T.Parallel(32, 32):
                    t[i, j] += s[i, j] * (k + 1)
            T.copy(t, B[x * 32, 0])

    return main


KERNELS = {
    "scaled": _scaled(64, 128, "bfloat16", "float32"),
    "scaled, ragged": _scaled(70, 100, "bfloat16", "float32", 64),
    "scaled, float16": _scaled(70, 100, "float16", "float16"),
    "scaled, float32": _scaled(32, 40, "float32", "bfloat16"),
    "scaled, small blocks": _scaled(70, 64, "bfloat16", "float32", 16),
    "scaled, blocks of 48": _scaled(96, 64, "bfloat16", "float32", 48),
    "gated": _gated(96, 3, "float32"),
    "gated, many heads": _gated(64, 35, "bfloat16"),
    "numbers": _numbers("bfloat16"),
    "numbers, float16": _numbers("float16"),
    "numbers, float32": _numbers("float32"),
    "numbers, whole": _numbers("int32"),
    "turns": _turns("bfloat16"),
    "lines": _lines(70, 100, "bfloat16"),
    "lines, float16": _lines(96, 64, "float16"),
    "lines, float32": _lines(70, 100, "float32"),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", KERNELS)
def test_computes_what_it_says(name: str, device: str) -> None:
    """What an index chooses in a tensor is what the source says."""
    verdict = harness.check(KERNELS[name], device=device, numbers="exact")
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


@pytest.mark.parametrize("name", ["scaled, ragged", "gated", "numbers, float32", "lines"])
def test_a_16_bit_register_keeps_the_bound(name: str) -> None:
    """What is chosen there is rounded as golden says."""
    verdict = harness.check(KERNELS[name], fp32_dest=False, numbers="exact")
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


def _one(rows: int, cols: int, dtype: str, row: int, col: int, *, swap: bool) -> Any:
    """An element of a matrix per block, and a column of it, over a matrix of the blocks' own."""

    @T.prim_func
    def main(
        S: T.Tensor((rows, cols), dtype), Y: T.Tensor((64, 96), dtype),
        Z: T.Tensor((64, 96), dtype),
    ):  # fmt: skip
        with T.Kernel(3, 2) as (bx, by):
            y = T.alloc_fragment((32, 32), dtype)
            for i, j in T.Parallel(32, 32):
                y[i, j] = S[row + by, col + bx]
            T.copy(y, Y[by * 32, bx * 32])
            for i, j in T.Parallel(32, 32):
                y[i, j] = S[i, col + bx] if swap else S[row + by, j]
            T.copy(y, Z[by * 32, bx * 32])

    return main


@given(
    seed=st.integers(0, 99),
    dtype=st.sampled_from(["bfloat16", "float16", "float32"]),
    rows=st.integers(1, 80),
    cols=st.integers(1, 80),
    swap=st.booleans(),
    data=st.data(),
)
@settings(max_examples=6)
def test_what_is_chosen_loses_nothing(
    seed: int, dtype: str, rows: int, cols: int, swap: bool, data: Any
) -> None:
    """Every bit of 16-bit types and the upper ones of float32 survive, beside larger numbers."""
    rows, cols = rows + 1, cols + 2  # what two and three blocks move along
    row = data.draw(st.integers(0, rows - 2), label="row")
    col = data.draw(st.integers(0, cols - 3), label="col")
    rng = np.random.default_rng(seed)
    bits = 8 if dtype == "bfloat16" else 11
    whole = rng.integers(-(2**bits) + 1, 2**bits, (rows, cols))
    x = (whole * 2.0 ** rng.integers(-8, 4, (rows, cols))).astype(np.float32)
    if dtype != "float16":  # which has no infinities on the device
        x[rng.random(x.shape) < 0.1] = np.inf
        x[rng.random(x.shape) < 0.1] = -np.inf
    func = _one(rows, cols, dtype, row, col, swap=swap)
    outputs = harness.compile(func).run({"S": x}).outputs
    picked = x[row : row + 2, col : col + 3].repeat(32, 0).repeat(32, 1)
    lines = (
        np.tile(np.pad(x, ((0, 32), (0, 0)))[:32, col : col + 3].repeat(32, 1), (2, 1))
        if swap
        else np.tile(np.pad(x, ((0, 0), (0, 32)))[row : row + 2, :32].repeat(32, 0), (1, 3))
    )
    np.testing.assert_array_equal(outputs["Y"].astype(np.float32), picked)
    np.testing.assert_array_equal(outputs["Z"].astype(np.float32), lines)


def test_float32_alone_is_bounded_as_the_sources_cut_it() -> None:
    """A number stored as it is, is cut all the same: golden knows, and asks no more."""

    @T.prim_func
    def main(G: T.Tensor((3, 70), "float32"), Y: T.Tensor((96, 32), "float32")):
        with T.Kernel(3) as bx:
            s = T.alloc_local((1,), "float32")
            y = T.alloc_fragment((32, 32), "float32")
            s[0] = G[bx, 69] + 0.25
            for i, j in T.Parallel(32, 32):
                y[i, j] = s[0]
            T.copy(y, Y[bx * 32, 0])

    g = np.random.default_rng(0).normal(size=(3, 70)).astype(np.float32)
    assert harness.check(main, {"G": g}, numbers="exact").passed
    y = harness.compile(main).run({"G": g}).outputs["Y"]
    np.testing.assert_allclose(y, (g[:, [69]] + 0.25).repeat(32, 0).repeat(32, 1), rtol=2e-3,
                               atol=2e-3)  # fmt: skip


def _reads(form: str) -> Any:
    at: dict[str, Any] = {
        "outside": lambda bx, S, _: S[bx, bx + 5],
        "written": lambda bx, _, Y: Y[bx * 32 + 1, 3],
        "data": lambda bx, S, _: S[bx, T.cast(S[bx, 0], "int32")],
    }
    element = at[form]

    @T.prim_func
    def main(S: T.Tensor((3, 6), "float32"), Y: T.Tensor((96, 32), "float32")):
        with T.Kernel(3) as bx:
            y = T.alloc_fragment((32, 32), "float32")
            for i, j in T.Parallel(32, 32):
                y[i, j] = element(bx, S, Y)
            T.copy(y, Y[bx * 32, 0])

    return main


@pytest.mark.parametrize("form", ["outside", "written"])
def test_elements_beside_a_tensor_and_of_what_is_written(form: str) -> None:
    """Beside its tensor an element is zero, and a block may read what it then writes."""
    assert harness.check(_reads(form)).passed


def test_an_element_chosen_by_data_is_refused() -> None:
    """No element is guessed."""
    with pytest.raises(CompileError) as caught:
        harness.compile(_reads("data"))
    assert caught.value.code == "UnsupportedIndex"
    assert caught.value.location


@pytest.mark.parametrize("kind", ["random", "wide", "cancel"])
def test_a_float32_that_is_only_moved_is_bounded_as_it_is_cut(kind: str) -> None:
    """A column and a number chosen from tiles and stored raise no false alarm."""

    @T.prim_func
    def main(
        R: T.Tensor((96, 40), "float32"), Y: T.Tensor((96,), "float32"),
        Z: T.Tensor((3,), "float32"), W: T.Tensor((96, 40), "float32"),
    ):  # fmt: skip
        with T.Kernel(3) as bx:
            q = T.alloc_fragment((32, 40), "float32")
            y = T.alloc_fragment((32,), "float32")
            s = T.alloc_fragment((1,), "float32")
            T.copy(R[bx * 32, 0], q)
            T.copy(q, W[bx * 32, 0])
            for j in T.Parallel(32):
                y[j] = R[bx * 32 + j, bx + 3]
            T.copy(y, Y[bx * 32])
            s[0] = R[bx, 5]
            Z[bx] = s[0]

    verdict = harness.check(main, input_kind=kind, seed=3, numbers="exact")
    assert verdict.passed, verdict.reason


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
def test_a_row_of_float32_in_the_midst_of_tiles_is_read_exactly(device: str) -> None:
    """A vector of float32 that begins inside a tile loses no bits on its way to a block."""

    @T.prim_func
    def main(
        R: T.Tensor((96, 40), "float32"), Y: T.Tensor((96,), "float32"),
        W: T.Tensor((96, 40), "float32"),
    ):  # fmt: skip
        with T.Kernel(3) as bx:
            q = T.alloc_fragment((32, 40), "float32")
            y = T.alloc_fragment((32,), "float32")
            T.copy(R[bx * 32, 0], q)
            T.copy(q, W[bx * 32, 0])
            for j in T.Parallel(32):
                y[j] = R[bx + 3, j]
            T.copy(y, Y[bx * 32])

    verdict = harness.check(main, device=device)
    assert verdict.passed, verdict.reason
    rows = np.random.default_rng(0).standard_normal((96, 40)).astype(np.float32)
    got = harness.compile(main, device=device).run({"R": rows}).outputs["Y"]
    np.testing.assert_array_equal(got, rows[3:6, :32].reshape(-1))
