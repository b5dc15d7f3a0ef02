"""Scalars that every iteration of T.Parallel has for itself, and conditions around its loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import HarnessError
from tests.e2e.judged import run_judged

DEVICES = ["wormhole_n150", "blackhole_p150"]
RNG = np.random.default_rng(0)


def _pooled(length: int, wide: int, step: int, pad: int) -> Any:
    """The largest of every window, which may reach beyond both ends."""
    count = (length + 2 * pad - wide) // step + 1

    @T.prim_func
    def main(X: T.Tensor((length, 32), "float32"), Y: T.Tensor((count, 32), "float32")):
        with T.Kernel(T.ceildiv(count, 32)) as bx:
            for i, c in T.Parallel(32, 32):
                place = bx * 32 + i
                if place < count:
                    top = T.alloc_var("float32")
                    top = -T.infinity("float32")
                    for k in T.serial(wide):
                        at = place * step + k - pad
                        if at >= 0 and at < length:
                            top = T.max(top, X[at, c])
                    Y[place, c] = top

    return main


@pytest.mark.parametrize("device", DEVICES)
def test_the_largest_of_a_window(device: str) -> None:
    """A scalar under a condition, changed in a loop under another, is the iteration's own."""
    x = RNG.integers(-99, 100, (71, 32)).astype(np.float32)
    padded = np.pad(x, ((1, 1), (0, 0)), constant_values=-np.inf)
    windows = [padded[i : i + 3].max(0) for i in range(0, 71, 2)]
    np.testing.assert_array_equal(run_judged(_pooled(71, 3, 2, 1), {"X": x}, device), windows)


@T.prim_func
def branches(X: T.Tensor((32, 40), "float32"), Y: T.Tensor((32, 40), "float32")) -> None:
    """Values given in one branch or the other, a scalar anew in every step, one name twice."""
    with T.Kernel(1):
        y = T.alloc_fragment((32, 40), "float32")
        for i, j in T.Parallel(32, 40):
            v = T.alloc_var("float32")
            if j >= 3:
                v = X[i, j - 3]
                for k in T.serial(3):
                    t = T.alloc_local((1,), "float32")
                    t[0] = X[i, j] * k
                    if t[0] > 0:
                        v += t[0]
                    else:
                        v -= 2 * t[0]
            elif i > j:
                v = 7
            else:
                v = -X[i, j]
            y[i, j] = v
        for i, j in T.Parallel(32, 40):
            v = T.alloc_var("float32", init=3)
            for _ in T.serial(2):
                v = v + y[i, j]
            Y[i, j] = v


@pytest.mark.parametrize("device", DEVICES)
def test_values_come_from_whichever_branch_is_taken(device: str) -> None:
    """A scalar that every path gives a value needs no first one, and keeps none of another nest."""
    x = RNG.integers(-9, 10, (32, 40)).astype(np.float32)
    i, j = np.indices(x.shape)
    shifted = np.pad(x, ((0, 0), (3, 0)))[:, :-3]
    v = np.where(j >= 3, shifted + np.where(x > 0, 3 * x, -6 * x), np.where(i > j, 7, -x))
    np.testing.assert_array_equal(run_judged(branches, {"X": x}, device), 3 + 2 * v)


@pytest.mark.parametrize("device", DEVICES)
def test_counts_of_an_iteration(device: str) -> None:
    """Whole numbers, of rows, with the place where the largest was found."""

    @T.prim_func
    def main(X: T.Tensor((33, 20), "float32"), Y: T.Tensor((33,), "int32")):
        with T.Kernel(2) as bx:
            for i in T.Parallel(32):
                n = T.alloc_var("int32", init=0)
                best = T.alloc_var("float32", init=-100.0)
                for k in T.serial(20):
                    if X[bx * 32 + i, k] > best:
                        best = X[bx * 32 + i, k]
                        n = k
                Y[bx * 32 + i] = n

    x = np.stack([RNG.permutation(20) for _ in range(33)]).astype(np.float32)
    np.testing.assert_array_equal(run_judged(main, {"X": x}, device), x.argmax(1))


def _refused(form: str) -> Any:
    def outside() -> Any:
        @T.prim_func
        def main(X: T.Tensor((32, 32), "float32"), Y: T.Tensor((32, 32), "float32")):
            with T.Kernel(1):
                v = T.alloc_var("float32", init=0.0)
                for i, j in T.Parallel(32, 32):
                    v = v + X[i, j]
                    Y[i, j] = v

        return main

    def stale() -> Any:
        @T.prim_func
        def main(X: T.Tensor((32, 32), "float32"), Y: T.Tensor((32, 32), "float32")):
            with T.Kernel(1):
                for i, j in T.Parallel(32, 32):
                    v = T.alloc_var("float32", init=1.0)
                    before = v * X[i, j]
                    for _ in T.serial(2):
                        v = v + before
                    Y[i, j] = v

        return main

    return {"outside": outside, "stale": stale}[form]()


@pytest.mark.parametrize(("form", "said"), [
    ("outside", "is assigned inside T.Parallel"),
    ("stale", "'before' is used after 'v'"),
])  # fmt: skip
def test_what_an_order_of_iterations_would_decide_is_refused(form: str, said: str) -> None:
    """Scalars from outside, and names of what they were before."""
    with pytest.raises(HarnessError, match=said):
        harness.compile(_refused(form))
