"""Blocks of one column, one row or one element, in one loop; scalars that a tensor gives."""

from __future__ import annotations

from typing import Any

import pytest

import harness
import harness.language as T
from harness.errors import HarnessError
from tests.e2e.test_long_expressions import MODES


def one_column(dtype: str) -> Any:
    """A number per row in a block (M, 1): stored, updated in part, and used by rows."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 96), dtype), S: T.Tensor((64, 1), dtype), C: T.Tensor((64, 96), dtype)
    ):
        with T.Kernel(2) as by:
            a = T.alloc_fragment((32, 96), dtype)
            r = T.alloc_fragment((32,), dtype)
            s = T.alloc_fragment((32, 1), dtype)
            T.copy(A[by * 32, 0], a)
            T.reduce_max(a, r, dim=1)
            for i in T.Parallel(32):
                s[i, 0] = r[i] * 0.5 + (i + by)
            for i in T.Parallel(32):
                s[i, 0] = T.if_then_else(i > 4, s[i, 0] + r[i], r[i])
            for i in T.Parallel(32):
                r[i] = s[i, 0] - r[i]
            T.copy(s, S[by * 32, 0])
            for i, j in T.Parallel(32, 96):
                a[i, j] = a[i, j] - s[i, 0] + r[i]
            T.copy(a, C[by * 32, 0])

    return main


def one_row(dtype: str) -> Any:
    """A number per column in a block (1, N), beside vectors on chip and in memory."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 96), dtype), W: T.Tensor((96,), dtype), S: T.Tensor((1, 96), dtype),
        C: T.Tensor((64, 96), dtype),
    ):  # fmt: skip
        with T.Kernel(1):
            a = T.alloc_fragment((64, 96), dtype)
            r = T.alloc_fragment((96,), dtype)
            s = T.alloc_fragment((1, 96), dtype)
            T.copy(A, a)
            T.reduce_min(a, r, dim=0)
            for j in T.Parallel(96):
                s[0, j] = r[j] - W[j] + j
            for j in T.Parallel(96):
                r[j] = s[0, j] - r[j]
            T.copy(s, S)
            for i, j in T.Parallel(64, 96):
                a[i, j] = a[i, j] - s[0, j] + r[j]
            T.copy(a, C)

    return main


def one_element(dtype: str) -> Any:
    """One number per block, in a block (1, 1) that a loop of one iteration stores."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), dtype), S: T.Tensor((2, 1), dtype)):
        with T.Kernel(2) as by:
            a = T.alloc_fragment((32, 64), dtype)
            r = T.alloc_fragment((32,), dtype)
            n = T.alloc_fragment((1,), dtype)
            s = T.alloc_fragment((1, 1), dtype)
            T.copy(A[by * 32, 0], a)
            T.reduce_max(a, r, dim=1)
            T.reduce_max(r, n, dim=0)
            for i in T.Parallel(1):
                s[i, 0] = n[i] * 2.0 - 1.0
            T.copy(s, S[by, 0])

    return main


def scalars(dtype: str) -> Any:
    """A scalar that an element begins, one that a loop assigns anew, used in it and behind it."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), dtype), G: T.Tensor((2, 4), "float32"), C: T.Tensor((64, 64), dtype)
    ):
        with T.Kernel(2) as by:
            a = T.alloc_fragment((32, 64), dtype)
            first = T.alloc_var("float32", init=G[by, 3])
            scale = T.alloc_var("float32", init=1.0)
            T.copy(A[by * 32, 0], a)
            for k in T.serial(3):
                scale = G[by, k] * 0.5
                for i, j in T.Parallel(32, 64):
                    a[i, j] = a[i, j] * 0.5 + scale
            for i, j in T.Parallel(32, 64):
                a[i, j] = (a[i, j] - scale) * first
            T.copy(a, C[by * 32, 0])

    return main


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("make", [one_column, one_row, one_element, scalars])
def test_lines_and_scalars_answer_as_the_source_says(make: Any, dtype: str, mode: str) -> None:
    """A block of one line is the vector it holds, and a scalar the element it was given."""
    for kind in (None, "random"):
        verdict = harness.check(make(dtype), input_kind=kind, **MODES[mode])
        assert verdict.passed, (verdict.reason, verdict.findings)


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
def test_a_length_from_memory_bounds_a_mask(device: str) -> None:
    """A whole number that a tensor gives a scalar is compared with places, and computed with."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), "float32"),
        L: T.Tensor((3,), "int32"),
        C: T.Tensor((64, 64), "float32"),
    ):
        with T.Kernel(2) as by:
            a = T.alloc_fragment((32, 64), "float32")
            n = T.alloc_var("int32")
            n = L[by + 1]
            T.copy(A[by * 32, 0], a)
            for i, j in T.Parallel(32, 64):
                a[i, j] = T.if_then_else(j < n, a[i, j], 0.0)
            n = n + 3
            for i, j in T.Parallel(32, 64):
                a[i, j] = a[i, j] + n
            T.copy(a, C[by * 32, 0])

    verdict = harness.check(main, device=device)
    assert verdict.passed, (verdict.reason, verdict.findings)


def _asked(where: str) -> Any:
    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), L: T.Tensor((3,), "int32")):
        with T.Kernel(2) as by:
            a = T.alloc_fragment((32, 64), "float32")
            v = T.alloc_fragment((32,), "float32")
            x = T.alloc_var("float32", init=0.0)
            n = T.alloc_var("int32", init=L[0])
            T.copy(A[by * 32, 0], a)
            if where == "trips":
                for _ in T.serial(n):
                    for i, j in T.Parallel(32, 64):
                        a[i, j] = a[i, j] * 0.5
            if n > (1 if where == "branch" else n):
                T.clear(a)
            if where == "written":
                x = A[by, 0]
            if where == "block":
                T.reduce_max(a, v, dim=1)
                x = v[0]
            if where == "asked":
                T.reduce_max(a, v, dim=1)
                x = v[0]
                if x > 0.0:
                    T.clear(a)
            for i, j in T.Parallel(32, 64):
                a[i, j] = a[i, j] + x
            T.copy(a, A[by * 32, 0])

    return main


@pytest.mark.parametrize("where", ["trips", "branch", "block"])
def test_scalars_from_tensors_of_indices_decide(where: str) -> None:
    """Trips and branches by elements of a tensor that is only read; a number of a block is data."""
    verdict = harness.check(_asked(where))
    assert verdict.passed, (verdict.reason, verdict.findings)


@pytest.mark.parametrize("where", ["written", "asked"])
def test_no_scalar_that_is_computed_decides_what_cores_do(where: str) -> None:
    """Numbers that may change while the kernel runs are refused."""
    with pytest.raises(HarnessError) as caught:
        harness.compile(_asked(where))
    assert caught.value.code == "DataDependent"
    assert "test_blocks_of_one_line.py" in str(caught.value)
