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
from harness.compiler.block.spans import _combined, _hull
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


def squares(largest: int) -> Any:
    """Sums of 64 whole numbers up to ``largest``, squared."""

    @T.prim_func
    def main(A: T.Tensor((32, 64), "float32"), D: T.Tensor((32,), "int32")):
        with T.Kernel(1):
            a = T.alloc_fragment((32, 64), "float32")
            n = T.alloc_fragment((32, 64), "int32")
            r = T.alloc_fragment((32,), "int32")
            q = T.alloc_fragment((32,), "int32")
            T.copy(A, a)
            for i, j in T.Parallel(32, 64):
                n[i, j] = T.if_then_else(a[i, j] > 0, largest, 0)
            T.reduce_sum(n, r, dim=1)
            for i in T.Parallel(32):
                q[i] = r[i] * r[i]
            T.copy(q, D)

    return main


def test_a_sum_counts_the_numbers_along_its_own_axis() -> None:
    """64 of them, where the block has 32 rows."""
    assert harness.check(squares(60)).passed
    with pytest.raises(CompileError, match="may exceed 16,777,216"):
        harness.compile(squares(70))


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
