"""Work that a mask leaves out block by block: a product, and attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T

LOG2_E = 1.4426950408889634

F64 = npt.NDArray[np.float64]


def block_sparse_gemm(M: int = 128, N: int = 64, K: int = 128, block_M: int = 32,
                      block_N: int = 32, block_K: int = 32,
                      dtype: str = "bfloat16") -> Any:  # fmt: skip
    """C = A B, leaving out every block of the product for which ``mask[by, bx, k]`` is zero.

    Blocks that are left out are neither read nor multiplied.
    """
    blocks = (-(-M // block_M), -(-N // block_N), -(-K // block_K))

    @T.prim_func
    def main(
        A: T.Tensor((M, K), dtype),
        B: T.Tensor((K, N), dtype),
        mask: T.Tensor(blocks, "int32"),
        C: T.Tensor((M, N), dtype),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            a = T.alloc_shared((block_M, block_K), dtype)
            b = T.alloc_shared((block_K, block_N), dtype)
            c = T.alloc_fragment((block_M, block_N), "float32")
            T.clear(c)
            for k in T.Pipelined(T.ceildiv(K, block_K), num_stages=2):
                if mask[by, bx, k] != 0:
                    T.copy(A[by * block_M, k * block_K], a)
                    T.copy(B[k * block_K, bx * block_N], b)
                    T.gemm(a, b, c)
            T.copy(c, C[by * block_M, bx * block_N])

    return main


def block_sparse_gemm_reference(A: F64, B: F64, mask: F64, block: int = 32) -> Any:
    """The masked product in float64."""
    kept = (mask != 0).repeat(block, 0).repeat(block, 1).repeat(block, 2)
    (M, K), N = A.shape, B.shape[1]
    return np.einsum("mk,kn,mnk->mn", A, B, kept[:M, :N, :K].astype(float))


def block_sparse_attention(batch: int = 1, heads: int = 2, seq: int = 128, dim: int = 64,
                           block: int = 32, dtype: str = "bfloat16") -> Any:  # fmt: skip
    """O of (batch, heads, seq, dim): each block of queries attends to its own keys and its mask's.

    ``mask`` is of (batch, heads, query blocks, key blocks).
    """
    scale = LOG2_E / math.sqrt(dim)
    shape = (batch, heads, seq, dim)
    blocks = -(-seq // block)

    @T.prim_func
    def main(
        Q: T.Tensor(shape, dtype),
        K: T.Tensor(shape, dtype),
        V: T.Tensor(shape, dtype),
        mask: T.Tensor((batch, heads, blocks, blocks), "int32"),
        O: T.Tensor(shape, dtype),
    ):
        with T.Kernel(blocks, heads, batch, threads=128) as (bx, by, bz):
            q = T.alloc_shared((block, dim), dtype)
            k = T.alloc_shared((block, dim), dtype)
            v = T.alloc_shared((block, dim), dtype)
            s = T.alloc_fragment((block, block), "float32")
            s_cast = T.alloc_fragment((block, block), dtype)
            o = T.alloc_fragment((block, dim), "float32")
            top = T.alloc_fragment((block,), "float32")
            previous = T.alloc_fragment((block,), "float32")
            factor = T.alloc_fragment((block,), "float32")
            added = T.alloc_fragment((block,), "float32")
            total = T.alloc_fragment((block,), "float32")
            wanted = T.alloc_local((blocks,), "int32")
            T.copy(Q[bz, by, bx * block, 0], q)
            T.clear(o)
            T.clear(total)
            T.fill(top, -T.infinity("float32"))
            for n in T.serial(blocks):
                wanted[n] = mask[bz, by, bx, n]
            for n in T.Pipelined(blocks, num_stages=2):
                if n == bx or wanted[n] != 0:
                    T.copy(K[bz, by, n * block, 0], k)
                    T.copy(V[bz, by, n * block, 0], v)
                    for i, j in T.Parallel(block, block):
                        s[i, j] = T.if_then_else(n * block + j < seq, 0, -T.infinity("float32"))
                    T.gemm(q, k, s, transpose_B=True)
                    T.copy(top, previous)
                    T.reduce_max(s, top, dim=1, clear=False)
                    for i in T.Parallel(block):
                        factor[i] = T.exp2(previous[i] * scale - top[i] * scale)
                    for i, j in T.Parallel(block, block):
                        s[i, j] = T.exp2(s[i, j] * scale - top[i] * scale)
                    T.reduce_sum(s, added, dim=1)
                    T.copy(s, s_cast)
                    for i in T.Parallel(block):
                        total[i] = total[i] * factor[i] + added[i]
                    for i, j in T.Parallel(block, dim):
                        o[i, j] *= factor[i]
                    T.gemm(s_cast, v, o)
            for i, j in T.Parallel(block, dim):
                o[i, j] /= total[i]
            T.copy(o, O[bz, by, bx * block, 0])

    return main


def block_sparse_attention_reference(Q: F64, K: F64, V: F64, mask: F64, block: int = 32) -> Any:
    """Attention in float64 to the keys of a block's own and of its mask's blocks."""
    seq = Q.shape[2]
    kept = (
        ((mask != 0) | np.eye(mask.shape[-1], dtype=bool))
        .repeat(block, 2)
        .repeat(block, 3)[:, :, :seq, :seq]
    )
    scores = np.where(kept, np.einsum("bhqd,bhkd->bhqk", Q, K) / math.sqrt(Q.shape[-1]), -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("bhqk,bhkd->bhqd", weights, V)
