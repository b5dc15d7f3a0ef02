"""Arguments of compiled kernels that do not fit: one message, that names the tensor."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import harness.language as T
from harness.errors import LanguageError
from harness.frontend.jit import compile as compile_kernel
from harness.kernelfile import _execute
from tests.harness.frontend.loading import KERNELS

ONES = np.ones((32, 64), np.float32)


def _add(dtype: str = "float32") -> Any:
    @T.prim_func
    def main(A: T.Tensor((32, 64), dtype), B: T.Tensor((32, 64), dtype)):
        with T.Kernel(1) as _:
            a = T.alloc_fragment((32, 64), dtype)
            T.copy(A, a)
            for i, j in T.Parallel(32, 64):
                a[i, j] = a[i, j] + 1.0
            T.copy(a, B)

    return main


def _scaled(rows: Any, by: Any) -> Any:
    @T.prim_func
    def main(A: T.Tensor((rows, 64), "float32"), B: T.Tensor((rows, 64), "float32")):
        with T.Kernel(T.ceildiv(rows, 32)) as bx:
            for i, j in T.Parallel(32, 64):
                B[bx * 32 + i, j] = A[bx * 32 + i, j] * by

    return main


def test_numbers_of_numpy_are_sizes_and_values() -> None:
    """Sizes worked out by NumPy are as good as Python's."""
    kernel = compile_kernel(_scaled(np.int64(32), np.float32(2.5)), out_idx=[-1])
    np.testing.assert_array_equal(kernel(ONES), 2.5)
    with pytest.raises(LanguageError, match=r"dimension 32\.0, no positive whole number"):
        _scaled(32.0, 1.0)


def _locked() -> np.ndarray:
    array = np.zeros((32, 64), np.float32)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(("given", "said"), [
    (np.full((32, 64), "a"), "A is given a array of <U1"),
    (ONES + 1j, "A is given a array of complex"),
    (None, "A is given a NoneType"),
    (np.ones((64, 32)), "A is of shape"),
])  # fmt: skip
def test_what_is_no_array_of_real_numbers_is_refused(given: Any, said: str) -> None:
    """No text, complex numbers cut to real ones, or nothing at all becomes a tensor."""
    with pytest.raises(LanguageError, match=said):
        compile_kernel(_add(), out_idx=[-1])(given)


@pytest.mark.parametrize("passed", [ONES.tolist(), _locked(), 1.0])
def test_results_go_where_the_caller_sees_them(passed: Any) -> None:
    """Results are not written to copies, nor to arrays that must not be."""
    with pytest.raises(LanguageError, match=r"B is (written|of shape)"):
        compile_kernel(_add())(ONES, passed)


@pytest.mark.parametrize("given", [
    np.full((32, 64), 2.5), np.full((32, 64), np.nan), np.full((32, 64), 2**40),
    np.full((32, 64), -1, np.int8), np.full((32, 64), 256, np.uint16),
    np.full((32, 64), 0.5, ml_dtypes.bfloat16),
])  # fmt: skip
def test_numbers_that_a_tensor_of_integers_does_not_hold_are_refused(given: Any) -> None:
    """No number is cut to a whole one, or wrapped into range, in silence."""

    @T.prim_func
    def main(A: T.Tensor((32, 64), "uint8"), B: T.Tensor((32, 64), "float32")):
        with T.Kernel(1) as _:
            for i, j in T.Parallel(32, 64):
                B[i, j] = T.cast(A[i, j], "float32")

    kernel = compile_kernel(main, out_idx=[-1])
    with pytest.raises(LanguageError, match=r"A is given .* and holds whole numbers of uint8"):
        kernel(given)
    np.testing.assert_array_equal(kernel(7.0 * ONES), 7.0)


@pytest.mark.parametrize("given", [-np.inf, np.nan, 65520.0])
def test_what_float16_of_the_device_does_not_hold_is_refused(given: float) -> None:
    """An infinity would be read as 65,536, and be an answer that nothing tells is wrong."""
    with pytest.raises(LanguageError, match="float16 on the device has no infinities"):
        compile_kernel(_add("float16"), out_idx=[-1])(ONES * given)


@pytest.mark.parametrize("dtype", [np.int32, np.bool_])
def test_results_are_not_cut_to_what_was_passed_for_them(dtype: type) -> None:
    """Real numbers are not written to arrays of whole ones; narrower real ones are rounded."""
    with pytest.raises(LanguageError, match="B is written with real numbers"):
        compile_kernel(_add())(ONES, np.zeros((32, 64), dtype))
    result = np.zeros((32, 64), np.float16)
    compile_kernel(_add())(ONES, result)
    np.testing.assert_array_equal(result, 2.0)


def test_tensors_are_given_by_name() -> None:
    """In any order; one that is missing, given twice or unknown is refused."""
    made, b = compile_kernel(_add()), np.zeros((32, 64), np.float32)
    made(B=b, A=ONES)
    np.testing.assert_array_equal(b, 2.0)
    for given, named in (((ONES,), {"A": b}), ((), {"A": ONES}), ((), {"A": ONES, "C": b})):
        with pytest.raises(LanguageError, match="for the tensors A, B"):
            made(*given, **named)


@pytest.mark.parametrize("out_idx", [5, -3, [0, 2]])
def test_out_idx_names_tensors_there_are(out_idx: Any) -> None:
    """A position past the last tensor does not begin anew at the first."""
    with pytest.raises(LanguageError, match=r"out_idx .* of 2 tensors"):
        compile_kernel(_add(), out_idx=out_idx)(ONES)


def test_out_idx_is_of_positions() -> None:
    """Names of tensors are no positions."""
    with pytest.raises(LanguageError, match="not positions"):
        compile_kernel(_add(), out_idx="B")  # type: ignore[arg-type]


def test_a_tensor_that_is_read_cannot_be_made() -> None:
    """``out_idx`` of an input says so, whichever way its content would be used."""
    with pytest.raises(LanguageError, match="A is made and returned, and the kernel reads it"):
        compile_kernel(_add(), out_idx=[0])(ONES)


def test_what_is_written_in_place_is_left_beside_what_is_returned() -> None:
    """A state that is passed is updated where it is, though another tensor is returned."""

    @T.prim_func
    def main(S: T.Tensor((32, 64), "float32"), X: T.Tensor((32, 64), "float32"),
             Y: T.Tensor((32, 64), "float32")):  # fmt: skip
        with T.Kernel(1) as _:
            s = T.alloc_fragment((32, 64), "float32")
            x = T.alloc_fragment((32, 64), "float32")
            T.copy(S, s)
            T.copy(X, x)
            for i, j in T.Parallel(32, 64):
                s[i, j] = s[i, j] + x[i, j]
                x[i, j] = s[i, j] * 2.0
            T.copy(s, S)
            T.copy(x, Y)

    step, state = compile_kernel(main, out_idx=[-1]), 3 * ONES
    for expected in (4.0, 5.0):
        np.testing.assert_array_equal(step(state, ONES), 2 * expected * ONES)
        np.testing.assert_array_equal(state, expected * ONES)


def test_eager_kernels_take_lists_and_return_what_they_made() -> None:
    """Sizes are those of whatever converts to an array; what was passed is not returned."""
    np.testing.assert_array_equal(_execute(KERNELS, "eager_copy").eager_copy(ONES.tolist()), ONES)
    with pytest.raises(LanguageError, match="returns the tensors it made"):
        _execute(KERNELS, "eager_copy").eager_copy(ONES, back=1)
