"""Blocks of one row, and vectors made one number: as kernels write that work row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.kernels import elementwise

DEVICES = ["wormhole_n150", "blackhole_p150"]
SIZES = [(5, 96), (40, 70), (64, 64)]


def _softmax(M: int, N: int) -> Any:
    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), "float32")):
        with T.Kernel(M) as b:
            x = T.alloc_fragment((N,), "float32")
            s = T.alloc_fragment((1,), "float32")
            T.copy(X[b, 0:N], x)
            T.reduce_max(x, s, dim=0)
            for i in T.Parallel(N):
                x[i] = T.exp(x[i] - s[0])
            T.reduce_sum(x, s, dim=-1)
            for i in T.Parallel(N):
                x[i] = x[i] / s[0]
            T.copy(x, Y[b, 0:N])

    return main


def _named_row(M: int, N: int) -> Any:
    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), "float32")):
        with T.Kernel(M) as b:
            x = T.alloc_fragment((1, N), "float32")
            s = T.alloc_fragment((1,), "float32")
            T.copy(X[b, 0], x)
            T.reduce_max(x, s, dim=1)
            for i in T.Parallel(N):
                x[0, i] = T.exp(x[0, i] - s[0])
            T.reduce_sum(x, s, dim=1)
            for i in T.Parallel(N):
                x[0, i] = x[0, i] / s[0]
            T.copy(x, Y[b, 0])

    return main


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("M", "N"), SIZES)
@pytest.mark.parametrize("make", [_softmax, _named_row])
def test_softmax_row_by_row(make: Any, M: int, N: int, device: str) -> None:
    """Rows as blocks (N,), or (1, N) used at row 0, are joined to tiles and stay apart."""
    func = make(M, N)
    assert harness.check(func, device=device).passed
    x = np.random.default_rng(1).standard_normal((M, N)).astype(np.float32)
    x[M // 2] *= 8  # rows differ, so that a row's sum is not another's
    e = np.exp(x - x.max(1, keepdims=True))
    out = harness.compile(func, device=device).run({"X": x}).outputs["Y"]
    np.testing.assert_allclose(out, e / e.sum(1, keepdims=True), rtol=2e-2, atol=1e-4)


def _scaled(M: int, N: int) -> Any:
    @T.prim_func
    def main(
        X: T.Tensor((2, M, N), "float32"), W: T.Tensor((N,), "float32"),
        V: T.Tensor((M,), "float32"), Y: T.Tensor((2, M, N), "float32"),
    ):  # fmt: skip
        with T.Kernel(M, 2) as (r, b):
            x = T.alloc_fragment((N,), "float32")
            w = T.alloc_fragment((N,), "float32")
            s = T.alloc_fragment((1,), "float32")
            T.copy(W, w)
            for i in T.Parallel(N):
                x[i] = X[b, r, i] * 2.0
            T.reduce_max(x, s, dim=0)
            for i in T.Parallel(N):
                Y[b, r, i] = T.if_then_else(i <= r, x[i] * w[i] + s[0], T.cast(r, "float32")) + V[r]

    return main


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("M", "N"), SIZES)
def test_rows_beside_what_all_rows_share(M: int, N: int, device: str) -> None:
    """Loads in the expression, a vector all rows share, one number per row, and the row's index."""
    func = _scaled(M, N)
    assert harness.check(func, device=device).passed
    rng = np.random.default_rng(2)
    x, w, v = (rng.integers(-4, 5, s).astype(np.float32) for s in ((2, M, N), (N,), (M,)))
    row, column = np.indices((M, N))
    body = np.where(column <= row, 2 * x * w + 2 * x.max(2, keepdims=True), row) + v[:, None]
    out = harness.compile(func, device=device).run({"X": x, "W": w, "V": v}).outputs["Y"]
    np.testing.assert_array_equal(out, body)


def _running(M: int, N: int) -> Any:
    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), "float32")):
        with T.Kernel(M) as r:
            x = T.alloc_fragment((N,), "float32")
            y = T.alloc_fragment((N,), "float32")
            z = T.alloc_fragment((N,), "float32")
            T.copy(X[r, 0], x)
            T.cumsum(x, y, dim=0)
            T.clear(z)
            for _ in T.serial(3):
                for i in T.Parallel(N):
                    z[i] += y[i]
            T.copy(z, Y[r, 0])

    return main


def test_running_sums_of_rows() -> None:
    """What is made of a row through other ops and loops is a row too."""
    func = _running(40, 64)
    assert harness.check(func).passed
    x = np.random.default_rng(3).integers(-2, 3, (40, 64)).astype(np.float32)
    out = harness.compile(func).run({"X": x}).outputs["Y"]
    np.testing.assert_array_equal(out, 3 * np.cumsum(x, axis=1))


def _to_numbers(M: int, N: int) -> Any:
    @T.prim_func
    def main(
        X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), "float32"), Z: T.Tensor((1,), "float32")
    ):
        with T.Kernel(1) as _:
            x = T.alloc_fragment((M, N), "float32")
            rows = T.alloc_fragment((M,), "float32")
            columns = T.alloc_fragment((N,), "float32")
            least = T.alloc_fragment((1,), "float32")
            most = T.alloc_fragment((1,), "float32")
            T.copy(X, x)
            T.reduce_absmax(x, rows, dim=1)
            T.reduce_min(rows, least, dim=0)
            T.reduce_sum(x, columns, dim=0)
            T.fill(most, 3.0)
            T.reduce_max(columns, most, dim=0, clear=False)
            for i, j in T.Parallel(M, N):
                x[i, j] = x[i, j] * least[0] - most[0] + columns[j]
            T.copy(x, Y)
            T.copy(least, Z)

    return main


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("M", "N"), [(32, 32), (64, 96), (40, 70), (33, 1)])
def test_vectors_become_one_number(M: int, N: int, device: str) -> None:
    """A block of one dimension is reduced along it, whichever way it lies, old value or not."""
    func = _to_numbers(M, N)
    assert harness.check(func, device=device).passed
    x = np.random.default_rng(4).integers(-3, 4, (M, N)).astype(np.float32)
    least, sums = np.abs(x).max(1).min(), x.sum(0)
    run = harness.compile(func, device=device).run({"X": x})
    np.testing.assert_array_equal(run.outputs["Z"], [least])
    np.testing.assert_array_equal(run.outputs["Y"], x * least - max(3, sums.max()) + sums)


@pytest.mark.parametrize("blocks", [(1, 32), (32, 1), (1, 1)])
@pytest.mark.parametrize("shape", [(32, 32), (96, 33)])
def test_loops_over_the_one_row_on_tensors(shape: tuple[int, int], blocks: tuple[int, int]) -> None:
    """A T.Parallel loop of one iteration is the row: it was added to the row a second time."""
    assert harness.check(elementwise.multiply_add(*shape, *blocks)).passed


def _embedding(M: int, N: int) -> Any:
    @T.prim_func
    def main(
        W: T.Tensor((50, N), "float32"), at: T.Tensor((M,), "int32"), Y: T.Tensor((M, N), "float32")
    ):
        with T.Kernel(M) as b:
            row = T.alloc_fragment((N,), "float32")
            T.copy(W[at[b], :], row)
            T.copy(row, Y[b, :])

    return main


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("M", "N"), SIZES)
def test_every_row_is_where_its_own_index_says(M: int, N: int, device: str) -> None:
    """Rows that a table chooses one by one were read as neighbours of the first."""
    func = _embedding(M, N)
    assert harness.check(func, device=device).passed
    w = np.random.default_rng(5).standard_normal((50, N)).astype(np.float32)
    at = np.random.default_rng(6).integers(0, 50, M).astype(np.int32)
    got = harness.compile(func, device=device).run({"W": w, "at": at}).outputs["Y"]
    np.testing.assert_array_equal(got, w[at])


def _row_by_row(M: int, N: int, dtype: str) -> Any:
    """Each row changed by what it sums to, and summed into vectors that all rows share."""

    @T.prim_func
    def main(
        X: T.Tensor((M, N), dtype), Y: T.Tensor((M, N), dtype), S: T.Tensor((2, N), "float32"),
        Q: T.Tensor((2, N), "float32"),
    ):  # fmt: skip
        with T.Kernel(2) as b:
            x = T.alloc_shared((1, N), dtype)
            y = T.alloc_fragment((1, N), "float32")
            n = T.alloc_fragment((1,), "float32")
            s = T.alloc_fragment((N,), "float32")
            q = T.alloc_fragment((N,), "float32")
            T.clear(s)
            T.clear(q)
            for k in T.serial(M // 2):
                T.copy(X[b * (M // 2) + k, 0], x)
                T.reduce_sum(x, n, dim=1)
                for i, j in T.Parallel(1, N):
                    y[i, j] = x[i, j] - n[0] * 0.125
                    s[j] += y[i, j] * x[i, j] + j
                    q[j] += x[i, j]
                T.copy(y, Y[b * (M // 2) + k, 0])
            T.copy(s, S[b, 0])
            for j in T.Parallel(N):
                Q[b, j] = q[j]

    return main


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("M", "N", "dtype"), [(64, 96, "bfloat16"), (20, 50, "float32")])
def test_rows_are_summed_to_a_vector(M: int, N: int, dtype: str, device: str) -> None:
    """A loop of one iteration beside another stores vectors too, as backward passes do."""
    verdict = harness.check(_row_by_row(M, N, dtype), device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)
