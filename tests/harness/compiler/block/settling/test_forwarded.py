"""What a block reads of a tensor after it wrote it is what it wrote."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import CompileError

DEVICES = ["wormhole_n150", "blackhole_p150"]


def _momentum(n: int, guarded: bool) -> Any:
    """An optimiser's step, element by element, over tensors that end inside a block."""

    @T.prim_func
    def main(P: T.Tensor((n,), "float32"), G: T.Tensor((n,), "bfloat16"),
             M: T.Tensor((n,), "bfloat16")):  # fmt: skip
        with T.Kernel(T.ceildiv(n, 64), threads=64) as bx:
            for i in T.Parallel(64):
                k = bx * 64 + i
                if guarded:
                    if k < n:
                        M[k] = M[k] * 0.5 + G[k]
                        P[k] = P[k] - M[k]
                else:
                    M[k] = M[k] * 0.5 + G[k]
                    P[k] = P[k] - M[k]

    return main


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("n", [64, 100])
@pytest.mark.parametrize("guarded", [True, False])
def test_an_updated_element_is_read_again(device: str, n: int, guarded: bool) -> None:
    """An update in place uses what it stored, rounded as the tensor keeps it."""
    kernel = _momentum(n, guarded)
    assert harness.check(kernel, device=device).passed
    rng = np.random.default_rng(0)
    p, g, m = (rng.integers(-4, 5, n).astype(np.float32) for _ in range(3))
    p, m = p + 0.25, 2 * m + 1
    out = harness.compile(kernel, device=device).run({"P": p, "G": g, "M": m}).outputs
    np.testing.assert_array_equal(out["M"], m / 2 + g)
    np.testing.assert_array_equal(out["P"], p - (m / 2 + g))


def test_a_second_loop_reads_what_the_first_stored() -> None:
    """Loops one after another hand over by what they store, in the tensor's own precision."""

    @T.prim_func
    def main(V: T.Tensor((40, 70), "bfloat16"), Y: T.Tensor((40, 70), "float32")):
        with T.Kernel(2) as bx:
            for i, j in T.Parallel(32, 70):
                V[bx * 32 + i, j] = V[bx * 32 + i, j] * 1.0009765625
            for i, j in T.Parallel(32, 70):
                Y[bx * 32 + i, j] = V[bx * 32 + i, j] * 2.0

    assert harness.check(main).passed
    given = np.random.default_rng(0).standard_normal((40, 70)).astype(np.float32)
    out = harness.compile(main).run({"V": given}).outputs
    np.testing.assert_array_equal(out["Y"], out["V"] * 2)


def _summed(rows: int) -> Any:
    @T.prim_func
    def main(X: T.Tensor((rows, 32), "float32"), S: T.Tensor((2, 32), "float32")):
        with T.Kernel(2) as bx:
            x = T.alloc_fragment((32, 32), "float32")
            s = T.alloc_fragment((32,), "float32")
            for i, j in T.Parallel(32, 32):
                X[bx * 32 + i, j] = X[bx * 32 + i, j] + 1.0
            T.copy(X[bx * 32, 0], x)
            T.reduce_sum(x, s, dim=0)
            T.copy(s, S[bx, 0])

    return main


def test_what_lies_beside_a_tensor_is_not_taken_for_zero() -> None:
    """Rows computed past a tensor's end, which a load has zeros for, enter no sum."""
    verdict = harness.check(_summed(64))
    assert verdict.passed, verdict
    with pytest.raises(CompileError, match="where the same block wrote it") as caught:
        harness.compile(_summed(40))
    assert caught.value.code == "InPlaceOrder"


def test_a_store_in_between_is_not_passed_over() -> None:
    """What another store may have changed is not taken from a block."""

    @T.prim_func
    def main(X: T.Tensor((64, 32), "float32"), Y: T.Tensor((64, 32), "float32")):
        with T.Kernel(2) as bx:
            a = T.alloc_fragment((32, 32), "float32")
            T.fill(a, 1.0)
            T.copy(a, X[bx * 32, 0])
            T.fill(a, 2.0)
            T.copy(X[bx * 32, 0], a)
            T.copy(a, Y[bx * 32, 0])

    with pytest.raises(CompileError, match="where the same block wrote it"):
        harness.compile(main)
