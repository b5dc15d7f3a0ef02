"""Stores the language does not accept: what the message says to write instead."""

from __future__ import annotations

import pytest

from tests.e2e.test_refusals import kernel, refusal


def test_strided_stores_to_a_tensor_leave_nothing_out() -> None:
    """Writes are of whole runs: the message says what else has to be stored."""
    error = refusal(kernel(
        "A: T.Tensor((32, 64), 'float32'), B: T.Tensor((32, 64), 'float32')",
        "with T.Kernel(1):\n    for i, j in T.Parallel(32, 32):\n"
        "        B[i, 2 * j] = A[i, 2 * j]"))  # fmt: skip
    assert error.code == "UnsupportedIndex"
    assert "store the elements between as well" in str(error.next_step)


@pytest.mark.parametrize(("op", "instead"), [
    ("p[i] + A[i, j]", "T.reduce_sum(A, p, dim=1, clear=False)"),
    ("T.max(A[j, i], p[i])", "T.reduce_max(A, p, dim=0, clear=False)"),
])  # fmt: skip
def test_a_reduction_is_told_from_elementwise_stores(op: str, instead: str) -> None:
    """Iterations that add to one element have no order: the message names the reduction."""
    error = refusal(kernel(
        "A: T.Tensor((32, 32), 'float32'), B: T.Tensor((32,), 'float32')",
        "with T.Kernel(1):\n    p = T.alloc_fragment((32,), 'float32')\n    T.clear(p)\n"
        f"    for i, j in T.Parallel(32, 32):\n        p[i] = {op}\n    T.copy(p, B)"))  # fmt: skip
    assert error.code == "UnsupportedIndex"
    assert instead in str(error.next_step)


def test_a_line_is_stored_by_the_iterations_along_it() -> None:
    """Of iterations across it one alone may store, and which one that is nothing here asks."""
    error = refusal(kernel(
        "A: T.Tensor((32, 64), 'float32'), B: T.Tensor((32, 64), 'float32')",
        "with T.Kernel(1):\n    x = T.alloc_fragment((32, 64), 'float32')\n    T.copy(A, x)\n"
        "    for i, j in T.Parallel(32, 64):\n        if i == 3:\n            x[0, j] = A[i, j]\n"
        "    T.copy(x, B)"))  # fmt: skip
    assert "iterations of 'i' store to one element of 'x'" in str(error)


def test_whole_numbers_stored_out_of_order_are_named_by_their_tensor() -> None:
    """The message names what the author wrote, and no block that the compiler made."""
    error = refusal(kernel(
        "A: T.Tensor((32,), 'int32'), B: T.Tensor((64,), 'int32')",
        "with T.Kernel(1):\n    for i in T.Parallel(32):\n        B[2 * i] = A[i]\n"
        "        B[2 * i + 1] = A[i]"))  # fmt: skip
    assert "'B' of int32" in str(error)
