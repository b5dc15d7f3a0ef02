"""Blocks of conditions: stored from comparisons, kept, joined, repeated, chosen by."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import HarnessError
from tests.e2e.test_long_expressions import MODES
from tests.harness.compiler import samples


def kept(dtype: str = "float32") -> Any:
    """A comparison of two blocks, used after one of them changed."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), dtype), B: T.Tensor((64, 64), dtype), C: T.Tensor((64, 64), dtype)
    ):
        with T.Kernel(2, 2) as (bx, by):
            a = T.alloc_fragment((32, 32), dtype)
            b = T.alloc_fragment((32, 32), dtype)
            m = T.alloc_fragment((32, 32), T.bool)
            T.copy(A[by * 32, bx * 32], a)
            T.copy(B[by * 32, bx * 32], b)
            for i, j in T.Parallel(32, 32):
                m[i, j] = a[i, j] > b[i, j]
            for i, j in T.Parallel(32, 32):
                a[i, j] = T.if_then_else(m[i, j], a[i, j] * 2.0, b[i, j])
            for i, j in T.Parallel(32, 32):
                if m[i, j] != 0:
                    a[i, j] = a[i, j] - 1.0
            T.copy(a, C[by * 32, bx * 32])

    return main


def of_rows(dtype: str = "float32") -> Any:
    """One condition per row, and one per column, of a block."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), dtype), C: T.Tensor((64, 64), dtype)):
        with T.Kernel(2) as by:
            a = T.alloc_fragment((32, 64), dtype)
            r = T.alloc_fragment((32,), dtype)
            c = T.alloc_fragment((64,), dtype)
            rows = T.alloc_fragment((32,), "bool")
            columns = T.alloc_fragment((64,), "bool")
            T.copy(A[by * 32, 0], a)
            T.reduce_max(a, r, dim=1)
            T.reduce_min(a, c, dim=0)
            for i in T.Parallel(32):
                rows[i] = r[i] >= 3.0
            for j in T.Parallel(64):
                columns[j] = c[j] < -2.0
            for i, j in T.Parallel(32, 64):
                a[i, j] = T.if_then_else(T.And(rows[i], columns[j]), 0.0, a[i, j])
            T.copy(a, C[by * 32, 0])

    return main


def joined(dtype: str = "float32") -> Any:
    """Conditions of places and of numbers gathered over a loop, copied, and used as a number."""

    @T.prim_func
    def main(A: T.Tensor((64, 128), dtype), C: T.Tensor((64, 64), dtype)):
        with T.Kernel(2) as by:
            a = T.alloc_fragment((32, 64), dtype)
            m = T.alloc_shared((32, 64), "bool")
            n = T.alloc_fragment((32, 64), "bool")
            T.clear(m)
            for k in T.serial(2):
                T.copy(A[by * 32, k * 64], a)
                for i, j in T.Parallel(32, 64):
                    m[i, j] = m[i, j] | ((a[i, j] > 2.0) & (i >= j))
            T.copy(m, n)
            for i, j in T.Parallel(32, 64):
                if a[i, j] < 0.0:
                    n[i, j] = ~n[i, j]
            for i, j in T.Parallel(32, 64):
                a[i, j] = T.if_then_else(n[i, j], a[i, j], T.cast(m[i, j], dtype) + 5.0)
            T.copy(a, C[by * 32, 0])

    return main


def of_numbers() -> Any:
    """Numbers stored as conditions, which hold where the number is not zero."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            a = T.alloc_fragment((32, 32), "float32")
            m = T.alloc_fragment((32, 32), "bool")
            T.copy(A, a)
            for i, j in T.Parallel(32, 32):
                m[i, j] = a[i, j] * 0.25
            for i, j in T.Parallel(32, 32):
                a[i, j] = T.if_then_else(m[i, j] == (a[i, j] > 0.0), 1.0, -1.0)
            T.copy(a, C)

    return main


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("make", [kept, of_rows, joined])
def test_conditions_are_kept(make: Any, dtype: str, mode: str) -> None:
    """A block of conditions answers as the comparisons it was made of, on every device."""
    for kind in (None, "random"):
        verdict = harness.check(make(dtype), input_kind=kind, **MODES[mode])
        assert verdict.passed, (verdict.reason, verdict.findings)


def test_a_number_is_a_condition_where_it_is_not_zero() -> None:
    """A fraction stored as a condition holds, by the machine and by golden alike."""
    assert harness.check(of_numbers()).passed
    a = np.array([0.0, 1.0, -1.0, 0.5] * 256, np.float32).reshape(32, 32)
    c = harness.compile(of_numbers()).run({"A": a}).outputs["C"]
    assert c.tolist() == np.where((a != 0) == (a > 0), 1.0, -1.0).tolist()


def _used(op: str) -> Any:
    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            a = T.alloc_fragment((32, 32), "float32")
            m = T.alloc_fragment((32, 32), "bool")
            v = T.alloc_fragment((32,), "float32")
            T.copy(A, a)
            if op == "copy":
                T.copy(a, m)
            if op == "load":
                T.copy(A, m)
            if op in ("reduce", "gemm"):
                for i, j in T.Parallel(32, 32):
                    m[i, j] = a[i, j] > 0.0
            if op == "reduce":
                T.reduce_sum(m, v, dim=1)
            if op == "gemm":
                T.gemm(m, m, a)
            for i, j in T.Parallel(32, 32):
                a[i, j] = T.if_then_else(m[i, j], a[i, j], 0.0)
            T.copy(a, C)

    return main


@pytest.mark.parametrize("op", ["copy", "load", "reduce", "gemm"])
def test_conditions_are_no_numbers_to_tile_ops(op: str) -> None:
    """Sums and products of conditions, and copies of numbers to them, are refused at their line."""
    with pytest.raises(HarnessError) as caught:
        harness.compile(_used(op))
    assert caught.value.code == "UnsupportedDtype"
    assert "test_conditions.py" in str(caught.value)


@pytest.mark.parametrize(("device", "dtype", "number"), [
    ("wormhole_n150", "float32", "T.infinity('float32')"),
    ("blackhole_p150", "bfloat16", "-T.infinity('bfloat16')"),
])  # fmt: skip
def test_infinity_equals_itself(device: str, dtype: str, number: str) -> None:
    """Comparisons with infinity, of either side, hold as in IEEE 754; their difference is NaN."""
    operators = ("==", "!=", "<", "<=", ">", ">=")
    tests = [f"x[i, j] {o} {number}" for o in operators] + [f"{number} {o} x[i, j]"
                                                            for o in operators[2:]]  # fmt: skip
    terms = "\n                    + ".join(
        f"T.if_then_else({test}, {2.0**at}, 0.0)" for at, test in enumerate(tests)
    )
    text = f"""
@T.prim_func
def main(X: T.Tensor((32, 32), "{dtype}"), Y: T.Tensor((32, 32), "float32")):
    with T.Kernel(1):
        x = T.alloc_fragment((32, 32), "{dtype}")
        y = T.alloc_fragment((32, 32), "float32")
        T.copy(X, x)
        for i, j in T.Parallel(32, 32):
            y[i, j] = ({terms})
        T.copy(y, Y)
"""
    x = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    x = x.astype(ml_dtypes.bfloat16).astype(np.float32)
    x[0, :2], x[1, :2], x[2, 0] = np.inf, -np.inf, 3.3895313892515355e38  # the largest bfloat16
    x[3, :2] = np.nan
    infinity = np.float32(-np.inf if number.startswith("-") else np.inf)
    held = [np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal]
    want = np.zeros((32, 32))
    for at, f in enumerate(held):
        want += 2.0**at * f(x, infinity)
    for at, f in enumerate(held[2:], len(held)):
        want += 2.0**at * f(infinity, x)
    made = harness.compile(samples.from_text(text, "main"), device=device)
    np.testing.assert_array_equal(made.run({"X": x}).outputs["Y"], want)
    assert harness.check(made, {"X": x}).passed
