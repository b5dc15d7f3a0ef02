"""Copies that begin before a tensor, or lie beside it altogether: they read zero, from nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.fuzz.stages import validate

ROWS, COLUMNS = 70, 80
Place = Callable[[Any], Any]


def _around(rows: int, columns: int, height: int = 32, width: int = 32) -> Any:
    @T.prim_func
    def main(
        A: T.Tensor((ROWS, COLUMNS), "float32"), V: T.Tensor((COLUMNS,), "float32"),
        Y: T.Tensor((ROWS, COLUMNS), "float32"),
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(COLUMNS, width), T.ceildiv(ROWS, height)) as (bx, by):
            a = T.alloc_shared((height, width), "float32")
            v = T.alloc_shared((width,), "float32")
            y = T.alloc_fragment((height, width), "float32")
            T.copy(A[by * height + rows, bx * width + columns], a)
            T.copy(V[bx * width + columns], v)
            for i, j in T.Parallel(height, width):
                y[i, j] = a[i, j] + v[j]
            T.copy(y, Y[by * height, bx * width])

    return main


def _wanted(a: Any, v: Any, rows: int, columns: int) -> Any:
    far = 256
    wide = np.pad(a, far)[far + rows :, far + columns :][:ROWS, :COLUMNS]
    return wide + np.pad(v, far)[far + columns :][:COLUMNS]


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize(
    ("rows", "columns", "height", "width"),
    [(-32, 0, 32, 32), (0, -32, 32, 32), (-64, -64, 64, 64), (-32, -32, 64, 64), (64, -64, 64, 32),
     (-32, -32, 16, 32), (-96, 0, 32, 48), (0, -128, 32, 32), (128, 0, 32, 32)],
)  # fmt: skip
def test_blocks_around_this_one(
    rows: int, columns: int, height: int, width: int, device: str
) -> None:
    """Tiles before the first row or column are zero; not the last ones of the line before."""
    func = _around(rows, columns, height, width)
    artifact = harness.compile(func, device=device)
    rng = np.random.default_rng(0)
    a, v = (rng.integers(-9, 10, n).astype("float32") for n in ((ROWS, COLUMNS), (COLUMNS,)))
    got = artifact.run({"A": a, "V": v}).outputs["Y"]
    np.testing.assert_array_equal(got, _wanted(a, v, rows, columns))
    assert harness.check(func, device=device, oracle="llvm").passed
    assert validate(artifact).name == ""


@pytest.mark.parametrize("options", [{}, {"multicast": True, "strategy": "block", "grid": (2, 2)}])
def test_a_product_that_begins_before_its_operands(options: Any) -> None:
    """A step of K before the first adds nothing, read by each core or handed round."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 96), "bfloat16"), B: T.Tensor((96, 64), "bfloat16"),
        Y: T.Tensor((64, 64), "float32"),
    ):  # fmt: skip
        with T.Kernel(2, 2) as (bx, by):
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            T.clear(c)
            for k in T.Pipelined(4, num_stages=2):
                T.copy(A[by * 32, k * 32 - 32], a)
                T.copy(B[k * 32 - 32, bx * 32], b)
                T.gemm(a, b, c)
            T.copy(c, Y[by * 32, bx * 32])

    assert harness.check(main, **options).passed


@pytest.mark.parametrize(
    "place", [lambda b: b - 2, lambda b: b + 3, lambda b: b // 2 - 1, lambda b: T.min(b, 0) - 1],
    ids=["before", "behind", "divided", "least"],
)  # fmt: skip
def test_planes_that_are_never_there(place: Place) -> None:
    """A leading index outside in every block reads zero, and makes no plan that is refused."""

    @T.prim_func
    def main(A: T.Tensor((3, 32, 32), "float32"), Y: T.Tensor((64, 32), "float32")):
        with T.Kernel(2) as b:
            a = T.alloc_shared((32, 32), "float32")
            T.copy(A[place(b), 0, 0], a)
            T.copy(a, Y[b * 32, 0])

    assert harness.check(main).passed


@pytest.mark.parametrize("place", [lambda m: m % 3 - 5, lambda m: m % 3 + 200])
def test_rows_that_are_never_there(place: Place) -> None:
    """The same of rows at computed places."""

    @T.prim_func
    def main(A: T.Tensor((96, 32), "float32"), Y: T.Tensor((64, 32), "float32")):
        with T.Kernel(2) as b:
            a = T.alloc_shared((32, 32), "float32")
            for i, j in T.Parallel(32, 32):
                a[i, j] = A[place(b * 32 + i), j]
            T.copy(a, Y[b * 32, 0])

    assert harness.check(main).passed
