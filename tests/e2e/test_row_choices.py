"""Branches on the block of kernels whose blocks are one row, which are joined to whole tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from tests.e2e.test_long_expressions import MODES


def chosen(dtype: str = "float32") -> Any:
    """Rows and numbers of rows that some blocks change, one way or the other."""

    @T.prim_func
    def main(X: T.Tensor((40, 96), dtype), Y: T.Tensor((40, 96), dtype), S: T.Tensor((40,), dtype)):
        with T.Kernel(40) as bx:
            x = T.alloc_fragment((96,), dtype)
            s = T.alloc_fragment((1,), dtype)
            T.copy(X[bx, 0:96], x)
            T.reduce_max(x, s, dim=0)
            if bx == 0:
                for i in T.Parallel(96):
                    x[i] = x[i] * 2.0
            if bx < 34:
                for i in T.Parallel(96):
                    x[i] = x[i] - s[0]
                s[0] = s[0] * 2.0
            else:
                if bx > 36:
                    s[0] = 1.0
                for i in T.Parallel(96):
                    if i > 3:
                        x[i] = x[i] + s[0]
            T.copy(x, Y[bx, 0:96])
            S[bx] = s[0]

    return main


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_some_rows_take_a_branch(dtype: str, mode: str) -> None:
    """A branch on the block stores where its row takes it, and leaves the other rows alone."""
    for kind in (None, "random"):
        verdict = harness.check(chosen(dtype), input_kind=kind, **MODES[mode])
        assert verdict.passed, (verdict.reason, verdict.findings)


def test_a_branch_around_a_tensor_is_of_its_row() -> None:
    """What one row alone stores to a tensor is its own: the others, in turn, store nothing."""

    @T.prim_func
    def main(X: T.Tensor((8, 96), "float32"), S: T.Tensor((1,), "float32")):
        with T.Kernel(8) as bx:
            x = T.alloc_fragment((96,), "float32")
            s = T.alloc_fragment((1,), "float32")
            T.copy(X[bx, 0:96], x)
            T.reduce_sum(x, s, dim=0)
            if bx == 0:
                S[0] = s[0]

    assert harness.check(main).passed
    x = np.arange(8 * 96, dtype=np.float32).reshape(8, 96) % 5
    np.testing.assert_array_equal(harness.compile(main).run({"X": x}).outputs["S"], [x[0].sum()])


def test_a_branch_within_a_branch_takes_both_conditions() -> None:
    """What the inner one says is asked of no row the outer one leaves out."""

    @T.prim_func
    def main(X: T.Tensor((40, 64), "float32"), Y: T.Tensor((40, 64), "float32")):
        with T.Kernel(40) as bx:
            x = T.alloc_fragment((64,), "float32")
            T.copy(X[bx, 0:64], x)
            if bx < 20:
                if bx > 7:
                    for i in T.Parallel(64):
                        x[i] = x[i] * 2.0
            elif bx < 36:
                for i in T.Parallel(64):
                    x[i] = x[i] + 1.0
            T.copy(x, Y[bx, 0:64])

    assert harness.check(main).passed
    x = np.arange(40 * 64, dtype=np.float32).reshape(40, 64) % 7
    row = np.arange(40)[:, None]
    want = np.where((row > 7) & (row < 20), 2 * x, np.where((row >= 20) & (row < 36), x + 1, x))
    np.testing.assert_array_equal(harness.compile(main).run({"X": x}).outputs["Y"], want)
