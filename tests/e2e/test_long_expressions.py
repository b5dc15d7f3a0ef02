"""Elementwise expressions of many operations, judged on both families and with a 16-bit DST."""

from __future__ import annotations

from typing import Any

import pytest

import harness
import harness.language as T

MODES: dict[str, dict[str, Any]] = {
    "wormhole_n150": {"device": "wormhole_n150"},
    "blackhole_p150": {"device": "blackhole_p150"},
    "16-bit destination": {"fp32_dest": False},
}


def products_among_choices(dtype: str = "bfloat16") -> Any:
    """Products computed after the destination tiles have held something else."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), dtype), B: T.Tensor((64, 64), dtype), C: T.Tensor((64, 64), dtype)
    ):
        with T.Kernel(2, 2) as (bx, by):
            a = T.alloc_fragment((32, 32), dtype)
            b = T.alloc_fragment((32, 32), dtype)
            T.copy(A[by * 32, bx * 32], a)
            T.copy(B[by * 32, bx * 32], b)
            for i, j in T.Parallel(32, 32):
                x = a[i, j]
                y = b[i, j]
                b[i, j] = T.if_then_else(
                    x < -1.0,
                    y * x,
                    T.if_then_else(x < 1.0, x * y, T.if_then_else(x < 2.0, y + x, y * 2.0)),
                )
            T.copy(b, C[by * 32, bx * 32])

    return main


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_products_do_not_add_to_what_a_tile_held(dtype: str, mode: str) -> None:
    """A product of two blocks on the matrix unit starts from a tile that holds nothing yet."""
    verdict = harness.check(products_among_choices(dtype), **MODES[mode])
    assert verdict.passed, (verdict.reason, verdict.findings)


def tree(x: Any, y: Any, depth: int, number: int = 1) -> Any:
    """A full binary tree of additions, subtractions and maxima over two elements."""
    if not depth:
        return (x if number % 2 else y) * 0.5 + float(number % 5)
    left, right = (tree(x, y, depth - 1, 2 * number + side) for side in (0, 1))
    return (left - right, T.max(left, right), left + right)[number % 3]


def deep(dtype: str, depth: int) -> Any:
    """An expression that takes one tile more than it is deep, over a block in place."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), dtype), B: T.Tensor((64, 64), dtype), C: T.Tensor((64, 64), dtype)
    ):
        with T.Kernel(2) as by:
            a = T.alloc_fragment((32, 64), dtype)
            b = T.alloc_fragment((32, 64), dtype)
            T.copy(A[by * 32, 0], a)
            T.copy(B[by * 32, 0], b)
            for i, j in T.Parallel(32, 64):
                b[i, j] = tree(a[i, j], b[i, j], depth)
            T.copy(b, C[by * 32, 0])

    return main


def of_vectors(depth: int = 6) -> Any:
    """Long expressions of a row, of a column, and of both repeated over a block."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), "float32"), R: T.Tensor((64,), "float32"),
        C: T.Tensor((64, 64), "float32"),
    ):  # fmt: skip
        with T.Kernel(2) as by:
            a = T.alloc_fragment((32, 64), "float32")
            row = T.alloc_fragment((64,), "float32")
            column = T.alloc_fragment((32,), "float32")
            T.copy(A[by * 32, 0], a)
            T.copy(R, row)
            T.reduce_max(a, column, dim=1)
            for j in T.Parallel(64):
                row[j] = tree(row[j], row[j] + 1.0, depth)
            for i in T.Parallel(32):
                column[i] = tree(column[i], 0.0 - column[i], depth)
            for i, j in T.Parallel(32, 64):
                a[i, j] = tree(row[j], column[i], depth) + a[i, j]
            T.copy(a, C[by * 32, 0])

    return main


def block_diffusion(size: int = 128, block: int = 16, tile: int = 32) -> Any:
    """Scores under the mask of block diffusion: blocks of noise, and those before them."""
    half = size // 2

    @T.prim_func
    def main(
        Q: T.Tensor((size, 64), "bfloat16"), K: T.Tensor((size, 64), "bfloat16"),
        S: T.Tensor((size, size), "float32"),
    ):  # fmt: skip
        with T.Kernel(size // tile, size // tile) as (bx, by):
            q = T.alloc_shared((tile, 64), "bfloat16")
            k = T.alloc_shared((tile, 64), "bfloat16")
            s = T.alloc_fragment((tile, tile), "float32")
            T.copy(Q[by * tile, 0], q)
            T.copy(K[bx * tile, 0], k)
            for i, j in T.Parallel(tile, tile):
                row = by * tile + i
                column = bx * tile + j
                clean_row = row >= half
                clean = column >= half
                b = T.if_then_else(clean_row, (row - half) // block, row // block)
                c = T.if_then_else(clean, (column - half) // block, column // block)
                s[i, j] = T.if_then_else(
                    T.Or(T.And(b == c, clean_row == clean),
                         T.Or(T.And(b > c, T.And(clean, row < half)),
                              T.And(b >= c, T.And(clean, clean_row)))),
                    0, -T.infinity("float32"),
                )  # fmt: skip
            T.gemm(q, k, s, transpose_B=True)
            for i, j in T.Parallel(tile, tile):
                s[i, j] = T.exp(s[i, j] * 0.0625)
            T.copy(s, S[by * tile, bx * tile])

    return main


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_expressions_deeper_than_the_destination_are_cut(dtype: str, mode: str) -> None:
    """What takes nine tiles at once is computed in parts, within the bound of the whole."""
    verdict = harness.check(deep(dtype, 8), **MODES[mode])
    assert verdict.passed, (verdict.reason, verdict.findings)
    assert harness.check(deep(dtype, 8), input_kind="random", **MODES[mode]).passed


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("make", [of_vectors, block_diffusion])
def test_parts_lie_as_their_whole_does(make: Any, mode: str) -> None:
    """Parts of expressions over vectors, repeated operands and places answer as the source says."""
    for kind in (None, "random"):
        verdict = harness.check(make(), input_kind=kind, **MODES[mode])
        assert verdict.passed, (verdict.reason, verdict.findings)


def test_equal_parts_are_computed_once() -> None:
    """A part that occurs twice, and a block of places, take one circular buffer."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            a = T.alloc_fragment((32, 32), "float32")
            T.copy(A, a)
            for i, j in T.Parallel(32, 32):
                x = tree(a[i, j], a[i, j] + 1.0, 3)
                p = T.if_then_else(i > j, x, a[i, j])
                q = T.if_then_else(i > j, a[i, j], x)
                a[i, j] = T.max(p - q, q * x) - T.max(q - p, p * x)
            T.copy(a, C)

    plan = harness.compile(main).plan
    names = [cb.name for cb in plan.circular_buffers]
    assert len([n for n in names if "index" in n]) == 1, names
    assert harness.check(main).passed
