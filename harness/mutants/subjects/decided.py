"""Kernels that tensors of indices decide: how often loops run, what is done, and stored where."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

import harness.language as T
from harness.kernels.table import Packaged


def counted(M: int = 96, N: int = 32) -> Any:
    """As many blocks of each row added up as a table says, from the block on that another says."""
    rows = M // 32

    @T.prim_func
    def main(X: T.Tensor((rows, 96, N), "float32"), first: T.Tensor((rows,), "int32"),
             count: T.Tensor((rows,), "int32"), Y: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(rows) as b:
            x = T.alloc_shared((32, N), "float32")
            y = T.alloc_fragment((32, N), "float32")
            T.clear(y)
            for k in T.serial(first[b], first[b] + count[b]):
                T.copy(X[b, k * 32, 0], x)
                for i, j in T.Parallel(32, N):
                    y[i, j] += x[i, j]
            T.copy(y, Y[b * 32, 0])

    return main


def counted_reference(X: Any, first: Any, count: Any) -> Any:
    """In float64."""
    starts, trips = first.astype(int), count.astype(int)
    blocks = np.pad(X, ((0, 0), (0, 32 * 64), (0, 0))).reshape(len(X), -1, 32, X.shape[-1])
    return np.concatenate([b[s : s + max(n, 0)].sum(0)
                           for b, s, n in zip(blocks, starts, trips, strict=True)])  # fmt: skip


def listed(M: int = 96, N: int = 32) -> Any:
    """Blocks stored, or their negatives, as a list that repeats a mask of truths says."""
    rows = M // 32

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), mask: T.Tensor((rows, 4), "bool"),
             C: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(rows) as b:
            a = T.alloc_shared((32, N), "float32")
            c = T.alloc_fragment((32, N), "float32")
            wanted = T.alloc_local((4,), "bool")
            T.copy(A[b * 32, 0], a)
            for v in T.serial(4):
                wanted[v] = mask[b, v]
            T.clear(c)
            for k in T.serial(4):
                if wanted[k]:
                    for i, j in T.Parallel(32, N):
                        c[i, j] += a[i, j] * T.cast(k + 1, "float32")
            if wanted[3]:
                T.copy(c, C[b * 32, 0])
            else:
                T.copy(a, C[b * 32, 0])

    return main


def listed_reference(A: Any, mask: Any) -> Any:
    """In float64."""
    kept = (mask != 0).astype(float) @ np.arange(1.0, 5.0)
    factor = np.where(mask[:, 3] != 0, kept, 1.0)
    return A * factor.repeat(32)[:, None]


def paged(M: int = 64, N: int = 32) -> Any:
    """Block k of sequence b goes to page ``table[of[b], k]``."""
    blocks = M // 32

    @T.prim_func
    def main(X: T.Tensor((3, M, N), "float32"), table: T.Tensor((3, blocks), "int32"),
             of: T.Tensor((3,), "int32"), Y: T.Tensor((3 * blocks, 32, N), "float32")):  # fmt: skip
        with T.Kernel(blocks, 3) as (k, b):
            x = T.alloc_shared((32, N), "float32")
            T.copy(X[b, k * 32, 0], x)
            T.copy(x, Y[table[of[b], k], :, :])

    return main


def paged_reference(X: Any, table: Any, of: Any) -> Any:
    """In float64."""
    pages = table.astype(int)[of.astype(int)]
    out = np.zeros((pages.size, 32, X.shape[-1]))
    out[pages.ravel()] = X.reshape(pages.size, 32, -1)
    return out


def routed(M: int = 50, N: int = 32) -> Any:
    """Rows of X that have a place in Y, which is not negative, there."""

    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), rows: T.Tensor((M,), "int32"),
             Y: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(M, 32)) as b:
            x = T.alloc_shared((32, N), "float32")
            T.copy(X[b * 32, 0], x)
            for i, j in T.Parallel(32, N):
                if b * 32 + i < M and rows[b * 32 + i] >= 0:
                    Y[rows[b * 32 + i], j] = x[i, j]

    return main


def routed_reference(X: Any, rows: Any) -> Any:
    """In float64; zeros where nothing is stored."""
    out, places = np.zeros_like(X), rows.astype(int)
    out[places[places >= 0]] = X[places >= 0]
    return out


KERNELS: Final = MappingProxyType({
    "counted": Packaged(counted, counted_reference),
    "listed": Packaged(listed, listed_reference),
    "paged": Packaged(paged, paged_reference),
    "routed": Packaged(routed, routed_reference),
})  # fmt: skip
"""As the table of packaged kernels."""
