"""Kernels whose elements come from computed places, or that an index chooses in a block."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

import harness.language as T
from harness.kernels.convolution import conv2d_reference
from harness.kernels.table import Packaged

STRIDE, PAD = 2, 1
"""Of :func:`patches`."""


def patches(N: int = 32, images: int = 1, H: int = 5, W: int = 6, C: int = 16, side: int = 3,
            dtype: str = "bfloat16") -> Any:  # fmt: skip
    """A convolution by im2col: patches of images times a matrix."""
    OH, OW = ((size + 2 * PAD - side) // STRIDE + 1 for size in (H, W))
    pixels, depth = images * OH * OW, side * side * C

    @T.prim_func
    def main(X: T.Tensor((images, H, W, C), dtype), K: T.Tensor((depth, N), dtype),
             Y: T.Tensor((pixels, N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(pixels, 32)) as (bx, by):
            x = T.alloc_shared((32, 32), dtype)
            w = T.alloc_shared((32, 32), dtype)
            c = T.alloc_fragment((32, 32), "float32")
            T.clear(c)
            for k in T.Pipelined(T.ceildiv(depth, 32), num_stages=2):
                T.im2col(X, x, by, k, side, STRIDE, 1, PAD)
                T.copy(K[k * 32, bx * 32], w)
                T.gemm(x, w, c)
            T.copy(c, Y[by * 32, bx * 32])

    return main


def patches_reference(X: Any, K: Any) -> Any:
    """In float64."""
    side = round((len(K) / X.shape[-1]) ** 0.5)
    weights = K.reshape(side, side, X.shape[-1], -1)
    return conv2d_reference(X, weights, STRIDE, PAD).reshape(-1, K.shape[-1])


def scattered(M: int = 64, N: int = 32, dtype: str = "float32") -> Any:
    """Rows of planes at computed places, three of four, runs of columns from the other end."""

    @T.prim_func
    def main(X: T.Tensor((3, 40, 64), dtype), Y: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            g = T.alloc_shared((32, 32), dtype)
            for i, j in T.Parallel(32, 32):
                m = by * 32 + i
                g[i, j] = T.if_then_else(
                    m % 4 != 1, X[m % 3, m * 3 % 50 - 5, 48 - j // 16 * 16 + j % 16], 0
                )
            T.copy(g, Y[by * 32, bx * 32])

    return main


def scattered_reference(X: Any, shape: tuple[int, int] = (64, 32)) -> Any:
    """In float64."""
    m, n = np.indices(shape)
    column = 48 - n % 32 // 16 * 16 + n % 16
    wide = np.pad(X, ((0, 0), (5, 5), (0, 0)))
    return np.where(m % 4 != 1, wide[m % 3, m * 3 % 50, column], 0)


def picks(M: int = 32, N: int = 32, dtype: str = "bfloat16") -> Any:
    """Columns, rows and elements of blocks that loops and blocks choose, times or beside others."""

    @T.prim_func
    def main(X: T.Tensor((M, N), dtype), S: T.Tensor((M, 9), dtype), R: T.Tensor((9, N), dtype),
             W: T.Tensor((40, 9), dtype), Y: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            x = T.alloc_shared((32, 32), dtype)
            s = T.alloc_shared((32, 9), dtype)
            r = T.alloc_shared((9, 32), dtype)
            w = T.alloc_shared((40, 9), dtype)
            y = T.alloc_fragment((32, 32), "float32")
            T.copy(X[by * 32, bx * 32], x)
            T.copy(S[by * 32, 0], s)
            T.copy(R[0, bx * 32], r)
            T.copy(W, w)
            T.clear(y)
            for k in T.serial(3):
                for i, j in T.Parallel(32, 32):
                    y[i, j] += x[i, j] * s[i, k * 3 + 1] + r[7 - k * 2, j]
                for i, j in T.Parallel(32, 32):
                    y[i, j] = y[i, j] - w[k + by + 30, k * 2 + 3]
            T.copy(y, Y[by * 32, bx * 32])

    return main


def picks_reference(X: Any, S: Any, R: Any, W: Any) -> Any:
    """In float64."""
    block = np.arange(len(X)) // 32
    return sum(X * S[:, [k * 3 + 1]] + R[7 - k * 2] - W[k + 30 + block, k * 2 + 3][:, None]
               for k in range(3))  # fmt: skip


def around(M: int = 50, N: int = 70) -> Any:
    """Tiles before this one along both dimensions, and behind it; zero beyond the edges."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            a = T.alloc_shared((32, 32), "float32")
            b = T.alloc_shared((32, 32), "float32")
            y = T.alloc_fragment((32, 32), "float32")
            T.copy(A[by * 32 - 32, bx * 32], a)
            T.copy(A[by * 32, bx * 32 - 32], b)
            for i, j in T.Parallel(32, 32):
                y[i, j] = a[i, j] + b[i, j] * 2.0
            T.copy(A[by * 32 + 32, bx * 32 + 32], a)
            for i, j in T.Parallel(32, 32):
                y[i, j] += a[i, j] * 4.0
            T.copy(y, Y[by * 32, bx * 32])

    return main


def around_reference(A: Any) -> Any:
    """In float64."""
    wide = np.pad(A, 32)
    return wide[:-64, 32:-32] + 2 * wide[32:-32, :-64] + 4 * wide[64:, 64:]


def interleaved(M: int = 64, N: int = 64) -> Any:
    """Columns of two matrices in turn."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M, N), "float32"),
             Y: T.Tensor((M, 2 * N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            a = T.alloc_shared((32, 32), "float32")
            b = T.alloc_shared((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], a)
            T.copy(B[by * 32, bx * 32], b)
            for i, j in T.Parallel(32, 32):
                Y[by * 32 + i, (bx * 32 + j) * 2] = a[i, j]
            for i, j in T.Parallel(32, 32):
                Y[by * 32 + i, (bx * 32 + j) * 2 + 1] = b[i, j]

    return main


def interleaved_reference(A: Any, B: Any) -> Any:
    """In float64."""
    return np.stack([A, B], axis=-1).reshape(len(A), -1)


KERNELS: Final = MappingProxyType({
    f.__name__: Packaged(f, reference)
    for f, reference in (
        (patches, patches_reference),
        (scattered, scattered_reference),
        (picks, picks_reference),
        (around, around_reference),
        (interleaved, interleaved_reference),
    )
})  # fmt: skip
"""Name to kernel and NumPy reference."""
