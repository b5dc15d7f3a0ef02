"""Kernels no packaged one resembles, each judged on every device and in several placements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import harness
from tests.e2e import unusual_columns as columns
from tests.e2e import unusual_flows as f
from tests.e2e import unusual_kernels as k

KERNELS: tuple[Callable[..., Any], ...] = (
    k.chain_acc, k.epilogue, k.ping, k.inplace_twice, k.filled, k.const_only, k.fill_acc,
    k.one_d_grid, k.outer_serial, k.one_iter, k.two_reads, k.square, k.self_square, k.inout,
    k.inout_direct, k.prime, k.vec, columns.rows_by_a_tensor, columns.rows_by_a_column,
    columns.one_column,
    columns.copied_column, columns.copied_column_of_small_blocks, columns.copied_last_column,
    columns.columns_to_rows,
    f.vec_direct, f.three_d, f.loop_batch, f.softmax_masked,
    f.gemm_reduce, f.swap, f.fib, f.cond_out, f.cond_acc, f.bias_bcast, f.float16_to_bfloat16,
    f.loop_carried_gemm, f.int_scalars, f.last_wins, f.wide,
    f.loaded_in_a_loop_used_after, f.left_by_nested_loops, f.left_by_a_triangle, f.left_by_branches,
)  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "wormhole_n150": {"device": "wormhole_n150"},
    "wormhole_n300": {"device": "wormhole_n300"},
    "blackhole_p100": {"device": "blackhole_p100"},
    "blackhole_p150 in blocks": {"device": "blackhole_p150", "grid": (13, 10), "strategy": "block"},
    "grayskull_e150": {"device": "grayskull_e150", "fp32_dest": False},
    "one core": {"grid": (1, 1)},
    "single buffers": {"grid": (1, 2), "double_buffer": False, "prefetch": False,
                       "strategy": "column_major"},
    "bfloat16 destination": {"fp32_dest": False},
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("make", KERNELS, ids=[f.__name__ for f in KERNELS])
def test_answers_as_the_source_says(make: Callable[..., Any], name: str) -> None:
    """Unusual control flow, aliasing and shapes compute what the source says, on every device."""
    verdict = harness.check(make(), **OPTIONS[name])
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


@pytest.mark.parametrize("make", KERNELS, ids=[f.__name__ for f in KERNELS])
def test_exact_numbers_agree(make: Callable[..., Any]) -> None:
    """The bit-exact number model stays within the same bound."""
    assert harness.check(make(), numbers="exact").passed


def test_more_blocks_than_cores() -> None:
    """A grid of 32 x 32 blocks many times the cores, each block exactly once."""
    func = k.one_d_grid(M=32 * 97, N=32)
    artifact = harness.compile(func, grid=(2, 3))
    counts = sorted(len(items) for items in artifact.plan.work_partition.values())
    assert counts == [16, 16, 16, 16, 16, 17]
    assert harness.check(func, grid=(2, 3)).passed
