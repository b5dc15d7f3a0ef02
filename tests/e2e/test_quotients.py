"""Quotients and remainders of places in masks: exact, or refused where a register is too narrow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import harness
import harness.language as T
from harness.errors import CompileError


def _masked(test: Callable[[Any, Any], Any], rows: int = 64, columns: int = 64) -> Any:
    @T.prim_func
    def main(
        A: T.Tensor((rows, columns), "bfloat16"), Y: T.Tensor((rows, columns), "float32"),
    ):  # fmt: skip
        with T.Kernel(1):
            a = T.alloc_shared((rows, columns), "bfloat16")
            y = T.alloc_fragment((rows, columns), "float32")
            T.copy(A, a)
            for i, j in T.Parallel(rows, columns):
                y[i, j] = T.if_then_else(test(i, j), a[i, j], T.cast(1.0, "float32"))
            T.copy(y, Y)

    return main


@pytest.mark.parametrize("divisor", [2, 3, 5, 7, 11, 25, 64, 100, 127])
def test_a_16_bit_register_computes_small_ones_exactly(divisor: int) -> None:
    """Up to the largest number allowed, every remainder and quotient is the right one."""
    func = _masked(lambda i, j: (i + j) % divisor < (i + j) // divisor + 2)
    assert harness.check(func, fp32_dest=False).passed


@pytest.mark.parametrize("test", [
    lambda i, j: (i * 3 + j) % 11 < 4,
    lambda i, j: (i + j * 3) // 7 % 2 == 0,
    lambda i, j: (i + j * 2) // 3 < (i * 3 + j) // 5,
])  # fmt: skip
def test_larger_ones_need_32_bits(test: Callable[[Any, Any], Any]) -> None:
    """In 16 bits they would be rounded, and the mask another one."""
    assert harness.check(_masked(test)).passed
    with pytest.raises(CompileError, match="below 128") as caught:
        harness.compile(_masked(test), fp32_dest=False)
    assert caught.value.code == "NeedsFp32Dest"


def test_a_small_remainder_of_a_large_number_is_refused() -> None:
    """What is divided has to be exact, not only what comes of it."""
    with pytest.raises(CompileError, match="below 1048576"):
        harness.compile(_masked(lambda i, j: (i + 20003 * j) % 7 < 3))


def test_plain_sums_are_exact_in_16_bits() -> None:
    """A comparison of sums hangs on the sign of a difference, which rounding keeps."""
    assert harness.check(_masked(lambda i, j: i * 30 - j * 29 > 61), fp32_dest=False).passed
