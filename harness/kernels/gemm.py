"""Tiled matrix product C = A B with a float32 accumulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T


def matmul(
    M: int = 512,
    N: int = 384,
    K: int = 320,
    block_M: int = 64,
    block_N: int = 64,
    block_K: int = 32,
    dtype: str = "bfloat16",
    accum_dtype: str = "float32",
    out_dtype: str | None = None,
    num_stages: int = 2,
    trans_A: bool = False,
    trans_B: bool = False,
) -> Any:
    """A is M x K (K x M if trans_A), B is K x N (N x K if trans_B), C is M x N."""
    a_shape, b_shape = ((K, M) if trans_A else (M, K)), ((N, K) if trans_B else (K, N))
    a_block = (block_K, block_M) if trans_A else (block_M, block_K)
    b_block = (block_N, block_K) if trans_B else (block_K, block_N)

    @T.prim_func
    def main(
        A: T.Tensor(a_shape, dtype),
        B: T.Tensor(b_shape, dtype),
        C: T.Tensor((M, N), out_dtype or dtype),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            A_shared = T.alloc_shared(a_block, dtype)
            B_shared = T.alloc_shared(b_block, dtype)
            C_local = T.alloc_fragment((block_M, block_N), accum_dtype)
            T.clear(C_local)
            for ko in T.Pipelined(T.ceildiv(K, block_K), num_stages=num_stages):
                if trans_A:
                    T.copy(A[ko * block_K, by * block_M], A_shared)
                else:
                    T.copy(A[by * block_M, ko * block_K], A_shared)
                if trans_B:
                    T.copy(B[bx * block_N, ko * block_K], B_shared)
                else:
                    T.copy(B[ko * block_K, bx * block_N], B_shared)
                T.gemm(A_shared, B_shared, C_local, transpose_A=trans_A, transpose_B=trans_B)
            T.copy(C_local, C[by * block_M, bx * block_N])

    return main


def reference(
    A: npt.NDArray[np.float64],
    B: npt.NDArray[np.float64],
    trans_A: bool = False,
    trans_B: bool = False,
) -> npt.NDArray[np.float64]:
    """The product in float64."""
    return (A.T if trans_A else A) @ (B.T if trans_B else B)
