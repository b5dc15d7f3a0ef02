"""Split-K: partial products over parts of K, then a kernel that adds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T
from harness import sequence


def split_k(M: int = 128, N: int = 128, K: int = 512, split: int = 4, block_M: int = 64,
            block_N: int = 64, block_K: int = 32, dtype: str = "bfloat16",
            out_dtype: str = "float32") -> Any:  # fmt: skip
    """C = A B: ``partial_products`` writes P[s] over a part of K each, ``add_parts`` sums them."""
    part = -(-K // (split * block_K)) * block_K

    @T.prim_func
    def partial_products(
        A: T.Tensor((M, K), dtype),
        B: T.Tensor((K, N), dtype),
        P: T.Tensor((split, M, N), "float32"),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), split) as (bx, by, bz):
            a = T.alloc_shared((block_M, block_K), dtype)
            b = T.alloc_shared((block_K, block_N), dtype)
            c = T.alloc_fragment((block_M, block_N), "float32")
            T.clear(c)
            for ko in T.Pipelined(part // block_K, num_stages=2):
                T.copy(A[by * block_M, bz * part + ko * block_K], a)
                T.copy(B[bz * part + ko * block_K, bx * block_N], b)
                T.gemm(a, b, c)
            T.copy(c, P[bz, by * block_M, bx * block_N])

    @T.prim_func
    def add_parts(P: T.Tensor((split, M, N), "float32"), C: T.Tensor((M, N), out_dtype)):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M)) as (bx, by):
            p = T.alloc_shared((block_M, block_N), "float32")
            c = T.alloc_fragment((block_M, block_N), "float32")
            T.clear(c)
            for s in T.serial(split):
                T.copy(P[s, by * block_M, bx * block_N], p)
                for i, j in T.Parallel(block_M, block_N):
                    c[i, j] += p[i, j]
            T.copy(c, C[by * block_M, bx * block_N])

    return sequence(partial_products, add_parts)


def split_k_reference(
    A: npt.NDArray[np.float64], B: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """A B in float64."""
    return A @ B
