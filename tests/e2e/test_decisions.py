"""Decisions of the lowering, each with a kernel whose answer is wrong where it is taken wrongly."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import CompileError
from harness.kernels import gemm
from tests.e2e import decisions as k


@pytest.mark.parametrize("make", k.KERNELS, ids=[f.__name__ for f in k.KERNELS])
def test_answers_as_the_source_says(make: Any) -> None:
    """Order, operands, padding, places and neighbours in tiles are those of the source."""
    verdict = harness.check(make())
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


def test_a_value_is_rounded_where_it_passes_through_bfloat16() -> None:
    """A block of bfloat16 between two of float32 is not left out."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            a = T.alloc_shared((32, 32), "float32")
            h = T.alloc_fragment((32, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            T.copy(A, a)
            for i, j in T.Parallel(32, 32):
                h[i, j] = a[i, j] * 3.0
            for i, j in T.Parallel(32, 32):
                c[i, j] = h[i, j]
            T.copy(c, C)

    a = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    c = harness.compile(main).run({"A": a}).outputs["C"]
    assert not (c.view(np.uint32) & 0xFFFF).any()


@pytest.mark.parametrize("stages", [2, 3, 4])
def test_stages_are_blocks_of_the_buffers_they_fill(stages: int) -> None:
    """num_stages is how many blocks of a step's operands have room."""
    plan = harness.compile(gemm.matmul(32, 32, 128, 32, 32, 32, num_stages=stages)).plan
    read = [cb.depth for cb in plan.circular_buffers if cb.producer == "ncrisc"]
    assert read == [stages, stages]


def test_every_core_of_a_row_must_read_the_same_to_share() -> None:
    """Two cores that read the same and two that do not are no row to multicast along."""
    with pytest.raises(CompileError) as caught:
        harness.compile(gemm.matmul(64, 128, 64, 32, 32, 32), grid=(4, 1), multicast=True)
    assert caught.value.code == "NoMulticast"


def test_reductions_share_one_scaler() -> None:
    """However many reductions there are, one scaler is written, before any loop."""
    artifact = harness.compile(k.two_sums())
    written = msgspec.json.encode(artifact.programs).count(b'"generate_reduce_scaler"')
    assert written == 1
