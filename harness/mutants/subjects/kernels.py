"""Kernels beside the packaged ones, each with something the packaged ones have not."""

from __future__ import annotations

from typing import Any

import numpy as np

import harness.language as T
from harness.compiler.sequence import sequence


def mixed(M: int = 64, N: int = 64, block: int = 32, dtype: str = "bfloat16") -> Any:
    """C = (A - B) * r + c along rows and columns, divided, clipped: every operand has its place."""

    @T.prim_func
    def main(
        A: T.Tensor((M, N), dtype),
        B: T.Tensor((M, N), dtype),
        r: T.Tensor((M,), dtype),
        c: T.Tensor((N,), dtype),
        C: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(T.ceildiv(N, block), T.ceildiv(M, block), threads=128) as (bx, by):
            a = T.alloc_shared((block, block), dtype)
            b = T.alloc_shared((block, block), dtype)
            rows = T.alloc_shared((block,), dtype)
            cols = T.alloc_shared((block,), dtype)
            out = T.alloc_fragment((block, block), "float32")
            T.copy(A[by * block, bx * block], a)
            T.copy(B[by * block, bx * block], b)
            T.copy(r[by * block], rows)
            T.copy(c[bx * block], cols)
            for i, j in T.Parallel(block, block):
                out[i, j] = (a[i, j] - b[i, j]) * rows[i] + cols[j] / 2.0
            for i, j in T.Parallel(block, block):
                out[i, j] = T.min(T.max(out[i, j], -48.0), 40.0)
            T.copy(out, C[by * block, bx * block])

    return main


def mixed_reference(A: Any, B: Any, r: Any, c: Any) -> Any:
    """In float64."""
    return np.clip((A - B) * r[:, None] + c / 2, -48, 40)


def masked(M: int = 64, N: int = 64, block: int = 32, dtype: str = "bfloat16") -> Any:
    """B = A on and below the diagonal, 3 above it."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, block), T.ceildiv(M, block), threads=128) as (bx, by):
            a = T.alloc_shared((block, block), dtype)
            b = T.alloc_fragment((block, block), dtype)
            T.copy(A[by * block, bx * block], a)
            for i, j in T.Parallel(block, block):
                b[i, j] = T.if_then_else(by * block + i >= bx * block + j, a[i, j], 3.0)
            T.copy(b, B[by * block, bx * block])

    return main


def masked_reference(A: Any) -> Any:
    """In float64."""
    rows, columns = np.indices(A.shape)
    return np.where(rows >= columns, A, 3.0)


def two_outputs(M: int = 64, N: int = 64, block: int = 32, dtype: str = "bfloat16") -> Any:
    """P = 2A and Q = A + 1, of one load."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), P: T.Tensor((M, N), dtype), Q: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, block), T.ceildiv(M, block), threads=128) as (bx, by):
            a = T.alloc_shared((block, block), dtype)
            p = T.alloc_fragment((block, block), dtype)
            q = T.alloc_fragment((block, block), dtype)
            T.copy(A[by * block, bx * block], a)
            for i, j in T.Parallel(block, block):
                p[i, j] = a[i, j] * 2.0
            for i, j in T.Parallel(block, block):
                q[i, j] = a[i, j] + 1.0
            T.copy(p, P[by * block, bx * block])
            T.copy(q, Q[by * block, bx * block])

    return main


def two_outputs_reference(A: Any) -> Any:
    """In float64."""
    return 2 * A, A + 1


def handed(M: int = 64, N: int = 32, block: int = 32, dtype: str = "bfloat16") -> Any:
    """D += P - Q, of P = 2A and Q = A + 1 that a kernel left before."""

    @T.prim_func
    def leave(A: T.Tensor((M, N), dtype), P: T.Tensor((M, N), "float32"),
              Q: T.Tensor((M, N), "float32")) -> None:  # fmt: skip
        with T.Kernel(T.ceildiv(N, block), T.ceildiv(M, block)) as (bx, by):
            a = T.alloc_shared((block, block), dtype)
            p = T.alloc_fragment((block, block), "float32")
            q = T.alloc_fragment((block, block), "float32")
            T.copy(A[by * block, bx * block], a)
            for i, j in T.Parallel(block, block):
                p[i, j] = a[i, j] * 2.0
            for i, j in T.Parallel(block, block):
                q[i, j] = a[i, j] + 1.0
            T.copy(p, P[by * block, bx * block])
            T.copy(q, Q[by * block, bx * block])

    @T.prim_func
    def take(P: T.Tensor((M, N), "float32"), Q: T.Tensor((M, N), "float32"),
             D: T.Tensor((M, N), "float32")) -> None:  # fmt: skip
        with T.Kernel(T.ceildiv(N, block), T.ceildiv(M, block)) as (bx, by):
            p = T.alloc_shared((block, block), "float32")
            q = T.alloc_shared((block, block), "float32")
            d = T.alloc_fragment((block, block), "float32")
            T.copy(P[by * block, bx * block], p)
            T.copy(Q[by * block, bx * block], q)
            T.copy(D[by * block, bx * block], d)
            for i, j in T.Parallel(block, block):
                d[i, j] += p[i, j] - q[i, j]
            T.copy(d, D[by * block, bx * block])

    return sequence(leave, take)


def handed_reference(A: Any, D: Any) -> Any:
    """In float64."""
    return D + 2 * A - (A + 1)
