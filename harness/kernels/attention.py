"""Flash attention forward: softmax(Q K^T / sqrt(dim)) V, one block of queries per work item."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T

LOG2_E = 1.4426950408889634


def flash_attention(
    batch: int = 1,
    heads: int = 2,
    seq_len: int = 256,
    dim: int = 64,
    block_M: int = 64,
    block_N: int = 64,
    is_causal: bool = False,
    groups: int = 1,
    window: int = 0,
    dtype: str = "bfloat16",
    num_stages: int = 2,
) -> Any:
    """O of shape (batch, heads, seq_len, dim); ``groups`` query heads share a key/value head.

    With ``window`` a causal query sees itself and the ``window - 1`` keys before it.
    """
    scale = LOG2_E / math.sqrt(dim)
    shape = (batch, heads, seq_len, dim)
    kv_shape = (batch, heads // groups, seq_len, dim)
    # A block outside the window of a row must leave a finite maximum behind; 2**-200 is nothing.
    least = -200.0 / scale if window else -math.inf

    @T.prim_func
    def main(
        Q: T.Tensor(shape, dtype),
        K: T.Tensor(kv_shape, dtype),
        V: T.Tensor(kv_shape, dtype),
        O: T.Tensor(shape, dtype),
    ):
        with T.Kernel(T.ceildiv(seq_len, block_M), heads, batch, threads=128) as (bx, by, bz):
            Q_shared = T.alloc_shared((block_M, dim), dtype)
            K_shared = T.alloc_shared((block_N, dim), dtype)
            V_shared = T.alloc_shared((block_N, dim), dtype)
            O_shared = T.alloc_shared((block_M, dim), dtype)
            acc_s = T.alloc_fragment((block_M, block_N), "float32")
            acc_s_cast = T.alloc_fragment((block_M, block_N), dtype)
            acc_o = T.alloc_fragment((block_M, dim), "float32")
            scores_max = T.alloc_fragment((block_M,), "float32")
            scores_max_prev = T.alloc_fragment((block_M,), "float32")
            scores_scale = T.alloc_fragment((block_M,), "float32")
            scores_sum = T.alloc_fragment((block_M,), "float32")
            logsum = T.alloc_fragment((block_M,), "float32")

            T.copy(Q[bz, by, bx * block_M : (bx + 1) * block_M, :], Q_shared)
            T.fill(acc_o, 0)
            T.fill(logsum, 0)
            T.fill(scores_max, least)
            loop_range = (
                T.min(T.ceildiv(seq_len, block_N), T.ceildiv((bx + 1) * block_M, block_N))
                if is_causal
                else T.ceildiv(seq_len, block_N)
            )
            first = T.max(0, (bx * block_M - window + 1) // block_N) if window > 0 else 0
            for k in T.Pipelined(first, loop_range, num_stages=num_stages):
                T.copy(K[bz, by // groups, k * block_N : (k + 1) * block_N, :], K_shared)
                if window:
                    for i, j in T.Parallel(block_M, block_N):
                        acc_s[i, j] = T.if_then_else(
                            T.And(
                                bx * block_M + i >= k * block_N + j,
                                bx * block_M + i < k * block_N + j + window,
                            ),
                            0,
                            least,
                        )
                elif is_causal:
                    for i, j in T.Parallel(block_M, block_N):
                        acc_s[i, j] = T.if_then_else(
                            bx * block_M + i >= k * block_N + j, 0, -T.infinity("float32")
                        )
                else:
                    T.clear(acc_s)
                T.gemm(Q_shared, K_shared, acc_s, transpose_B=True,
                       policy=T.GemmWarpPolicy.FullRow)  # fmt: skip
                T.copy(scores_max, scores_max_prev)
                T.fill(scores_max, least)
                T.reduce_max(acc_s, scores_max, dim=1, clear=False)
                for i in T.Parallel(block_M):
                    scores_max[i] = T.max(scores_max[i], scores_max_prev[i])
                for i in T.Parallel(block_M):
                    scores_scale[i] = T.exp2(scores_max_prev[i] * scale - scores_max[i] * scale)
                for i, j in T.Parallel(block_M, block_N):
                    acc_s[i, j] = T.exp2(acc_s[i, j] * scale - scores_max[i] * scale)
                T.reduce_sum(acc_s, scores_sum, dim=1)
                for i in T.Parallel(block_M):
                    logsum[i] = logsum[i] * scores_scale[i] + scores_sum[i]
                T.copy(acc_s, acc_s_cast)
                for i, j in T.Parallel(block_M, dim):
                    acc_o[i, j] *= scores_scale[i]
                T.copy(V[bz, by // groups, k * block_N : (k + 1) * block_N, :], V_shared)
                T.gemm(acc_s_cast, V_shared, acc_o, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(block_M, dim):
                acc_o[i, j] /= logsum[i]
            T.copy(acc_o, O_shared)
            T.copy(O_shared, O[bz, by, bx * block_M : (bx + 1) * block_M, :])

    return main


def reference(
    Q: npt.NDArray[np.float64],
    K: npt.NDArray[np.float64],
    V: npt.NDArray[np.float64],
    is_causal: bool = False,
    groups: int = 1,
    window: int = 0,
) -> Any:
    """Attention in float64."""
    K, V = np.repeat(K, groups, axis=1), np.repeat(V, groups, axis=1)
    scores = Q @ K.swapaxes(-1, -2) / math.sqrt(Q.shape[-1])
    if is_causal:
        n = Q.shape[2]
        seen = np.tril(np.ones((n, n), bool))
        seen &= ~np.tril(seen, -window) if window else seen
        scores = np.where(seen, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True)) @ V
