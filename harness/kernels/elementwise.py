"""Elementwise kernels: copy, and a fused chain of additions and multiplications."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T


def copy(M: int = 256, N: int = 256, block_M: int = 64, block_N: int = 64,
         dtype: str = "bfloat16") -> Any:  # fmt: skip
    """B = A, block by block through a shared buffer."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            block = T.alloc_shared((block_M, block_N), dtype)
            T.copy(A[by * block_M, bx * block_N], block)
            T.copy(block, B[by * block_M, bx * block_N])

    return main


def sharded_copy(M: int = 256, N: int = 256, block_M: int = 64, block_N: int = 64,
                 dtype: str = "bfloat16") -> Any:  # fmt: skip
    """B = A, both cut into shards of a block, each in the L1 of a core of its own."""
    cores = [-(-N // block_N), -(-M // block_M)]
    cut = {"sharding": {"strategy": "block", "grid": cores}}

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            T.annotate_layout({A: cut, B: cut})
            block = T.alloc_shared((block_M, block_N), dtype)
            T.copy(A[by * block_M, bx * block_N], block)
            T.copy(block, B[by * block_M, bx * block_N])

    return main


def add(M: int = 256, N: int = 256, block_M: int = 64, block_N: int = 64,
        dtype: str = "bfloat16") -> Any:  # fmt: skip
    """C = A + B."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            a = T.alloc_shared((block_M, block_N), dtype)
            b = T.alloc_shared((block_M, block_N), dtype)
            c = T.alloc_fragment((block_M, block_N), dtype)
            T.copy(A[by * block_M, bx * block_N], a)
            T.copy(B[by * block_M, bx * block_N], b)
            for i, j in T.Parallel(block_M, block_N):
                c[i, j] = a[i, j] + b[i, j]
            T.copy(c, C[by * block_M, bx * block_N])

    return main


def multiply_add(M: int = 256, N: int = 256, block_M: int = 64, block_N: int = 64,
                 alpha: float = 2.0, dtype: str = "bfloat16",
                 out_dtype: str = "float32") -> Any:  # fmt: skip
    """D = alpha * A * B + C - A, computed on tensor elements directly."""

    @T.prim_func
    def main(
        A: T.Tensor((M, N), dtype),
        B: T.Tensor((M, N), dtype),
        C: T.Tensor((M, N), dtype),
        D: T.Tensor((M, N), out_dtype),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            for i, j in T.Parallel(block_M, block_N):
                D[by * block_M + i, bx * block_N + j] = (
                    A[by * block_M + i, bx * block_N + j]
                    * B[by * block_M + i, bx * block_N + j]
                    * alpha
                    + C[by * block_M + i, bx * block_N + j]
                    - A[by * block_M + i, bx * block_N + j]
                )

    return main


def add_reference(
    A: npt.NDArray[np.float64], B: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """A + B in float64."""
    return A + B


def multiply_add_reference(
    A: npt.NDArray[np.float64], B: npt.NDArray[np.float64], C: npt.NDArray[np.float64],
    alpha: float = 2.0,
) -> npt.NDArray[np.float64]:  # fmt: skip
    """Alpha * A * B + C - A in float64."""
    return alpha * A * B + C - A
