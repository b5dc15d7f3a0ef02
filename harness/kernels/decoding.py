"""Flash decoding: one query per sequence, keys and values in parts, and the parts combined."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T
from harness import sequence

LOG2_E = 1.4426950408889634
ROWS = 32
"""Query heads of a group that are worked on together; those a group does not have are zero."""


def flash_decoding(batch: int = 2, heads: int = 2, group: int = 16, seq_len: int = 256,
                   dim: int = 64, split: int = 2, block_N: int = 64,
                   dtype: str = "bfloat16") -> Any:  # fmt: skip
    """O of (batch, heads, group, dim): ``group`` query heads attend to each key/value head.

    ``attend`` writes the output and the log-sum of every part of the sequence, ``combine`` weighs
    the parts. ``seq_len`` must be a multiple of ``split * block_N``.
    """
    scale = LOG2_E / math.sqrt(dim)
    part = seq_len // split
    kv_shape = (batch, seq_len, heads, dim)

    @T.prim_func
    def attend(
        Q: T.Tensor((batch, heads, group, dim), dtype),
        K: T.Tensor(kv_shape, dtype),
        V: T.Tensor(kv_shape, dtype),
        P: T.Tensor((batch, heads, split, group, dim), "float32"),
        L: T.Tensor((batch, heads, split, group), "float32"),
    ):
        with T.Kernel(split, heads, batch, threads=128) as (bx, by, bz):
            q = T.alloc_shared((ROWS, dim), dtype)
            k = T.alloc_shared((block_N, dim), dtype)
            v = T.alloc_shared((block_N, dim), dtype)
            s = T.alloc_fragment((ROWS, block_N), "float32")
            s_cast = T.alloc_fragment((ROWS, block_N), dtype)
            o = T.alloc_fragment((ROWS, dim), "float32")
            top = T.alloc_fragment((ROWS,), "float32")
            previous = T.alloc_fragment((ROWS,), "float32")
            factor = T.alloc_fragment((ROWS,), "float32")
            added = T.alloc_fragment((ROWS,), "float32")
            total = T.alloc_fragment((ROWS,), "float32")
            T.copy(Q[bz, by, 0:ROWS, :], q)
            T.clear(o)
            T.clear(total)
            T.fill(top, -T.infinity("float32"))
            for n in T.Pipelined(part // block_N, num_stages=2):
                first = bx * part + n * block_N
                T.copy(K[bz, first : first + block_N, by, :], k)
                T.copy(V[bz, first : first + block_N, by, :], v)
                T.clear(s)
                T.gemm(q, k, s, transpose_B=True)
                T.copy(top, previous)
                T.reduce_max(s, top, dim=1, clear=False)
                for i in T.Parallel(ROWS):
                    factor[i] = T.exp2(previous[i] * scale - top[i] * scale)
                for i, j in T.Parallel(ROWS, block_N):
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
            for i in T.Parallel(ROWS):
                total[i] = T.log2(total[i]) + top[i] * scale
            T.copy(o, P[bz, by, bx, 0:ROWS, :])
            T.copy(total, L[bz, by, bx, 0:ROWS])

    @T.prim_func
    def combine(
        P: T.Tensor((batch, heads, split, group, dim), "float32"),
        L: T.Tensor((batch, heads, split, group), "float32"),
        O: T.Tensor((batch, heads, group, dim), dtype),
    ):
        with T.Kernel(heads, batch) as (bx, by):
            p = T.alloc_shared((ROWS, dim), "float32")
            one = T.alloc_shared((ROWS,), "float32")
            o = T.alloc_fragment((ROWS, dim), "float32")
            top = T.alloc_fragment((ROWS,), "float32")
            weight = T.alloc_fragment((ROWS,), "float32")
            total = T.alloc_fragment((ROWS,), "float32")
            T.clear(o)
            T.clear(total)
            T.fill(top, -T.infinity("float32"))
            for n in T.serial(split):
                T.copy(L[by, bx, n, 0:ROWS], one)
                for i in T.Parallel(ROWS):
                    top[i] = T.max(top[i], one[i])
            for n in T.serial(split):
                T.copy(L[by, bx, n, 0:ROWS], one)
                T.copy(P[by, bx, n, 0:ROWS, :], p)
                for i in T.Parallel(ROWS):
                    weight[i] = T.exp2(one[i] - top[i])
                for i in T.Parallel(ROWS):
                    total[i] += weight[i]
                for i, j in T.Parallel(ROWS, dim):
                    o[i, j] += p[i, j] * weight[i]
            for i, j in T.Parallel(ROWS, dim):
                o[i, j] /= total[i]
            T.copy(o, O[by, bx, 0:ROWS, :])

    return sequence(attend, combine)


def flash_decoding_reference(
    Q: npt.NDArray[np.float64], K: npt.NDArray[np.float64], V: npt.NDArray[np.float64]
) -> Any:
    """Attention in float64."""
    scores = np.einsum("bhgd,bshd->bhgs", Q, K) / math.sqrt(Q.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("bhgs,bshd->bhgd", weights, V)
