"""Names of values inside T.Parallel, where loops and branches store what they read."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import LanguageError

_KERNEL = '''"""Drawn."""
import harness.language as T

@T.prim_func
def main(X: T.Tensor((32, 32), "float32"), Z: T.Tensor((32, 32), "float32")):
    with T.Kernel(1):
        y = T.alloc_fragment((32, 32), "float32")
        z = T.alloc_fragment((32, 32), "float32")
        T.copy(X, y)
        T.clear(z)
        for i, j in T.Parallel(32, 32):
            v = y[i, j] * 2
{body}
        T.copy(z, Z)
'''
"""A kernel's body is read from its file, so that it has to be in one."""


def _kernel(path: Path, body: list[str]) -> Any:
    text = _KERNEL.format(body="\n".join("            " + line for line in body))
    ast.parse(text)
    file = path / "drawn.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location("drawn", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


STALE = {
    "after a branch": ["if i > j:", "    y[i, j] = 100", "z[i, j] = v"],
    "after the other part": ["if i > j:", "    z[i, j] = 1", "else:", "    y[i, j] = 1",
                             "z[i, j] = v"],
    "after one part of two": ["if i > j:", "    y[i, j] = 1", "else:", "    z[i, j] = 1",
                              "z[i, j] = v"],
    "after T.If": ["with T.If(i > j), T.Then():", "    y[i, j] = 100", "z[i, j] = v"],
    "after a branch in a branch": ["if i > j:", "    if i > 3:", "        y[i, j] = 5",
                                   "    z[i, j] = v"],
    "after a loop": ["for k in range(3):", "    y[i, j] += 1", "z[i, j] = v"],
    "in a loop, before the store": ["for k in range(3):", "    z[i, j] += v", "    y[i, j] += 1"],
    "in a loop over a branch": ["for k in T.serial(3):", "    z[i, j] += v", "    if i > k:",
                                "        y[i, j] += 1"],
    "bound again": ["v = v + 1", "y[i, j] = v", "z[i, j] = v"],
    "in T.unroll": ["for k in T.unroll(2):", "    z[i, j] += v", "    y[i, j] = 3"],
}  # fmt: skip


@pytest.mark.parametrize("case", STALE)
def test_a_name_does_not_change_its_meaning(case: str, tmp_path: Path) -> None:
    """What a name read before a store is not read again after it, whatever is around."""
    with pytest.raises(LanguageError, match="'v' is used after 'y'"):
        _kernel(tmp_path, STALE[case])


def _in_both_parts(x: Any, i: Any, j: Any) -> Any:
    return np.where(i > j, 2 * x, 2 * x + 1)


HELD = {
    "in both parts": (["if i > j:", "    y[i, j] = v", "else:", "    y[i, j] = v + 1",
                       "z[i, j] = y[i, j]"], _in_both_parts),
    "in a loop": (["for k in range(3):", "    z[i, j] += v * k"], lambda x, *_: 6 * x),
    "anew in a loop": (["for k in range(3):", "    w = y[i, j] + k", "    z[i, j] += w",
                        "    y[i, j] = 1"],
                       lambda x, *_: x + 0 + 1 + 1 + 1 + 2),
    "bound again": (["v = T.max(v, 9)", "v -= y[i, j]", "y[i, j] = v", "v = i", "v *= 2",
                     "z[i, j] = y[i, j] + v"], lambda x, i, _: np.maximum(2 * x, 9) - x + 2 * i),
}  # fmt: skip


@pytest.mark.parametrize("case", HELD)
def test_a_name_holds_where_nothing_it_reads_is_stored(case: str, tmp_path: Path) -> None:
    """The other part of a branch, and loops that store other blocks, change nothing."""
    body, wanted = HELD[case]
    kernel = _kernel(tmp_path, body)
    assert harness.check(kernel).passed
    x = np.arange(1024, dtype=np.float32).reshape(32, 32) % 61
    i, j = np.indices(x.shape)
    np.testing.assert_array_equal(
        harness.compile(kernel).run({"X": x}).outputs["Z"], wanted(x, i, j)
    )
