"""Kernels whose blocks have several planes, or parts: everything in them has a place of its own."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

import harness.language as T
from harness.kernels.table import Packaged


def running_sums(M: int = 64, N: int = 64) -> Any:
    """Running sums in every plane of a block, along rows and along columns, from both ends."""

    @T.prim_func
    def main(A: T.Tensor((3, M, N), "float32"), C: T.Tensor((3, M, N), "float32"),
             D: T.Tensor((3, M, N), "float32")):  # fmt: skip
        with T.Kernel(1):
            s = T.alloc_shared((3, M, N), "float32")
            f = T.alloc_fragment((3, M, N), "float32")
            T.copy(A, s)
            T.cumsum(s, f, dim=1)
            T.copy(f, C)
            T.cumsum(s, f, dim=2, reverse=True)
            T.copy(f, D)

    return main


def running_sums_reference(A: Any) -> Any:
    """In float64."""
    return A.cumsum(1), A[:, :, ::-1].cumsum(2)[:, :, ::-1]


def taken(M: int = 96, N: int = 96) -> Any:
    """A part that begins after the first plane, row and column, of several of each."""

    @T.prim_func
    def main(A: T.Tensor((2, 4, M, N), "float32"), C: T.Tensor((2, 2, 64, 64), "float32")):
        with T.Kernel(1):
            s = T.alloc_shared((2, 4, M, N), "float32")
            f = T.alloc_fragment((2, 2, 64, 64), "float32")
            T.copy(A, s)
            for a, b, i, j in T.Parallel(2, 2, 64, 64):
                f[a, b, i, j] = s[a, b + 1, i + 32, j + 32] * 2.0
            T.copy(f, C)

    return main


def taken_reference(A: Any) -> Any:
    """In float64."""
    return 2 * A[:, 1:3, 32:, 32:]


def put(M: int = 96, N: int = 96) -> Any:
    """The same part replaced, what lies around it kept."""

    @T.prim_func
    def main(A: T.Tensor((2, 4, M, N), "float32"), B: T.Tensor((2, 2, 64, 64), "float32"),
             C: T.Tensor((2, 4, M, N), "float32")):  # fmt: skip
        with T.Kernel(1):
            s = T.alloc_fragment((2, 4, M, N), "float32")
            p = T.alloc_shared((2, 2, 64, 64), "float32")
            T.copy(A, s)
            T.copy(B, p)
            for a, b, i, j in T.Parallel(2, 2, 64, 64):
                s[a, b + 1, i + 32, j + 32] = p[a, b, i, j] + 1.0
            T.copy(s, C)

    return main


def put_reference(A: Any, B: Any) -> Any:
    """In float64."""
    out = A.copy()
    out[:, 1:3, 32:, 32:] = B + 1
    return out


def repeated(M: int = 64, N: int = 96) -> Any:
    """One row and one column for all planes."""

    @T.prim_func
    def main(A: T.Tensor((3, M, N), "float32"), R: T.Tensor((M,), "float32"),
             B: T.Tensor((N,), "float32"), C: T.Tensor((3, M, N), "float32")):  # fmt: skip
        with T.Kernel(1):
            s = T.alloc_shared((3, M, N), "float32")
            r = T.alloc_shared((M,), "float32")
            b = T.alloc_shared((N,), "float32")
            T.copy(A, s)
            T.copy(R, r)
            T.copy(B, b)
            for a, i, j in T.Parallel(3, M, N):
                s[a, i, j] = s[a, i, j] * r[i] + b[j]
            T.copy(s, C)

    return main


def repeated_reference(A: Any, R: Any, B: Any) -> Any:
    """In float64."""
    return A * R[:, None] + B


def planes_of_planes(M: int = 50, N: int = 40) -> Any:
    """Some planes of the second of two leading dimensions."""

    @T.prim_func
    def main(A: T.Tensor((2, 4, M, N), "float32"), C: T.Tensor((2, 3, M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            s = T.alloc_shared((2, 3, 32, 32), "float32")
            T.copy(A[0:2, 1:4, by * 32 : by * 32 + 32, bx * 32 : bx * 32 + 32], s)
            T.copy(s, C[0, 0, by * 32, bx * 32])

    return main


def planes_of_planes_reference(A: Any) -> Any:
    """In float64."""
    return A[:, 1:]


def neighbours(M: int = 50, N: int = 40) -> Any:
    """The plane before and the plane after, zero beyond both ends of the tensor."""

    @T.prim_func
    def main(A: T.Tensor((3, M, N), "float32"), C: T.Tensor((3, M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32), 3) as (bx, by, bz):
            p = T.alloc_shared((32, 32), "float32")
            q = T.alloc_shared((32, 32), "float32")
            f = T.alloc_fragment((32, 32), "float32")
            T.copy(A[bz - 1, by * 32, bx * 32], p)
            T.copy(A[bz + 1, by * 32, bx * 32], q)
            for i, j in T.Parallel(32, 32):
                f[i, j] = p[i, j] + q[i, j] * 2.0
            T.copy(f, C[bz, by * 32, bx * 32])

    return main


def neighbours_reference(A: Any) -> Any:
    """In float64."""
    wide = np.pad(A, ((1, 1), (0, 0), (0, 0)))
    return wide[:-2] + 2 * wide[2:]


def accumulators(M: int = 64, N: int = 64) -> Any:
    """Two products of several tiles each, summed side by side in the destination."""

    @T.prim_func
    def main(A: T.Tensor((M, 64), "bfloat16"), B: T.Tensor((64, N), "bfloat16"),
             D: T.Tensor((64, N), "bfloat16"), C: T.Tensor((M, N), "float32"),
             E: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(M, 32)) as by:
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, N), "bfloat16")
            d = T.alloc_shared((32, N), "bfloat16")
            c = T.alloc_fragment((32, N), "float32")
            e = T.alloc_fragment((32, N), "float32")
            T.clear(c)
            T.clear(e)
            for k in T.Pipelined(2, num_stages=2):
                T.copy(A[by * 32, k * 32], a)
                T.copy(B[k * 32, 0], b)
                T.copy(D[k * 32, 0], d)
                T.gemm(a, b, c)
                T.gemm(a, d, e)
            T.copy(c, C[by * 32, 0])
            T.copy(e, E[by * 32, 0])

    return main


def accumulators_reference(A: Any, B: Any, D: Any) -> Any:
    """In float64."""
    return A @ B, A @ D


KERNELS: Final = MappingProxyType({
    f.__name__: Packaged(f, reference)
    for f, reference in (
        (running_sums, running_sums_reference),
        (taken, taken_reference),
        (put, put_reference),
        (repeated, repeated_reference),
        (planes_of_planes, planes_of_planes_reference),
        (neighbours, neighbours_reference),
        (accumulators, accumulators_reference),
    )
})  # fmt: skip
"""Name to kernel and NumPy reference."""
