"""T.copy from one tensor to another: as with a block in between, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import CompileError


def _cut(m: int, n: int, block_m: int, block_n: int, dtype: str, to: str) -> Any:
    """Blocks of a matrix, one copy each."""

    @T.prim_func
    def main(A: T.Tensor((m, n), dtype), B: T.Tensor((m, n), to)):
        with T.Kernel(T.ceildiv(n, block_n), T.ceildiv(m, block_m)) as (bx, by):
            T.copy(
                A[by * block_m : (by + 1) * block_m, bx * block_n : (bx + 1) * block_n],
                B[by * block_m, bx * block_n],
            )

    return main


def _whole(shape: tuple[int, ...], dtype: str, to: str) -> Any:
    """A tensor at once, of any rank."""

    @T.prim_func
    def main(A: T.Tensor(shape, dtype), B: T.Tensor(shape, to)):
        with T.Kernel(1) as _:
            T.copy(A, B)

    return main


def _swapped(batch: int, heads: int, length: int, dim: int) -> Any:
    """(batch, heads, length, dim) to (batch, length, heads, dim), cast."""

    @T.prim_func
    def main(
        A: T.Tensor((batch, heads, length, dim), "float32"),
        B: T.Tensor((batch, length, heads, dim), "float16"),
    ):
        with T.Kernel(T.ceildiv(length, 64), heads, batch) as (bx, by, bz):
            T.copy(A[bz, by, bx * 64 : bx * 64 + 64, :], B[bz, bx * 64 : bx * 64 + 64, by, :])

    return main


def _turned(n: int, count: int, to_rows: bool) -> Any:
    """Columns to rows, or rows to columns."""
    tall, flat = (n, count), (count, n)

    @T.prim_func
    def main(
        A: T.Tensor(tall if to_rows else flat, "float32"),
        B: T.Tensor(flat if to_rows else tall, "float32"),
    ):
        with T.Kernel(count) as bx:
            if to_rows:
                T.copy(A[0:n, bx], B[bx, 0:n])
            else:
                T.copy(A[bx, 0:n], B[0:n, bx])

    return main


def _gathered() -> Any:
    """Pages that a tensor of indices chooses."""

    @T.prim_func
    def main(
        K: T.Tensor((8, 32, 64), "bfloat16"),
        table: T.Tensor((4,), "int32"),
        B: T.Tensor((4, 32, 64), "bfloat16"),
    ):
        with T.Kernel(4) as bx:
            T.copy(K[table[bx], :, :], B[bx, :, :])

    return main


def _chosen() -> Any:
    """One of two tensors, by the block; a tensor has the name the block in between would get."""

    @T.prim_func
    def main(
        A: T.Tensor((128, 70), "float32"),
        A_block: T.Tensor((128, 70), "float32"),
        B: T.Tensor((128, 70), "float32"),
    ):
        with T.Kernel(4) as bx:
            for k in T.Pipelined(3, num_stages=2):
                if bx < 2:
                    T.copy(A[bx * 32 : bx * 32 + 32, k * 32 : k * 32 + 32], B[bx * 32, k * 32])
                else:
                    T.copy(
                        A_block[bx * 32 - 64 : bx * 32 - 32, k * 32 : k * 32 + 32],
                        B[bx * 32, k * 32],
                    )

    return main


KERNELS = {
    "whole tiles": _cut(64, 96, 32, 32, "float32", "float32"),
    "ragged, cast": _cut(100, 70, 32, 64, "float32", "bfloat16"),
    "wider": _cut(50, 33, 64, 32, "bfloat16", "float32"),
    "below a tile": _cut(40, 48, 8, 16, "float32", "float32"),
    "one row": _cut(40, 70, 1, 70, "float32", "float16"),
    "int8": _cut(64, 40, 32, 40, "int8", "int8"),
    "int32": _cut(64, 40, 32, 40, "int32", "int32"),
    "all of it": _whole((100, 70), "float32", "bfloat16"),
    "rank 1": _whole((100,), "float32", "float32"),
    "rank 4": _whole((2, 3, 40, 70), "bfloat16", "bfloat16"),
    "one element": _whole((1,), "float32", "float32"),
    "block format": _whole((64, 64), "bfloat8_b", "bfloat16"),
    "dimensions swapped": _swapped(2, 3, 100, 48),
    "columns to rows": _turned(64, 5, True),
    "rows to columns": _turned(64, 5, False),
    "gather": _gathered(),
    "either": _chosen(),
}


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("name", KERNELS)
def test_a_copy_from_tensor_to_tensor_is_judged(name: str, device: str) -> None:
    """Every oracle that applies agrees on both chips, for shapes whole, ragged and below a tile."""
    verdict = harness.check(KERNELS[name], device=device)
    assert verdict.passed, verdict


def test_data_arrive_bit_for_bit() -> None:
    """What no arithmetic touches keeps every bit of float32, though nothing but a copy is said."""
    bits = np.random.default_rng(3).integers(0x00800000, 0x7F800000, (100, 70), dtype=np.uint32)
    x = bits.view(np.float32)
    artifact = harness.compile(_cut(100, 70, 32, 32, "float32", "float32"))
    out = artifact.run({"A": x}).outputs["B"]
    np.testing.assert_array_equal(out.view(np.uint32), bits)


def test_rows_move_within_a_tensor() -> None:
    """Source and destination may be parts of one tensor, where no block reads another's."""

    @T.prim_func
    def main(A: T.Tensor((128, 64), "float32")):
        with T.Kernel(2) as bx:
            T.copy(A[bx * 32 : bx * 32 + 32, :], A[bx * 32 + 64, 0])

    assert harness.check(main).passed


@pytest.mark.parametrize("rows", [32, 16])
def test_a_tensor_copied_twice_is_not_read_back(rows: int) -> None:
    """What a block wrote comes from the block, or B is refused as a source after it."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), "float32"),
        B: T.Tensor((64, 64), "float32"),
        C: T.Tensor((64, 64), "float32"),
    ):
        with T.Kernel(2) as bx:
            T.copy(A[bx * 32 : bx * 32 + 32, :], B[bx * 32, 0])
            T.copy(B[bx * 32 : bx * 32 + rows, :], C[bx * 32, 0])

    if rows == 32:
        assert harness.check(main).passed
        return
    with pytest.raises(CompileError, match="B is read where the same block wrote it"):
        harness.compile(main)


def test_a_race_in_the_source_is_found() -> None:
    """A block that overwrites what another reads is a race, not a pass."""

    @T.prim_func
    def main(A: T.Tensor((160, 64), "float32")):
        with T.Kernel(4) as bx:
            T.copy(A[bx * 32 : bx * 32 + 32, :], A[bx * 32 + 32, 0])

    assert not harness.check(main).passed


def test_a_copy_that_is_too_large_says_so() -> None:
    """A tensor beyond L1 is refused with what to do, not cut silently."""
    with pytest.raises(CompileError, match="use smaller blocks") as info:
        harness.compile(_whole((2048, 2048), "float32", "float32"))
    assert info.value.code == "L1Overflow"
