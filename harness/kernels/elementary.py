"""Small kernels: cast, row and column reductions, rotary embedding, mixture-of-experts gate."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T

Array = npt.NDArray[np.float64]


def cast(M: int = 128, N: int = 128, block: int = 32, dtype: str = "float32",
         out_dtype: str = "bfloat16") -> Any:  # fmt: skip
    """B = A in another type."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), out_dtype)):
        with T.Kernel(T.ceildiv(N, block), T.ceildiv(M, block), threads=128) as (bx, by):
            a = T.alloc_fragment((block, block), dtype)
            b = T.alloc_fragment((block, block), out_dtype)
            T.copy(A[by * block, bx * block], a)
            T.copy(a, b)
            T.copy(b, B[by * block, bx * block])

    return main


def row_sum(M: int = 128, N: int = 256, block_M: int = 32, dtype: str = "float32") -> Any:
    """S = sum of A along rows."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), S: T.Tensor((M,), "float32")):
        with T.Kernel(T.ceildiv(M, block_M), threads=128) as bx:
            a = T.alloc_shared((block_M, N), dtype)
            s = T.alloc_fragment((block_M,), "float32")
            T.copy(A[bx * block_M, 0], a)
            T.reduce_sum(a, s, dim=1)
            T.copy(s, S[bx * block_M])

    return main


def column_max(M: int = 128, N: int = 256, block_N: int = 64, dtype: str = "bfloat16") -> Any:
    """S = maximum of A along columns."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), S: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, block_N), threads=128) as bx:
            a = T.alloc_shared((M, block_N), dtype)
            s = T.alloc_fragment((block_N,), dtype)
            T.copy(A[0, bx * block_N], a)
            T.reduce_max(a, s, dim=0)
            T.copy(s, S[bx * block_N])

    return main


def rotary(M: int = 128, D: int = 128, block_M: int = 32, dtype: str = "bfloat16") -> Any:
    """Rotary embedding, halves convention: Y = (x1 cos - x2 sin, x1 sin + x2 cos)."""
    half = D // 2

    @T.prim_func
    def main(
        X: T.Tensor((M, D), dtype),
        Cos: T.Tensor((M, half), dtype),
        Sin: T.Tensor((M, half), dtype),
        Y: T.Tensor((M, D), dtype),
    ):
        with T.Kernel(T.ceildiv(M, block_M), threads=128) as bx:
            x1 = T.alloc_shared((block_M, half), dtype)
            x2 = T.alloc_shared((block_M, half), dtype)
            c = T.alloc_shared((block_M, half), dtype)
            s = T.alloc_shared((block_M, half), dtype)
            y1 = T.alloc_fragment((block_M, half), "float32")
            y2 = T.alloc_fragment((block_M, half), "float32")
            T.copy(X[bx * block_M, 0], x1)
            T.copy(X[bx * block_M, half], x2)
            T.copy(Cos[bx * block_M, 0], c)
            T.copy(Sin[bx * block_M, 0], s)
            for i, j in T.Parallel(block_M, half):
                y1[i, j] = x1[i, j] * c[i, j] - x2[i, j] * s[i, j]
                y2[i, j] = x1[i, j] * s[i, j] + x2[i, j] * c[i, j]
            T.copy(y1, Y[bx * block_M, 0])
            T.copy(y2, Y[bx * block_M, half])

    return main


def interleaved_rotary(M: int = 128, D: int = 128, block_M: int = 32,
                       dtype: str = "bfloat16") -> Any:  # fmt: skip
    """Rotary embedding, pairs convention: what is turned lies side by side."""
    half = D // 2

    @T.prim_func
    def main(
        X: T.Tensor((M, D), dtype),
        Cos: T.Tensor((M, half), dtype),
        Sin: T.Tensor((M, half), dtype),
        Y: T.Tensor((M, D), dtype),
    ):
        with T.Kernel(T.ceildiv(M, block_M), threads=128) as bx:
            x = T.alloc_shared((block_M, D), dtype)
            c = T.alloc_shared((block_M, half), dtype)
            s = T.alloc_shared((block_M, half), dtype)
            y = T.alloc_fragment((block_M, D), "float32")
            T.copy(X[bx * block_M, 0], x)
            T.copy(Cos[bx * block_M, 0], c)
            T.copy(Sin[bx * block_M, 0], s)
            for i, j in T.Parallel(block_M, half):
                y[i, 2 * j] = x[i, 2 * j] * c[i, j] - x[i, 2 * j + 1] * s[i, j]
                y[i, 2 * j + 1] = x[i, 2 * j] * s[i, j] + x[i, 2 * j + 1] * c[i, j]
            T.copy(y, Y[bx * block_M, 0])

    return main


def moe_gate(tokens: int = 128, experts: int = 64, block: int = 32, threshold: float = 0.05,
             dtype: str = "float32") -> Any:  # fmt: skip
    """Gate weights: softmax over experts, those below the threshold set to zero."""

    @T.prim_func
    def main(Logits: T.Tensor((tokens, experts), dtype), Gate: T.Tensor((tokens, experts), dtype)):
        with T.Kernel(T.ceildiv(tokens, block), threads=128) as bx:
            x = T.alloc_fragment((block, experts), "float32")
            top = T.alloc_fragment((block,), "float32")
            total = T.alloc_fragment((block,), "float32")
            T.copy(Logits[bx * block, 0], x)
            T.reduce_max(x, top, dim=1)
            for i, j in T.Parallel(block, experts):
                x[i, j] = T.exp(x[i, j] - top[i])
            T.reduce_sum(x, total, dim=1)
            for i, j in T.Parallel(block, experts):
                x[i, j] = x[i, j] / total[i]
            for i, j in T.Parallel(block, experts):
                x[i, j] = T.if_then_else(x[i, j] >= threshold, x[i, j], 0.0)
            T.copy(x, Gate[bx * block, 0])

    return main


def interleaved_rotary_reference(X: Array, Cos: Array, Sin: Array) -> Array:
    """Rotary embedding of pairs in float64."""
    x1, x2 = X[:, ::2], X[:, 1::2]
    pairs = [x1 * Cos - x2 * Sin, x1 * Sin + x2 * Cos]
    return np.stack(pairs, axis=-1).reshape(X.shape)


def rotary_reference(X: Array, Cos: Array, Sin: Array) -> Array:
    """Rotary embedding in float64."""
    x1, x2 = np.split(X, 2, axis=-1)
    return np.concatenate([x1 * Cos - x2 * Sin, x1 * Sin + x2 * Cos], axis=-1)
