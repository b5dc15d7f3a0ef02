"""Sizes of kernels that declare their tensors: which must be given, and what follows from them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import HarnessError, LanguageError
from harness.kernelfile import _execute
from harness.parameters import ParameterError
from tests.harness.frontend.loading import load

HEAD = """
import tilelang
import tilelang.language as T

OUTER = T.dynamic("outer")

@T.macro
def raise_by(block, numbers):
    for i, j in T.Parallel(32, 32):
        block[i, j] = block[i, j] + max(n for n in numbers)
"""
TYPED = """
@tilelang.jit
def k(A, dtype, sizes, wide=True):
    if wide:
        N = T.const("N")
    else:
        N = T.dynamic("n")
    rows = sum((s + 31) // 32 * 32 for s in sizes)
    A: T.Tensor((rows, N), dtype)
    B = T.empty((rows, N), dtype)
    with T.Kernel(rows // 32, T.ceildiv(N, 32)) as (bx, by):
        block = T.alloc_shared((32, 32), dtype)
        T.copy(A[bx * 32, by * 32], block)
        if all(s > 2 for s in sizes):
            raise_by(block, sizes)
        T.copy(block, B[bx * 32, by * 32])
    return B
"""
OUTSIDE = """
@tilelang.jit
def k(A, dtype):
    N = T.dynamic("n")
    A: T.Tensor((32, 32), dtype)
    B = T.empty((OUTER, N), dtype)
    with T.Kernel(T.ceildiv(OUTER, 32), T.ceildiv(N, 32)) as (bx, by):
        block = T.alloc_shared((32, 32), dtype)
        T.copy(A, block)
        T.copy(block, B[bx * 32, by * 32])
    return B
"""
FACTORY = """
@tilelang.jit
def k(M, numbers):
    rows = M
    @T.prim_func
    def main(A: T.Tensor((rows, 32), "float32"), B: T.Tensor((rows, 32), "float32")):
        with T.Kernel(T.ceildiv(rows, 32)) as bx:
            block = T.alloc_shared((32, 32), "float32")
            T.copy(A[bx * 32, 0], block)
            for i, j in T.Parallel(32, 32):
                block[i, j] = block[i, j] + sum(n * n for n in numbers if n > 1)
            T.copy(block, B[bx * 32, 0])
    return main
"""


@pytest.mark.parametrize("params", [{"wide": True, "N": 50}, {"wide": False, "n": 70}])
def test_sizes_may_depend_on_the_other_parameters(tmp_path: Path, params: dict[str, Any]) -> None:
    """A dtype without a default, T.const and T.dynamic: sizes are found by what is given."""
    made = load(tmp_path, HEAD + TYPED, dtype="float32", sizes=[40, 32], **params)
    assert tuple(map(int, made.params[0].ty.shape)) == (96, params.get("N", params.get("n")))
    assert harness.check(made).passed


def test_sizes_of_outputs_and_of_the_file_are_open_too(tmp_path: Path) -> None:
    """A size that only an output has, and one made outside of the kernel, are given by name."""
    made = load(tmp_path, HEAD + OUTSIDE, dtype="bfloat16", outer=50, n=33)
    assert tuple(map(int, made.params[1].ty.shape)) == (50, 33)
    assert harness.check(made).passed
    with pytest.raises(ParameterError, match="parameter 'outer' is missing"):
        load(tmp_path, HEAD + OUTSIDE, dtype="bfloat16", n=33)


def test_generator_expressions_in_a_prim_func(tmp_path: Path) -> None:
    """A generator expression inside T.Parallel is Python's, condition included."""
    path = tmp_path / "user.py"
    path.write_text(HEAD + FACTORY, encoding="utf-8")
    numbers = _execute(path, "k").k(32, [1, 2, 3])
    x = np.arange(32 * 32, dtype=np.float32).reshape(32, 32) / 8
    out = np.zeros_like(x)
    numbers(x, out)
    np.testing.assert_array_equal(out, x + 13)


def test_an_eager_kernel_with_open_sizes_is_called_on_arrays(tmp_path: Path) -> None:
    """T.dynamic in an eager kernel takes its number from the arrays."""
    path = tmp_path / "user.py"
    path.write_text(HEAD + TYPED, encoding="utf-8")
    x = np.arange(64 * 45, dtype=np.float32).reshape(64, 45) / 8
    made = _execute(path, "k").k(x, dtype="float32", sizes=[33], wide=False)
    np.testing.assert_array_equal(made, x + 33)


@pytest.mark.parametrize(("params", "says"), [
    ({}, r"parameter 'dtype' is missing; parameter 'sizes' is missing"),
    ({"Q": 1}, "parameter 'dtype' is missing"),
    ({"dtype": "float32", "sizes": [40], "N": 32, "n": 3}, "no parameter 'n'"),
    ({"dtype": "float32", "sizes": [40], "wide": False, "N": 32}, "no parameter 'N'"),
    ({"dtype": "float33", "sizes": [40], "N": 32}, "dtype 'float33'"),
    ({"dtype": "float32", "sizes": [40], "N": 0}, "size N=0 is not a positive number"),
    ({"dtype": "float32", "sizes": [40], "N": "x"}, "size N='x' is not a positive number"),
])  # fmt: skip
def test_what_is_wrong_with_parameters_is_said(
    tmp_path: Path, params: dict[str, Any], says: str
) -> None:
    """Complaints are about what is missing or unknown, or the declaration's own refusal."""
    with pytest.raises(HarnessError, match=says):
        load(tmp_path, HEAD + TYPED, **params)


def test_open_sizes_without_the_command_line(tmp_path: Path) -> None:
    """From Python too, a missing size is named before anything is built."""
    path = tmp_path / "user.py"
    path.write_text(HEAD + OUTSIDE, encoding="utf-8")
    with pytest.raises(LanguageError, match="needs the size 'outer'"):
        _execute(path, "k").k.compile(dtype="float32", n=32)


def _called(tmp_path: Path, text: str) -> Any:
    """The function ``k`` of a file of this text."""
    path = tmp_path / "user.py"
    path.write_text(HEAD + text, encoding="utf-8")
    return _execute(path, "k").k


MULTIPLES = """
@tilelang.jit
def k(X):
    N = T.const("N")
    X: T.Tensor((32, SIZE), "float32")
    Y = T.empty((32, N), "float32")
    with T.Kernel(1) as _:
        for i, j in T.Parallel(32, N):
            Y[i, j] = X[i, j % 32] * 2.0
    return Y
"""


@pytest.mark.parametrize(("size", "given", "found"), [("2 * N", {}, 32), ("N + 32", {}, 32),
                                                      ("N // 2", {"N": 128}, 128)])  # fmt: skip
def test_sizes_of_which_multiples_are_declared(
    tmp_path: Path, size: str, given: dict[str, int], found: int
) -> None:
    """``2 * N`` says what N is; ``N // 2`` does not, and takes it by name."""
    data = np.arange(32 * 64, dtype=np.float32).reshape(32, 64)
    out = _called(tmp_path, MULTIPLES.replace("SIZE", size))(data, **given)
    np.testing.assert_array_equal(out, np.tile(data[:, :32], found // 32) * 2)


def test_a_size_that_no_shape_says_is_named(tmp_path: Path) -> None:
    """Several numbers are 64 when halved: the refusal says which size is asked for, and how."""
    function = _called(tmp_path, MULTIPLES.replace("SIZE", "N // 2"))
    with pytest.raises(LanguageError, match=r"X is declared as \(32, N // 2\), from which N") as e:
        function(np.zeros((32, 64), np.float32))
    assert "N=" in str(e.value.next_step)


def test_int8_products_choose_their_fidelity(tmp_path: Path) -> None:
    """A call can pass no fidelity: int8 is multiplied at the one that takes all of its bits."""
    function = _called(
        tmp_path,
        """
@tilelang.jit
def k(A, B):
    M, N, K = T.const("M, N, K")
    A: T.Tensor((M, K), "int8")
    B: T.Tensor((K, N), "int8")
    C = T.empty((M, N), "int32")
    with T.Kernel(1) as _:
        a = T.alloc_shared((32, 32), "int8")
        b = T.alloc_shared((32, 32), "int8")
        c = T.alloc_fragment((32, 32), "int32")
        T.copy(A, a)
        T.copy(B, b)
        T.gemm(a, b, c, clear_accum=True)
        T.copy(c, C)
    return C
""",
    )
    a, b = np.random.default_rng(1).integers(-127, 128, (2, 32, 32)).astype(np.int8)
    np.testing.assert_array_equal(function(a, b), a.astype(np.int64) @ b)
