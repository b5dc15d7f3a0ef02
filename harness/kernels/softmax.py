"""Softmax over rows: in one pass over a whole row, and online over row blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T

LOG2_E = 1.4426950408889634


def softmax(M: int = 128, N: int = 256, block_M: int = 32, dtype: str = "bfloat16") -> Any:
    """Softmax along rows of X; a block holds whole rows."""

    @T.prim_func
    def main(X: T.Tensor((M, N), dtype), Y: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, block_M), threads=128) as bx:
            x = T.alloc_fragment((block_M, N), "float32")
            top = T.alloc_fragment((block_M,), "float32")
            total = T.alloc_fragment((block_M,), "float32")
            T.copy(X[bx * block_M, 0], x)
            T.reduce_max(x, top, dim=1)
            for i, j in T.Parallel(block_M, N):
                x[i, j] = T.exp(x[i, j] - top[i])
            T.reduce_sum(x, total, dim=1)
            for i, j in T.Parallel(block_M, N):
                x[i, j] = x[i, j] / total[i]
            T.copy(x, Y[bx * block_M, 0])

    return main


def online_softmax(M: int = 128, N: int = 512, block_M: int = 32, block_N: int = 128,
                   dtype: str = "bfloat16") -> Any:  # fmt: skip
    """Softmax along rows of X, reading row blocks twice and keeping running maximum and sum."""

    @T.prim_func
    def main(X: T.Tensor((M, N), dtype), Y: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, block_M), threads=128) as bx:
            x = T.alloc_fragment((block_M, block_N), "float32")
            e = T.alloc_fragment((block_M, block_N), "float32")
            block_top = T.alloc_fragment((block_M,), "float32")
            block_sum = T.alloc_fragment((block_M,), "float32")
            top = T.alloc_fragment((block_M,), "float32")
            previous = T.alloc_fragment((block_M,), "float32")
            total = T.alloc_fragment((block_M,), "float32")
            T.fill(top, -T.infinity("float32"))
            T.clear(total)
            for k in T.Pipelined(T.ceildiv(N, block_N), num_stages=2):
                T.copy(X[bx * block_M, k * block_N], x)
                T.reduce_max(x, block_top, dim=1)
                T.copy(top, previous)
                for i in T.Parallel(block_M):
                    top[i] = T.max(previous[i], block_top[i])
                for i, j in T.Parallel(block_M, block_N):
                    e[i, j] = T.exp2((x[i, j] - top[i]) * LOG2_E)
                T.reduce_sum(e, block_sum, dim=1)
                for i in T.Parallel(block_M):
                    total[i] = total[i] * T.exp2((previous[i] - top[i]) * LOG2_E) + block_sum[i]
            for k in T.Pipelined(T.ceildiv(N, block_N), num_stages=2):
                T.copy(X[bx * block_M, k * block_N], x)
                for i, j in T.Parallel(block_M, block_N):
                    x[i, j] = T.exp2((x[i, j] - top[i]) * LOG2_E) / total[i]
                T.copy(x, Y[bx * block_M, k * block_N])

    return main


def reference(X: npt.NDArray[np.float64]) -> Any:
    """Softmax along the last dimension in float64."""
    e = np.exp(X - X.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
