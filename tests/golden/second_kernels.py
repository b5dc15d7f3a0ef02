"""One small kernel per construct the second opinion lowers, with what NumPy makes of it."""

# mypy: disable-error-code="operator,attr-defined,has-type,misc,index"
# Kernels are read by the TVMScript parser, not called.
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import harness.language as T

Made = tuple[Any, Callable[..., Any]]
"""A kernel, and its output from its inputs in float64."""
SHAPE = (50, 70)
"""Ragged on both axes: blocks read beyond the edge and write there."""


def on_blocks(body: Any, out: str = "float32") -> Any:
    """Y = body(X), block by block of 32 x 32."""
    M, N = SHAPE

    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), out)):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            x = T.alloc_shared((32, 32), "float32")
            y = T.alloc_fragment((32, 32), out)
            T.copy(X[by * 32, bx * 32], x)
            body(x, y, by * 32, bx * 32)
            T.copy(y, Y[by * 32, bx * 32])

    return main


def blockwise(array: Any, function: Callable[[Any], Any]) -> Any:
    """A function of every block of 32 x 32, with zeros beyond the edge."""
    M, N = array.shape
    padded = np.pad(array, ((0, -M % 32), (0, -N % 32)))
    out = np.zeros(padded.shape)
    for i in range(0, padded.shape[0], 32):
        for j in range(0, padded.shape[1], 32):
            out[i : i + 32, j : j + 32] = function(padded[i : i + 32, j : j + 32])
    return out[:M, :N]


def edges() -> Made:
    """Zero beyond the edge, and nothing written there: a block's sums count only the inside."""

    @T.macro
    def body(x, y, row, column):
        s = T.alloc_fragment((32,), "float32")
        T.reduce_sum(x, s, dim=1)
        for i, j in T.Parallel(32, 32):
            y[i, j] = s[i]

    return on_blocks(body), lambda x: blockwise(
        x, lambda b: np.broadcast_to(b.sum(1, keepdims=True), b.shape)
    )


def product(trans_A: bool, trans_B: bool, clear: bool) -> Made:
    """Twice a product onto a block of ones; the second clears it or adds."""

    @T.prim_func
    def main(A: T.Tensor((64, 32), "bfloat16"), B: T.Tensor((32, 64), "bfloat16"),
             C: T.Tensor((32, 32), "float32")):  # fmt: skip
        with T.Kernel(1) as _:
            a = T.alloc_shared((64, 32) if trans_A else (32, 64), "bfloat16")
            b = T.alloc_shared((32, 64) if trans_B else (64, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            if trans_A:
                T.copy(A, a)
            else:
                for i, j in T.Parallel(32, 64):
                    a[i, j] = A[j, i]
            if trans_B:
                T.copy(B, b)
            else:
                for i, j in T.Parallel(64, 32):
                    b[i, j] = B[j, i]
            T.fill(c, 1.0)
            for _k in T.serial(2):
                T.gemm(a, b, c, transpose_A=trans_A, transpose_B=trans_B, clear_accum=clear)
            T.copy(c, C)

    return main, lambda a, b: a.T @ b.T if clear else 1 + 2 * (a.T @ b.T)


def reduction(kind: str, axis: int, clear: bool) -> Made:
    """A block reduced onto a vector that holds -1."""

    @T.prim_func
    def main(X: T.Tensor((32, 32), "float32"), Y: T.Tensor((32,), "float32")):
        with T.Kernel(1) as _:
            x = T.alloc_shared((32, 32), "float32")
            y = T.alloc_fragment((32,), "float32")
            T.copy(X, x)
            T.fill(y, -1.0)
            T.reduce(x, y, kind, axis, clear)
            T.copy(y, Y)

    def reference(x: Any) -> Any:
        x = np.abs(x) if kind.startswith("abs") else x
        way = {"sum": np.add, "max": np.maximum, "min": np.minimum}[kind.removeprefix("abs")]
        return way.reduce(x, axis) if clear else way(way.reduce(x, axis), -1.0)

    return main, reference


def running(axis: int, reverse: bool, in_place: bool) -> Made:
    """Running sums along an axis, from either end."""

    @T.macro
    def body(x, y, row, column):
        if in_place:
            T.copy(x, y)
            T.cumsum(y, y, dim=axis, reverse=reverse)
        else:
            T.cumsum(x, y, dim=axis, reverse=reverse)

    def one(b: Any) -> Any:
        b = np.flip(b, axis) if reverse else b
        return np.flip(b.cumsum(axis), axis) if reverse else b.cumsum(axis)

    return on_blocks(body), lambda x: blockwise(x, one)


def masked() -> Made:
    """Conditions on places and on data, with both branches and with one."""

    @T.macro
    def body(x, y, row, column):
        for i, j in T.Parallel(32, 32):
            if row + i > column + j:
                y[i, j] = x[i, j]
            else:
                y[i, j] = T.if_then_else(x[i, j] > 0, 2.0, -3.0)
        for i, j in T.Parallel(32, 32):
            if T.any_of(i == 3, T.Not(j < 30)):
                y[i, j] += 100.0

    def reference(x: Any) -> Any:
        i, j = np.indices(x.shape)
        y = np.where(i > j, x, np.where(x > 0, 2.0, -3.0))
        return y + 100.0 * ((i % 32 == 3) | (j % 32 >= 30))

    return on_blocks(body), reference


def loops() -> Made:
    """Serial loops whose extent and start the block decides, scalars, and a step."""

    @T.macro
    def body(x, y, row, column):
        n = T.alloc_var("int32")
        n = row // 32 + 1
        T.clear(y)
        for k in range(0, 6, 2):
            for _m in T.serial(n):
                for i, j in T.Parallel(32, 32):
                    y[i, j] += x[i, j] * k

    def reference(x: Any) -> Any:
        return x * (np.arange(x.shape[0]) // 32 + 1)[:, None] * 6

    return on_blocks(body), reference


def whole_numbers() -> Made:
    """Casts cut towards zero; halves are rounded to the even neighbour."""

    @T.macro
    def body(x, y, row, column):
        for i, j in T.Parallel(32, 32):
            y[i, j] = T.cast(T.cast(x[i, j], "int32"), "float32") + 100.0 * T.round(x[i, j] / 2.0)

    return on_blocks(body), lambda x: np.trunc(x) + 100 * np.rint(x / 2)


def functions() -> Made:
    """Every smooth function of the language, far from where it is not defined."""

    @T.macro
    def body(x, y, row, column):
        for i, j in T.Parallel(32, 32):
            v = T.abs(x[i, j]) + 0.5
            y[i, j] = (
                T.exp(v) + T.exp2(v) + T.log(v) + T.log2(v) + T.log1p(v) + T.sqrt(v) + T.rsqrt(v)
                + T.sigmoid(v) + T.tanh(v) + T.erf(v) + T.sin(v) + T.cos(v) + T.floor(v)
                + T.ceil(v) + T.pow(v, 1.5) + T.clamp(v, 1.0, 2.0) / v
            )  # fmt: skip

    from math import erf

    def reference(x: Any) -> Any:
        v = np.abs(x) + 0.5
        return (
            np.exp(v) + np.exp2(v) + np.log(v) + np.log2(v) + np.log1p(v) + np.sqrt(v)
            + 1 / np.sqrt(v) + 1 / (1 + np.exp(-v)) + np.tanh(v) + np.vectorize(erf)(v)
            + np.sin(v) + np.cos(v) + np.floor(v) + np.ceil(v) + v**1.5 + np.clip(v, 1, 2) / v
        )  # fmt: skip

    return on_blocks(body), reference


def integers() -> Made:
    """int8 operands whose products only int32 holds."""

    @T.prim_func
    def main(A: T.Tensor((32, 64), "int8"), B: T.Tensor((64, 32), "int8"),
             C: T.Tensor((32, 32), "int32")):  # fmt: skip
        with T.Kernel(1) as _:
            a = T.alloc_shared((32, 64), "int8")
            b = T.alloc_shared((64, 32), "int8")
            c = T.alloc_fragment((32, 32), "int32")
            T.copy(A, a)
            T.copy(B, b)
            T.clear(c)
            T.gemm(a, b, c)
            T.copy(c, C)

    return main, lambda a, b: a @ b


def batches() -> Made:
    """Three axes of the grid, and a block of two dimensions of a tensor of three."""

    @T.prim_func
    def main(X: T.Tensor((3, 40, 50), "float32"), Y: T.Tensor((3, 40, 50), "float32")):
        with T.Kernel(2, 2, 3) as (bx, by, bz):
            x = T.alloc_shared((32, 32), "float32")
            T.copy(X[bz, by * 32 : by * 32 + 32, bx * 32 : bx * 32 + 32], x)
            for i, j in T.Parallel(32, 32):
                x[i, j] = x[i, j] * (1.0 + bx + 10 * by + 100 * bz)
            T.copy(x, Y[bz, by * 32 : by * 32 + 32, bx * 32 : bx * 32 + 32])

    def reference(x: Any) -> Any:
        z, y, column = np.indices(x.shape)
        return x * (1 + column // 32 + 10 * (y // 32) + 100 * z)

    return main, reference


CASES: dict[str, Callable[[], Made]] = {
    "edges": edges,
    **{f"product {a:d}{b:d}{c:d}": lambda a=a, b=b, c=c: product(a, b, c)
       for a, b, c in ((False, False, False), (True, False, True), (False, True, False),
                       (True, True, False))},
    **{f"{kind} {axis} {clear}": lambda k=kind, a=axis, c=clear: reduction(k, a, c)
       for kind in ("sum", "max", "min", "absmax", "abssum") for axis in (0, 1)
       for clear in (True, False) if kind != "abssum" or clear},
    **{f"running {a}{r:d}{p:d}": lambda a=a, r=r, p=p: running(a, r, p)
       for a in (0, 1) for r in (False, True) for p in (False, True)},
    "masked": masked, "loops": loops, "whole numbers": whole_numbers, "functions": functions,
    "integers": integers, "batches": batches,
}  # fmt: skip
