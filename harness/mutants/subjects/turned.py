"""Kernels whose blocks begin inside tiles, are done in turn, choose by row, or have three axes."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

import harness.language as T
from harness.kernels.table import Packaged


def shifted(M: int = 64, N: int = 64) -> Any:
    """Every plane from a row and a column inside tiles on; beyond the edges there is zero."""

    @T.prim_func
    def main(A: T.Tensor((2, M, N), "float32"), C: T.Tensor((2, M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32), 2) as (bx, by, bz):
            s = T.alloc_shared((32, 32), "float32")
            T.copy(A[bz, by * 32 + 24, bx * 32 + 16], s)
            T.copy(s, C[bz, by * 32, bx * 32])

    return main


def shifted_reference(A: Any) -> Any:
    """In float64."""
    return np.pad(A, ((0, 0), (0, 24), (0, 16)))[:, 24:, 16:]


def halves(M: int = 64, N: int = 96) -> Any:
    """Half a tile of one tensor per block, beside a whole tile of another."""
    narrow = N // 2

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), S: T.Tensor((M, narrow), "float32"),
             B: T.Tensor((M, narrow), "float32"), C: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(N // 32, T.ceildiv(M, 32)) as (x, y):
            s = T.alloc_shared((32, 16), "float32")
            t = T.alloc_shared((32, 32), "float32")
            T.copy(S[y * 32, x * 16], s)
            T.copy(s, B[y * 32, x * 16])
            T.copy(A[y * 32, x * 32], t)
            T.copy(t, C[y * 32, x * 32])

    return main


def halves_reference(A: Any, S: Any) -> Any:
    """In float64."""
    return S, A


def leaders(M: int = 96, N: int = 32) -> Any:
    """One block of a column leaves what it has for all of them as well."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M, N), "float32"),
             C: T.Tensor((32, N), "float32")):  # fmt: skip
        with T.Kernel(N // 32, T.ceildiv(M, 32)) as (x, y):
            s = T.alloc_shared((32, 32), "float32")
            T.copy(A[y * 32, x * 32], s)
            T.copy(s, B[y * 32, x * 32])
            if y == 1:
                T.copy(s, C[0, x * 32])

    return main


def leaders_reference(A: Any) -> Any:
    """In float64."""
    return A, A[32:64]


def chosen(M: int = 40, N: int = 64) -> Any:
    """Rows, and numbers of rows, that some blocks change one way or the other."""

    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), "float32"),
             S: T.Tensor((M,), "float32")):  # fmt: skip
        with T.Kernel(M) as bx:
            x = T.alloc_fragment((N,), "float32")
            s = T.alloc_fragment((1,), "float32")
            T.copy(X[bx, 0:N], x)
            T.reduce_max(x, s, dim=0)
            if bx < 34:
                for i in T.Parallel(N):
                    x[i] = x[i] - s[0]
                s[0] = s[0] * 2.0
            else:
                if bx > 36:
                    s[0] = 1.0
                for i in T.Parallel(N):
                    x[i] = x[i] + s[0]
            T.copy(x, Y[bx, 0:N])
            S[bx] = s[0]

    return main


def chosen_reference(X: Any) -> Any:
    """In float64."""
    row, most = np.arange(len(X)), X.max(1)
    number = np.where(row < 34, most * 2, np.where(row > 36, 1.0, most))
    return X + np.where(row < 34, -most, number)[:, None], number


def pooled(M: int = 64, N: int = 32) -> Any:
    """Blocks of three dimensions, reduced along each, over what was there or not."""

    @T.prim_func
    def main(A: T.Tensor((3, M, N), "float32"), B: T.Tensor((M, N), "float32"),
             C: T.Tensor((M, N), "float32"), D: T.Tensor((3, N), "float32"),
             E: T.Tensor((3, M), "float32"), F: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(1):
            a = T.alloc_shared((3, M, N), "float32")
            c = T.alloc_fragment((M, N), "float32")
            f = T.alloc_fragment((M, N), "float32")
            d = T.alloc_fragment((3, N), "float32")
            e = T.alloc_fragment((3, M), "float32")
            T.copy(A, a)
            T.copy(B, c)
            T.reduce_sum(a, c, dim=0, clear=False)
            T.reduce_min(a, d, dim=1)
            T.reduce_absmax(a, e, dim=2)
            T.copy(c, C)
            T.copy(d, D)
            T.copy(e, E)
            T.reduce_absmax(a, f, dim=0)
            T.copy(f, F)

    return main


def pooled_reference(A: Any, B: Any) -> Any:
    """In float64."""
    return B + A.sum(0), A.min(1), np.abs(A).max(2), np.abs(A).max(0)


KERNELS: Final = MappingProxyType({
    f.__name__: Packaged(f, reference)
    for f, reference in (
        (shifted, shifted_reference),
        (halves, halves_reference),
        (leaders, leaders_reference),
        (chosen, chosen_reference),
        (pooled, pooled_reference),
    )
})  # fmt: skip
"""Name to kernel and NumPy reference."""
