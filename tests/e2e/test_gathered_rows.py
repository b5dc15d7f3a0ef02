"""Rows inside tiles that tensors of indices choose: pages of tokens, and planes behind others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from golden.formats import round_even
from simulator.run import execute

DEVICES = ["wormhole_n150", "blackhole_p150"]
KINDS = ["tokens", "heads", "planes"]


def pages(kind: str, size: int, dtype: str) -> Any:
    """Six pages of ``size`` rows, each block's three looked up: where a cache lays them."""
    shape = {"tokens": (6 * size, 64), "heads": (6 * size, 2, 64), "planes": (2, 6, size, 64)}[kind]

    @T.prim_func
    def main(
        K: T.Tensor(shape, dtype), table: T.Tensor((4, 3), "int32"),
        Y: T.Tensor((4, 3 * size, 64), dtype),
    ):  # fmt: skip
        with T.Kernel(4) as b:
            k = T.alloc_shared((size, 64), dtype)
            for n in T.Pipelined(3, num_stages=2):
                page = table[b, n]
                if kind == "tokens":
                    T.copy(K[page * size, 0], k)
                elif kind == "heads":
                    T.copy(K[page * size : (page + 1) * size, b % 2, :], k)
                else:
                    T.copy(K[b % 2, page, :, :], k)
                T.copy(k, Y[b, n * size : (n + 1) * size, :])

    return main


def chosen(kind: str, cache: Any, table: Any, size: int) -> Any:
    """What NumPy looks up."""
    if kind == "planes":
        return np.stack([cache[b % 2][table[b]].reshape(-1, 64) for b in range(4)])
    rows = (table[:, :, None] * size + np.arange(size)).reshape(4, -1)
    if kind == "heads":
        return np.stack([cache[rows[b], b % 2] for b in range(4)])
    return cache[rows]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("size", [64, 16, 48, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_pages_of_tokens(kind: str, size: int, dtype: str, device: str) -> None:
    """A page begins where the table says, in whole tiles or inside one, of any of the planes."""
    made = harness.compile(pages(kind, size, dtype), device=device)
    shape = made.plan.layouts["K"].logical_shape
    rng = np.random.default_rng(0)
    given = {"K": round_even(rng.standard_normal(shape), dtype).astype(np.float32),
             "table": rng.integers(0, 6, (4, 3)).astype(np.int32)}  # fmt: skip
    result = execute(made.plan, made.programs, given)
    assert result.findings == ()
    np.testing.assert_array_equal(
        result.outputs["Y"], chosen(kind, given["K"], given["table"], size)
    )
    verdict = harness.check(pages(kind, size, dtype), device=device)
    assert verdict.passed, (verdict.reason, verdict.findings)


@pytest.mark.parametrize("bad", [6, -1, 2**24])
@pytest.mark.parametrize("size", [64, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_that_is_not_there_is_found(kind: str, size: int, bad: int) -> None:
    """Also where another head's page, or the next plane's, lies at that place."""
    made = harness.compile(pages(kind, size, "bfloat16"))
    table = np.zeros((4, 3), np.int32)
    table[2, 1] = bad
    shape = made.plan.layouts["K"].logical_shape
    result = execute(made.plan, made.programs, {"K": np.ones(shape, np.float32), "table": table})
    assert {f.code for f in result.findings} == {"OutOfBounds"}, result.findings
