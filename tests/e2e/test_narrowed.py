"""Loops longer than what they store: blocks of the next power of two over rows end to end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import CompileError


def _rows(columns: int, shift: int = 0) -> Any:
    tile = 1 << (columns - 1).bit_length()

    @T.prim_func
    def main(X: T.Tensor((4 * columns,), "float32"), Y: T.Tensor((4 * columns,), "float32"),
             Z: T.Tensor((4 * columns,), "float32")):  # fmt: skip
        with T.Kernel(4) as row:
            v = T.alloc_fragment((tile,), "float32")
            total = T.alloc_fragment((1,), "float32")
            for i in T.Parallel(tile):
                v[i] = T.if_then_else(i < columns, X[row * columns + i], 0.0)
            T.reduce_sum(v, total, dim=0)
            for i in T.Parallel(tile):
                if i < columns + shift:
                    Y[row * columns + i] = v[i] + total[0]
                    Z[row * columns + i] = v[i] * 2.0

    return main


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("columns", [96, 160])
def test_rows_end_where_their_condition_says(device: str, columns: int) -> None:
    """Each row is stored by its block alone, whatever the loop around it would reach."""
    kernel = _rows(columns)
    assert harness.check(kernel, device=device).passed
    made = harness.compile(kernel, device=device)
    assert {made.plan.layouts[n].role for n in ("Y", "Z")} == {"output"}
    x = np.random.default_rng(0).integers(-9, 10, 4 * columns).astype(np.float32)
    rows = x.reshape(4, columns)
    out = made.run({"X": x}).outputs
    np.testing.assert_array_equal(out["Y"], (rows + rows.sum(1, keepdims=True)).ravel())
    np.testing.assert_array_equal(out["Z"], 2 * x)


def test_rows_that_run_into_the_next_are_refused() -> None:
    """A condition that lets a row end inside the next one leaves two writers of its elements."""
    with pytest.raises(CompileError) as caught:
        harness.compile(_rows(96, 8))
    assert caught.value.code in ("OverlappingWrites", "UnalignedBlock")
