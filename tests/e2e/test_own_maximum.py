"""Comparisons of float32 blocks with their own maxima, which reductions cut to TF32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from harness.fuzz.stages import validate
from tests.harness.compiler import samples

SOURCE = """
@T.prim_func
def main(X: T.Tensor((64, {n}), "float32"), Y: T.Tensor((64,), "int32")):
    with T.Kernel(2) as b:
        x = T.alloc_fragment((32, {n}), "float32")
        m = T.alloc_fragment((32,), "float32")
        c = T.alloc_fragment((32, {n}), "int32")
        y = T.alloc_fragment((32,), "int32")
        T.copy(X[b * 32, 0], x)
        T.reduce_{pool}(x, m, dim=1)
        {between}
        for i, j in T.Parallel(32, {n}):
            c[i, j] = T.if_then_else({test}, j, {n})
        T.reduce_min(c, y, dim=1)
        T.copy(y, Y[b * 32])
"""


def found(pool: str, n: int, test: str, device: str, offset: int, between: str = "") -> Any:
    """(values, the column found in each row)."""
    text = SOURCE.format(pool=pool, n=n, test=test, between=between)
    kernel = samples.from_text(text, "main")
    made = harness.compile(kernel, device=device)
    values = (np.random.default_rng(0).standard_normal((64, n)) + offset).astype(np.float32)
    assert harness.check(kernel, device=device).passed
    assert validate(made, 0).name == ""
    return values, made.run({"X": values}).outputs["Y"]


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("offset", [0, -5])
@pytest.mark.parametrize(
    ("pool", "n", "test"),
    [
        ("max", 64, "x[i, j] == m[i]"),
        ("min", 50, "x[i, j] == m[i]"),
        ("max", 50, "m[i] <= x[i, j]"),
        ("min", 64, "not (x[i, j] > m[i])"),
    ],
)
def test_the_largest_equals_the_maximum(
    device: str, offset: int, pool: str, n: int, test: str
) -> None:
    """Of any float32 numbers an element is found, the largest up to what TF32 can tell apart."""
    values, columns = found(pool, n, test, device, offset)
    assert (columns < n).all()
    best = values.max(axis=1) if pool == "max" else values.min(axis=1)
    chosen = values[np.arange(64), columns]
    assert (np.abs(chosen - best) <= 2.0**-10 * np.abs(best)).all()


def test_what_changed_since_is_compared_as_it_is() -> None:
    """A block that is no longer what was reduced is not read from what was."""
    between = "for i, j in T.Parallel(32, 64): x[i, j] = x[i, j] * 2.0 - 100.0"
    _, columns = found("max", 64, "x[i, j] >= m[i]", "wormhole_n150", 0, between)
    assert (columns == 64).all()
