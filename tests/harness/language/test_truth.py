"""Numbers as conditions: true where they are not zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T


def _kernel() -> Any:
    @T.prim_func
    def main(A: T.Tensor((64, 40), "float32"), C: T.Tensor((64, 40), "float32")):
        with T.Kernel(2) as bx:
            a = T.alloc_fragment((32, 40), "float32")
            T.copy(A[bx * 32, 0], a)
            for i, j in T.Parallel(32, 40):
                a[i, j] = T.if_then_else(i % 2, a[i, j], 0.0)
            if bx:
                for i, j in T.Parallel(32, 40):
                    a[i, j] = a[i, j] * 2.0
            for i, j in T.Parallel(32, 40):
                if i % 3 and not j % 5:
                    a[i, j] = a[i, j] + 1.0
            for i, j in T.Parallel(32, 40):
                a[i, j] = T.Select(T.Or(T.And(i % 4, j), T.Not(i)), a[i, j] * 3.0, a[i, j])
            for i, j in T.Parallel(32, 40):
                if a[i, j]:
                    a[i, j] = a[i, j] + 0.5
            T.copy(a, C[bx * 32, 0])

    return main


def _expected(given: np.ndarray) -> np.ndarray:
    block, i = np.divmod(np.arange(64)[:, None], 32)
    j = np.arange(40)[None]
    a = np.where(i % 2 != 0, given, 0) * np.where(block != 0, 2, 1)
    a = np.where((i % 3 != 0) & (j % 5 == 0), a + 1, a)
    a = np.where(((i % 4 != 0) & (j != 0)) | (i == 0), a * 3, a)
    return np.where(a != 0, a + 0.5, a)


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
def test_numbers_are_conditions(device: str) -> None:
    """In if, and, or, not, T.if_then_else, T.And, T.Or and T.Not, a number is true if not zero."""
    assert harness.check(_kernel(), device=device).passed
    a = np.random.default_rng(0).integers(-3, 4, (64, 40)).astype(np.float32)
    result = harness.compile(_kernel(), device=device).run({"A": a})
    np.testing.assert_array_equal(result.outputs["C"], _expected(a).astype(np.float32))


def test_bits_of_conditions_join_them() -> None:
    """``&``, ``|`` and ``~`` of comparisons are and, or and not; of numbers they are refused."""

    @T.prim_func
    def main(A: T.Tensor((32, 64), "float32"), C: T.Tensor((32, 64), "float32")):
        with T.Kernel(1) as _:
            a = T.alloc_fragment((32, 64), "float32")
            T.copy(A, a)
            for i, j in T.Parallel(32, 64):
                a[i, j] = T.if_then_else((i >= j) & (j > 3) | ~(i < 20), a[i, j], 0.0)
            T.copy(a, C)

    assert harness.check(main).passed
    a = np.random.default_rng(0).standard_normal((32, 64)).astype(np.float32)
    i, j = np.indices(a.shape)
    out = harness.compile(main).run({"A": a}).outputs["C"]
    np.testing.assert_array_equal(out, np.where((i >= j) & (j > 3) | ~(i < 20), a, 0))


def test_values_of_python_choose_as_in_python() -> None:
    """``x if t else y``, ``and`` and ``or`` take numbers, lists and None, and ask no further."""
    transposed, blocks = 1, [32]
    bias: Any = None

    @T.prim_func
    def main(A: T.Tensor((32, 64), "float32"), C: T.Tensor((64, 32), "float32")):
        with T.Kernel(blocks[0] // 32 if blocks else 7) as bx:
            a = T.alloc_fragment((32, 64) if transposed else (64, 32), "float32")
            c = T.alloc_fragment((64, 32), "float32")
            T.copy(A, a)
            for i, j in T.Parallel(64, 32):
                c[i, j] = a[j, i] if transposed and blocks else a[i, j]
            if (bias and bias.shape) or not blocks:
                T.clear(c)
            for i, j in T.Parallel(64, 32):
                c[i, j] = c[i, j] if i > j and (transposed or i) else 5
            T.copy(c, C[bx * 64, 0])

    a = np.random.default_rng(0).standard_normal((32, 64)).astype(np.float32)
    i, j = np.indices((64, 32))
    out = harness.compile(main).run({"A": a}).outputs["C"]
    np.testing.assert_array_equal(out, np.where(i > j, a.T, 5))
