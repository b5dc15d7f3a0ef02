"""Real numbers cut to int32, and int32 from memory that is bounded: quantisation and indices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import CompileError
from simulator.run import execute
from tests.harness.compiler import samples

SOURCE = """
@T.prim_func
def main(X: T.Tensor((100, 72), "float32"), A: T.Tensor((100, 72), "int32"),
         Y: T.Tensor((100, 72), "int32")):
    with T.Kernel(3, 4) as (bx, by):
        x = T.alloc_fragment((32, 32), "float32")
        a = T.alloc_fragment((32, 32), "int32")
        y = T.alloc_fragment((32, 32), "int32")
        T.copy(X[by * 32, bx * 32], x)
        T.copy(A[by * 32, bx * 32], a)
        for i, j in T.Parallel(32, 32):
            y[i, j] = {value}
        T.copy(y, Y[by * 32, bx * 32])
"""
ROWS: Any = np.arange(100)[:, None] % 32
PLACES: Any = np.arange(100)[:, None] % 32 - np.arange(72) % 32
CASES: dict[str, Any] = {
    'T.cast(T.clamp(x[i, j] * 3.0, -100.0, 100.0), "int32")':
        lambda x, _: np.trunc(np.clip(x * np.float32(3), -100, 100)),
    'T.cast(T.clamp(T.floor(x[i, j]), -127.0, 127.0), "int32")':
        lambda x, _: np.clip(np.floor(x), -127, 127),
    'T.cast(T.clamp(x[i, j], -9.5, 9.5), "int32") * 2 + i':
        lambda x, _: np.trunc(np.clip(x, -9.5, 9.5)) * 2 + ROWS,
    "T.clamp(x[i, j], -99.0, 99.0)":
        lambda x, _: np.trunc(np.clip(x, -99, 99)),
    'T.clamp(T.cast(x[i, j], "int32"), -5, 90) + 1':
        lambda x, _: np.clip(np.trunc(x), -5, 90) + 1,
    "T.min(T.max(a[i, j], 3), 1000) * 2":
        lambda _, a: np.clip(a, 3, 1000) * 2,
    "T.max(T.min(a[i, j], 50), 0) - T.min(T.max(a[i, j], -7), 7)":
        lambda _, a: np.clip(a, 0, 50) - np.clip(a, -7, 7),
    "T.if_then_else(a[i, j] > 5, T.clamp(a[i, j], -9, 9), i - j)":
        lambda _, a: np.where(a > 5, np.clip(a, -9, 9), PLACES),
}  # fmt: skip


def source(value: str) -> Any:
    """A kernel that stores a value to int32; nothing is a whole number of tiles."""
    return samples.from_text(SOURCE.format(value=value), "main")


@pytest.mark.parametrize("value", CASES)
@pytest.mark.parametrize("options", [{}, {"device": "blackhole_p150"}])
def test_cut_numbers_are_those_of_numpy(value: str, options: dict[str, Any]) -> None:
    """Towards zero, of both signs, halves among them; bounds hold for the largest integers."""
    kernel, rng = source(value), np.random.default_rng(0)
    X = (rng.integers(-400, 401, (100, 72)) / 4).astype(np.float32)
    X[0, :4] = [1e9, -1e9, 2.0**31, -(2.0**31)]
    A = rng.integers(-2000, 2001, (100, 72)).astype(np.int32)
    A[1, :6] = [2**31 - 1, -(2**31), 2**24 + 1, -(2**24) - 1, 2**30 + 1, 5]
    made = harness.compile(kernel, **options)
    result = execute(made.plan, made.programs, {"X": X, "A": A})
    assert result.findings == ()
    assert (result.outputs["Y"] == CASES[value](X, A)).all()
    assert harness.check(kernel, **options).passed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('T.cast(x[i, j], "int32")', "may exceed 16,777,216"),
        ("a[i, j] + a[i, j]", "may exceed 16,777,216"),
        ("T.min(a[i, j], 5)", "may exceed 16,777,216"),
        ("T.min(T.max(a[i, j] + 1, 0), 5)", "may exceed 16,777,216"),
        ("T.clamp(a[i, j], 0, 5000) * 5000", "may exceed 16,777,216"),
    ],
)
def test_what_is_not_surely_exact_is_refused(value: str, text: str) -> None:
    """Integers without a bound, and bounds on what is inexact already."""
    with pytest.raises(CompileError, match=text) as caught:
        harness.compile(source(value))
    assert caught.value.code == "UnsupportedDtype"


BYTES = """
@T.prim_func
def main(K: T.Tensor((64, 64), "uint8"), Y: T.Tensor((64, 64), "int32")):
    with T.Kernel(2, 2) as (bx, by):
        k = T.alloc_shared((32, 32), "uint8")
        y = T.alloc_fragment((32, 32), "int32")
        T.copy(K[by * 32, bx * 32], k)
        for i, j in T.Parallel(32, 32):
            y[i, j] = T.cast(k[i, j], "int32") * 1000 - i
        T.copy(y, Y[by * 32, bx * 32])
"""


def test_bytes_are_small_numbers() -> None:
    """What bytes are computed to is as bounded as they are."""
    kernel = samples.from_text(BYTES, "main")
    K = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    found = harness.compile(kernel).run({"K": K}).outputs["Y"]
    assert (found == K.astype(np.int32) * 1000 - np.arange(64)[:, None] % 32).all()
    assert harness.check(kernel).passed
