"""Reductions into blocks of one line, and of blocks of three dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import CompileError
from tests.e2e.test_long_expressions import MODES


def into_lines(kind: str, dtype: str, *, clear: bool = True) -> Any:
    """Rows and columns reduced into matrices of one row, and of one column, both ways."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), dtype), C: T.Tensor((1, 64), "float32"),
        D: T.Tensor((64, 1), "float32"),
    ):  # fmt: skip
        with T.Kernel(1):
            a = T.alloc_fragment((64, 64), dtype)
            c = T.alloc_fragment((1, 64), "float32")
            d = T.alloc_fragment((64, 1), "float32")
            T.copy(A, a)
            T.fill(c, 2.0)
            T.fill(d, -2.0)
            T.reduce(a, c, kind, dim=1, clear=clear)
            T.reduce(a, d, kind, dim=0, clear=clear)
            T.copy(c, C)
            T.copy(d, D)

    return main


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["sum", "max", "min"])
def test_a_line_lies_as_its_destination_does(kind: str, mode: str) -> None:
    """Sums of rows stored as a row, and of columns as a column, are turned on the way."""
    for clear in (True, False):
        verdict = harness.check(into_lines(kind, "float32", clear=clear), **MODES[mode])
        assert verdict.passed, (verdict.reason, verdict.findings)
    assert harness.check(into_lines(kind, "bfloat16"), **MODES[mode]).passed


def planes(dim: int, kind: str, dtype: str, *, clear: bool = True, count: int = 5) -> Any:
    """A block of several planes reduced along one of its dimensions, in a loop over blocks."""
    rows, columns = 48, 64
    shape = {0: (rows, columns), 1: (count, columns), 2: (count, rows)}[dim]

    @T.prim_func
    def main(
        A: T.Tensor((2, count, rows, columns), dtype), C: T.Tensor((2, *shape), "float32")
    ):  # fmt: skip
        with T.Kernel(2) as b:
            a = T.alloc_fragment((count, rows, columns), dtype)
            c = T.alloc_fragment(shape, "float32")
            T.fill(c, 3.0)
            T.copy(A[b, 0, 0, 0], a)
            T.reduce(a, c, kind, dim=dim, clear=clear)
            T.copy(c, C[b, 0, 0])

    return main


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("kind", ["sum", "max", "min", "absmax"])
def test_planes_are_reduced_along_any_dimension(kind: str, dim: int, mode: str) -> None:
    """Planes joined one by one, and the lines of each put in a row of their own."""
    for dtype, clear in (("float32", True), ("bfloat16", False)):
        verdict = harness.check(planes(dim, kind, dtype, clear=clear), **MODES[mode])
        assert verdict.passed, (verdict.reason, verdict.findings)


@pytest.mark.parametrize("dim", [1, 2])
def test_large_sums_of_planes_lose_what_a_repeated_operand_loses(dim: int) -> None:
    """A line is repeated on its way to its row, in 11 bits: golden says so, and no more."""

    @T.prim_func
    def main(
        A: T.Tensor((2, 96, 96), "float32"), C: T.Tensor((2, 96), "float32")
    ):  # fmt: skip
        with T.Kernel(1):
            a = T.alloc_fragment((2, 96, 96), "float32")
            c = T.alloc_fragment((2, 96), "float32")
            T.copy(A, a)
            T.reduce_sum(a, c, dim=dim)
            T.copy(c, C)

    values = np.random.default_rng(3).integers(20, 64, (2, 96, 96)).astype(np.float32)
    verdict = harness.check(main, {"A": values})
    assert verdict.passed, (verdict.reason, verdict.findings)
    got = harness.compile(main).run({"A": values}).outputs["C"]
    np.testing.assert_allclose(got, values.sum(axis=dim), rtol=2.0**-9)


def test_planes_fill_parts_of_a_block_that_holds_nothing_yet() -> None:
    """A sum of planes that keeps nothing of what was there does not read it either."""

    @T.prim_func
    def main(A: T.Tensor((2, 3, 32, 64), "float32"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(1):
            a = T.alloc_fragment((3, 32, 64), "float32")
            c = T.alloc_fragment((64, 64), "float32")
            T.copy(A[0, 0, 0, 0], a)
            T.reduce_sum(a, c[0:32, :], dim=0)
            T.copy(A[1, 0, 0, 0], a)
            T.reduce_max(a, c[32:64, :], dim=0)
            T.copy(c, C)

    verdict = harness.check(main)
    assert verdict.passed, (verdict.reason, verdict.findings)


def test_one_plane_is_a_matrix() -> None:
    """A leading dimension of 1 is reduced away, or passed over."""

    @T.prim_func
    def main(
        A: T.Tensor((1, 32, 64), "float32"), C: T.Tensor((1, 32), "float32"),
        D: T.Tensor((32, 64), "float32"),
    ):  # fmt: skip
        with T.Kernel(1):
            a = T.alloc_fragment((1, 32, 64), "float32")
            c = T.alloc_fragment((1, 32), "float32")
            d = T.alloc_fragment((32, 64), "float32")
            T.copy(A, a)
            T.reduce_sum(a, c, dim=2)
            T.reduce_sum(a, d, dim=0)
            T.copy(c, C)
            T.copy(d, D)

    verdict = harness.check(main)
    assert verdict.passed, (verdict.reason, verdict.findings)


@pytest.mark.parametrize(("dim", "count"), [(0, 33), (1, 257)])
def test_planes_that_are_too_many_are_refused(dim: int, count: int) -> None:
    """More planes than one expression joins, or 16 bits can number, are refused at their line."""
    with pytest.raises(CompileError, match=f"{count} planes") as caught:
        harness.compile(planes(dim, "sum", "float32", count=count))
    assert "test_reductions.py" in str(caught.value)


@pytest.mark.parametrize("mode", MODES)
def test_as_many_planes_as_there_are_rows_of_tiles(mode: str) -> None:
    """Circular buffers do not grow with the planes; numbers of planes are exact in 16 bits."""
    for dim in (1, 2):
        verdict = harness.check(planes(dim, "sum", "bfloat16", count=70), **MODES[mode])
        assert verdict.passed, (verdict.reason, verdict.findings)
