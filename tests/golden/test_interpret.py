"""The interpreter against hand-written NumPy: values, masks, edges and refusals."""

# mypy: disable-error-code="operator,attr-defined"
# Kernels are read by the TVMScript parser, not called.
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.language as T
from golden import GoldenError, evaluate
from golden.formats import round_even
from harness.kernels.gemm import matmul, reference
from tests.golden.kernels import batched, copy, elementwise, triangular

SIZES = st.integers(1, 100)
BLOCKS = st.sampled_from([16, 32, 48, 64])


@given(
    m=SIZES, n=SIZES, k=SIZES, bm=BLOCKS, bn=BLOCKS, bk=BLOCKS,
    trans_a=st.booleans(), trans_b=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_gemm_equals_the_numpy_reference(
    m: int, n: int, k: int, bm: int, bn: int, bk: int, trans_a: bool, trans_b: bool, seed: int
) -> None:
    """Protects grids, ragged edges, K not a multiple of the block, and both transposes."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((k, m) if trans_a else (m, k)).astype(np.float32)
    b = rng.standard_normal((n, k) if trans_b else (k, n)).astype(np.float32)
    func = matmul(m, n, k, bm, bn, bk, trans_A=trans_a, trans_B=trans_b)
    expected = reference(round_even(a, "bfloat16"), round_even(b, "bfloat16"), trans_a, trans_b)
    for bounded in (False, True):
        result = evaluate(func, {"A": a, "B": b}, bounded=bounded).outputs["C"]
        np.testing.assert_allclose(result.answer.value, expected, rtol=0, atol=1e-11)
        assert result.written.all()


@given(m=SIZES, n=SIZES, bm=BLOCKS, bn=BLOCKS)
def test_copy_is_exact(m: int, n: int, bm: int, bn: int) -> None:
    """Protects a copy's claim of one right answer: every wrong bit is caught."""
    a = np.random.default_rng(m * n).standard_normal((m, n)).astype(np.float32)
    result = evaluate(copy((m, n), (bm, bn)), {"A": a}).outputs["C"]
    assert result.is_exact
    np.testing.assert_array_equal(result.answer.value, round_even(a, "bfloat16"))


def test_batch_through_the_third_grid_dimension() -> None:
    """Protects the meaning of blockIdx.z."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(-3, 4, (3, 40, 70)), rng.integers(-3, 4, (3, 70, 50))
    result = evaluate(batched(3, 40, 50, 70), {"A": a, "B": b}).outputs["C"]
    assert result.is_exact
    np.testing.assert_array_equal(result.answer.value, a @ b)


def test_loop_bounds_and_branches_may_depend_on_the_block() -> None:
    """Protects causal kernels: blocks with unequal loops are evaluated together."""
    a = np.random.default_rng(0).integers(-9, 10, (130, 32)).astype(np.float32)
    result = evaluate(triangular(130), {"A": a}).outputs["C"]
    rows = np.pad(a, ((0, 30), (0, 0))).reshape(5, 32, 32).cumsum(axis=0)
    rows[0] += 100
    np.testing.assert_array_equal(result.answer.value, rows.reshape(160, 32)[:130])


@pytest.mark.parametrize("op", ["add", "sub", "mul"])
def test_elementwise(op: str) -> None:
    """Protects the three elementwise ops on ragged shapes."""
    rng = np.random.default_rng(1)
    a, b = (rng.integers(-15, 16, (50, 70)).astype(np.float32) for _ in "ab")
    expected = {"add": a + b, "sub": a - b, "mul": a * b}[op]
    result = evaluate(elementwise(op, shape=(50, 70)), {"A": a, "B": b}).outputs["C"]
    assert result.is_exact
    np.testing.assert_array_equal(result.answer.value, expected)


def test_unwritten_elements_are_known() -> None:
    """Protects the Unwritten finding: golden says which elements the source leaves alone."""

    @T.prim_func
    def main(A: T.Tensor((64, 32), "bfloat16"), C: T.Tensor((64, 32), "bfloat16")):
        with T.Kernel(1) as bx:
            a = T.alloc_shared((32, 32), "bfloat16")
            T.copy(A[32, 0], a)
            T.copy(a, C[bx * 32, 0])

    a, initial = np.ones((64, 32)), np.full((64, 32), 7.0)
    result = evaluate(main, {"A": a, "C": initial}).outputs["C"]
    assert result.written[:32].all()
    assert not result.written[32:].any()
    assert (result.answer.value[32:] == 7).all()


def test_blocks_that_disagree_on_an_element_are_a_source_error() -> None:
    """Keeps a kernel whose answer depends on the order of its blocks from being judged at all."""

    @T.prim_func
    def main(A: T.Tensor((64, 32), "bfloat16"), C: T.Tensor((32, 32), "bfloat16")):
        with T.Kernel(2) as bx:
            a = T.alloc_shared((32, 32), "bfloat16")
            T.copy(A[bx * 32, 0], a)
            T.copy(a, C[0, 0])

    rows = np.arange(64.0)[:, None] * np.ones(32)
    with pytest.raises(GoldenError, match="two blocks") as caught:
        evaluate(main, {"A": rows})
    assert caught.value.code == "SourceRace"
    assert (caught.value.location or "").startswith("test_interpret.py:")
    same = evaluate(main, {"A": np.ones((64, 32))})
    assert same.is_exact


def test_memory_nobody_wrote_gives_no_answer() -> None:
    """Keeps uninitialised on-chip memory from being taken for zero."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "bfloat16"), C: T.Tensor((32, 32), "bfloat16")):
        with T.Kernel(1) as bx:
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            T.copy(A[bx * 32, 0], a)
            T.copy(b, C[bx * 32, 0])

    result = evaluate(main, {"A": np.ones((32, 32))}).outputs["C"]
    assert result.free.all()


def test_a_name_keeps_its_value_when_memory_changes() -> None:
    """Keeps a name of what a block holds from following it: online softmax names old maxima."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            a = T.alloc_fragment((32, 32), "float32")
            total = T.alloc_fragment((1,), "float32")
            T.copy(A, a)
            total[0] = 5.0
            before = total[0]
            total[0] = 7.0
            for i, j in T.Parallel(32, 32):
                a[i, j] = a[i, j] + before
            T.copy(a, C)

    a = np.arange(1024, dtype=np.float32).reshape(32, 32)
    for bounded in (False, True):
        result = evaluate(main, {"A": a}, bounded=bounded).outputs["C"]
        np.testing.assert_array_equal(result.answer.value, a + 5)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_least_float32_as_padding_leaves_maxima_known(dtype: str) -> None:
    """Protects padding with -3.4028235e38: cut to the matrix unit's width it does not overflow."""

    @T.prim_func
    def main(A: T.Tensor((32, 40), dtype), C: T.Tensor((32,), "float32")):
        with T.Kernel(1):
            a = T.alloc_fragment((32, 64), "float32")
            top = T.alloc_fragment((32,), "float32")
            for i, j in T.Parallel(32, 64):
                a[i, j] = T.if_then_else(j < 40, A[i, j], T.min_value("float32"))
            T.reduce_max(a, top, dim=1)
            T.copy(top, C)

    a = np.random.default_rng(0).standard_normal((32, 40)).astype(dtype)
    result = evaluate(main, {"A": a}, bounded=True).outputs["C"]
    assert not result.free.any()
    largest = a.max(axis=1).astype(np.float64)
    assert (np.abs(result.answer.value - largest) <= result.answer.error).all()
    assert (result.answer.error <= np.abs(largest) * 2.0**-6).all()


def test_inputs_are_checked() -> None:
    """Keeps wrong names and shapes from becoming wrong answers."""
    func = copy((32, 32), (32, 32))
    with pytest.raises(GoldenError, match="missing"):
        evaluate(func, {})
    with pytest.raises(GoldenError, match="shape"):
        evaluate(func, {"A": np.ones((32, 33))})
    with pytest.raises(GoldenError, match="no parameter"):
        evaluate(func, {"A": np.ones((32, 32)), "X": np.ones(1)})
