"""Kernels of many shapes, each judged against the golden on both chips."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from harness.kernels import attention, norm, softmax
from tests.e2e import language_kernels as k

KERNELS: dict[str, Any] = {
    "column reductions": k.colreduce,
    "absmax and min": k.absmin,
    "vector": k.ssm,
    "branch on the block": k.if_blocks,
    "branch on the loop": k.if_loop,
    "chained gemms": k.chained,
    "two gemms, one accumulator": k.two_gemms,
    "tensor updated in place": k.inplace,
    "outputs written in a loop": k.out_loop,
    "transposed access": k.transposed,
    "smaller than a tile": k.small,
    "three dimensions": k.batch3,
    "casts on the way out": k.casts,
    "accumulator loaded first": k.preload,
    "value carried by a loop": k.onlineload,
}


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p100"])
@pytest.mark.parametrize("name", KERNELS)
def test_kernel_answers_as_its_source_says(name: str, device: str) -> None:
    """Each construct of the language computes what the source says, on both chips."""
    verdict = harness.check(KERNELS[name](), device=device)
    assert verdict.passed, (verdict, verdict.findings, verdict.tensors)
    assert verdict.determinate or name == "tensor updated in place"


@pytest.mark.parametrize("rows", [1, 4, 8, 16])
def test_blocks_smaller_than_a_tile_are_joined(rows: int) -> None:
    """Row blocks below 32 compute the same as whole tiles."""
    assert harness.check(softmax.softmax(M=37, N=64, block_M=rows)).passed
    assert harness.check(norm.layer_norm(block_M=rows)).passed


# Without a mask a ragged sequence attends to the zeros T.copy reads beyond its end.
@pytest.mark.parametrize(("causal", "seq_len"), [(False, 128), (True, 128), (True, 200)])
def test_flash_attention_runs_in_one_group_per_program(causal: bool, seq_len: int) -> None:
    """Uneven causal loops stay in lock step: one group per program, no split, no finding."""
    artifact = harness.compile(attention.flash_attention(seq_len=seq_len, is_causal=causal))
    rng = np.random.default_rng(0)
    arrays = {n: rng.standard_normal(d.logical_shape).astype(np.float32)
              for n, d in artifact.plan.layouts.items() if d.role == "input"}  # fmt: skip
    result = artifact.run(arrays)
    assert result.findings == ()
    assert result.run.stats.splits == 0 or seq_len % 64
    q, k_, v = (arrays[n].astype(np.float64) for n in "QKV")
    want = attention.reference(q, k_, v, is_causal=causal)
    assert np.abs(result.outputs["O"] - want).max() < 0.05
