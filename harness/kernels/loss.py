"""Cross entropy of rows against labels, which are whole numbers read from memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T


def cross_entropy(M: int = 128, N: int = 512, block_M: int = 32, block_N: int = 128,
                  dtype: str = "bfloat16") -> Any:  # fmt: skip
    """log(sum(exp(X[i]))) - X[i, labels[i]] per row, with running maximum and sum.

    A label outside 0 to N - 1 takes zero for the element it names.
    """

    @T.prim_func
    def main(X: T.Tensor((M, N), dtype), labels: T.Tensor((M,), "int32"),
             Y: T.Tensor((M,), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(M, block_M), threads=128) as bx:
            x = T.alloc_shared((block_M, block_N), dtype)
            label = T.alloc_shared((block_M,), "int32")
            part = T.alloc_fragment((block_M, block_N), "float32")
            top = T.alloc_fragment((block_M,), "float32")
            before = T.alloc_fragment((block_M,), "float32")
            total = T.alloc_fragment((block_M,), "float32")
            step = T.alloc_fragment((block_M,), "float32")
            chosen = T.alloc_fragment((block_M,), "float32")
            T.copy(labels[bx * block_M], label)
            T.fill(top, -1e30)
            T.clear(total)
            T.clear(chosen)
            for k in T.Pipelined(T.ceildiv(N, block_N), num_stages=2):
                T.copy(X[bx * block_M, k * block_N], x)
                T.copy(top, before)
                T.reduce_max(x, top, dim=1, clear=False)
                for i, j in T.Parallel(block_M, block_N):
                    part[i, j] = T.if_then_else(k * block_N + j < N, T.exp(x[i, j] - top[i]), 0.0)
                T.reduce_sum(part, step, dim=1)
                for i in T.Parallel(block_M):
                    total[i] = total[i] * T.exp(before[i] - top[i]) + step[i]
                for i, j in T.Parallel(block_M, block_N):
                    part[i, j] = T.if_then_else(k * block_N + j == label[i], x[i, j], 0.0)
                T.reduce_sum(part, chosen, dim=1, clear=False)
            for i in T.Parallel(block_M):
                total[i] = T.log(total[i]) + top[i] - chosen[i]
            T.copy(total, Y[bx * block_M])

    return main


def cross_entropy_reference(
    X: npt.NDArray[np.float64], labels: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """In float64."""
    top = X.max(1)
    named = np.arange(X.shape[1]) == labels[:, None]
    chosen: npt.NDArray[np.float64] = (X * named).sum(1)
    loss: npt.NDArray[np.float64] = np.log(np.exp(X - top[:, None]).sum(1)) + top - chosen
    return loss
