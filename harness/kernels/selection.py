"""The largest elements of rows, and where they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T


def argmax(M: int = 128, N: int = 128, block_M: int = 64, dtype: str = "bfloat16") -> Any:
    """The place of the largest element of every row; of equals the last."""

    @T.prim_func
    def main(X: T.Tensor((M, N), dtype), Y: T.Tensor((M,), "int32")):
        with T.Kernel(T.ceildiv(M, block_M), threads=128) as bx:
            x = T.alloc_fragment((block_M, N), dtype)
            largest = T.alloc_fragment((block_M,), dtype)
            places = T.alloc_fragment((block_M, N), "int32")
            place = T.alloc_fragment((block_M,), "int32")
            T.copy(X[bx * block_M, 0], x)
            T.reduce_max(x, largest, dim=1)
            for i, j in T.Parallel(block_M, N):
                places[i, j] = T.if_then_else(x[i, j] == largest[i], j, -1)
            T.reduce_max(places, place, dim=1)
            T.copy(place, Y[bx * block_M])

    return main


def argmax_reference(X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """By comparison."""
    last = X.shape[1] - 1 - np.argmax(X[:, ::-1], axis=1)
    return np.asarray(last, np.float64)


def topk_indices(M: int = 128, N: int = 64, k: int = 4, block_M: int = 64,
                 dtype: str = "bfloat16") -> Any:  # fmt: skip
    """The places of the k largest elements of every row, larger ones first.

    Equal elements count as one, at the last of their places; all elements must be above -1e4.
    """

    @T.prim_func
    def main(X: T.Tensor((M, N), dtype), Y: T.Tensor((M, k), "int32")):
        with T.Kernel(T.ceildiv(M, block_M), threads=128) as bx:
            x = T.alloc_fragment((block_M, N), dtype)
            largest = T.alloc_fragment((block_M,), dtype)
            places = T.alloc_fragment((block_M, N), "int32")
            place = T.alloc_fragment((block_M,), "int32")
            T.copy(X[bx * block_M, 0], x)
            for n in T.serial(k):
                T.fill(places, -1)
                T.reduce_max(x, largest, dim=1, clear=True)
                for i, j in T.Parallel(block_M, N):
                    places[i, j] = T.if_then_else(largest[i] == x[i, j], j, places[i, j])
                T.reduce_max(places, place, dim=1, clear=True)
                for i, j in T.Parallel(block_M, N):
                    x[i, j] = T.if_then_else(largest[i] == x[i, j], -10000.0, x[i, j])
                for i in T.Parallel(block_M):
                    Y[bx * block_M + i, n] = place[i]

    return main


def topk_indices_reference(X: npt.NDArray[np.float64], k: int = 4) -> npt.NDArray[np.float64]:
    """One after another."""
    left, found = X.copy(), []
    for _ in range(k):
        found.append(argmax_reference(left))
        left[left == left.max(1, keepdims=True)] = -1e4
    return np.stack(found, axis=1)
