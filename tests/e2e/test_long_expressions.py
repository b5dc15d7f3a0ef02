"""Elementwise expressions of many operations, judged on both families and with a 16-bit DST."""

from __future__ import annotations

from typing import Any

import pytest

import harness
import harness.language as T

MODES: dict[str, dict[str, Any]] = {
    "wormhole_n150": {"device": "wormhole_n150"},
    "blackhole_p150": {"device": "blackhole_p150"},
    "16-bit destination": {"fp32_dest": False},
}


def products_among_choices(dtype: str = "bfloat16") -> Any:
    """Products computed after the destination tiles have held something else."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), dtype), B: T.Tensor((64, 64), dtype), C: T.Tensor((64, 64), dtype)
    ):
        with T.Kernel(2, 2) as (bx, by):
            a = T.alloc_fragment((32, 32), dtype)
            b = T.alloc_fragment((32, 32), dtype)
            T.copy(A[by * 32, bx * 32], a)
            T.copy(B[by * 32, bx * 32], b)
            for i, j in T.Parallel(32, 32):
                x = a[i, j]
                y = b[i, j]
                b[i, j] = T.if_then_else(
                    x < -1.0,
                    y * x,
                    T.if_then_else(x < 1.0, x * y, T.if_then_else(x < 2.0, y + x, y * 2.0)),
                )
            T.copy(b, C[by * 32, bx * 32])

    return main


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_products_do_not_add_to_what_a_tile_held(dtype: str, mode: str) -> None:
    """A product of two blocks on the matrix unit starts from a tile that holds nothing yet."""
    verdict = harness.check(products_among_choices(dtype), **MODES[mode])
    assert verdict.passed, (verdict.reason, verdict.findings)
