"""Blocks that may be read before they are written whole, by what stands before the read."""

from __future__ import annotations

import textwrap

import pytest

from harness.compiler.facts.carried import carried
from harness.compiler.facts.kernel import read_kernel
from tests.harness.compiler import samples

HEAD = """
@T.prim_func
def main(A: T.Tensor((64, 64), "float32"), C: T.Tensor((64, 64), "float32")):
    with T.Kernel(2, 2) as (bx, by):
        s = T.alloc_fragment((32, 32), "float32")
        t = T.alloc_fragment((32, 32), "float32")
        v = T.alloc_fragment((1,), "float32")
"""
USE = "T.copy(s, C[by * 32, bx * 32])"
LOAD = "T.copy(A[by * 32, bx * 32], s)"

CASES = {
    "a load": (f"{LOAD}\n{USE}", set()),
    "nothing": (USE, {"s"}),
    "a branch": (f"if bx == 0:\n    {LOAD}\n{USE}", {"s"}),
    "the other branch": (f"if bx == 0:\n    T.clear(t)\nelse:\n    {LOAD}\n{USE}", {"s"}),
    "both branches": (f"if bx == 0:\n    T.clear(s)\nelse:\n    {LOAD}\n{USE}", set()),
    "a branch that uses it": (f"if bx == 0:\n    {USE}\nelse:\n    {LOAD}", {"s"}),
    "a loop that runs": (f"for k in T.serial(2):\n    {LOAD}\n{USE}", set()),
    "a loop that may not run": (f"for k in T.serial(bx):\n    {LOAD}\n{USE}", {"s"}),
    "an earlier iteration": (f"for k in T.serial(2):\n    {USE}\n    {LOAD}", {"s"}),
    "a part": (f"T.copy(A[by * 32, bx * 32], s[0:16, :])\n{USE}", {"s"}),
    "another part": (f"T.copy(A[0:32, 0:16], s[0:32, 16:32])\n{USE}", {"s"}),
    "another place": (f"T.copy(A[0:32, 0:32], s[bx * 32:bx * 32 + 32, :])\n{USE}", {"s"}),
    "every element": (f"for i, j in T.Parallel(32, 32):\n    s[i, j] = 1.0\n{USE}", set()),
    "every element, turned": (f"for i, j in T.Parallel(32, 32):\n    s[j, i] = 1.0\n{USE}", set()),
    "the diagonal": (f"for i, j in T.Parallel(32, 32):\n    s[i, i] = 1.0\n{USE}", {"s"}),
    "some rows": (f"for i, j in T.Parallel(16, 32):\n    s[i, j] = 1.0\n{USE}", {"s"}),
    "itself": (f"for i, j in T.Parallel(32, 32):\n    s[i, j] = s[i, j] + 1.0\n{USE}", {"s"}),
    "a condition on it": (f"if t[0, 0] > 0:\n    {LOAD}\n{USE}", {"s", "t"}),
}  # fmt: skip


@pytest.mark.parametrize("before", CASES)
def test_a_block_is_carried_unless_all_of_it_is_surely_written(before: str) -> None:
    """What may be there from another block is told from what this block surely made."""
    lines, found = CASES[before]
    text = HEAD + textwrap.indent(lines, " " * 8)
    kernel = read_kernel(samples.from_text(text, "main"))
    assert {b.name for b in carried(kernel.body, set(kernel.onchip))} == found
