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


def rows(kind: str, size: int, dtype: str) -> Any:
    """Blocks of ``size`` rows, each wherever a table says."""

    @T.prim_func
    def main(
        K: T.Tensor((2, 71, 2, 64), dtype), idx: T.Tensor((3, 2, 50), "int32"),
        other: T.Tensor((50,), "int32"), Y: T.Tensor((3, size, 64), "float32"),
    ):  # fmt: skip
        with T.Kernel(3) as b:
            k = T.alloc_shared((size, 64), dtype)
            if kind == "plain":
                for i, j in T.Parallel(size, 64):
                    k[i, j] = K[b % 2, idx[b, 1, i + 2], 1, j]
            elif kind == "computed":
                for i, j in T.Parallel(size, 64):
                    k[i, j] = K[1, T.max(idx[b, 0, i] % 50 + 3, other[i]), b % 2, j]
            elif kind == "some":
                for i, j in T.Parallel(size, 64):
                    k[i, j] = T.if_then_else((i + b) % 3 > 0, K[0, other[i], 0, j], 0)
            else:
                for i, j in T.Parallel(size, 64):
                    k[i, j] = K[0, other[i], 0, j] - K[1, idx[b, b % 2, i], 0, j]
            for i, j in T.Parallel(size, 64):
                Y[b, i, j] = k[i, j]

    return main


def picked(kind: str, K: Any, idx: Any, other: Any, size: int) -> Any:
    """What NumPy picks."""
    at = other[:size]
    if kind == "plain":
        return np.stack([K[b % 2, idx[b, 1, 2 : size + 2], 1] for b in range(3)])
    if kind == "computed":
        return np.stack([K[1, np.maximum(idx[b, 0, :size] % 50 + 3, at), b % 2] for b in range(3)])
    if kind == "some":
        kept = [(np.arange(size) + b) % 3 > 0 for b in range(3)]
        return np.stack([np.where(k[:, None], K[0, at, 0], 0) for k in kept])
    return np.stack([K[0, at, 0] - K[1, idx[b, b % 2, :size], 0] for b in range(3)])


@pytest.mark.parametrize(
    ("device", "dtype"),
    [("wormhole_n150", "bfloat16"), ("wormhole_n150", "float32"), ("blackhole_p150", "float32"),
     ("blackhole_p150", "bfloat16")],
)  # fmt: skip
@pytest.mark.parametrize("size", [32, 48, 7])
@pytest.mark.parametrize("kind", ["plain", "computed", "some", "two"])
def test_rows_from_anywhere(kind: str, size: int, device: str, dtype: str) -> None:
    """Every row of a block lies where a table says, computed, asked of two, or not at all."""
    kernel = rows(kind, size, dtype)
    made = harness.compile(kernel, device=device)
    rng = np.random.default_rng(0)
    K = rng.integers(-60, 60, (2, 71, 2, 64)).astype(np.float32)
    idx, other = (rng.integers(0, 71, s).astype(np.int32) for s in ((3, 2, 50), (50,)))
    given = {n: a for n, a in (("K", K), ("idx", idx), ("other", other)) if n in made.plan.io}
    if kind in ("plain", "some"):
        given = {n: a for n, a in given.items() if n != ("other" if kind == "plain" else "idx")}
    result = execute(made.plan, made.programs, given)
    assert result.findings == ()
    np.testing.assert_array_equal(result.outputs["Y"], picked(kind, K, idx, other, size))
    verdict = harness.check(kernel, device=device)
    assert verdict.passed, (verdict.reason, verdict.findings)


def test_a_row_that_is_not_there_is_found() -> None:
    """An index out of range is found in the midst of planes, and in the padding of the last one."""
    made = harness.compile(rows("plain", 32, "float32"))
    for bad in (71, -1, 95, 96):
        idx = np.zeros((3, 2, 50), np.int32)
        idx[1, 1, 9] = bad
        given = {"K": np.ones((2, 71, 2, 64), np.float32), "idx": idx}
        found = {f.code for f in execute(made.plan, made.programs, given).findings}
        assert found == {"OutOfBounds"}, (bad, found)


@pytest.mark.parametrize(
    ("device", "dtype", "size"),
    [("wormhole_n150", "float32", 40), ("blackhole_p150", "bfloat16", 40),
     ("wormhole_n150", "bfloat16", 48)],
)  # fmt: skip
def test_an_embedding_of_any_length(device: str, dtype: str, size: int) -> None:
    """Where the list ends inside a block, what would place further rows is not asked for."""

    @T.prim_func
    def main(W: T.Tensor((50, size), dtype), ids: T.Tensor((40,), "int32"),
             Y: T.Tensor((40, size), dtype)):  # fmt: skip
        with T.Kernel(T.ceildiv(40, 32)) as b:
            for i, j in T.Parallel(32, size):
                if b * 32 + i < 40:
                    Y[b * 32 + i, j] = W[ids[b * 32 + i], j]

    made = harness.compile(main, device=device)
    rng = np.random.default_rng(0)
    w = rng.integers(-60, 60, (50, size)).astype(np.float32)
    rows = rng.integers(0, 50, 40).astype(np.int32)
    result = execute(made.plan, made.programs, {"W": w, "ids": rows})
    assert result.findings == ()
    np.testing.assert_array_equal(result.outputs["Y"], w[rows])
    assert harness.check(made).passed
