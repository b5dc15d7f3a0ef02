"""Blocks of one row whose numbers are made from one another: ``total[0] = part[0] * scale[0]``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.fuzz.stages import validate


def running_softmax(M: int, N: int, block: int = 32, dtype: str = "float32") -> Any:
    """The logarithm of a running sum as one number per row, used in a second pass."""
    scale = 1.44269504

    @T.prim_func
    def main(X: T.Tensor((M, N), dtype), Y: T.Tensor((M, N), dtype)):
        with T.Kernel(M, threads=128) as row:
            x = T.alloc_fragment([block], dtype)
            y = T.alloc_fragment([block], dtype)
            powers = T.alloc_fragment([block], "float32")
            top = T.alloc_fragment([1], dtype)
            total = T.alloc_fragment([1], "float32")
            lse = T.alloc_fragment([1], "float32")
            T.fill(lse, -T.infinity("float32"))
            for k in T.Pipelined(0, T.ceildiv(N, block)):
                T.copy(X[row, k * block : (k + 1) * block], x)
                T.reduce_max(x, top, dim=0, clear=True)
                for j in T.Parallel(block):
                    powers[j] = T.exp2(x[j] * scale - top[0] * scale)
                T.reduce_sum(powers, total, dim=0, clear=True)
                lse[0] = top[0] * scale + T.log2(T.exp2(lse[0] - top[0] * scale) + total[0])
            for k in T.Pipelined(0, T.ceildiv(N, block)):
                T.copy(X[row, k * block : (k + 1) * block], x)
                for j in T.Parallel(block):
                    y[j] = T.exp2(x[j] * scale - lse[0])
                T.copy(y, Y[row, k * block : (k + 1) * block])

    return main


def of_the_index(M: int, N: int) -> Any:
    """A number per row from the row's own index, from a maximum, and from a constant."""

    @T.prim_func
    def main(
        X: T.Tensor([M, N], "float32"), Y: T.Tensor([M, N], "float32"), Z: T.Tensor([M], "float32")
    ):
        with T.Kernel(M, threads=128) as row:
            x = T.alloc_fragment([N], "float32")
            top = T.alloc_fragment([1], "float32")
            made = T.alloc_fragment([1], "float32")
            three = T.alloc_fragment([1], "float32")
            T.copy(X[row, 0], x)
            T.reduce_max(x, top, dim=0)
            made[0] = T.cast(row, "float32") * 2.0
            three[0] = 3.0
            made[0] = made[0] + top[0] * three[0]
            for j in T.Parallel(N):
                x[j] = x[j] * made[0]
            T.copy(x, Y[row, 0])
            T.copy(made, Z[row])

    return main


def shared(M: int, N: int) -> Any:
    """What all rows share stays one number, though numbers per row are made with it."""

    @T.prim_func
    def main(
        X: T.Tensor([M, N], "float32"), W: T.Tensor([N], "float32"), Y: T.Tensor([M, N], "float32")
    ):
        with T.Kernel(M, threads=128) as row:
            x = T.alloc_fragment([N], "float32")
            w = T.alloc_fragment([N], "float32")
            common = T.alloc_fragment([1], "float32")
            top = T.alloc_fragment([1], "float32")
            T.copy(X[row, 0], x)
            T.copy(W, w)
            T.reduce_sum(w, common, dim=0)
            T.reduce_max(x, top, dim=0)
            common[0] = common[0] * 0.5
            top[0] = top[0] + common[0]
            for j in T.Parallel(N):
                x[j] = x[j] * top[0] + common[0]
            T.copy(x, Y[row, 0])

    return main


def two_dimensional(M: int, N: int) -> Any:
    """Blocks (1, N) and (1, 1) beside numbers (1,)."""

    @T.prim_func
    def main(X: T.Tensor([M, N], "float32"), Y: T.Tensor([M, N], "float32")):
        with T.Kernel(M, threads=128) as row:
            x = T.alloc_fragment([1, N], "float32")
            total = T.alloc_fragment([1], "float32")
            square = T.alloc_fragment([1], "float32")
            factor = T.alloc_fragment([1, 1], "float32")
            T.copy(X[row : row + 1, 0:N], x)
            T.reduce_sum(x, total, dim=1)
            square[0] = total[0] * total[0]
            factor[0, 0] = square[0] + 1.0
            for j in T.Parallel(N):
                x[0, j] = x[0, j] * factor[0, 0]
            T.copy(x, Y[row : row + 1, 0:N])

    return main


def of_whole_blocks(M: int, N: int) -> Any:
    """The same statement in a kernel whose blocks are whole tiles."""

    @T.prim_func
    def main(
        X: T.Tensor([M, N], "float32"), W: T.Tensor([N], "float32"), Y: T.Tensor([M, N], "float32")
    ):
        with T.Kernel(T.ceildiv(M, 32), threads=128) as block:
            x = T.alloc_fragment([32, N], "float32")
            w = T.alloc_fragment([N], "float32")
            total = T.alloc_fragment([1], "float32")
            square = T.alloc_fragment([1, 1], "float32")
            T.copy(X[block * 32, 0], x)
            T.copy(W, w)
            T.reduce_sum(w, total, dim=0)
            total[0] = total[0] * 0.5 + T.cast(block, "float32")
            square[0, 0] = total[0] * total[0]
            for i, j in T.Parallel(32, N):
                x[i, j] = x[i, j] * total[0] + square[0, 0]
            T.copy(x, Y[block * 32, 0])

    return main


def of_elements(M: int, N: int) -> Any:
    """A sum of elements, one per step of a loop, and a row changed once per step."""

    @T.prim_func
    def main(
        G: T.Tensor([M, 40], "float32"), X: T.Tensor([M, N], "float32"),
        Y: T.Tensor([M, N], "float32"),
    ):  # fmt: skip
        with T.Kernel(M, threads=128) as row:
            x = T.alloc_fragment([N], "float32")
            total = T.alloc_fragment([1], "float32")
            T.clear(total)
            for k in T.serial(5):
                total[0] += T.abs(G[row, k])
            T.copy(X[row, 0], x)
            for k in T.serial(40):
                weight = G[row, k]
                for j in T.Parallel(N):
                    x[j] = x[j] * 0.5 + weight
            for j in T.Parallel(N):
                x[j] = x[j] + total[0]
            T.copy(x, Y[row, 0])

    return main


@pytest.mark.parametrize(
    "make", [running_softmax, of_the_index, shared, two_dimensional, of_whole_blocks, of_elements]
)
@pytest.mark.parametrize(
    ("M", "N", "device"), [(64, 96, "wormhole_n150"), (37, 64, "blackhole_p150")]
)
def test_numbers_made_from_numbers(make: Any, M: int, N: int, device: str) -> None:
    """Each row has its own, what all share is shared, and every pass keeps it so."""
    artifact = harness.compile(make(M, N), device=device)
    assert harness.check(artifact, oracle="llvm").passed
    assert validate(artifact).name == ""


def test_a_running_softmax_is_a_softmax() -> None:
    """Agrees with NumPy, which knows nothing of blocks."""
    x = np.random.default_rng(3).standard_normal((37, 96)).astype("float32")
    got = harness.compile(running_softmax(37, 96)).run({"X": x}).outputs["Y"]
    powers = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    np.testing.assert_allclose(got, powers / powers.sum(axis=1, keepdims=True), atol=2e-3)


def test_a_number_of_shared_numbers_and_the_index_is_refused_in_a_longer_block() -> None:
    """A vector that only the row's index makes one per row is not taken for one all rows share."""

    @T.prim_func
    def main(W: T.Tensor([64], "float32"), Z: T.Tensor([40], "float32")):
        with T.Kernel(40, threads=128) as row:
            w = T.alloc_fragment([64], "float32")
            y = T.alloc_fragment([64], "float32")
            total = T.alloc_fragment([1], "float32")
            T.copy(W, w)
            for j in T.Parallel(64):
                y[j] = w[j] * T.cast(row, "float32")
            T.reduce_sum(y, total, dim=0)
            T.copy(total, Z[row])

    with pytest.raises(harness.errors.CompileError, match="uses the axis"):
        harness.compile(main)
