"""Indices that place a block beside its tensor: never what lies behind in another block of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from golden.formats import round_even
from simulator.run import execute
from tests.harness.compiler import samples

TEXT = """
@T.prim_func
def main(X: T.Tensor((4, 96, 64), "bfloat16"), at: T.Tensor((4,), "int32"),
         Y: T.Tensor((4, 2, {rows}, 64), "bfloat16")):
    with T.Kernel(2, 4) as (z, b):
        x = T.alloc_shared(({rows}, 64), "bfloat16")
        T.copy(X[{place}, 0], x)
        T.copy(x, Y[b, z, 0, 0])
"""
DEVICES = ["wormhole_n150", "blackhole_p150"]


def _run(rows: int, place: str, at: int, device: str) -> tuple[Any, Any]:
    made = harness.compile(
        samples.from_text(TEXT.format(rows=rows, place=place), "main"), device=device
    )
    X = round_even(np.random.default_rng(3).standard_normal((4, 96, 64)), "bfloat16")
    given = {"X": X.astype(np.float32), "at": np.array([0, at, 1, 1], np.int32)}
    return execute(made.plan, made.programs, given), given["X"]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("rows", "place", "last"),
    [
        (32, "z + 1, at[b] * 32", 2),
        (16, "z + 1, at[b] * 16", 5),
        (1, "z + 1, at[b]", 95),
        (32, "at[b], 32", 3),
    ],
)
def test_a_block_beside_its_tensor_is_found(rows: int, place: str, last: int, device: str) -> None:
    """One before and one behind are of another plane of the tensor: both are told."""
    for at in (0, 1, last):
        result, X = _run(rows, place, at, device)
        assert result.findings == ()
        for z in range(2):
            plane, first = (z + 1, at * rows) if place.startswith("z") else (at, 32)
            np.testing.assert_array_equal(result.outputs["Y"][1, z], X[plane, first : first + rows])
    for at in (-1, last + 1, last + 40):
        assert [f.code for f in _run(rows, place, at, device)[0].findings] == ["OutOfBounds"], at


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("at", [0, 1, 33, 64, 65, 80, 95, 96, 200, -1, -31, -32, -200])
def test_rows_from_anywhere_are_zero_beside_their_tensor(at: int, device: str) -> None:
    """Sequences laid end to end may reach beyond it: no row of the next plane comes in."""
    result, X = _run(32, "z + 1, at[b]", at, device)
    assert result.findings == ()
    want = np.zeros((2, 32, 64), np.float32)
    first, last = max(at, 0), max(min(at + 32, 96), 0)
    if first < last:
        want[:, first - at : last - at] = X[1:3, first:last]
    np.testing.assert_array_equal(result.outputs["Y"][1], want)
