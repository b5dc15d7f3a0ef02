"""Blocks with dimensions of extent 1 behind the others, and scales of groups of columns."""

from __future__ import annotations

from typing import Any

import pytest

import harness
import harness.language as T

DEVICES = ["wormhole_n150", "blackhole_p150"]


def _ends(how: str) -> Any:
    @T.prim_func
    def main(
        A: T.Tensor((2, 70, 40, 1), "float32"),
        C: T.Tensor((2, 70, 40, 1), "float32"),
        R: T.Tensor((2, 70, 1), "float32"),
    ):
        with T.Kernel(3, 2) as (b, z):
            a = T.alloc_shared((1, 32, 40, 1), "float32")
            r = T.alloc_fragment((1, 32, 1), "float32")
            T.copy(A[z, b * 32, 0, 0], a)
            if how == "loops":
                for i, j, k in T.Parallel(32, 40, 1):
                    a[0, i, j, k] = a[0, i, j, k] * 2.0
                for i, k in T.Parallel(32, 1):
                    r[0, i, k] = a[0, i, 3, k]
            if how == "reduced":
                T.reduce_max(a, r, dim=2)
            T.copy(a, C[z, b * 32, 0, 0])
            T.copy(r, R[z, b * 32, 0])

    return main


@pytest.mark.parametrize("how", ["loops", "reduced"])
@pytest.mark.parametrize("device", DEVICES)
def test_dimensions_of_extent_1_may_end_a_block(how: str, device: str) -> None:
    """Copied, computed in loops of their own and reduced, ragged."""
    verdict = harness.check(_ends(how), device=device)
    assert verdict.passed, verdict.reason


def _groups(group: int, columns: int) -> Any:
    @T.prim_func
    def main(
        A: T.Tensor((70, columns), "bfloat16"),
        S: T.Tensor((70, columns // group), "bfloat16"),
        C: T.Tensor((70, columns), "float32"),
    ):
        with T.Kernel(3) as b:
            a = T.alloc_shared((32, columns), "bfloat16")
            s = T.alloc_shared((32, columns // group), "bfloat16")
            c = T.alloc_fragment((32, columns), "float32")
            T.copy(A[b * 32, 0], a)
            T.copy(S[b * 32, 0], s)
            for i, j in T.Parallel(32, columns):
                c[i, j] = T.cast(a[i, j], "float32") * T.cast(s[i, j // group], "float32")
            T.copy(c, C[b * 32, 0])

    return main


@pytest.mark.parametrize(("group", "columns"), [(16, 128), (8, 64), (64, 128), (12, 96), (48, 96)])
@pytest.mark.parametrize("device", DEVICES)
def test_groups_of_columns_have_scales(group: int, columns: int, device: str) -> None:
    """A group may be part of a tile, several tiles, or neither."""
    verdict = harness.check(_groups(group, columns), device=device)
    assert verdict.passed, verdict.reason
