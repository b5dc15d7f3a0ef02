"""Conditions on every element of a slice or a list at once, as block-sparse kernels write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import HarnessError


def _product(flags: int, where: str, *, every: bool = False) -> Any:
    """Steps of a product that some, or every, flag of a tensor lets through."""
    join = T.all_of if every else T.any_of

    @T.prim_func
    def main(
        A: T.Tensor((64, 128), "bfloat16"), B: T.Tensor((128, 64), "bfloat16"),
        M: T.Tensor((2, 2, 4, flags), "bool"), C: T.Tensor((64, 64), "float32"),
    ):  # fmt: skip
        with T.Kernel(2, 2) as (bx, by):
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            T.clear(c)
            if where == "tensor":
                for k in T.Pipelined(4, num_stages=2):
                    if join(M[by, bx, k, :]):
                        T.copy(A[by * 32, k * 32], a)
                        T.copy(B[k * 32, bx * 32], b)
                        T.gemm(a, b, c)
            else:
                m = T.alloc_local((flags,), "bool")
                for k in T.Pipelined(4, num_stages=2):
                    for i in T.serial(flags):
                        m[i] = M[by, bx, k, i]
                    if join(m):
                        T.copy(A[by * 32, k * 32], a)
                        T.copy(B[k * 32, bx * 32], b)
                        T.gemm(a, b, c)
            T.copy(c, C[by * 32, bx * 32])

    return main


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("where", ["tensor", "list"])
@pytest.mark.parametrize("every", [False, True])
def test_flags_decide_together(where: str, every: bool, device: str) -> None:
    """A slice of a tensor, or a list that each step sets anew, is asked element by element."""
    verdict = harness.check(_product(3, where, every=every), device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


@pytest.mark.parametrize("where", ["tensor", "list"])
def test_each_flag_counts(where: str) -> None:
    """One flag of several, whichever, lets its step of the product through."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(-3, 4, (64, 128)), rng.integers(-3, 4, (128, 64))
    mask = np.zeros((2, 2, 4, 3), bool)
    mask[0, 1, 2, 1] = mask[1, 0, 3, 2] = mask[1, 0, 0, 0] = True
    given = {"A": a.astype(np.float32), "B": b.astype(np.float32), "M": mask}
    answer = harness.compile(_product(3, where)).run(given).outputs["C"]
    expected = np.zeros((64, 64))
    expected[:32, 32:] = a[:32, 64:96] @ b[64:96, 32:]
    expected[32:, :32] = a[32:, 96:] @ b[96:, :32] + a[32:, :32] @ b[:32, :32]
    assert np.array_equal(answer, expected)


def test_too_many_flags_are_refused() -> None:
    """No condition grows with what a user passes."""
    with pytest.raises(HarnessError, match="a condition on 40 elements of 'M'"):
        _product(40, "tensor")


def _by_bytes(dtype: str, *, listed: bool) -> Any:
    """Rows added where a byte says, held against a number in a loop."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), "float32"), M: T.Tensor((2, 5), dtype),
        C: T.Tensor((64, 64), "float32"),
    ):  # fmt: skip
        with T.Kernel(2) as by:
            a = T.alloc_shared((32, 64), "float32")
            c = T.alloc_fragment((32, 64), "float32")
            T.clear(c)
            T.copy(A[by * 32, 0], a)
            if listed:
                m = T.alloc_local((5,), dtype)
                for i in T.serial(5):
                    m[i] = M[by, i]
                for k in T.serial(5):
                    if m[k] != 0:
                        for i, j in T.Parallel(32, 64):
                            c[i, j] += a[i, j]
            else:
                for k in T.serial(5):
                    if M[by, k] > 1:
                        for i, j in T.Parallel(32, 64):
                            c[i, j] += a[i, j]
            T.copy(c, C[by * 32, 0])

    return main


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("listed", [False, True])
def test_bytes_decide(dtype: str, listed: bool, device: str) -> None:
    """Masks of int8 and uint8 are compared as the numbers they are."""
    verdict = harness.check(_by_bytes(dtype, listed=listed), device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


def test_a_negative_byte_is_one() -> None:
    """A mask of int8 keeps its sign on the way to the threads that load it."""
    given = np.array([[-3, 2, 0, 7, 1], [127, -128, 1, 2, -1]], np.int8)
    a = np.ones((64, 64), np.float32)
    plain = harness.compile(_by_bytes("int8", listed=False)).run({"A": a, "M": given})
    assert np.unique(plain.outputs["C"][:32]) == [2.0]
    assert np.unique(plain.outputs["C"][32:]) == [2.0]
    listed = harness.compile(_by_bytes("int8", listed=True)).run({"A": a, "M": given})
    assert np.unique(listed.outputs["C"][:32]) == [4.0]
    assert np.unique(listed.outputs["C"][32:]) == [5.0]


def test_arithmetic_of_bytes_does_not_decide() -> None:
    """Sums that would wrap in the source are not taken as words."""

    @T.prim_func
    def main(
        A: T.Tensor((32, 32), "float32"), M: T.Tensor((4,), "uint8"),
        C: T.Tensor((32, 32), "float32"),
    ):  # fmt: skip
        with T.Kernel(1):
            c = T.alloc_fragment((32, 32), "float32")
            T.copy(A, c)
            for k in T.serial(3):
                if M[k] + M[k + 1] > 7:
                    for i, j in T.Parallel(32, 32):
                        c[i, j] += 1.0
            T.copy(c, C)

    with pytest.raises(HarnessError, match="arithmetic of uint8"):
        harness.compile(main)
