"""Kernels that the dialect rewrites before golden reads them: views, shapes, loops and scalars."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

import harness.language as T
from harness.kernels.table import Packaged


def viewed(M: int = 64, N: int = 64) -> Any:
    """A block under three other shapes: element by element, copied, reduced and run along."""

    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), "float32"),
             Z: T.Tensor((M // 16, 16, N), "float32"), L: T.Tensor((M, 4), "float32"),
             R: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(M // 32) as by:
            x = T.alloc_shared((32, N), "float32")
            y = T.alloc_fragment((32, N), "float32")
            most = T.alloc_fragment((32, 4), "float32")
            T.copy(X[by * 32, 0], x)
            T.copy(T.reshape(x, (2, 16, N)), Z[by * 2, 0, 0])
            halves = T.view(x, (64, N // 2))
            for i, j in T.Parallel(32, N):
                y[i, j] = halves[i, j % (N // 2)] * 2.0 + x[i, j]
            T.copy(y, Y[by * 32, 0])
            T.reduce_max(T.view(x, (32, 4, N // 4)), most, dim=2)
            T.copy(most, L[by * 32, 0])
            T.cumsum(halves, dim=1)
            T.copy(x, R[by * 32, 0])

    return main


def viewed_reference(X: Any) -> Any:
    """In float64."""
    M, N = X.shape
    blocks = X.reshape(-1, 32, N)
    halves = blocks.reshape(-1, 64, N // 2)
    first = np.concatenate([halves[:, :32]] * 2, 2)
    return ((2 * first + blocks).reshape(M, N), X.reshape(-1, 16, N),
            X.reshape(M, 4, N // 4).max(2), halves.cumsum(2).reshape(M, N))  # fmt: skip


def stacked(M: int = 64, N: int = 32) -> Any:
    """Planes that a product takes as rows of one matrix, and adds to."""

    @T.prim_func
    def main(X: T.Tensor((M, N), "bfloat16"), K: T.Tensor((N, 32), "bfloat16"),
             Y: T.Tensor((M // 8, 8, 32), "float32")):  # fmt: skip
        with T.Kernel(M // 32) as by:
            x = T.alloc_shared((32, N), "bfloat16")
            k = T.alloc_shared((N, 32), "bfloat16")
            c = T.alloc_fragment((4, 8, 32), "float32")
            T.clear(T.view(c, (32, 32)))
            T.copy(X[by * 32, 0], x)
            T.copy(K, k)
            for _ in T.serial(2):
                T.gemm(x, k, T.reshape(c, (32, 32)))
            T.copy(c, Y[by * 4, 0, 0])

    return main


def stacked_reference(X: Any, K: Any) -> Any:
    """In float64."""
    return 2 * (X @ K).reshape(-1, 8, 32)


def flattened(M: int = 64, N: int = 32) -> Any:
    """A tensor of one dimension read as rows, one stored in halves, and rows from the end."""

    @T.prim_func
    def main(X: T.Tensor((M * N,), "float32"), V: T.Tensor((M, N), "float32"),
             Y: T.Tensor((M, 2, N // 2), "float32"), Z: T.Tensor((M * N,), "float32")):  # fmt: skip
        with T.Kernel(M // 32) as by:
            x = T.alloc_fragment((32, N), "float32")
            last = T.alloc_fragment((32,), "float32")
            for i, j in T.Parallel(32, N):
                x[i, j] = X[(by * 32 + i) * N + j] * 2.0
            for i in T.Parallel(32):
                last[i] = V[by * 32 + i, -2]
            for i, j in T.Parallel(32, N):
                Y[by * 32 + i, j // (N // 2), j % (N // 2)] = x[i, j] + last[i]
            for i, j in T.Parallel(32, N):
                Z[(by * 32 + i) * N + j] = x[i, j] + 1.0

    return main


def flattened_reference(X: Any, V: Any) -> Any:
    """In float64."""
    rows = 2 * X.reshape(V.shape)
    return (rows + V[:, -2:-1]).reshape(len(V), 2, -1), (rows + 1).ravel()


def owned(M: int = 64, N: int = 32) -> Any:
    """Scalars of an iteration, set under conditions, and a loop over one plane between others."""

    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), "float32"),
             Z: T.Tensor((M, 1, N), "float32")):  # fmt: skip
        with T.Kernel(M // 32) as by:
            x = T.alloc_fragment((32, N), "float32")
            y = T.alloc_fragment((32, N), "float32")
            z = T.alloc_fragment((32, 1, N), "float32")
            T.copy(X[by * 32, 0], x)
            for i, j in T.Parallel(32, N):
                a = T.alloc_var("float32")
                b = T.alloc_var("float32")
                a = x[i, j] * 2.0
                # Stored under a condition each, which an expression that chooses is not.
                if x[i, j] > 1.0:  # noqa: SIM108
                    b = a + 1.0
                else:
                    b = a - 3.0
                y[i, j] = a * b
            for i, one, j in T.Parallel(32, 1, N):
                z[i, one, j] = y[i, j] + x[i, j]
            T.copy(y, Y[by * 32, 0])
            T.copy(z, Z[by * 32, 0, 0])

    return main


def owned_reference(X: Any) -> Any:
    """In float64."""
    a = 2 * X
    y = a * np.where(X > 1, a + 1, a - 3)
    return y, (y + X)[:, None]


def quartered(M: int = 64, N: int = 32) -> Any:
    """Every element from another plane than its neighbours'."""

    @T.prim_func
    def main(X: T.Tensor((4, M // 2, N // 2), "float32"), Y: T.Tensor((M, N), "float32")):
        with T.Kernel(M // 32) as by:
            y = T.alloc_fragment((32, N), "float32")
            for i, j in T.Parallel(32, N):
                y[i, j] = X[(i % 2) * 2 + j % 2, by * 16 + i // 2, j // 2] * 2.0
            T.copy(y, Y[by * 32, 0])

    return main


def quartered_reference(X: Any) -> Any:
    """In float64."""
    _, rows, columns = X.shape
    return 2 * X.reshape(2, 2, rows, columns).transpose(2, 0, 3, 1).reshape(2 * rows, 2 * columns)


KERNELS: Final = MappingProxyType({
    f.__name__: Packaged(f, reference)
    for f, reference in (
        (viewed, viewed_reference),
        (stacked, stacked_reference),
        (flattened, flattened_reference),
        (owned, owned_reference),
        (quartered, quartered_reference),
    )
})  # fmt: skip
"""Name to kernel and NumPy reference."""
