"""What a tensor of indices chooses: pages of a cache, matrices of experts, rows of words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T

LOG2_E = 1.4426950408889634
ROWS = 32
"""Query heads of a group that are worked on together; those a group does not have are zero."""

F64 = npt.NDArray[np.float64]


def paged_attention(batch: int = 2, heads: int = 2, group: int = 16, pages: int = 11,
                    blocks: int = 4, page_size: int = 64, dim: int = 64,
                    dtype: str = "bfloat16") -> Any:  # fmt: skip
    """O of (batch, heads, group, dim): attention over keys and values kept in pages.

    Position ``p`` of sequence ``b`` lies in page ``table[b, p // page_size]`` of the caches, which
    all sequences and heads share; ``group`` query heads attend to each key/value head. Every
    sequence has ``blocks`` full pages.
    """
    scale = LOG2_E / math.sqrt(dim)
    cache = (pages, page_size, heads, dim)

    @T.prim_func
    def main(
        Q: T.Tensor((batch, heads, group, dim), dtype),
        K: T.Tensor(cache, dtype),
        V: T.Tensor(cache, dtype),
        table: T.Tensor((batch, blocks), "int32"),
        O: T.Tensor((batch, heads, group, dim), dtype),
    ):
        with T.Kernel(heads, batch, threads=128) as (bx, by):
            q = T.alloc_shared((ROWS, dim), dtype)
            k = T.alloc_shared((page_size, dim), dtype)
            v = T.alloc_shared((page_size, dim), dtype)
            s = T.alloc_fragment((ROWS, page_size), "float32")
            s_cast = T.alloc_fragment((ROWS, page_size), dtype)
            o = T.alloc_fragment((ROWS, dim), "float32")
            top = T.alloc_fragment((ROWS,), "float32")
            previous = T.alloc_fragment((ROWS,), "float32")
            factor = T.alloc_fragment((ROWS,), "float32")
            added = T.alloc_fragment((ROWS,), "float32")
            total = T.alloc_fragment((ROWS,), "float32")
            T.copy(Q[by, bx, 0:ROWS, :], q)
            T.clear(o)
            T.clear(total)
            T.fill(top, -T.infinity("float32"))
            for n in T.Pipelined(blocks, num_stages=2):
                page = table[by, n]
                T.copy(K[page, :, bx, :], k)
                T.copy(V[page, :, bx, :], v)
                T.clear(s)
                T.gemm(q, k, s, transpose_B=True)
                T.copy(top, previous)
                T.reduce_max(s, top, dim=1, clear=False)
                for i in T.Parallel(ROWS):
                    factor[i] = T.exp2(previous[i] * scale - top[i] * scale)
                for i, j in T.Parallel(ROWS, page_size):
                    s[i, j] = T.exp2(s[i, j] * scale - top[i] * scale)
                T.reduce_sum(s, added, dim=1)
                T.copy(s, s_cast)
                for i in T.Parallel(ROWS):
                    total[i] = total[i] * factor[i] + added[i]
                for i, j in T.Parallel(ROWS, dim):
                    o[i, j] *= factor[i]
                T.gemm(s_cast, v, o)
            for i, j in T.Parallel(ROWS, dim):
                o[i, j] /= total[i]
            T.copy(o, O[by, bx, 0:ROWS, :])

    return main


def paged_attention_reference(Q: F64, K: F64, V: F64, table: F64) -> Any:
    """Attention in float64 over the pages of each sequence, one after another."""
    pages = table.astype(int)
    keys, values = (np.concatenate(np.moveaxis(x[pages], 1, 0), axis=1) for x in (K, V))
    scores = np.einsum("bhgd,bshd->bhgs", Q, keys) / math.sqrt(Q.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("bhgs,bshd->bhgd", weights, values)


def expert_gemm(M: int = 128, N: int = 64, K: int = 96, experts: int = 5, block_M: int = 32,
                block_N: int = 32, block_K: int = 32, dtype: str = "bfloat16") -> Any:  # fmt: skip
    """Y = X W[e], where ``expert`` gives e for every ``block_M`` rows of X."""

    @T.prim_func
    def main(
        X: T.Tensor((M, K), dtype),
        W: T.Tensor((experts, K, N), dtype),
        expert: T.Tensor((T.ceildiv(M, block_M),), "int32"),
        Y: T.Tensor((M, N), dtype),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            x = T.alloc_shared((block_M, block_K), dtype)
            w = T.alloc_shared((block_K, block_N), dtype)
            y = T.alloc_fragment((block_M, block_N), "float32")
            T.clear(y)
            for k in T.Pipelined(T.ceildiv(K, block_K), num_stages=2):
                T.copy(X[by * block_M, k * block_K], x)
                T.copy(W[expert[by], k * block_K, bx * block_N], w)
                T.gemm(x, w, y)
            T.copy(y, Y[by * block_M, bx * block_N])

    return main


def expert_gemm_reference(X: F64, W: F64, expert: F64, block_M: int = 32) -> Any:
    """The product of every row with its block's matrix, in float64."""
    rows = np.repeat(expert.astype(int), block_M)[: len(X)]
    return np.einsum("mk,mkn->mn", X, W[rows])


def embedding(tokens: int = 128, words: int = 77, dim: int = 80, block: int = 64,
              dtype: str = "bfloat16") -> Any:  # fmt: skip
    """Y[t] = W[ids[t]]: the rows of a table of words that tokens choose."""

    @T.prim_func
    def main(
        W: T.Tensor((words, dim), dtype),
        ids: T.Tensor((1, T.ceildiv(tokens, block) * block), "int32"),
        Y: T.Tensor((tokens, dim), dtype),
    ):
        with T.Kernel(T.ceildiv(tokens, block), threads=128) as bx:
            rows = T.alloc_shared((block, dim), dtype)
            for i, j in T.Parallel(block, dim):
                rows[i, j] = W[ids[0, bx * block + i], j]
            T.copy(rows, Y[bx * block, 0])

    return main


def embedding_reference(W: F64, ids: F64, tokens: int = 128) -> Any:
    """The rows themselves."""
    return W[ids[0].astype(int)][:tokens]
