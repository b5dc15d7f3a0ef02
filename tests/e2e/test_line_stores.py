"""Rows and columns of on-chip blocks stored one at a time, at places loops and blocks say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from tests.harness.compiler import samples

DEVICES = ["wormhole_n150", "blackhole_p150"]
SOURCE = """
@T.prim_func
def main(A: T.Tensor((40, 70), "float32"), X: T.Tensor((40, 70), "float32"),
         H: T.Tensor((40, 70), "float32")):
    with T.Kernel(2) as bx:
        a = T.alloc_shared((32, 70), "float32")
        x = T.alloc_shared((32, 70), "float32")
        o = T.alloc_shared((32, 70), "float32")
        h = T.alloc_fragment((32,), "float32")
        g = T.alloc_fragment((70,), "float32")
        T.copy(A[bx * 32, 0], a)
        T.copy(X[bx * 32, 0], x)
        T.clear(h)
        T.clear(g)
        {body}
        T.copy(o, H[bx * 32, 0])
"""
FORWARD = """
for t in T.serial(70):
    for i in T.Parallel(32):
        h[i] = a[i, t] - h[i] + x[i, t]
        o[i, t] = h[i]
"""
BACKWARD = """
for t in T.serial(70):
    for i in T.Parallel(32):
        o[i, 69 - t] = a[i, 69 - t] - h[i]
        h[i] = o[i, 69 - t]
"""
ROWS = """
for t in T.serial(32):
    for j in T.Parallel(70):
        g[j] = g[j] + a[t, j]
        o[t, j] = g[j]
"""
UPDATED = """
T.copy(x, o)
for t in T.serial(3):
    for i in T.Parallel(32):
        o[i, t * 23] = o[i, t * 23] * 2.0 + a[i, t]
    for j in T.Parallel(70):
        o[bx + t, j] += 1.0
"""
BEFORE = """
T.copy(x, o)
for t in T.serial(69):
    for i in T.Parallel(32):
        o[i, t + 1] = a[i, t + 1] - o[i, t]
"""
GUARDED = """
T.copy(x, o)
for t in T.serial(70):
    for i in T.Parallel(32):
        if a[i, t] > 0.0:
            o[i, t] = a[i, t]
"""


def scanned(step: Any, size: int, last: int) -> Any:
    """Columns from what was before, from one end or the other."""

    def run(a: Any, x: Any) -> Any:
        out, held = np.zeros_like(a), np.zeros(size)
        for t in range(70) if last else reversed(range(70)):
            held = out[:, t] = step(held, a[:, t], x[:, t])
        return out

    return run


def rows(a: Any, x: Any) -> Any:
    """Running sums over the rows of either block."""
    del x
    return np.concatenate([a[:32].cumsum(axis=0), a[32:].cumsum(axis=0)])


def updated(a: Any, x: Any) -> Any:
    """Columns, then rows of what they became."""
    out = x.copy()
    for t in range(3):
        out[:, t * 23] = out[:, t * 23] * 2 + a[:, t]
        for block in range(2):
            out[block * 32 + block + t] += 1
    return out


def before(a: Any, x: Any) -> Any:
    """Every column from the one before it, in the same block."""
    out = x.copy()
    for t in range(69):
        out[:, t + 1] = a[:, t + 1] - out[:, t]
    return out


CASES: dict[str, tuple[str, Any]] = {
    "forward": (FORWARD, scanned(lambda h, a, x: a - h + x, 40, 1)),
    "backward": (BACKWARD, scanned(lambda h, a, _: a - h, 40, 0)),
    "rows": (ROWS, rows),
    "updated": (UPDATED, updated),
    "before": (BEFORE, before),
    "guarded": (GUARDED, lambda a, x: np.where(a > 0, a, x)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("device", DEVICES)
def test_lines_go_where_they_are_stored(name: str, device: str) -> None:
    """Scans from either end, of rows and columns, onto what was there and under conditions."""
    body, numbers = CASES[name]
    text = SOURCE.format(body="\n        ".join(body.strip().split("\n")))
    kernel = samples.from_text(text, "main")
    verdict = harness.check(kernel, device=device)
    assert verdict.passed, verdict.reason
    if device == DEVICES[0] and name != "before":  # which only its places tell to be independent
        assert harness.check(kernel, device=device, oracle="llvm").passed
    rng = np.random.default_rng(0)
    a, x = (rng.integers(-9, 10, (40, 70)).astype(np.float32) for _ in range(2))
    found = harness.compile(kernel, device=device).run({"A": a, "X": x}).outputs["H"]
    np.testing.assert_array_equal(found, numbers(a, x))
