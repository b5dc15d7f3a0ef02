"""Single numbers among a kernel's parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import LanguageError
from harness.frontend.jit import compile as compile_kernel

DEVICES = ["wormhole_n150", "blackhole_p150"]


def _scaled(n: Any) -> Any:
    @T.prim_func
    def main(X: T.Tensor((n,), "float32"), alpha: T.float32, Y: T.Tensor((n,), "float32"),
             first: T.int32, gate: T.bool):  # fmt: skip
        with T.Kernel(T.ceildiv(n, 64)) as bx:
            for i in T.Parallel(64):
                k = bx * 64 + i
                Y[k] = T.if_then_else(k >= first, X[k] * alpha, X[k])
            if gate:
                for i in T.Parallel(64):
                    Y[bx * 64 + i] = 0.0

    return main


def _expected(x: np.ndarray, alpha: float, first: int, gate: bool) -> np.ndarray:
    return np.where(np.arange(len(x)) >= first, x * alpha, x) * (not gate)


@pytest.mark.parametrize("device", DEVICES)
def test_numbers_are_read_where_the_kernel_uses_them(device: str) -> None:
    """A factor, a bound of a mask and a condition each come from the call."""
    assert harness.check(_scaled(100), device=device).passed
    made = compile_kernel(_scaled(100), out_idx=[2], target=device)
    x = np.random.default_rng(0).integers(-9, 10, 100).astype(np.float32)
    for alpha, first, gate in ((1.5, 30, False), (-2, 0, False), (3.0, 99, True)):
        np.testing.assert_array_equal(made(x, alpha, first, gate), _expected(x, alpha, first, gate))


def test_numbers_stand_beside_open_sizes() -> None:
    """A kernel whose sizes are open takes numbers too."""
    made = compile_kernel(_scaled(T.dynamic("n")), out_idx=[2])
    for n in (40, 65):
        x = np.arange(n, dtype=np.float32)
        np.testing.assert_array_equal(made(x, 2.0, 7, False), _expected(x, 2.0, 7, False))


def test_a_number_bounds_a_loop() -> None:
    """Rows are added up to where the caller says."""

    @T.prim_func
    def main(X: T.Tensor((8, 32, 32), "float32"), many: T.int32, Y: T.Tensor((32, 32), "float32")):
        with T.Kernel(1) as _:
            x = T.alloc_shared((32, 32), "float32")
            y = T.alloc_fragment((32, 32), "float32")
            T.clear(y)
            for k in T.serial(many):
                T.copy(X[k, 0, 0], x)
                for i, j in T.Parallel(32, 32):
                    y[i, j] += x[i, j]
            T.copy(y, Y)

    assert harness.check(main).passed
    x = np.random.default_rng(0).integers(-9, 10, (8, 32, 32)).astype(np.float32)
    for many in (0, 3, 8):
        got = compile_kernel(main, out_idx=[2])(x, many)
        np.testing.assert_array_equal(got, x[:many].sum(0))


def test_an_array_is_no_number() -> None:
    """What is passed for a number has no dimensions."""
    made = compile_kernel(_scaled(64), out_idx=[2])
    with pytest.raises(LanguageError, match="alpha is of shape"):
        made(np.ones(64), np.ones(3), 0, False)


def test_numbers_are_of_dtypes_that_are_kept() -> None:
    """A number of 64 bits would be cut; it is refused at its line."""
    with pytest.raises(LanguageError, match=r"test_single.py:.*'int64' is not supported"):

        @T.prim_func
        def main(X: T.Tensor((32,), "float32"), n: T.int64):
            with T.Kernel(1) as _:
                T.copy(X, X)
