"""Values drawn for tensors that bound loops, masks and sequences: they fit, and they matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from golden.source import read_kernel
from golden.tables.indices import drawn_indices
from golden.tables.told import telling
from tests.harness.compiler import samples

SOURCE = """
@T.prim_func
def main(X: T.Tensor((6, 128, 64), "float32"), n: T.Tensor((7,), "int32"),
         m: T.Tensor((6,), "int32"), L: T.Tensor((300, 64), "float32"),
         Y: T.Tensor((6, 32, 64), "float32")):
    with T.Kernel(6) as bx:
        x = T.alloc_shared((32, 64), "float32")
        y = T.alloc_fragment((32, 64), "float32")
        T.clear(y)
{body}
        T.copy(y, Y[bx, 0, 0])
"""
ADD = """
            for i, j in T.Parallel(32, 64):
                y[i, j] += {what}"""
BLOCKS = "        for k in T.serial(m[bx]):\n            T.copy(X[bx, k * 32, 0], x)"
LENGTHS = (
    "        for k in T.serial(T.ceildiv(m[bx], 32)):\n            T.copy(X[bx, k * 32, 0], x)"
)
LAID = """        begin = n[bx]
        for k in T.serial(T.ceildiv(n[bx + 1] - begin, 32)):
            T.copy(L[begin + k * 32, 0], x)"""
BACKWARDS = "        for k in T.serial(m[bx]):\n            T.copy(X[bx, 96 - k * 32, 0], x)"
LISTED = """        for k in T.serial(m[bx]):
            T.copy(X[n[k], 0, 0], x)"""
PLACES = """        for k in T.serial(4):
            T.copy(X[bx, k * 32, 0], x)"""


def drawn(body: str, what: str = "x[i, j]", **how: Any) -> dict[str, Any]:
    """Drawn indices of a kernel with such a loop."""
    text = SOURCE.format(body=body + ADD.format(what=what))
    return drawn_indices(read_kernel(samples.from_text(text, "main")), 0, **how)


@pytest.mark.parametrize(
    ("body", "most"), [(BLOCKS, 4), (LENGTHS, 128), (BACKWARDS, 4), (LISTED, 7)]
)
def test_loops_go_as_far_as_their_tensor(body: str, most: int) -> None:
    """The largest count is the last that stays inside, others differ, and one may be none.

    Inside is behind its beginning too, and among the entries of what it asks.
    """
    found = drawn(body)["m"]
    assert found.max() == most
    assert found.min() >= 1
    assert len(set(found.tolist())) > 1
    found = drawn(body, empty=True)["m"]
    assert (found.max(), found.min()) == (most, 0)


def test_sequences_are_laid_end_to_end() -> None:
    """Offsets rise from zero to the end of what they divide, without an empty one unless asked."""
    (found,) = drawn(LAID).values()
    assert (found[0], found[-1]) == (0, 300)
    assert (np.diff(found) > 0).all()
    (found,) = drawn(LAID, empty=True).values()
    assert (np.diff(found) == 0).sum() == 1


def test_where_masks_end_is_within_their_tensors() -> None:
    """Nothing bounds the end of a mask but that it should be seen."""
    (found,) = drawn(PLACES, "T.if_then_else(k * 32 + i < m[bx], x[i, j], 0)").values()
    assert 1 <= found.min() < found.max() <= 300


def test_elements_that_differ_by_place_are_data() -> None:
    """A mask read element by element bounds nothing."""
    text = SOURCE.format(body=PLACES + ADD.format(
        what="T.if_then_else(m[j % 6] > 3, x[i, j], 0)"))  # fmt: skip
    assert telling(read_kernel(samples.from_text(text, "main"))) == ()


def test_loops_without_end_are_not_tried_for_long() -> None:
    """A loop that touches no tensor is drawn as short as its walk has to be."""
    (found,) = drawn("        for k in T.serial(m[bx]):").values()
    assert 1 <= found.max() <= 1 << 12


BESIDE = """        for p in T.serial(n[bx], n[bx + 1]):
            for i, j in T.Parallel(32, 64):
                y[i, j] += L[p, j] * T.if_then_else(p < 100, 1.0, X[bx, p - 100, j])
            T.copy(X[bx, 0, 0], x)"""
LABELS = """        T.copy(X[bx, 0, 0], x)
        for j in T.Parallel(64):
            y[0, j] = L[m[bx], j] - T.if_then_else(j == m[bx], 1.0, 0.0)"""


@pytest.mark.parametrize(("body", "most"), [(BESIDE, 228), (LABELS, 299)])
def test_elements_are_read_inside_their_tensors(body: str, most: int) -> None:
    """What loops and comparisons are told places elements too: none may lie beyond its tensor."""
    (found,) = drawn(body).values()
    assert 1 < found.max() <= most
