"""Intervals of whole numbers hold every number they stand for, and no wider ones."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
import harness.language as T
from harness.compiler.block.settling.spans import _combined, _hull
from harness.errors import CompileError

ENDS = st.tuples(st.integers(-9, 9), st.integers(-9, 9)).map(sorted)
OPS: dict[str, Any] = {
    "add": int.__add__,
    "sub": int.__sub__,
    "mul": int.__mul__,
    "max": max,
    "min": min,
}


@given(a=ENDS, b=ENDS, op=st.sampled_from(sorted(OPS)))
def test_combined_intervals_are_the_least_that_hold_everything(
    a: list[int], b: list[int], op: str
) -> None:
    """A product of negative numbers, and a difference, have their ends elsewhere than a sum."""
    found = [OPS[op](x, y) for x, y in itertools.product(
        range(a[0], a[1] + 1), range(b[0], b[1] + 1))]  # fmt: skip
    assert _combined(op, (a[0], a[1]), (b[0], b[1])) == (min(found), max(found))
    assert _hull((a[0], a[1]), (b[0], b[1])) == (min(*a, *b), max(*a, *b))


def product(step: int) -> Any:
    """Whole numbers from -31 * step to 0 times some from 0 to 31 * step, summed up if need be."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), D: T.Tensor((32, 32), "int32")):
        with T.Kernel(1):
            n = T.alloc_fragment((32, 32), "int32")
            m = T.alloc_fragment((32, 32), "int32")
            for i, j in T.Parallel(32, 32):
                n[i, j] = i * (0 - step)
            for i, j in T.Parallel(32, 32):
                m[i, j] = j * step
            for i, j in T.Parallel(32, 32):
                D[i, j] = n[i, j] * m[i, j]

    return main


def test_a_product_of_unlike_signs_is_refused_where_it_grows_too_large() -> None:
    """Its largest magnitude is at ends that are not both low or both high."""
    assert harness.check(product(130)).passed
    with pytest.raises(CompileError, match="may exceed 16,777,216"):
        harness.compile(product(160))


def sums(largest: int) -> Any:
    """Sums of 64 whole numbers up to ``largest``, moved to another line."""

    @T.prim_func
    def main(A: T.Tensor((32, 64), "float32"), D: T.Tensor((32,), "int32")):
        with T.Kernel(1):
            a = T.alloc_fragment((32, 64), "float32")
            n = T.alloc_fragment((32, 64), "int32")
            r = T.alloc_fragment((32,), "int32")
            T.copy(A, a)
            for i, j in T.Parallel(32, 64):
                n[i, j] = T.if_then_else(a[i, j] > 0, largest, 0)
            T.reduce_sum(n, r, dim=1)
            T.copy(r, D)

    return main


def test_a_sum_counts_the_numbers_along_its_own_axis() -> None:
    """64 of them, where the block has 32 rows."""
    assert harness.check(sums(30)).passed
    with pytest.raises(CompileError, match="may exceed 2,048"):
        harness.compile(sums(40))


def counted(turns: int) -> Any:
    """How many elements are positive, and how many not, of a block that is asked some times."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), D: T.Tensor((32,), "int32")):
        with T.Kernel(1):
            a = T.alloc_fragment((32, 32), "float32")
            hits = T.alloc_fragment((32, 32), "int32")
            n = T.alloc_fragment((32,), "int32")
            T.copy(A, a)
            T.clear(n)
            for _ in T.serial(turns):
                for i, j in T.Parallel(32, 32):
                    hits[i, j] = T.if_then_else(a[i, j] > 0, 1, -1)
                T.reduce_sum(hits, n, dim=1, clear=False)
                for i in T.Parallel(32):
                    n[i] = n[i] - 1
            T.copy(n, D)

    return main


def test_what_a_loop_adds_is_bounded_by_its_turns() -> None:
    """33 at most per turn, in either direction: 2 ** 24 is reached after some 508,400 of them."""
    assert harness.check(counted(3)).passed
    a = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    found = harness.compile(counted(3)).run({"A": a}).outputs["D"]
    np.testing.assert_array_equal(found, 3 * ((a > 0).sum(1) - (a <= 0).sum(1) - 1))
    harness.compile(counted(508_000))
    with pytest.raises(CompileError, match="may exceed 16,777,216"):
        harness.compile(counted(509_000))


def test_real_numbers_may_be_held_to_large_constants() -> None:
    """A constant that is a whole number is none of the whole numbers a kernel computes."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), D: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            a = T.alloc_fragment((32, 32), "float32")
            T.copy(A, a)
            for i, j in T.Parallel(32, 32):
                a[i, j] = T.if_then_else(j <= i, a[i, j], -1e30)
            for i, j in T.Parallel(32, 32):
                a[i, j] = T.if_then_else(a[i, j] > -1e29, a[i, j] * T.cast(i - j, "float32"), 0.0)
            T.copy(a, D)

    assert harness.check(main).passed


def handed_on(value: int) -> Any:
    """Computed whole numbers, copied from block to block before they are used."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), D: T.Tensor((32, 32), "int32")):
        with T.Kernel(1):
            a = T.alloc_fragment((32, 32), "float32")
            b = T.alloc_fragment((32, 32), "int32")
            n = T.alloc_fragment((32, 32), "int32")
            m = T.alloc_fragment((32, 32), "int32")
            k = T.alloc_fragment((32, 32), "int32")
            T.copy(A, a)
            T.fill(b, value)
            for i, j in T.Parallel(32, 32):
                n[i, j] = b[i, j] + T.if_then_else(a[i, j] > 0, i, 0 - j)
            T.copy(n, m)
            T.copy(m, k)
            T.copy(k, D)

    return main


def test_copies_of_computed_numbers_are_computed_numbers() -> None:
    """However many blocks they pass, they are kept alike."""
    a = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    i, j = np.mgrid[:32, :32]
    got = harness.compile(handed_on(3)).run({"A": a}).outputs["D"]
    assert np.array_equal(got, 3 + np.where(a > 0, i, -j))
    assert harness.check(handed_on(3)).passed


def compared(form: str, step: int) -> Any:
    """A product of whole numbers against its neighbour: never equal, and always more."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), D: T.Tensor((32, 32), "int32"),
             Y: T.Tensor((32, 32), "float32")):  # fmt: skip
        with T.Kernel(1):
            p = T.alloc_fragment((32, 32), "int32")
            q = T.alloc_fragment((32, 32), "int32")
            n = T.alloc_fragment((32, 32), "int32")
            y = T.alloc_fragment((32, 32), "float32")
            T.copy(A, y)
            T.clear(n)
            for i, j in T.Parallel(32, 32):
                p[i, j] = i * step + 1
            for i, j in T.Parallel(32, 32):
                q[i, j] = j * step + 1
            for i, j in T.Parallel(32, 32):
                if form == "chosen":
                    n[i, j] = T.if_then_else(p[i, j] * q[i, j] + 1 == p[i, j] * q[i, j], 1, 0)
                if form == "counted":
                    n[i, j] = T.cast(p[i, j] * q[i, j] > p[i, j] * q[i, j] - 1, "int32")
                if form == "real":
                    y[i, j] = T.if_then_else(p[i, j] * q[i, j] > p[i, j] * q[i, j] - 1, 1.0, 0.0)
            T.copy(n, D)
            T.copy(y, Y)

    return main


@pytest.mark.parametrize("form", ["chosen", "counted", "real"])
def test_what_a_condition_compares_is_bounded_as_well(form: str) -> None:
    """Two neighbours beyond 2**24 are one number in float32, which no bound on 0 and 1 tells."""
    assert harness.check(compared(form, 100)).passed
    with pytest.raises(CompileError, match="may exceed 16,777,216"):
        harness.compile(compared(form, 199))
