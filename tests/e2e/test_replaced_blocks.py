"""Blocks that a loop or a branch replaces, or does not, and that are used there and later."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

import harness
from tests.harness.compiler import samples

HEAD = """
@T.prim_func
def main(X: T.Tensor((2, 40, 80), 'float32'), Y: T.Tensor((2, 40, 80), 'float32'),
         Z: T.Tensor((2, 40, 80), 'float32')):
    with T.Kernel(2) as b:
        x = T.alloc_fragment((40, 80), 'float32')
        y = T.alloc_fragment((40, 80), 'float32')
        z = T.alloc_fragment((40, 80), 'float32')
        T.copy(X[b, :, :], x)
        T.copy(X[b, :, :], y)
        T.clear(z)
"""
TAIL = """\
        T.copy(y, Y[b, :, :])
        T.copy(z, Z[b, :, :])
"""
EACH = "for i, j in T.Parallel(40, 80):\n"
STEPS = {
    "replaced in one branch, then used": (
        f"for k in T.serial(3):\n    if b > 0:\n        {EACH}            z[i, j] = x[i, j] * 2.0\n"
        f"    {EACH}        y[i, j] = y[i, j] + z[i, j]\n"
    ),
    "replaced by some steps, then used": (
        f"for k in T.serial(b + 1):\n    if k == 1:\n        {EACH}            z[i, j] = x[i, j]\n"
        f"    {EACH}        y[i, j] = y[i, j] + z[i, j]\n"
    ),
    "replaced by every step, and used": (
        f"for k in T.serial(3):\n    {EACH}        y[i, j] = x[i, j] * 2.0 + k\n"
        f"    {EACH}        z[i, j] = z[i, j] + y[i, j]\n"
    ),
    "moved from after one branch": (
        "for k in T.serial(3):\n    if b > 0:\n        T.copy(X[b, :, :], z)\n"
        "    T.copy(z[13:16, 5:61], y[9:12, 6:62])\n"
    ),
    "moved to in one branch": (
        "for k in T.serial(3):\n    if b > 0:\n        T.copy(x[13:16, 5:61], z[9:12, 6:62])\n"
        "    T.copy(z[8:16, 5:61], y[9:17, 6:62])\n"
    ),
}


@pytest.mark.parametrize("options", [{}, {"grid": (1, 1), "double_buffer": False}])
@pytest.mark.parametrize("what", STEPS)
def test_a_block_is_there_on_every_path(what: str, options: dict[str, Any]) -> None:
    """Protects values from before a loop that one path through it replaces and another uses."""
    text = HEAD + textwrap.indent(STEPS[what], " " * 8) + TAIL
    verdict = harness.check(samples.from_text(text, "main"), **options)
    assert verdict.passed, (verdict.reason, verdict.findings)
