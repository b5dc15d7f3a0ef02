"""Reductions into blocks of one line."""

from __future__ import annotations

from typing import Any

import pytest

import harness
import harness.language as T
from tests.e2e.test_long_expressions import MODES


def into_lines(kind: str, dtype: str, *, clear: bool = True) -> Any:
    """Rows and columns reduced into matrices of one row, and of one column, both ways."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), dtype), C: T.Tensor((1, 64), "float32"),
        D: T.Tensor((64, 1), "float32"),
    ):  # fmt: skip
        with T.Kernel(1):
            a = T.alloc_fragment((64, 64), dtype)
            c = T.alloc_fragment((1, 64), "float32")
            d = T.alloc_fragment((64, 1), "float32")
            T.copy(A, a)
            T.fill(c, 2.0)
            T.fill(d, -2.0)
            T.reduce(a, c, kind, dim=1, clear=clear)
            T.reduce(a, d, kind, dim=0, clear=clear)
            T.copy(c, C)
            T.copy(d, D)

    return main


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["sum", "max", "min"])
def test_a_line_lies_as_its_destination_does(kind: str, mode: str) -> None:
    """Sums of rows stored as a row, and of columns as a column, are turned on the way."""
    for clear in (True, False):
        verdict = harness.check(into_lines(kind, "float32", clear=clear), **MODES[mode])
        assert verdict.passed, (verdict.reason, verdict.findings)
    assert harness.check(into_lines(kind, "bfloat16"), **MODES[mode]).passed
