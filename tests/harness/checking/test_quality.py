"""What a verdict says of quality: bytes, tile products and memory, each beside its minimum."""

from __future__ import annotations

from typing import Any

import pytest

import harness.language as T
from harness.checking import check
from harness.compiler import annotate_tt_layout
from harness.compiler.facts.multiplications import multiplications
from harness.report.machine import machine_lines
from tests.harness.compiler import samples


def test_a_gemm_states_its_traffic() -> None:
    """Every core reads its own rows and columns, so each block comes several times."""
    found = check(samples.gemm(96, 64, 128), oracle="exact").quality
    a, b, c = 96 * 128 * 2, 128 * 64 * 2, 96 * 64 * 2
    assert found["dram_read"] == {"bytes": 2 * a + 3 * b, "minimum": a + b}
    assert found["dram_write"] == {"bytes": c, "minimum": c}
    assert found["tile_matmuls"] == {"executed": 24, "minimum": 24}
    assert 0 < found["l1"]["high_water"] < found["l1"]["room"]


def test_multicast_reads_the_minimum() -> None:
    """And says what the plain mode would have read."""
    options: dict[str, Any] = {"grid": (2, 3), "strategy": "block", "oracle": "exact"}
    plain = check(samples.gemm(96, 64, 128), **options).quality["dram_read"]
    shared = check(samples.gemm(96, 64, 128), multicast=True, **options)
    found = shared.quality["dram_read"]
    assert found["bytes"] == found["minimum"] == plain["minimum"]
    assert found["without_multicast"] == plain["bytes"]
    text = "\n".join(str(line) for line in machine_lines(shared.stats, shared.determinate))
    assert "the least there is; 57,344 more came by multicast" in text


def test_tensors_in_l1_are_no_dram_traffic() -> None:
    """They count towards the high water of L1 instead."""
    plain = check(samples.copy(), oracle="exact")
    moved = check(annotate_tt_layout(samples.copy(), {"In": {"memory": "L1"}}), oracle="exact")
    assert moved.quality["dram_read"] == {"bytes": 0, "minimum": 0}
    assert moved.quality["l1"]["high_water"] > plain.quality["l1"]["high_water"]


def test_pages_nobody_reads_are_no_part_of_the_minimum() -> None:
    """A kernel that reads one corner of a tensor needs that corner only."""

    @T.prim_func
    def main(In: T.Tensor((64, 64), "bfloat16"), Out: T.Tensor((32, 32), "bfloat16")):
        with T.Kernel(1, 1) as (bx, by):
            s = T.alloc_shared((32, 32), "bfloat16")
            T.copy(In[by * 32, bx * 32], s)
            T.copy(s, Out[by * 32, bx * 32])

    assert check(main).quality["dram_read"] == {"bytes": 2048, "minimum": 2048}


def causal(uneven: bool) -> Any:
    """Row block by sums by + 1 products, or as many as a loop of unknown length gives."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), "bfloat16"), B: T.Tensor((64, 32), "bfloat16"),
        C: T.Tensor((64, 32), "bfloat16"),
    ):  # fmt: skip
        with T.Kernel(1, 2) as (bx, by):
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            T.clear(c)
            for j in T.serial(1):
                for k in T.serial((by + 1) if not uneven else (by + 1 + j)):
                    T.copy(A[by * 32, k * 32], a)
                    T.copy(B[k * 32, bx * 32], b)
                    T.gemm(a, b, c)
            T.copy(c, C[by * 32, bx * 32])

    return main


@pytest.mark.parametrize(("uneven", "tiles"), [(False, 3), (True, None)])
def test_products_of_loops_that_depend_on_the_block(uneven: bool, tiles: int | None) -> None:
    """One row block makes one product, the other two; what cannot be told is left open."""
    found = multiplications(causal(uneven))
    assert found == (None if tiles is None else tiles * 32**3)
