"""Kernels of numbers of 8 bits: cut from real numbers and stored, read, and taken apart."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

import harness.language as T
from harness.kernels.table import Packaged


def narrowed(M: int = 64, N: int = 64, dtype: str = "float32") -> Any:
    """Eight times a number, rounded, in int8."""

    @T.prim_func
    def main(X: T.Tensor((M, N), dtype), Y: T.Tensor((M, N), "int8")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            x = T.alloc_fragment((32, 32), dtype)
            y = T.alloc_fragment((32, 32), "int8")
            T.copy(X[by * 32, bx * 32], x)
            for i, j in T.Parallel(32, 32):
                y[i, j] = T.cast(T.round(T.clamp(x[i, j] * 8.0, -128, 127)), "int8")
            T.copy(y, Y[by * 32, bx * 32])

    return main


def _narrowed_reference(X: Any) -> Any:
    return np.rint(np.clip(X * 8, -128, 127))


def nibbles(M: int = 64, N: int = 64) -> Any:
    """Halves of bytes, side by side, and other bits of others beside them."""

    @T.prim_func
    def main(P: T.Tensor((M, N // 2), "uint8"), A: T.Tensor((M, N), "int8"),
             Y: T.Tensor((M, N), "int32")):  # fmt: skip
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            p = T.alloc_shared((32, 16), "uint8")
            a = T.alloc_shared((32, 32), "int8")
            y = T.alloc_fragment((32, 32), "int32")
            T.copy(P[by * 32, bx * 16], p)
            T.copy(A[by * 32, bx * 32], a)
            for i, j in T.Parallel(32, 32):
                y[i, j] = (((p[i, j // 2] >> ((j % 2) * 4)) & 15) * 1000
                           + (T.cast(a[i, j], "int32") ^ 0x24))  # fmt: skip
            T.copy(y, Y[by * 32, bx * 32])

    return main


def _nibbles_reference(P: Any, A: Any) -> Any:
    packed = P.astype(int)
    halves = np.stack([packed & 15, packed >> 4], axis=-1).reshape(A.shape)
    return halves * 1000 + (A.astype(int) ^ 0x24)


KERNELS: Final = MappingProxyType({
    "narrowed": Packaged(narrowed, _narrowed_reference),
    "nibbles": Packaged(nibbles, _nibbles_reference),
})  # fmt: skip
"""Name to kernel and NumPy reference."""
