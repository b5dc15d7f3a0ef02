"""Iterations of T.Parallel that read what others store, and those that do not."""

from __future__ import annotations

import textwrap

import pytest

from harness.compiler.facts.kernel import read_kernel
from harness.compiler.facts.unordered import check_unordered
from harness.errors import CompileError
from tests.harness.compiler import samples

HEAD = """
@T.prim_func
def main(A: T.Tensor((64, 64), "float32"), I: T.Tensor((64,), "int32")):
    with T.Kernel(2) as bx:
        s = T.alloc_fragment((32, 64), "float32")
        v = T.alloc_fragment((64,), "float32")
        T.copy(A[bx * 32, 0], s)
        T.copy(A[0, 0:64], v)
        for k in T.serial(4):
"""
KEPT = {
    "itself": "for i, j in T.Parallel(32, 64): s[i, j] = s[i, j] * 2.0",
    "halves": "for i, j in T.Parallel(32, 32): s[i, j] = s[i, j + 32]",
    "moved on": "for j in T.Parallel(32): v[j + 32] = v[31 - j]",
    "pairs": """
        for i, j in T.Parallel(32, 32):
            s[i, 2 * j] = s[i, 2 * j] - s[i, 2 * j + 1]
            s[i, 2 * j + 1] = s[i, 2 * j + 1] + s[i, 2 * j]
        """,
    "behind": """
        for i, j in T.Parallel(32, 64):
            if j > k:
                s[i, j] = s[i, j] - s[i, k]
        """,
    "chosen": """
        for i, j in T.Parallel(32, 64):
            s[i, j] = T.if_then_else(j > 7, s[i, j] - s[i, k], s[i, j])
        """,
    "read where nothing is stored": """
        for i, j in T.Parallel(32, 64):
            s[i, j] = T.if_then_else(j < 64, s[i, j], s[i, 63 - j])
        """,
    "stored in two halves": """
        for i, j in T.Parallel(32, 32):
            s[i, j] = 1.0
            s[i, j + 32] = v[j]
        """,
    "stored alike": """
        for j in T.Parallel(63):
            v[j] = 1.0
            v[j + 1] = 1.0
        """,
    "one row by one iteration": """
        for i, j in T.Parallel(32, 64):
            if i == k:
                s[0, j] = A[i, j]
        """,
    "one value by all": "for i, j in T.Parallel(32, 64): v[j] = A[0, j]",
    "told apart": "for i, j in T.Parallel(32, 64): A[I[i], j] = s[i, j]",
    "another": "for i, j in T.Parallel(32, 64): s[i, j] = v[63 - j]",
    "other blocks": "for i, j in T.Parallel(32, 64): A[bx * 32 + i, j] = A[bx * 32 + i, j] + 1.0",
}
REFUSED = {
    "turned": "for i, j in T.Parallel(32, 32): s[i, j] = s[j, i]",
    "shifted": "for j in T.Parallel(63): v[j] = v[j + 1]",
    "a column": "for i, j in T.Parallel(32, 64): s[i, j] = s[i, j] / s[i, k]",
    "two stores": """
        for i, j in T.Parallel(32, 64):
            s[i, j] = 1.0
            v[j] = s[31 - i, j]
        """,
    "stored to the next": """
        for j in T.Parallel(63):
            v[j] = A[0, j]
            v[j + 1] = 2.0
        """,
    "stored in pairs": "for j in T.Parallel(64): v[j // 2] = A[0, j]",
    "one row by all": "for i, j in T.Parallel(32, 64): s[k, j] = A[i, j]",
    "one element": "for j in T.Parallel(64): v[0] = A[0, j]",
    "a tensor": "for i, j in T.Parallel(32, 64): A[bx * 32 + i, j] = A[bx * 32 + i, 63 - j]",
    "told": "for i, j in T.Parallel(32, 64): s[i, j] = s[i, I[j]]",
    "in a condition": """
        for i, j in T.Parallel(32, 64):
            if s[i, 0] > 0.0:
                s[i, j] = 1.0
        """,
}


def check(lines: str) -> None:
    """Ask of one nest."""
    text = HEAD + textwrap.indent(textwrap.dedent(lines).strip(), " " * 12) + "\n"
    check_unordered(read_kernel(samples.from_text(text, "main")))


@pytest.mark.parametrize("lines", KEPT.values(), ids=KEPT)
def test_what_no_order_changes_is_taken(lines: str) -> None:
    """Places apart, or kept apart by conditions, are nobody else's."""
    check(lines)


@pytest.mark.parametrize("lines", REFUSED.values(), ids=REFUSED)
def test_what_an_order_changes_is_refused(lines: str) -> None:
    """An element that one iteration reads or stores and another stores, wherever it is."""
    with pytest.raises(CompileError, match=r"have no order, and (one reads|several store)"):
        check(lines)
