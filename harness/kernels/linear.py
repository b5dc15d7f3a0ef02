"""Linear layers: GEMM with bias and ReLU, GELU epilogue, GEMV, chunked linear attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T

Array = npt.NDArray[np.float64]


def gemm_bias_relu(M: int = 256, N: int = 192, K: int = 160, block_M: int = 64, block_N: int = 64,
                   block_K: int = 32, dtype: str = "bfloat16") -> Any:  # fmt: skip
    """C = relu(A B + bias)."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), dtype),
        B: T.Tensor((K, N), dtype),
        bias: T.Tensor((N,), dtype),
        C: T.Tensor((M, N), dtype),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            A_shared = T.alloc_shared((block_M, block_K), dtype)
            B_shared = T.alloc_shared((block_K, block_N), dtype)
            bias_shared = T.alloc_shared((block_N,), dtype)
            C_local = T.alloc_fragment((block_M, block_N), "float32")
            T.copy(bias[bx * block_N], bias_shared)
            T.clear(C_local)
            for ko in T.Pipelined(T.ceildiv(K, block_K), num_stages=2):
                T.copy(A[by * block_M, ko * block_K], A_shared)
                T.copy(B[ko * block_K, bx * block_N], B_shared)
                T.gemm(A_shared, B_shared, C_local)
            for i, j in T.Parallel(block_M, block_N):
                C_local[i, j] = T.max(C_local[i, j] + bias_shared[j], 0.0)
            T.copy(C_local, C[by * block_M, bx * block_N])

    return main


def gelu_mlp(
    M: int = 128, N: int = 192, K: int = 96, block: int = 32, dtype: str = "bfloat16"
) -> Any:
    """C = gelu(A B), the exact GELU by erf."""

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((K, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, block), T.ceildiv(M, block), threads=128) as (bx, by):
            a = T.alloc_shared((block, block), dtype)
            b = T.alloc_shared((block, block), dtype)
            c = T.alloc_fragment((block, block), "float32")
            T.clear(c)
            for k in T.Pipelined(T.ceildiv(K, block), num_stages=2):
                T.copy(A[by * block, k * block], a)
                T.copy(B[k * block, bx * block], b)
                T.gemm(a, b, c)
            for i, j in T.Parallel(block, block):
                c[i, j] = 0.5 * c[i, j] * (1.0 + T.erf(c[i, j] * 0.7071067811865476))
            T.copy(c, C[by * block, bx * block])

    return main


def gemv(M: int = 128, K: int = 256, block_M: int = 32, block_K: int = 64,
         dtype: str = "bfloat16") -> Any:  # fmt: skip
    """Y = A x."""

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), x: T.Tensor((K,), dtype), y: T.Tensor((M,), "float32")):
        with T.Kernel(T.ceildiv(M, block_M), threads=128) as bx:
            a = T.alloc_shared((block_M, block_K), dtype)
            v = T.alloc_shared((block_K,), dtype)
            partial = T.alloc_fragment((block_M, block_K), "float32")
            total = T.alloc_fragment((block_M,), "float32")
            T.clear(partial)
            for k in T.Pipelined(T.ceildiv(K, block_K), num_stages=2):
                T.copy(A[bx * block_M, k * block_K], a)
                T.copy(x[k * block_K], v)
                for i, j in T.Parallel(block_M, block_K):
                    partial[i, j] += a[i, j] * v[j]
            T.reduce_sum(partial, total, dim=1)
            T.copy(total, y[bx * block_M])

    return main


def linear_attention(batch: int = 1, heads: int = 2, seq_len: int = 128, dim: int = 64,
                     chunk: int = 32, dtype: str = "bfloat16") -> Any:  # fmt: skip
    """Causal linear attention by chunks: O = tril(Q K^T) V with a running state K^T V."""
    shape = (batch, heads, seq_len, dim)

    @T.prim_func
    def main(
        Q: T.Tensor(shape, dtype),
        K: T.Tensor(shape, dtype),
        V: T.Tensor(shape, dtype),
        O: T.Tensor(shape, "float32"),
    ):
        with T.Kernel(heads, batch, threads=128) as (bx, by):
            q = T.alloc_shared((chunk, dim), dtype)
            k = T.alloc_shared((chunk, dim), dtype)
            v = T.alloc_shared((chunk, dim), dtype)
            scores = T.alloc_fragment((chunk, chunk), "float32")
            scores_cast = T.alloc_shared((chunk, chunk), dtype)
            state = T.alloc_fragment((dim, dim), "float32")
            state_cast = T.alloc_shared((dim, dim), dtype)
            out = T.alloc_fragment((chunk, dim), "float32")
            T.clear(state)
            for c in T.Pipelined(T.ceildiv(seq_len, chunk), num_stages=2):
                T.copy(Q[by, bx, c * chunk : (c + 1) * chunk, :], q)
                T.copy(K[by, bx, c * chunk : (c + 1) * chunk, :], k)
                T.copy(V[by, bx, c * chunk : (c + 1) * chunk, :], v)
                T.gemm(q, k, scores, transpose_B=True, clear_accum=True)
                for i, j in T.Parallel(chunk, chunk):
                    scores_cast[i, j] = T.if_then_else(i >= j, scores[i, j], 0.0)
                T.gemm(scores_cast, v, out, clear_accum=True)
                T.copy(state, state_cast)
                T.gemm(q, state_cast, out)
                T.gemm(k, v, state, transpose_A=True)
                T.copy(out, O[by, bx, c * chunk : (c + 1) * chunk, :])

    return main


def gemm_bias_relu_reference(A: Array, B: Array, bias: Array) -> Any:
    """relu(A B + bias) in float64."""
    return np.maximum(A @ B + bias, 0)


def gelu_mlp_reference(A: Array, B: Array) -> Any:
    """gelu(A B) in float64."""
    c = A @ B
    return 0.5 * c * (1 + np.vectorize(math.erf)(c / math.sqrt(2)))


def gemv_reference(A: Array, x: Array) -> Any:
    """A x in float64."""
    return A @ x


def linear_attention_reference(Q: Array, K: Array, V: Array) -> Any:
    """tril(Q K^T) V in float64."""
    n = Q.shape[2]
    return (Q @ K.swapaxes(-1, -2) * np.tril(np.ones((n, n)))) @ V
