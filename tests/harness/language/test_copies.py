"""Tensors whose blocks run along any dimensions, and accesses that turn rows into columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import CompileError
from harness.fuzz.stages import validate
from harness.kernels import gemm

DEVICES = ["wormhole_n150", "blackhole_p150"]


def _per_head(batch: int, seq: int, heads: int, dim: int, dtype: str) -> Any:
    """Rows of (batch, sequence, heads, dim) scaled by their sums, and the sums per head."""

    @T.prim_func
    def main(
        X: T.Tensor((batch, seq, heads, dim), dtype),
        Y: T.Tensor((batch, seq, heads, dim), dtype),
        S: T.Tensor((batch, heads, seq), "float32"),
    ):
        with T.Kernel(T.ceildiv(seq, 32), heads, batch) as (bx, by, bz):
            x = T.alloc_shared((32, dim), dtype)
            y = T.alloc_fragment((32, dim), "float32")
            s = T.alloc_fragment((32,), "float32")
            T.copy(X[bz, bx * 32 : (bx + 1) * 32, by, :], x)
            T.copy(x, y)
            T.reduce_sum(y, s, dim=1)
            for i, j in T.Parallel(32, dim):
                y[i, j] = y[i, j] * s[i]
            T.copy(y, Y[bz, bx * 32 : (bx + 1) * 32, by, :])
            T.copy(s, S[bz, by, bx * 32 : (bx + 1) * 32])

    return main


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seq", [64, 70])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_heads_between_rows_and_columns(device: str, seq: int, dtype: str) -> None:
    """(batch, sequence, heads, dim) and a vector per head, aligned and ragged."""
    verdict = harness.check(_per_head(2, seq, 3, 64, dtype), device=device)
    assert verdict.passed, verdict.reason


def test_answers_are_in_the_hosts_order() -> None:
    """Arrays go in and come out in the shapes the kernel declares, each element in its place."""
    artifact = harness.compile(_per_head(2, 32, 3, 32, "float32"))
    views = {n: tuple(la.view) for n, la in artifact.plan.layouts.items()}
    assert views == {"X": (0, 2, 1, 3), "Y": (0, 2, 1, 3), "S": (0, 1, -1, 2)}
    x = np.random.default_rng(0).integers(-3, 4, (2, 32, 3, 32)).astype(np.float32)
    out = artifact.run({"X": x}).outputs
    assert np.array_equal(out["S"], x.sum(-1).transpose(0, 2, 1))
    assert np.array_equal(out["Y"], x * x.sum(-1, keepdims=True))
    assert validate(artifact).name == ""


def _turned(how: str, M: int, N: int, dtype: str) -> Any:
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), C: T.Tensor((N, M), dtype)):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 64)) as (bx, by):
            a = T.alloc_shared((64, 32), dtype)
            b = T.alloc_shared((32, 64), dtype)
            if how == "block":
                T.copy(A[by * 64, bx * 32], a)
                for i, j in T.Parallel(64, 32):
                    b[j, i] = a[i, j]
                T.copy(b, C[bx * 32, by * 64])
            elif how == "load":
                for i, j in T.Parallel(32, 64):
                    b[i, j] = A[by * 64 + j, bx * 32 + i]
                T.copy(b, C[bx * 32, by * 64])
            else:
                for i, j in T.Parallel(64, 32):
                    C[bx * 32 + j, by * 64 + i] = A[by * 64 + i, bx * 32 + j]

    return main


@pytest.mark.parametrize("how", ["block", "load", "tensors"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("shape", [(64, 96), (100, 70)])
def test_transposed_access(how: str, dtype: str, shape: tuple[int, int]) -> None:
    """Rows become columns on the way in, between blocks and on the way out."""
    verdict = harness.check(_turned(how, *shape, dtype))
    assert verdict.passed, verdict.reason


def test_vectors_follow_the_loop_they_are_indexed_by() -> None:
    """In a transposing loop the target's rows decide which vector is a column."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), "float32"),
        r: T.Tensor((64,), "float32"),
        c: T.Tensor((64,), "float32"),
        C: T.Tensor((64, 64), "float32"),
    ):
        with T.Kernel(2, 2) as (bx, by):
            a = T.alloc_fragment((32, 32), "float32")
            b = T.alloc_fragment((32, 32), "float32")
            rows = T.alloc_fragment((32,), "float32")
            columns = T.alloc_fragment((32,), "float32")
            T.copy(A[by * 32, bx * 32], a)
            T.copy(r[by * 32], rows)
            T.copy(c[bx * 32], columns)
            for i, j in T.Parallel(32, 32):
                b[j, i] = a[i, j] * rows[i] + columns[j]
            T.copy(b, C[bx * 32, by * 32])

    assert harness.check(main).passed


def test_one_tensor_along_two_pairs_of_dimensions_is_refused() -> None:
    """Tiles lie along two dimensions: a second use along others names both."""

    @T.prim_func
    def main(X: T.Tensor((64, 64, 64), "float32"), Y: T.Tensor((64, 64), "float32")):
        with T.Kernel(2, 2) as (bx, by):
            a = T.alloc_fragment((32, 32), "float32")
            b = T.alloc_fragment((32, 32), "float32")
            T.copy(X[by * 32 : by * 32 + 32, bx, 0:32], a)
            T.copy(X[0:32, 0:32, by], b)
            for i, j in T.Parallel(32, 32):
                a[i, j] += b[i, j]
            T.copy(a, Y[by * 32, bx * 32])

    with pytest.raises(CompileError, match=r"along dimensions \[0, 1\] here and \[0, 2\]") as error:
        harness.compile(main)
    assert "two parameters" in str(error.value.next_step)
    assert error.value.location is not None


def _shifted(by: int) -> Any:
    """Whole matrices of a stack, each in the place of one ``by`` before it."""

    @T.prim_func
    def main(X: T.Tensor((4, 40, 70), "bfloat16"), Y: T.Tensor((4, 40, 70), "bfloat16")):
        with T.Kernel(3, 2, 4) as (bx, row, bz):
            x = T.alloc_shared((32, 32), "bfloat16")
            T.copy(X[bz + by, row * 32, bx * 32], x)
            T.copy(x, Y[bz, row * 32, bx * 32])

    return main


@pytest.mark.parametrize("by", [-1, 2])
def test_a_leading_index_outside_reads_zero(by: int) -> None:
    """As rows and columns do: T.copy reads zero beyond a tensor, in every dimension."""
    x = np.random.default_rng(1).integers(1, 9, (4, 40, 70)).astype(np.float32)
    want = np.zeros_like(x)
    for n in range(4):
        if 0 <= n + by < 4:
            want[n] = x[n + by]
    assert np.array_equal(harness.compile(_shifted(by)).run({"X": x}).outputs["Y"], want)
    assert harness.check(_shifted(by)).passed


def _both_units(loaded_inside: bool) -> Any:
    """A float32 operand of a product whose sum stays in DST, which is also needed as it is."""

    @T.prim_func
    def main(
        X: T.Tensor((32, 64), "float32"),
        R: T.Tensor((64, 64), "float32"),
        Y: T.Tensor((32, 64), "float32"),
    ):
        with T.Kernel(1):
            x = T.alloc_shared((32, 64), "float32")
            r = T.alloc_shared((64, 64), "float32")
            t = T.alloc_fragment((32, 64), "float32")
            u = T.alloc_fragment((32, 64), "float32")
            T.copy(R, r)
            T.copy(X, x)
            for i, j in T.Parallel(32, 64):
                u[i, j] = x[i, j] * 3.0
            T.clear(t)
            for _k in T.serial(2):
                if loaded_inside:
                    T.copy(X, x)
                T.gemm(x, r, t)
            for i, j in T.Parallel(32, 64):
                t[i, j] = u[i, j] + t[i, j]
            T.copy(t, Y)

    return main


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("loaded_inside", [False, True])
def test_an_operand_of_both_units_while_a_sum_stays_in_dst(
    device: str, loaded_inside: bool
) -> None:
    """What the matrix unit reads is made before the sum begins, or loaded again."""
    verdict = harness.check(_both_units(loaded_inside), device=device)
    assert verdict.passed, (verdict.reason, verdict.findings)


def test_blocks_joined_to_a_tile_are_turned_by_a_copy() -> None:
    """Columns copied to vectors, which joined are rows of a tile, are columns again in the end."""

    @T.prim_func
    def main(A: T.Tensor((64, 2), "float32"), R: T.Tensor((64, 2), "float32")):
        with T.Kernel(2, 2) as (bx, by):
            a = T.alloc_fragment((1, 32), "float32")
            T.copy(A[bx * 32 : bx * 32 + 32, by : by + 1], a)
            T.copy(a, R[bx * 32 : bx * 32 + 32, by : by + 1])

    verdict = harness.check(main)
    assert verdict.passed, (verdict.reason, verdict.findings)


@pytest.mark.parametrize("shape", [(32,), (1, 32), (32, 1)])
@pytest.mark.parametrize("heads", [1, 2, 40])
def test_a_column_is_copied_as_the_source_says_or_refused(
    shape: tuple[int, ...], heads: int
) -> None:
    """Whatever form the block has, its answer is the column, or the copy has no lowering."""

    @T.prim_func
    def main(G: T.Tensor((64, heads), "float32"), R: T.Tensor((heads, 64), "float32")):
        with T.Kernel(2, heads) as (bx, by):
            v = T.alloc_fragment(shape, "float32")
            T.copy(G[bx * 32 : bx * 32 + 32, by], v)
            T.copy(v, R[by, bx * 32 : bx * 32 + 32])

    try:
        verdict = harness.check(main)
    except CompileError:
        assert len(shape) > 1
    else:
        assert verdict.passed, verdict.reason


@pytest.mark.parametrize("trans_A", [False, True])
@pytest.mark.parametrize(("block_M", "block_N"), [(32, 1), (16, 1), (1, 32), (1, 1)])
def test_one_row_of_an_operand_beside_one_column_of_another(
    block_M: int, block_N: int, trans_A: bool
) -> None:
    """Rows of a transposed operand and the columns of C they make are joined to tiles alike."""
    kernel = gemm.matmul(M=37, N=5, K=40, block_M=block_M, block_N=block_N, block_K=32,
                         trans_A=trans_A, trans_B=True)  # fmt: skip
    verdict = harness.check(kernel)
    assert verdict.passed, (verdict.reason, verdict.findings)
