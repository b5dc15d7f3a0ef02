"""Small source kernels the golden's tests evaluate."""

# mypy: disable-error-code="operator,attr-defined,has-type,misc"
# Kernels are read by the TVMScript parser, not called.
from __future__ import annotations

from typing import Any

import harness.language as T


def elementwise(
    op: str, dtype: str = "bfloat16", out: str = "float32", shape: tuple[int, int] = (32, 32)
) -> Any:
    """C = A op B over one block per 32 x 32."""
    M, N = shape

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype), C: T.Tensor((M, N), out)):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            a = T.alloc_shared((32, 32), dtype)
            b = T.alloc_shared((32, 32), dtype)
            c = T.alloc_fragment((32, 32), out)
            T.copy(A[by * 32, bx * 32], a)
            T.copy(B[by * 32, bx * 32], b)
            for i, j in T.Parallel(32, 32):
                if op == "add":
                    c[i, j] = a[i, j] + b[i, j]
                elif op == "sub":
                    c[i, j] = a[i, j] - b[i, j]
                else:
                    c[i, j] = a[i, j] * b[i, j]
            T.copy(c, C[by * 32, bx * 32])

    return main


def copy(
    shape: tuple[int, int], block: tuple[int, int], dtype: str = "bfloat16", out: str = "bfloat16"
) -> Any:
    """C = A, block by block."""
    M, N = shape
    bm, bn = block

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), C: T.Tensor((M, N), out)):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm)) as (bx, by):
            a = T.alloc_shared((bm, bn), dtype)
            T.copy(A[by * bm, bx * bn], a)
            T.copy(a, C[by * bm, bx * bn])

    return main


def batched(Z: int, M: int, N: int, K: int) -> Any:
    """C[z] = A[z] B[z], batch along the third grid dimension."""

    @T.prim_func
    def main(
        A: T.Tensor((Z, M, K), "bfloat16"),
        B: T.Tensor((Z, K, N), "bfloat16"),
        C: T.Tensor((Z, M, N), "float32"),
    ):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32), Z) as (bx, by, bz):
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            T.clear(c)
            for k in T.Pipelined(T.ceildiv(K, 32), num_stages=2):
                T.copy(A[bz, by * 32, k * 32], a)
                T.copy(B[bz, k * 32, bx * 32], b)
                T.gemm(a, b, c)
            T.copy(c, C[bz, by * 32, bx * 32])

    return main


def triangular(N: int) -> Any:
    """Row block by of C is the sum of rows of blocks 0..by of A, plus 100 on block 0."""

    @T.prim_func
    def main(A: T.Tensor((N, 32), "float32"), C: T.Tensor((N, 32), "float32")):
        with T.Kernel(T.ceildiv(N, 32)) as by:
            a = T.alloc_shared((32, 32), "float32")
            c = T.alloc_fragment((32, 32), "float32")
            T.clear(c)
            for k in T.serial(by + 1):
                T.copy(A[k * 32, 0], a)
                for i, j in T.Parallel(32, 32):
                    c[i, j] = c[i, j] + a[i, j]
            if by == 0:
                for i, j in T.Parallel(32, 32):
                    c[i, j] = c[i, j] + 100.0
            T.copy(c, C[by * 32, 0])

    return main
