"""Blocks read before a tensor's first row or column are zero there, as behind its last."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T

M, N = 128, 70


def _rows_above() -> Any:
    """Blocks of two tiles, of which the first block's first tile lies above the tensor."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), M // 64) as (bx, by):
            a = T.alloc_shared((64, 32), "float32")
            T.copy(A[by * 64 - 32, bx * 32], a)
            T.copy(a, C[by * 64, bx * 32])

    return main


def _columns_left() -> Any:
    """Columns from the left neighbour, loaded in a loop, with the tensor's own ragged end."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(M // 32) as by:
            a = T.alloc_shared((32, 32), "float32")
            for k in T.Pipelined(T.ceildiv(N, 32), num_stages=2):
                T.copy(A[by * 32, (k - 1) * 32], a)
                T.copy(a, C[by * 32, k * 32])

    return main


def _elementwise() -> Any:
    """The element above, where there is one."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), M // 32) as (bx, by):
            for i, j in T.Parallel(32, 32):
                C[by * 32 + i, bx * 32 + j] = T.if_then_else(
                    by > 0, A[(by - 1) * 32 + i, bx * 32 + j], 0.0
                )

    return main


@pytest.mark.parametrize(
    ("make", "before"), [(_rows_above, (32, 0)), (_columns_left, (0, 32)), (_elementwise, (32, 0))]
)
@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
def test_what_lies_before_a_tensor_reads_zero(
    make: Any, before: tuple[int, int], device: str
) -> None:
    """A block that begins before its tensor holds zeros; no page is asked that is not there."""
    artifact = harness.compile(make(), device=device)
    values = np.random.default_rng(0).integers(-9, 10, (M, N)).astype("float32")
    result = artifact.run({"A": values})
    wanted = np.pad(values, ((before[0], 0), (before[1], 0)))[:M, :N]
    assert not result.findings
    assert np.array_equal(result.outputs["C"], wanted)
    assert harness.check(artifact, oracle="llvm").passed


def test_a_condition_that_keeps_blocks_inside_is_relied_on() -> None:
    """Under ``if by > 0`` the block above exists: its pages are read without asking again."""

    @T.prim_func
    def main(A: T.Tensor((M, 64), "float32"), C: T.Tensor((M, 64), "float32")):
        with T.Kernel(2, M // 32) as (bx, by):
            a = T.alloc_shared((32, 32), "float32")
            T.clear(a)
            if by > 0:
                T.copy(A[(by - 1) * 32, bx * 32], a)
            T.copy(a, C[by * 32, bx * 32])

    artifact = harness.compile(main)
    assert "zero_tile_region" not in str(artifact.programs)
    values = np.ones((M, 64), "float32")
    assert np.array_equal(
        artifact.run({"A": values}).outputs["C"], np.pad(values, ((32, 0), (0, 0)))[:M]
    )


@pytest.mark.parametrize(("rows", "columns"), [(0, -80), (-18, -192), (100, 0), (-18, 64)])
def test_a_block_wholly_beside_its_tensor_reads_zero(rows: int, columns: int) -> None:
    """Pieces that cannot be inside are not read: their pages do not exist."""

    @T.prim_func
    def main(X: T.Tensor((29, 15), "float32"), Y: T.Tensor((29, 15), "float32")):
        with T.Kernel(1) as _:
            x = T.alloc_shared((48, 32), "float32")
            y = T.alloc_fragment((48, 32), "float32")
            T.clear(y)
            for k in T.serial(2):
                T.copy(X[rows + k, columns], x)
                for i, j in T.Parallel(48, 32):
                    y[i, j] += x[i, j]
            T.copy(y, Y[0, 0])

    assert harness.check(main).passed
    x = np.ones((29, 15), np.float32)
    assert not harness.compile(main).run({"X": x}).outputs["Y"].any()
