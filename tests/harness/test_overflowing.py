"""Exponentials without their maximum: right on small numbers, infinite on larger ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import harness
import harness.language as T
from golden import GoldenError
from harness.artifact import compile_all
from harness.kernels.elementary import moe_gate
from harness.kernels.elementwise import add
from harness.kernels.linear import linear_attention


def gate(stable: bool) -> Any:
    """Softmax of rows, minus their maximum or minus nothing; small weights become zero."""
    kept = 1.0 if stable else 0.0

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), Y: T.Tensor((64, 64), "float32")):
        with T.Kernel(2) as by:
            x = T.alloc_fragment((32, 64), "float32")
            top = T.alloc_fragment((32,), "float32")
            total = T.alloc_fragment((32,), "float32")
            T.copy(A[by * 32, 0], x)
            T.reduce_max(x, top, dim=1)
            for i, j in T.Parallel(32, 64):
                x[i, j] = T.exp(x[i, j] - top[i] * kept)
            T.reduce_sum(x, total, dim=1)
            for i, j in T.Parallel(32, 64):
                x[i, j] = x[i, j] / total[i]
            for i, j in T.Parallel(32, 64):
                Y[by * 32 + i, j] = T.if_then_else(x[i, j] >= 0.05, x[i, j], 0.0)

    return main


def attention(stable: bool) -> Any:
    """One block of keys, minus the maximum of the scores or minus nothing."""
    kept = 1.0 if stable else 0.0

    @T.prim_func
    def main(
        Q: T.Tensor((64, 64), "bfloat16"),
        K: T.Tensor((64, 64), "bfloat16"),
        V: T.Tensor((64, 64), "bfloat16"),
        Y: T.Tensor((64, 64), "float32"),
    ):
        with T.Kernel(2) as by:
            q = T.alloc_shared((32, 64), "bfloat16")
            k = T.alloc_shared((64, 64), "bfloat16")
            v = T.alloc_shared((64, 64), "bfloat16")
            s = T.alloc_fragment((32, 64), "float32")
            p = T.alloc_shared((32, 64), "bfloat16")
            o = T.alloc_fragment((32, 64), "float32")
            top = T.alloc_fragment((32,), "float32")
            total = T.alloc_fragment((32,), "float32")
            T.copy(Q[by * 32, 0], q)
            T.copy(K, k)
            T.copy(V, v)
            T.clear(s)
            T.gemm(q, k, s, transpose_B=True)
            T.reduce_max(s, top, dim=1)
            for i, j in T.Parallel(32, 64):
                s[i, j] = T.exp(s[i, j] * 0.125 - top[i] * 0.125 * kept)
            T.reduce_sum(s, total, dim=1)
            T.copy(s, p)
            T.clear(o)
            T.gemm(p, v, o)
            for i, j in T.Parallel(32, 64):
                Y[by * 32 + i, j] = o[i, j] / total[i]

    return main


@pytest.mark.parametrize("kernel", [gate, attention])
def test_an_exponential_without_its_maximum_is_found(kernel: Any) -> None:
    """The same answer in exact arithmetic is no reason to pass: on a device it overflows."""
    artifact = harness.compile(kernel(stable=False))
    verdict = harness.check(kernel(stable=True), artifact=artifact)
    assert not verdict.passed
    assert harness.check(kernel(stable=True)).passed


@pytest.mark.parametrize(
    ("kernel", "kinds"),
    [
        (moe_gate(), "exact+random+scaled+steep"),
        (attention(stable=True), "random+scaled+hilly"),
        (gate(stable=False), "exact+random+scaled"),  # its infinities are its own
        (linear_attention(), "exact+random"),
        (add(), "exact+random"),
    ],
)
def test_inputs_that_overflow_are_drawn_where_they_tell_something(kernel: Any, kinds: str) -> None:
    """Only kernels with exponentials get them, and not those that rightly overflow."""
    verdict = harness.check(kernel)
    assert verdict.passed
    assert verdict.input_kind == kinds


def doubled() -> Any:
    """A is twice X: what comes before a softmax in a kernel of its own."""

    @T.prim_func
    def first(X: T.Tensor((64, 64), "float32"), A: T.Tensor((64, 64), "float32")):
        with T.Kernel(2) as by:
            x = T.alloc_fragment((32, 64), "float32")
            T.copy(X[by * 32, 0], x)
            for i, j in T.Parallel(32, 64):
                x[i, j] = x[i, j] * 2.0
            T.copy(x, A[by * 32, 0])

    return first


def test_a_sequence_is_judged_on_inputs_that_overflow(tmp_path: Path) -> None:
    """An exponential in its second kernel is reached by what the first makes of steep numbers."""
    right, wrong = (harness.sequence(doubled(), gate(stable)) for stable in (True, False))
    for one in compile_all(wrong):
        one.save(tmp_path / one.name)
    for kind in ("exact", "random"):
        assert harness.check(right, artifact=tmp_path, input_kind=kind).passed
    verdict = harness.check(right, artifact=tmp_path)
    assert not verdict.passed
    assert verdict.input_kind == "exact+random+steep"
    assert [s.passed for s in verdict.steps] == [True] * 5 + [False]
    assert harness.check(right).passed
    assert harness.check(wrong).input_kind == "exact+random"  # its infinities are its own


def test_a_sequence_without_exact_inputs_is_judged_on_many_magnitudes() -> None:
    """As a single kernel is: normal numbers alone forgive too much."""
    module = harness.sequence(attention(stable=True))
    verdict = harness.check(module)
    assert verdict.passed
    assert verdict.input_kind == "random+hilly+scaled"
    with pytest.raises(GoldenError, match="exact"):
        harness.check(module, input_kind="exact")
