"""Causal attention's uneven loops on 1 to 130 cores: the cost of a run by cores and by tiles.

Compiled plans. "run" is from loaded tensors to the last store, CPU time; "control" is that without
arithmetic. Neither counts compiling, upload, decode, encode or download.
"""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import pytest

import harness
from harness.kernels import attention
from simulator.run import RunOptions, Workspace, execute
from tests.benchmarks.test_engine_bench import clock

__all__ = ["clock"]

ROUNDS = 3
SEQUENCE, HEADS = 1024, 8


def _runs(
    artifact: Any, inputs: dict[str, Any], times: list[float], options: RunOptions
) -> tuple[float, Any]:
    """(median seconds of the run, last result)."""
    workspace, found = Workspace(), []

    def once() -> Any:
        times.clear()
        result = execute(artifact.plan, artifact.programs, inputs, options, workspace)
        assert result.findings == ()
        found.append(times[0])
        return result

    results = [once() for _ in range(ROUNDS + 1)]
    return statistics.median(found[1:]), results[-1]


@pytest.mark.parametrize("grid", [(1, 1), (4, 2), (8, 8), (13, 10)], ids=str)
def test_causal_attention_by_cores(
    benchmark: Any,
    clock: list[float],
    grid: tuple[int, int],
) -> None:
    """Cost per step grows less than the cores do; loops of unequal length run as one group."""
    kernel = attention.flash_attention(heads=HEADS, seq_len=SEQUENCE, is_causal=True)
    device = "blackhole_p150" if grid[0] > 8 else "wormhole_n150"
    artifact = harness.compile(kernel, device=device, grid=grid)
    rng = np.random.default_rng(0)
    shape = (1, HEADS, SEQUENCE, 64)
    inputs = {name: rng.standard_normal(shape).astype(np.float32) for name in "QKV"}
    seconds, result = _runs(artifact, inputs, clock, RunOptions())
    control, _ = _runs(artifact, inputs, clock, RunOptions(arithmetic=False))
    stats = result.stats
    info = {
        "cores": grid[0] * grid[1],
        "run_ms": round(seconds * 1e3, 1),
        "control_ms": round(control * 1e3, 1),
        "steps": stats.steps,
        "us_per_step": round(seconds * 1e6 / stats.steps, 2),
        "tiles": sum(stats.tile_ops.values()),
        "groups": stats.groups,
        "splits": stats.splits,
    }
    benchmark.extra_info.update(info)
    print(f"causal attention: {info}")  # noqa: T201 - the figures are the point
    benchmark.pedantic(execute, (artifact.plan, artifact.programs, inputs), rounds=1, iterations=1)
    assert stats.splits == 0
