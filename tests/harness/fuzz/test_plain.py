"""Kernels executed by NumPy from their text: right where all is right, and believing no dialect."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.language as T
from golden import GoldenError, contract_for, evaluate
from golden.second import compared
from harness.fuzz.campaigns.units import FOCI
from harness.fuzz.case import Case
from harness.fuzz.judge import EXECUTED, run_case
from harness.fuzz.kernels.grammar import kernels
from harness.fuzz.plain import NotPlainError, run
from harness.fuzz.text import parse_kernel
from harness.inputs import draw
from tests.harness.fuzz.shares import with_share

KERNEL = """@T.prim_func
def main(
    A: T.Tensor((64, 70), "bfloat16"),
    W: T.Tensor((64,), "int32"),
    Y: T.Tensor((64, 70), "float32"),
):
    with T.Kernel(T.ceildiv(70, 32), T.ceildiv(64, 32), threads=128) as (bx, by):
        a = T.alloc_shared((32, 32), "bfloat16")
        w = T.alloc_shared((32,), "int32")
        b = T.alloc_fragment((32, 32), "float32")
        v = T.alloc_fragment((32,), "float32")
        T.copy(A[by * 32, bx * 32 - 32], a)
        T.copy(W[by * 32], w)
        for i, j in T.Parallel(32, 32):
            b[i, j] = T.if_then_else(j < w[i], a[i, j], T.cast(1.0, "float32"))
        T.reduce_sum(b, v, dim=1)
        for i, j in T.Parallel(32, 32):
            b[i, j] -= v[i] * 2.0
        T.copy(b, Y[by * 32, bx * 32])
"""


def test_it_is_what_numpy_computes() -> None:
    """A kernel with an edge, a choice and a sum along rows, against the same by hand."""
    rng = np.random.default_rng(0)
    a, w = rng.integers(-9, 10, (64, 70)).astype("float32"), rng.integers(0, 33, 64)
    values, written = run(KERNEL, {"A": a, "W": w})
    wide = np.pad(a, ((0, 0), (32, 26)))[:, :96].reshape(64, 3, 32)
    chosen = np.where(np.arange(32) < w[:, None, None], wide, 1.0)
    wanted = chosen - 2 * chosen.sum(2, keepdims=True)
    np.testing.assert_array_equal(values["Y"], wanted.reshape(64, 96)[:, :70])
    assert written["Y"].all()
    assert not written["A"].any()


@given(
    kernel=st.sampled_from([f for f in FOCI if f != "plan"]).flatmap(kernels),
    seed=st.integers(0, 9),
)
def test_whatever_is_drawn_is_executed_and_agrees(kernel: str, seed: int) -> None:
    """Text and IR are one kernel, by two evaluations that share nothing."""
    source = parse_kernel(kernel)
    contract = contract_for(source)
    for kind in ("exact", "random"):
        try:
            arrays, known = draw(source, kind, contract, seed)
        except GoldenError:  # no exact range
            continue
        said = compared("NumPy", *run(kernel, arrays), known or evaluate(source, arrays, contract))
        assert said.verdict == "agreed" or "nothing of" in said.reason, said.reason


@pytest.mark.parametrize("value", ["a[i, j] * 0.0", "(1.0 - 1.0) * a[i, j]", "0.0 / a[i, j]",
    'T.exp(a[i, j]) * T.cast(T.cast(0.0, "float32"), "float16")', "a[i, j] * -0.0",
    "a[i, j] * T.floor(0.5)", "T.ceil(-0.5) * a[i, j]",
    'a[i, j] * T.cast(T.abs(1.0 - 1.0), "float32")'])  # fmt: skip
def test_products_with_zero_are_zero(value: str) -> None:
    """TVM folds them where they are written, so of infinities and NaN they are zero as well."""
    text = (
        "@T.prim_func\n"
        'def main(A: T.Tensor((32, 32), "float32"), Y: T.Tensor((32, 32), "float32")):\n'
        "    with T.Kernel(1, threads=128) as by:\n"
        '        a = T.alloc_shared((32, 32), "float32")\n'
        "        T.copy(A[by * 32, 0], a)\n"
        "        for i, j in T.Parallel(32, 32):\n"
        f"            a[i, j] = T.max({value}, 0.0)\n"
        "        T.copy(a, Y[by * 32, 0])\n"
    )
    arrays = {"A": np.resize([1.0, np.inf, np.nan, -np.inf], (32, 32)).astype("float32")}
    source = parse_kernel(text)
    golden = evaluate(source, arrays, contract_for(source, "wormhole", None, None))
    assert compared("NumPy", *run(text, arrays), golden).verdict == "agreed"


def test_a_dialect_that_misreads_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parser and second reading use one dialect, and golden and compiler what it made."""
    case = with_share(Case(kernel=KERNEL), EXECUTED)
    assert run_case(case).oracle.endswith("+numpy")
    true: Any = T.if_then_else

    def crosswise(condition: Any, yes: Any, no: Any) -> Any:
        return true(condition, no, yes)

    monkeypatch.setattr(T, "if_then_else", crosswise)
    found = run_case(case)
    assert found.key == ("wrong", "numpy", "language", "reduce_sum")


@pytest.mark.parametrize("line", ["x, y = 1, 2", "assert True", "T.atomic_add(b, a)"])
def test_what_is_not_drawn_is_not_executed(line: str) -> None:
    """A statement beyond the grammar ends the run; the case has no such opinion then."""
    kernel = KERNEL.replace("T.reduce_sum(b, v, dim=1)", line)
    with pytest.raises(NotPlainError):
        run(kernel, {"A": np.zeros((64, 70)), "W": np.zeros(64)})
