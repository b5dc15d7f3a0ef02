"""Sequential loops over elements: as T.Parallel where order says nothing, refused elsewhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import CompileError
from harness.fuzz.stages import validate
from tests.harness.compiler import samples

DEVICES = ["wormhole_n150", "blackhole_p150"]
SOURCE = """
@T.prim_func
def main(A: T.Tensor((40, 12), "float32"), B: T.Tensor((12, 12), "float32"),
         V: T.Tensor((12,), "float32"), C: T.Tensor((40, 12), "float32"),
         R: T.Tensor((40,), "float32")):
    with T.Kernel(3) as by:
        a = T.alloc_shared((16, 12), "float32")
        b = T.alloc_shared((12, 12), "float32")
        v = T.alloc_shared((12,), "float32")
        c = T.alloc_fragment((16, 12), "float32")
        r = T.alloc_fragment((16,), "float32")
        s = T.alloc_local((1,), "float32")
        T.copy(A[by * 16, 0], a)
        T.copy(B, b)
        T.copy(V, v)
        T.clear(c)
        T.clear(r)
        T.clear(s)
{body}
        T.copy(c, C[by * 16, 0])
        T.copy(r, R[by * 16])
"""
CASES: dict[str, tuple[str, Any]] = {
    "elements": ("""
for i in T.serial(16):
    for j in T.serial(12):
        c[i, j] = a[i, j] * 2.0 + v[j]
""", lambda n: (n.a * 2 + n.v, 0 * n.a[:, 0])),
    "grid of two stores": ("""
for i, j in T.grid(16, 12):
    c[i, j] = a[i, j] + 1.0
    a[i, j] = c[i, j] * 2.0
for i in T.serial(16):
    for j in T.vectorized(12):
        c[i, j] += a[i, j]
""", lambda n: (3 * (n.a + 1), 0 * n.a[:, 0])),
    "from the other end": ("""
for i in T.serial(16):
    for j in T.unroll(12):
        c[i, 11 - j] = a[i, j]
""", lambda n: (n.a[:, ::-1], 0 * n.a[:, 0])),
    "rows of sums": ("""
for i in T.serial(16):
    for k in T.serial(12):
        r[i] += a[i, k] * v[k]
""", lambda n: (0 * n.a, n.a @ n.v)),
    "a product": ("""
for i in T.serial(16):
    for k in T.serial(8):
        for j in T.serial(12):
            c[i, j] += a[i, k] * b[k, j]
""", lambda n: (n.a[:, :8] @ n.b[:8], 0 * n.a[:, 0])),
    "one number": ("""
for k in T.serial(12):
    s[0] += v[k] * 2.0
for i in T.serial(16):
    r[i] = s[0] + a[i, 0]
""", lambda n: (0 * n.a, 2 * n.v.sum() + n.a[:, 0])),
    "stores that last ones undo": ("""
for k in T.serial(3):
    for i in T.serial(16):
        r[i] = a[i, k]
""", lambda n: (0 * n.a, n.a[:, 2])),
    "straight to a tensor": ("""
for i in T.serial(16):
    for j in T.serial(12):
        c[i, j] = A[by * 16 + i, j] * V[j]
""", lambda n: (n.a * n.v, 0 * n.a[:, 0])),
}  # fmt: skip


def source(body: str) -> Any:
    """A kernel of one block per 16 rows, the last of which is short."""
    lines = "\n".join("        " + line for line in body.strip().split("\n"))
    return samples.from_text(SOURCE.format(body=lines), "main")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("device", DEVICES)
def test_loops_over_elements_mean_what_they_say(name: str, device: str) -> None:
    """One after another, backwards, in sums of rows, products and single numbers."""
    body, numbers = CASES[name]
    kernel = source(body)
    made = harness.compile(kernel, device=device)
    verdict = harness.check(kernel, device=device)
    assert verdict.passed, verdict.reason
    assert harness.check(kernel, device=device, oracle="llvm").passed
    rng = np.random.default_rng(0)
    given = {n: rng.integers(-9, 10, s).astype(np.float32)
             for n, s in {"A": (40, 12), "B": (12, 12), "V": (12,)}.items()}  # fmt: skip
    inputs = {n: given[n] for n in given if n in made.plan.layouts}
    outputs = made.run(inputs).outputs
    for name_, want in zip(
        "CR", numbers(SimpleNamespace(**{n.lower(): v for n, v in given.items()})), strict=True
    ):
        assert np.array_equal(outputs[name_], want), name_
    if device == DEVICES[0]:
        assert validate(made, 0).name == ""


ORDERED = {
    "a running sum": "for i in T.serial(16):\n    for k in T.serial(11):\n"
                     "        c[i, k + 1] = c[i, k] + a[i, k]",
    "neighbours": "for i in T.serial(15):\n    a[i + 1, 0] = a[i, 0]",
    "one place for all": "for i in T.serial(16):\n    for k in T.serial(12):\n"
                         "        c[i, k // 2] = a[i, k]",
    "two that meet": "for i in T.serial(16):\n    r[i] = a[i, 0]\n    r[15 - i] = a[i, 1]",
    "read by another": "for i in T.serial(16):\n    r[i] = v[0]\n    v[0] = r[i] + 1.0",
}  # fmt: skip


@pytest.mark.parametrize("name", ORDERED)
def test_loops_whose_order_matters_are_refused(name: str) -> None:
    """What an iteration reads or stores after another did has no meaning in tiles."""
    with pytest.raises(CompileError, match="a single element is stored") as caught:
        harness.compile(source(ORDERED[name]))
    assert "another iteration" in str(caught.value.next_step)
    assert caught.value.location
