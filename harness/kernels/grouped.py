"""Rows that go where data say: products of groups, tokens put back, packed sequences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T

LOG2_E = 1.4426950408889634

F64 = npt.NDArray[np.float64]


def grouped_gemm(total: int = 150, groups: int = 4, N: int = 64, K: int = 64, block_M: int = 32,
                 block_N: int = 32, block_K: int = 32, dtype: str = "bfloat16") -> Any:  # fmt: skip
    """C = A W[g] for the rows of every group g, which lie one group after another.

    Group g has ``sizes[g]`` rows from row ``first[g]`` on. It is worked on in whole blocks of
    ``block_M``, the first of which is block ``padded[g] // block_M`` of all; the last one stores
    only the rows that the group has.
    """

    @T.prim_func
    def main(
        A: T.Tensor((total, K), dtype),
        W: T.Tensor((groups, K, N), dtype),
        sizes: T.Tensor((groups,), "int32"),
        first: T.Tensor((groups,), "int32"),
        padded: T.Tensor((groups,), "int32"),
        C: T.Tensor((total, N), dtype),
    ):
        with T.Kernel(T.ceildiv(total, block_M) + groups, T.ceildiv(N, block_N), threads=128) as (
            bx,
            by,
        ):
            a = T.alloc_shared((block_M, block_K), dtype)
            w = T.alloc_shared((block_K, block_N), dtype)
            c = T.alloc_fragment((block_M, block_N), "float32")
            group = T.alloc_var("int32", init=0)
            for g in range(groups):
                group = T.if_then_else(bx * block_M >= padded[g], g, group)
            done = bx * block_M - padded[group]
            row = first[group] + done
            rows = T.max(0, T.min(block_M, sizes[group] - done))
            T.clear(c)
            for k in T.Pipelined(T.ceildiv(K, block_K), num_stages=2):
                T.copy(A[row : row + block_M, k * block_K : (k + 1) * block_K], a)
                T.copy(W[group, k * block_K, by * block_N], w)
                T.gemm(a, w, c)
            for i, j in T.Parallel(block_M, block_N):
                if i < rows:
                    C[row + i, by * block_N + j] = c[i, j]

    return main


def grouped_gemm_reference(A: F64, W: F64, sizes: F64, first: F64, _padded: F64) -> Any:
    """The product of every group's rows with its matrix, in float64."""
    out = np.zeros((len(A), W.shape[2]))
    for g, (size, start) in enumerate(zip(sizes.astype(int), first.astype(int), strict=True)):
        out[start : start + size] = A[start : start + size] @ W[g]
    return out


def unpermute(tokens: int = 96, dim: int = 64, block: int = 32, dtype: str = "bfloat16") -> Any:
    """Y[rows[t]] = scale[t] X[t]: tokens in the order of their experts, put back into their own."""

    @T.prim_func
    def main(
        X: T.Tensor((tokens, dim), dtype),
        scale: T.Tensor((tokens,), "float32"),
        rows: T.Tensor((tokens,), "int32"),
        Y: T.Tensor((tokens, dim), dtype),
    ):
        with T.Kernel(T.ceildiv(tokens, block), threads=128) as bx:
            x = T.alloc_shared((block, dim), dtype)
            s = T.alloc_fragment((block,), "float32")
            T.copy(X[bx * block, 0], x)
            T.copy(scale[bx * block], s)
            for i, j in T.Parallel(block, dim):
                if bx * block + i < tokens:
                    Y[rows[bx * block + i], j] = x[i, j] * s[i]

    return main


def unpermute_reference(X: F64, scale: F64, rows: F64) -> Any:
    """The scaled tokens, in float64."""
    out = np.zeros_like(X)
    out[rows.astype(int)] = X * scale[:, None]
    return out


def packed_attention(batch: int = 3, heads: int = 2, total_q: int = 90, total_k: int = 130,
                     dim: int = 64, block: int = 32, dtype: str = "bfloat16") -> Any:  # fmt: skip
    """O of (total_q, heads, dim): attention of sequences that lie one after another.

    Rows ``q_ends[b]`` to ``q_ends[b + 1]`` are the queries of sequence b, and rows of ``k_ends``
    its keys and values. Blocks of queries beyond their sequence store nothing.
    """
    scale = LOG2_E / math.sqrt(dim)

    @T.prim_func
    def main(
        Q: T.Tensor((total_q, heads, dim), dtype),
        K: T.Tensor((total_k, heads, dim), dtype),
        V: T.Tensor((total_k, heads, dim), dtype),
        q_ends: T.Tensor((batch + 1,), "int32"),
        k_ends: T.Tensor((batch + 1,), "int32"),
        O: T.Tensor((total_q, heads, dim), dtype),
    ):
        with T.Kernel(T.ceildiv(total_q, block), heads, batch, threads=128) as (bx, by, bz):
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
            q_first = q_ends[bz]
            k_first = k_ends[bz]
            q_length = q_ends[bz + 1] - q_first
            k_length = k_ends[bz + 1] - k_first
            for i, j in T.Parallel(block, dim):
                if bx * block + i < q_length:
                    q[i, j] = Q[q_first + bx * block + i, by, j]
                else:
                    q[i, j] = 0
            T.clear(o)
            T.clear(total)
            T.fill(top, -T.infinity("float32"))
            for n in T.Pipelined(T.ceildiv(k_length, block), num_stages=2):
                first = k_first + n * block
                T.copy(K[first : first + block, by, :], k)
                T.copy(V[first : first + block, by, :], v)
                for i, j in T.Parallel(block, block):
                    s[i, j] = T.if_then_else(n * block + j < k_length, 0, -T.infinity("float32"))
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
                if bx * block + i < q_length:
                    O[q_first + bx * block + i, by, j] = o[i, j] / total[i]

    return main


def packed_attention_reference(Q: F64, K: F64, V: F64, q_ends: F64, k_ends: F64) -> Any:
    """Attention in float64 of every sequence's queries to its own keys."""
    out = np.zeros_like(Q)
    for b in range(len(q_ends) - 1):
        mine, its = (slice(int(ends[b]), int(ends[b + 1])) for ends in (q_ends, k_ends))
        scores = np.einsum("qhd,khd->hqk", Q[mine], K[its]) / math.sqrt(Q.shape[-1])
        weights = np.exp(scores - scores.max(-1, keepdims=True, initial=-np.inf))
        weights /= weights.sum(-1, keepdims=True)
        out[mine] = np.einsum("hqk,khd->qhd", weights, V[its])
    return out
