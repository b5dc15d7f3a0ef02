# mypy: disable-error-code="operator,attr-defined,has-type,misc"
"""Kernels with functions, broadcasts, masks and reductions, by name."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import harness.language as T

M, N, BM, BN = 64, 96, 32, 32


def unary(name: str, dtype: str = "bfloat16", out: str = "float32") -> Any:
    """C = f(A)."""
    function = getattr(T, name)

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), C: T.Tensor((M, N), out)):
        with T.Kernel(N // BN, M // BM) as (bx, by):
            a = T.alloc_shared((BM, BN), dtype)
            c = T.alloc_fragment((BM, BN), out)
            T.copy(A[by * BM, bx * BN], a)
            for i, j in T.Parallel(BM, BN):
                c[i, j] = function(a[i, j])
            T.copy(c, C[by * BM, bx * BN])

    return main


def softmax(dtype: str = "float32") -> Any:
    """Row softmax of blocks of 32 rows."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(M // BM) as by:
            a = T.alloc_shared((BM, N), dtype)
            x = T.alloc_fragment((BM, N), "float32")
            top = T.alloc_fragment((BM,), "float32")
            total = T.alloc_fragment((BM,), "float32")
            T.copy(A[by * BM, 0], a)
            T.copy(a, x)
            T.reduce_max(x, top, dim=1)
            for i, j in T.Parallel(BM, N):
                x[i, j] = T.exp(x[i, j] - top[i])
            T.reduce_sum(x, total, dim=1)
            for i, j in T.Parallel(BM, N):
                x[i, j] = x[i, j] / total[i]
            T.copy(x, C[by * BM, 0])

    return main


def rms_norm(dtype: str = "bfloat16") -> Any:
    """C = A / sqrt(mean(A^2) + eps)."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(M // BM) as by:
            a = T.alloc_shared((BM, N), dtype)
            x = T.alloc_fragment((BM, N), "float32")
            s = T.alloc_fragment((BM,), "float32")
            T.copy(A[by * BM, 0], a)
            for i, j in T.Parallel(BM, N):
                x[i, j] = T.cast(a[i, j], "float32") * T.cast(a[i, j], "float32")
            T.reduce_sum(x, s, dim=1)
            for i in T.Parallel(BM):
                s[i] = T.rsqrt(s[i] / N + 1e-6)
            for i, j in T.Parallel(BM, N):
                x[i, j] = a[i, j] * s[i]
            T.copy(x, C[by * BM, 0])

    return main


def reduction(kind: str, dim: int, dtype: str = "bfloat16", clear: bool = True) -> Any:
    """A 64 x 96 block reduced along one dimension."""
    function = getattr(T, f"reduce_{kind}")
    hints = {} if kind == "abssum" else {"clear": clear}  # abssum always starts anew
    size = N if dim == 0 else M

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), C: T.Tensor((size,), "float32")):
        with T.Kernel(1) as bx:
            a = T.alloc_shared((M, N), dtype)
            c = T.alloc_fragment((size,), "float32")
            T.copy(A[bx * M, 0], a)
            T.fill(c, 3.0)
            function(a, c, dim=dim, **hints)
            T.copy(c, C[bx * size])

    return main


def masked(dtype: str = "float32") -> Any:
    """Causal mask, then ReLU, then a bias row."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), b: T.Tensor((N,), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(N // BN, M // BM) as (bx, by):
            a = T.alloc_shared((BM, BN), dtype)
            bias = T.alloc_shared((BN,), dtype)
            c = T.alloc_fragment((BM, BN), dtype)
            T.copy(A[by * BM, bx * BN], a)
            T.copy(b[bx * BN], bias)
            for i, j in T.Parallel(BM, BN):
                c[i, j] = T.if_then_else(by * BM + i >= bx * BN + j, a[i, j], 0.0)
            for i, j in T.Parallel(BM, BN):
                c[i, j] = T.max(c[i, j] + bias[j], 0.0)
            T.copy(c, C[by * BM, bx * BN])

    return main


def chain(dtype: str = "bfloat16", out: str = "bfloat16") -> Any:
    """C = (A * 0.7 + B) * A - B / 3."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype), C: T.Tensor((M, N), out)):
        with T.Kernel(N // BN, M // BM) as (bx, by):
            a = T.alloc_shared((BM, BN), dtype)
            b = T.alloc_shared((BM, BN), dtype)
            c = T.alloc_fragment((BM, BN), out)
            T.copy(A[by * BM, bx * BN], a)
            T.copy(B[by * BM, bx * BN], b)
            for i, j in T.Parallel(BM, BN):
                c[i, j] = (a[i, j] * 0.7 + b[i, j]) * a[i, j] - b[i, j] / 3.0
            T.copy(c, C[by * BM, bx * BN])

    return main


def threshold(dtype: str = "float32") -> Any:
    """C = 1 where A * A > B, else -1: a jump."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(N // BN, M // BM) as (bx, by):
            a = T.alloc_shared((BM, BN), dtype)
            b = T.alloc_shared((BM, BN), dtype)
            c = T.alloc_fragment((BM, BN), dtype)
            T.copy(A[by * BM, bx * BN], a)
            T.copy(B[by * BM, bx * BN], b)
            for i, j in T.Parallel(BM, BN):
                c[i, j] = T.if_then_else(a[i, j] * a[i, j] > b[i, j], 1.0, -1.0)
            T.copy(c, C[by * BM, bx * BN])

    return main


UNARY = ("exp", "exp2", "log", "log1p", "log2", "sqrt", "rsqrt", "sigmoid", "tanh", "erf", "sin",
         "cos", "floor", "ceil", "round", "abs")  # fmt: skip


def _all() -> dict[str, Callable[[], Any]]:
    rows: dict[str, Callable[[], Any]] = {}
    for dtype in ("bfloat16", "float32"):
        for name in UNARY:
            rows[f"{name}.{dtype}"] = lambda name=name, dtype=dtype: unary(name, dtype)
        rows[f"softmax.{dtype}"] = lambda dtype=dtype: softmax(dtype)
        rows[f"rms_norm.{dtype}"] = lambda dtype=dtype: rms_norm(dtype)
        rows[f"masked.{dtype}"] = lambda dtype=dtype: masked(dtype)
        rows[f"chain.{dtype}"] = lambda dtype=dtype: chain(dtype, dtype)
        rows[f"threshold.{dtype}"] = lambda dtype=dtype: threshold(dtype)
        for kind in ("sum", "max", "min", "absmax", "abssum"):
            for dim in (0, 1):
                rows[f"reduce_{kind}{dim}.{dtype}"] = lambda kind=kind, dim=dim, dtype=dtype: (
                    reduction(kind, dim, dtype)
                )
    return rows


KERNELS = MappingProxyType(_all())
"""Kernel factories by name."""
