"""Functions, jumps, masks, special values and reductions: values and soundness."""

# mypy: disable-error-code="operator,attr-defined"
# Kernels are read by the TVMScript parser, not called.
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.language as T
from golden import GoldenError, contract_for, evaluate, judge
from golden.approx import CLEAN, FREE, Approx, exact
from golden.arithmetic import Arithmetic
from golden.inputs import draw_inputs
from golden.matmul import Operand, multiply_accumulate
from golden.reduction import Reducer
from simulator.formats.dataformat import DataFormat
from simulator.numerics.sfpu import sfpu
from tests.golden.device import MODEL, mode_for, on_host
from tests.golden.more_kernels import (
    UNARY,
    M,
    N,
    masked,
    reduction,
    rms_norm,
    softmax,
    threshold,
    unary,
)

REFERENCES = {
    "exp": np.exp, "exp2": np.exp2, "log": np.log, "log1p": np.log1p, "log2": np.log2,
    "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh, "erf": np.vectorize(math.erf), "sin": np.sin, "cos": np.cos,
    "floor": np.floor, "ceil": np.ceil, "round": np.rint, "abs": np.abs,
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_functions_equal_numpy(name: str) -> None:
    """Protects the value of every function, and that its bound is small beside it."""
    a = np.random.default_rng(0).uniform(0.125, 4, (M, N)).astype(np.float32)
    result = evaluate(unary(name, "float32"), {"A": a}).outputs["C"]
    expected = REFERENCES[name](a.astype(np.float64))
    np.testing.assert_allclose(result.answer.value, expected, rtol=1e-12, atol=1e-13)
    assert np.max(result.answer.error) <= 2.0**-5 * max(1.0, np.abs(expected).max())


@given(
    name=st.sampled_from(UNARY), dtype=st.sampled_from(["bfloat16", "float32"]), wide=st.booleans(),
    kind=st.sampled_from(["random", "uniform", "wide", "tiny"]), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_functions_are_sound(name: str, dtype: str, wide: bool, kind: str, seed: int) -> None:
    """Protects against false alarms from the vector unit's rounding."""
    func = unary(name, dtype)
    inputs = draw_inputs(func, kind, seed)
    contract = contract_for(func, fp32_dest=wide)
    golden = evaluate(func, inputs, contract)
    mode = mode_for("wormhole", contract.fidelity, contract.dest)
    values = on_host(inputs["A"], dtype)
    if not (wide and dtype == "float32"):
        values = MODEL.copy(MODEL.to_src(values, DataFormat.from_ir(dtype), mode), mode)
    actual = MODEL.pack(sfpu(name, values, mode=mode), DataFormat.Float32, mode)
    judgement = judge({"C": actual}, golden)
    assert not judgement.wrong, judgement.worst


def test_softmax_equals_numpy() -> None:
    """Protects reductions, row broadcasts and division working together."""
    a = np.random.default_rng(0).standard_normal((M, N)).astype(np.float32)
    result = evaluate(softmax(), {"A": a}).outputs["C"]
    e = np.exp(a - a.max(axis=1, keepdims=True).astype(np.float64))
    np.testing.assert_allclose(result.answer.value, e / e.sum(axis=1, keepdims=True), rtol=1e-9)
    assert (result.answer.error < 0.05 * result.answer.value + 1e-4).all()


def test_rms_norm_equals_numpy() -> None:
    """Protects casts, 1-D fragments and functions of them."""
    a = np.random.default_rng(0).standard_normal((M, N)).astype(np.float32)
    result = evaluate(rms_norm("float32"), {"A": a}).outputs["C"]
    x = a.astype(np.float64)
    expected = x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(result.answer.value, expected, rtol=1e-7)


def test_masks_by_index() -> None:
    """Protects causal masks: index comparisons are exact and never jumps."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 10, (M, N)), rng.integers(-9, 10, N)
    result = evaluate(masked(), {"A": a, "b": b}).outputs["C"]
    kept = np.where(np.arange(M)[:, None] >= np.arange(N), a, 0)
    np.testing.assert_array_equal(result.answer.value, np.maximum(kept + b, 0))
    assert result.is_exact


def test_a_jump_allows_either_side_and_nothing_else() -> None:
    """Protects thresholds: a value that may fall either way matches both, not what lies between."""
    a, b = np.full((M, N), 3.0), np.full((M, N), 9.0)
    a[0, 0], b[0, 0] = 1.1, np.float32(1.1) ** 2  # the product rounds
    golden = evaluate(threshold(), {"A": a, "B": b})
    answer = golden.outputs["C"].answer
    assert answer.jumped is not None
    assert answer.jumped.sum() == 1
    right = answer.value.copy()
    for value, passes in ((1.0, True), (-1.0, True), (0.0, False), (2.0, False)):
        right[0, 0] = value
        assert judge({"C": right}, golden).passed is passes
    right[0, 0], right[5, 5] = 1.0, 1.0
    assert judge({"C": right}, golden).wrong == 1


def test_many_jumps_downgrade_the_oracle() -> None:
    """Keeps a verdict from looking stronger than it is."""
    a = np.full((M, N), np.float32(1.1))
    golden = evaluate(threshold(), {"A": a, "B": a.astype(np.float64) ** 2})
    judgement = judge({"C": np.ones((M, N))}, golden)
    assert judgement.passed
    assert judgement.jumped_share > 0.01
    assert judgement.oracle == "bound-partial"


@pytest.mark.parametrize("kind", ["sum", "max", "min", "absmax", "abssum"])
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("clear", [True, False])
def test_reductions(kind: str, dim: int, clear: bool) -> None:
    """Protects every reduction along both axes, onto cleared and onto old values."""
    if kind.startswith("abssum") and not clear:
        return
    a = np.random.default_rng(0).integers(-9, 10, (M, N)).astype(np.float64)
    func = reduction(kind, dim, clear=clear) if kind != "abssum" else reduction(kind, dim)
    result = evaluate(func, {"A": a}).outputs["C"]
    x = np.abs(a) if kind.startswith("abs") else a
    expected = {"sum": np.sum, "max": np.max, "min": np.min}[kind.removeprefix("abs")](x, axis=dim)
    if not clear:
        expected = {"sum": np.add, "max": np.maximum, "min": np.minimum}[
            kind.removeprefix("abs")](expected, 3.0)  # fmt: skip
    np.testing.assert_array_equal(result.answer.value, expected)
    assert result.is_exact


def test_minus_infinity_masks() -> None:
    """Protects attention masks: exp(-inf) is exactly zero, and max with -inf changes nothing."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32")):
        with T.Kernel(1) as bx:
            a = T.alloc_fragment((32, 32), "float32")
            top = T.alloc_fragment((32,), "float32")
            T.copy(A[bx * 32, 0], a)
            T.fill(top, -T.infinity("float32"))
            for i, j in T.Parallel(32, 32):
                a[i, j] = T.if_then_else(i >= j, a[i, j], -T.infinity("float32"))
            T.reduce_max(a, top, dim=1, clear=False)
            for i, j in T.Parallel(32, 32):
                a[i, j] = T.exp(a[i, j] - top[i])
            T.copy(a, C[bx * 32, 0])

    a = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    result = evaluate(main, {"A": a}).outputs["C"]
    assert result.answer.taint is None
    above = np.triu(np.ones((32, 32), bool), 1)
    assert (result.answer.value[above] == 0).all()
    assert (np.asarray(result.answer.error)[above] == 0).all()
    kept = np.where(above, -np.inf, a)
    expected = np.exp(kept - kept.max(axis=1, keepdims=True))
    np.testing.assert_allclose(result.answer.value, expected, rtol=1e-6)


def test_iterations_that_disagree_are_a_source_error() -> None:
    """Keeps a race inside T.Parallel from being judged by whatever order NumPy takes."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), C: T.Tensor((32,), "float32")):
        with T.Kernel(1) as bx:
            a = T.alloc_fragment((32, 32), "float32")
            c = T.alloc_fragment((32,), "float32")
            T.copy(A[bx * 32, 0], a)
            for i, j in T.Parallel(32, 32):
                c[i] = a[i, j]
            T.copy(c, C[bx * 32])

    with pytest.raises(GoldenError, match="iterations") as caught:
        evaluate(main, {"A": np.arange(1024.0).reshape(32, 32)})
    assert caught.value.code == "SourceRace"


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [1, 2])
def test_running_sums(axis: int, reverse: bool) -> None:
    """Protects T.cumsum in both directions, exact on integers and bounded on reals."""
    func = unary("exp", "float32")
    reducer = Reducer(Arithmetic(contract_for(func), bounded=True))
    whole = np.random.default_rng(0).integers(-9, 10, (1, 8, 40)).astype(np.float64)
    for values in (whole, whole * 0.3):
        expected = np.cumsum(np.flip(values, axis) if reverse else values, axis=axis)
        expected = np.flip(expected, axis) if reverse else expected
        result = reducer.cumsum(exact(values), axis, "float32", reverse=reverse)
        np.testing.assert_allclose(result.value, expected, rtol=0, atol=1e-12)
        assert result.is_exact is (values is whole)


@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums_of_infinities(reverse: bool) -> None:
    """A line with an infinity may be anything, before it too: the device multiplies it by zero."""
    func = unary("exp", "float32")
    reducer = Reducer(Arithmetic(contract_for(func), bounded=True))
    values = np.ones((1, 2, 8))
    values[0, 0, 3] = np.inf
    result = reducer.cumsum(exact(values), 2, "float32", reverse=reverse)
    assert result.taint is not None
    np.testing.assert_array_equal(result.taint, [[[FREE] * 8, [CLEAN] * 8]])


def test_integer_products_are_exact_or_refused() -> None:
    """Protects int8 products: exact sums, and no silent saturation."""
    contract = contract_for(unary("exp"), fidelity="HiFi4")
    rng = np.random.default_rng(0)
    a, b = (exact(rng.integers(-127, 128, shape)) for shape in ((1, 8, 64), (1, 64, 8)))
    zero = exact(np.zeros((1, 8, 8)))
    result = multiply_accumulate(zero, Operand(a, "int8"), Operand(b, "int8"), contract)
    np.testing.assert_array_equal(result.value, a.value @ b.value)
    assert result.is_exact
    full = exact(np.full((1, 8, 8), 2.0**31 - 1))
    with pytest.raises(GoldenError, match="saturates"):
        multiply_accumulate(full, Operand(a, "int8"), Operand(b, "int8"), contract)


def test_what_jumped_already_is_cut_on_both_sides() -> None:
    """A rounding that may go either way, cast to an integer, still may: 5 and 6 stay 5 and 6."""
    arithmetic = Arithmetic(contract_for(reduction("sum", 1)), bounded=True)
    either = Approx(np.array([5.0]), value2=np.array([6.0]), bound2=np.array([0.0]))
    cut = arithmetic.to_integer(either)
    assert cut.value2 is not None
    assert sorted([float(cut.value[0]), float(cut.value2[0])]) == [5.0, 6.0]
