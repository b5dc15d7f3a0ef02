"""Flash attention against a one-thread NumPy attention of the same tiling, interleaved."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

import harness
from harness.kernels import attention

SHAPE = (1, 8, 512, 64)
BLOCK = 64


def tiled(q: Any, k: Any, v: Any) -> Any:
    """Online softmax attention in float32, block by block."""
    out = np.empty_like(q)
    scale = np.float32(attention.LOG2_E / np.sqrt(SHAPE[3]))
    for head in range(SHAPE[1]):
        for i in range(0, SHAPE[2], BLOCK):
            rows = q[0, head, i : i + BLOCK]
            top = np.full(BLOCK, -np.inf, np.float32)
            total = np.zeros(BLOCK, np.float32)
            acc = np.zeros((BLOCK, SHAPE[3]), np.float32)
            for j in range(0, SHAPE[2], BLOCK):
                scores = rows @ k[0, head, j : j + BLOCK].T
                new = np.maximum(top, scores.max(1))
                weights = np.exp2((scores - new[:, None]) * scale)
                keep = np.exp2((top - new) * scale)
                total = total * keep + weights.sum(1)
                acc = acc * keep[:, None] + weights @ v[0, head, j : j + BLOCK]
                top = new
            out[0, head, i : i + BLOCK] = acc / total[:, None]
    return out


def test_flash_attention_against_numpy(benchmark: BenchmarkFixture) -> None:
    """Bar: from host tensors to host tensors within 8 times NumPy of the same tiling."""
    artifact = harness.compile(attention.flash_attention(heads=SHAPE[1], seq_len=SHAPE[2]))
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal(SHAPE).astype(np.float32) for name in "QKV"}
    base, ours = [], []

    def both() -> None:
        started = time.perf_counter()
        tiled(*arrays.values())
        base.append(time.perf_counter() - started)
        started = time.perf_counter()
        artifact.run(arrays)
        ours.append(time.perf_counter() - started)

    benchmark.pedantic(both, rounds=7, warmup_rounds=1)
    benchmark.extra_info["ratio"] = statistics.median(ours) / statistics.median(base)
