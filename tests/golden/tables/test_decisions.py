"""Values of tensors that decide: every comparison comes out both ways, and soon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from golden.source import read_kernel
from golden.tables.decisions import deciding_values
from golden.tables.indices import drawn_indices
from tests.harness.compiler import samples

TEXT = """
@T.prim_func
def main(X: T.Tensor((128, 128), "bfloat16"), t: T.Tensor((4, 4), "int32"),
         u: T.Tensor((4, 4), "int32"), b: T.Tensor((4, 4), "bool"),
         Y: T.Tensor((128, 32), "bfloat16")):
    with T.Kernel(4) as by:
        x = T.alloc_shared((32, 32), "bfloat16")
        y = T.alloc_fragment((32, 32), "bfloat16")
        T.clear(y)
        wanted = T.alloc_local((4,), "int32")
        for v in T.serial(4):
            wanted[v] = u[by, v]
        for k in T.serial(4):
{lines}
        T.copy(y, Y[by * 32, 0])
"""
ADD = """
    T.copy(X[by * 32, k * 32], x)
    for i, j in T.Parallel(32, 32):
        y[i, j] += x[i, j]
"""
ONLY = """
    for i, j in T.Parallel(32, 32):
        y[i, j] += 1.0
"""
INNER = "\n    if u[k, 0] == 80:" + ADD.replace("\n", "\n    ")
Test = tuple[str, Callable[[Any], Any]]
CASES: list[tuple[str, list[Test]]] = [
    ("if t[by, k] > 100:" + ADD, [("t", lambda t: t > 100)]),
    ("if t[by, k] >= 100:" + ONLY, [("t", lambda t: t >= 100)]),
    ("if t[by, k] < -9:" + ADD, [("t", lambda t: t < -9)]),
    ("if t[by, k] <= 50:" + ADD, [("t", lambda t: t <= 50)]),
    ("if t[by, k] != 7:" + ADD, [("t", lambda t: t != 7)]),
    ("if 60 < t[by, k]:" + ADD, [("t", lambda t: t > 60)]),
    ("at = t[by, k]\nif at == 70:" + ADD, [("t", lambda t: t == 70)]),
    ("if wanted[k] > 30:" + ADD, [("u", lambda u: u > 30)]),
    ("if t[by, k] > 100:" + ADD + "\nif t[k, by] == 3:" + ADD,
     [("t", lambda t: t > 100), ("t", lambda t: t == 3)]),
    ("if t[by, k] > 40 and u[k, by] < 20:" + ADD,
     [("t", lambda t: t > 40), ("u", lambda u: u < 20)]),
    ("if t[by, k] > 40:" + INNER,
     [("t", lambda t: t > 40), ("u", lambda u: u == 80)]),
    ("if b[by, k]:" + ADD, [("b", lambda b: b)]),
]  # fmt: skip


def _kernel(lines: str) -> Any:
    indented = "\n".join(f"            {line}" for line in lines.split("\n"))
    return read_kernel(samples.from_text(TEXT.format(lines=indented), "main"))


@pytest.mark.parametrize(
    ("lines", "tests"), CASES, ids=[lines.split("\n")[0] for lines, _ in CASES]
)
def test_every_comparison_comes_out_both_ways(lines: str, tests: list[Test]) -> None:
    """In each of a few draws, of sixteen values: else a fault of one side would go unseen."""
    kernel = _kernel(lines)
    for seed in range(3):
        found = drawn_indices(kernel, seed)
        for name, test in tests:
            truths = np.asarray(test(found[name]), bool)
            assert truths.any(), (name, found[name])
            assert not truths.all(), (name, found[name])


def test_blocks_are_told_the_same_throughout() -> None:
    """Of four rows of choices one skips everything, and one is mixed, whatever the seed."""
    kernel = _kernel("if t[by, k] != 7:" + ADD)
    for seed in range(5):
        rows = (drawn_indices(kernel, seed)["t"] != 7).sum(1).tolist()
        assert 0 in rows
        assert 4 in rows


def test_tensors_that_bound_loops_are_not_drawn_as_conditions() -> None:
    """What fits a loop, its start as well, is another question, also where it decides something."""
    for bounds in ("t[by, 0]", "t[by, 0], 4", "t[by, 0], t[by, 0] + 2"):
        lines = f"for s in T.serial({bounds}):" + ADD + "\nif t[by, k] > 100:" + ADD
        assert "t" not in deciding_values(_kernel(lines))
