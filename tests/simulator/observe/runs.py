"""Programs that tests of observers watch."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.engine.observer import Observer
from simulator.engine.schedule import RoundRobin, Schedule
from simulator.run import RunOptions, RunResult, execute
from tests.simulator.builders import Sketch, gemm


def product() -> tuple[Sketch, dict[str, Any]]:
    """A matrix product of 64 x 64 blocks on 2 x 2 cores, and its inputs."""
    a, b = np.random.default_rng(0).integers(-9, 9, (2, 128, 128)).astype(np.float32)
    return gemm(128, 128, 128, (64, 64, 32), (2, 2)), {"A": a, "B": b}


def watch(
    sketch: Sketch, inputs: dict[str, Any], observer: Observer | None,
    schedule: Schedule | None = None,
) -> RunResult:  # fmt: skip
    """Run under an observer."""
    options = RunOptions(observer=observer, schedule=schedule or RoundRobin())
    return execute(sketch.plan(), sketch.listed(), inputs, options)
