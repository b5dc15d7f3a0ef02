"""Small blocks whose elements are stored and read one by one, outside T.Parallel."""

from __future__ import annotations

from typing import Any

import pytest

import harness
import harness.language as T
from harness.errors import CompileError


def _pair(dtype: str) -> Any:
    """Two numbers of a block, made in a loop, and used by all of it."""

    @T.prim_func
    def main(A: T.Tensor((96, 64), dtype), C: T.Tensor((96, 64), "float32")):
        with T.Kernel(3) as by:
            a = T.alloc_fragment((32, 64), "float32")
            r = T.alloc_fragment((32,), "float32")
            n = T.alloc_fragment((1,), "float32")
            last = T.alloc_local((2,), "float32")
            grid = T.alloc_local((2, 2), "float32")
            T.copy(A[by * 32, 0], a)
            T.clear(last)
            T.fill(grid, 0.5)
            for k in T.serial(2):
                T.reduce_max(a, r, dim=1)
                T.reduce_sum(r, n, dim=0)
                last[0] += n[0] * 0.25 + k
                last[1] = n[0] - last[0]
            grid[1, 0] = last[1] + A[by * 32 + 3, 5]
            for i, j in T.Parallel(32, 64):
                a[i, j] = a[i, j] * grid[0, 1] + last[0] * grid[1, 0]
            T.copy(a, C[by * 32, 0])

    return main


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
def test_whole_numbers_place_blocks(device: str) -> None:
    """Two places kept in one list of int32 are the scalars they would be by names."""

    @T.prim_func
    def main(A: T.Tensor((96, 64), "float32"), C: T.Tensor((96, 64), "float32")):
        with T.Kernel(2, 3) as (bx, by):
            a = T.alloc_shared((32, 32), "float32")
            at = T.alloc_local((2,), "int32")
            at[0] = (2 - by) * 32
            at[1] = bx * 32
            T.copy(A[at[0], at[1]], a)
            T.copy(a, C[by * 32, bx * 32])

    verdict = harness.check(main, device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_each_element_is_a_number_of_its_own(dtype: str, device: str) -> None:
    """T.alloc_local((2,)) keeps two scalars, by any constant index, cleared together."""
    verdict = harness.check(_pair(dtype), device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


def test_an_element_of_a_block_that_loops_use_is_refused() -> None:
    """No store to one element of a block that is also used whole goes anywhere else."""

    @T.prim_func
    def main(A: T.Tensor((4, 4), "float32"), C: T.Tensor((4, 4), "float32")):
        with T.Kernel(1):
            a = T.alloc_fragment((4, 4), "float32")
            T.copy(A, a)
            a[1, 2] = a[0, 0] + 1.0
            T.copy(a, C)

    with pytest.raises(CompileError, match="single element is stored outside") as info:
        harness.compile(main)
    assert info.value.code == "UnsupportedConstruct"
