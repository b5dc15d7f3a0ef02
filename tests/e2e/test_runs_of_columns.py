"""Windows of a sequence gathered by runs of columns, under conditions on rows and columns."""

from __future__ import annotations

from typing import Any

import pytest

import harness
import harness.language as T
from harness.errors import HarnessError


def _convolved(steps: int, channels: int, taps: int, stride: int, limit: int | None = None) -> Any:
    """Convolution of one dimension: windows side by side, times weights."""
    out = (steps + 2 - taps) // stride + 1
    total = taps * channels
    end = total if limit is None else limit

    @T.prim_func
    def main(
        X: T.Tensor((2, steps, channels), "bfloat16"), W: T.Tensor((total, 32), "bfloat16"),
        Y: T.Tensor((2 * out, 32), "float32"),
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(2 * out, 32)) as by:
            x = T.alloc_shared((32, 32), "bfloat16")
            w = T.alloc_shared((32, 32), "bfloat16")
            y = T.alloc_fragment((32, 32), "float32")
            T.clear(y)
            for k in T.Pipelined(T.ceildiv(total, 32), num_stages=2):
                for i, j in T.Parallel(32, 32):
                    m = by * 32 + i
                    c = k * 32 + j
                    at = m % out * stride + c // channels - 1
                    there = (m < 2 * out) & (c < end) & (at >= 0) & (at < steps)
                    x[i, j] = T.if_then_else(there, X[m // out, at, c % channels], 0)
                T.copy(W[k * 32, 0], w)
                T.gemm(x, w, y)
            T.copy(y, Y[by * 32, 0])

    return main


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize(
    ("steps", "channels", "taps", "stride", "limit"),
    [(40, 32, 3, 1, None), (33, 16, 4, 2, None), (40, 32, 3, 1, 80)],
)
def test_a_condition_may_change_between_runs(
    steps: int, channels: int, taps: int, stride: int, limit: int | None, device: str
) -> None:
    """Columns end at a multiple of a run, where a whole run is there or is not."""
    verdict = harness.check(_convolved(steps, channels, taps, stride, limit), device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


@pytest.mark.parametrize("limit", [40, 95])
def test_a_condition_that_changes_within_a_run_is_refused(limit: int) -> None:
    """No run is read as a whole where only part of it is there."""
    with pytest.raises(HarnessError, match="may change within them"):
        harness.compile(_convolved(40, 32, 3, 1, limit))
