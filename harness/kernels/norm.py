"""Row normalisations: RMS norm (whole rows, and split along the row) and layer norm."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T


def rms_norm(M: int = 128, N: int = 256, block_M: int = 32, eps: float = 1e-12,
             dtype: str = "bfloat16") -> Any:  # fmt: skip
    """B = A / sqrt(mean(A^2) + eps); a block holds whole rows."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, block_M), threads=128) as bx:
            a_shared = T.alloc_shared((block_M, N), dtype)
            squares = T.alloc_fragment((block_M, N), "float32")
            a = T.alloc_fragment((block_M, N), "float32")
            power = T.alloc_fragment((block_M,), "float32")
            T.copy(A[bx * block_M : (bx + 1) * block_M, :], a_shared)
            T.copy(a_shared, a)
            for i, j in T.Parallel(block_M, N):
                squares[i, j] = a[i, j] * a[i, j]
            T.reduce_sum(squares, power, dim=1)
            for i in T.Parallel(block_M):
                power[i] = T.rsqrt(power[i] / N + eps)
            for i, j in T.Parallel(block_M, N):
                a[i, j] *= power[i]
            T.copy(a, a_shared)
            T.copy(a_shared, B[bx * block_M : (bx + 1) * block_M, :])

    return main


def rms_norm_splitk(M: int = 128, N: int = 512, block_M: int = 32, block_K: int = 128,
                    eps: float = 1e-12, dtype: str = "bfloat16") -> Any:  # fmt: skip
    """B = A / sqrt(mean(A^2) + eps), reading blocks of a row twice."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, block_M), threads=128) as bx:
            a_shared = T.alloc_shared((block_M, block_K), dtype)
            squares = T.alloc_fragment((block_M, block_K), "float32")
            power = T.alloc_fragment((block_M,), "float32")
            T.clear(squares)
            for k in T.Pipelined(T.ceildiv(N, block_K), num_stages=2):
                T.copy(A[bx * block_M, k * block_K], a_shared)
                for i, j in T.Parallel(block_M, block_K):
                    squares[i, j] += a_shared[i, j] * a_shared[i, j]
            T.reduce_sum(squares, power, dim=1)
            for i in T.Parallel(block_M):
                power[i] = T.rsqrt(power[i] / N + eps)
            for k in T.Pipelined(T.ceildiv(N, block_K), num_stages=2):
                T.copy(A[bx * block_M, k * block_K], a_shared)
                for i, j in T.Parallel(block_M, block_K):
                    a_shared[i, j] *= power[i]
                T.copy(a_shared, B[bx * block_M, k * block_K])

    return main


def layer_norm(M: int = 128, N: int = 256, block_M: int = 32, eps: float = 1e-5,
               dtype: str = "float32") -> Any:  # fmt: skip
    """Y = (X - mean) / sqrt(var + eps) * G + B along rows; G and B are vectors of length N."""

    @T.prim_func
    def main(
        X: T.Tensor((M, N), dtype),
        G: T.Tensor((N,), dtype),
        B: T.Tensor((N,), dtype),
        Y: T.Tensor((M, N), dtype),
    ):
        with T.Kernel(T.ceildiv(M, block_M), threads=128) as bx:
            x = T.alloc_fragment((block_M, N), "float32")
            centred = T.alloc_fragment((block_M, N), "float32")
            mean = T.alloc_fragment((block_M,), "float32")
            scale = T.alloc_fragment((block_M,), "float32")
            gain = T.alloc_shared((N,), dtype)
            bias = T.alloc_shared((N,), dtype)
            T.copy(X[bx * block_M, 0], x)
            T.copy(G, gain)
            T.copy(B, bias)
            T.reduce_sum(x, mean, dim=1)
            for i in T.Parallel(block_M):
                mean[i] = mean[i] / N
            for i, j in T.Parallel(block_M, N):
                x[i, j] = x[i, j] - mean[i]
            for i, j in T.Parallel(block_M, N):
                centred[i, j] = x[i, j] * x[i, j]
            T.reduce_sum(centred, scale, dim=1)
            for i in T.Parallel(block_M):
                scale[i] = T.rsqrt(scale[i] / N + eps)
            for i, j in T.Parallel(block_M, N):
                x[i, j] = x[i, j] * scale[i] * gain[j] + bias[j]
            T.copy(x, Y[bx * block_M, 0])

    return main


def rms_norm_reference(A: npt.NDArray[np.float64], eps: float = 1e-12) -> Any:
    """RMS norm in float64."""
    return A / np.sqrt((A**2).mean(-1, keepdims=True) + eps)


def layer_norm_reference(
    X: npt.NDArray[np.float64], G: npt.NDArray[np.float64], B: npt.NDArray[np.float64],
    eps: float = 1e-5,
) -> Any:  # fmt: skip
    """Layer norm in float64."""
    return (X - X.mean(-1, keepdims=True)) / np.sqrt(X.var(-1, keepdims=True) + eps) * G + B
