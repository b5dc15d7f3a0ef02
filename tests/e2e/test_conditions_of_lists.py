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
