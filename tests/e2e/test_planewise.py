"""T.Parallel over three dimensions: what differs from plane to plane."""

from __future__ import annotations

from typing import Any

import pytest

import harness
from harness.errors import CompileError
from harness.fuzz.stages import validate
from tests.e2e.test_moved_elements import DEVICES, kernel

PLANES = "X: T.Tensor((10, 24, 40), 'float32'), V: T.Tensor((10, 40), 'float32'), "
PLANES += "W: T.Tensor((10, 24), 'float32'), M: T.Tensor((24, 40), 'float32'), "
PLANES += "Y: T.Tensor((10, 24, 40), 'float32')"

BLOCKS = """
with T.Kernel(2) as b:
    x = T.alloc_fragment((5, 24, 40), "float32")
    v = T.alloc_shared((5, 40), "float32")
    w = T.alloc_shared((5, 24), "float32")
    m = T.alloc_shared((24, 40), "float32")
    T.copy(X[b * 5, 0, 0], x)
    for p, j in T.Parallel(5, 40):
        v[p, j] = V[b * 5 + p, j]
    for p, i in T.Parallel(5, 24):
        w[p, i] = W[b * 5 + p, i]
    T.copy(M, m)
    for p, i, j in T.Parallel(5, 24, 40):
        {store}
    T.copy(x, Y[b * 5, 0, 0])
"""

STORES = {
    "a row of each plane's own": "x[p, i, j] = x[p, i, j] * v[p, j]",
    "a column of each plane's own": "x[p, i, j] = x[p, i, j] * w[p, i]",
    "a number of each plane's own": "x[p, i, j] = x[p, i, j] * w[p, 3]",
    "one matrix for all planes": "x[p, i, j] = x[p, i, j] + m[i, j]",
    "all of them": "x[p, i, j] = x[p, i, j] * v[p, j] + w[p, i] * m[i, j]",
    "tensors": "x[p, i, j] = X[b * 5 + p, i, j] * V[b * 5 + p, j] + M[i, j]",
    "a choice by the plane": "x[p, i, j] = T.if_then_else(p < 2, x[p, i, j], m[i, j])",
    "elements moved in each": "x[p, i, j] = x[p, i, j] + m[i, (i + 2 * j) % 40]",
    "under a condition": "if i < p * 4:\n            x[p, i, j] = m[i, j]",
}


def _right(func: Any, device: str) -> None:
    made = harness.compile(func, device=device)
    assert validate(made).name == ""
    for oracle in ("auto", "llvm"):
        verdict = harness.check(made, oracle=oracle)
        assert verdict.passed, (oracle, verdict.reason, verdict.findings)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("store", STORES)
def test_planes_differ_in_what_they_meet(store: str, device: str) -> None:
    """Rows, columns, numbers and matrices that repeat in one plane, or in all of them."""
    _right(kernel(PLANES, BLOCKS.format(store=STORES[store])), device)


@pytest.mark.parametrize("device", DEVICES)
def test_planes_of_a_sequential_loop(device: str) -> None:
    """A loop over planes that the language lets run in any order, and the same by hand."""
    body = BLOCKS.replace("for p, i, j in T.Parallel(5, 24, 40):\n        {store}",
                          "for p in T.serial(5):\n        for i, j in T.Parallel(24, 40):\n"
                          "            x[p, i, j] = x[p, i, j] * v[p, j] - w[p, i]")  # fmt: skip
    _right(kernel(PLANES, body), device)


GROUPS = "X: T.Tensor((64, 96), 'float32'), S: T.Tensor((64, 3), 'float32'), "
GROUPS += "Y: T.Tensor((64, 96), 'float32')"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [32, 16])
def test_groups_of_columns_have_a_number_each(size: int, device: str) -> None:
    """Scales per row and group: the loop over groups stands between those over a matrix."""
    body = f"""
with T.Kernel(2) as b:
    x = T.alloc_fragment((32, 96), "float32")
    s = T.alloc_fragment((32, 3), "float32")
    T.copy(X[b * 32, 0], x)
    T.copy(S[b * 32, 0], s)
    for i, g, j in T.Parallel(32, 3, {size}):
        x[i, g * {size} + j] = x[i, g * {size} + j] * s[i, g]
    T.copy(x, Y[b * 32, 0])
"""
    _right(kernel(GROUPS, body), device)


def test_what_no_order_of_loops_makes_matrices_is_refused() -> None:
    """Elements at places that two loops make together stay a refusal, at their line."""
    body = BLOCKS.format(store="x[p, i, j] = x[p, i, j] + m[i, (i * j) % 40]")
    with pytest.raises(CompileError) as caught:
        harness.compile(kernel(PLANES, body))
    assert caught.value.code in ("UnsupportedIndex", "UnsupportedConstruct")


@pytest.mark.parametrize("plane", ["0", "3 - p", "(p + 1) % 4"])
def test_planes_that_others_store_are_not_read(plane: str) -> None:
    """Planes are done in turn: one that reads what another stored would read what is new."""
    body = BLOCKS.format(store=f"x[p, i, j] = x[p, i, j] + x[{plane}, i, j]")
    with pytest.raises(CompileError, match="one reads elements of 'x' that others store") as caught:
        harness.compile(kernel(PLANES, body))
    assert caught.value.location
    assert "T.copy" in str(caught.value.next_step)
