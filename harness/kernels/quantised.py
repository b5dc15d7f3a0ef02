"""Matrix products with quantised operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T


def dequantised_gemm(
    M: int = 256,
    N: int = 192,
    K: int = 160,
    block_M: int = 64,
    block_N: int = 64,
    block_K: int = 32,
    dtype: str = "bfloat16",
    weights: str = "bfloat8_b",
    out_dtype: str = "float32",
) -> Any:
    """C = A B, where the host stores the weights B in a block format."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), dtype),
        B: T.Tensor((K, N), weights),
        C: T.Tensor((M, N), out_dtype),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            A_shared = T.alloc_shared((block_M, block_K), dtype)
            B_shared = T.alloc_shared((block_K, block_N), "bfloat16")
            C_local = T.alloc_fragment((block_M, block_N), "float32")
            T.clear(C_local)
            for ko in T.Pipelined(T.ceildiv(K, block_K), num_stages=2):
                T.copy(A[by * block_M, ko * block_K], A_shared)
                T.copy(B[ko * block_K, bx * block_N], B_shared)
                T.gemm(A_shared, B_shared, C_local)
            T.copy(C_local, C[by * block_M, bx * block_N])

    return main


def dequantised_gemm_reference(
    A: npt.NDArray[np.float64], B: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """A B in float64, of the weights as they are stored."""
    return A @ B


def int8_gemm(M: int = 128, N: int = 96, K: int = 160, block_M: int = 64, block_N: int = 32,
              block_K: int = 32, dtype: str = "int8") -> Any:  # fmt: skip
    """C = A B in int32, of integers from -127 to 127; needs fidelity HiFi4."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), dtype),
        B: T.Tensor((K, N), dtype),
        C: T.Tensor((M, N), "int32"),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            A_shared = T.alloc_shared((block_M, block_K), dtype)
            B_shared = T.alloc_shared((block_K, block_N), dtype)
            C_local = T.alloc_fragment((block_M, block_N), "int32")
            T.clear(C_local)
            for ko in T.Pipelined(T.ceildiv(K, block_K), num_stages=2):
                T.copy(A[by * block_M, ko * block_K], A_shared)
                T.copy(B[ko * block_K, bx * block_N], B_shared)
                T.gemm(A_shared, B_shared, C_local)
            T.copy(C_local, C[by * block_M, bx * block_N])

    return main
