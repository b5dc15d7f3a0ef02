"""Blocks that number the places they work at by hand, as persistent kernels do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from golden.contract import NumericContract
from golden.source import read_kernel
from golden.tables.numbered import numbered_places
from harness.errors import CompileError

Where = Callable[[Any, int, int], tuple[Any, Any]]
"""(row, column) of place ``t`` of a grid of some rows and columns."""

ORDERS: dict[str, Where] = {
    "rows": lambda t, _, n: (t // n, t % n),
    "columns": lambda t, m, _: (t % m, t // m),
    "pairs of columns": lambda t, m, _: (t // 2 % m, t % 2 + t // 2 // m * 2),
    "groups of two rows": lambda t, _, n: (
        t // (2 * n) * 2 + t % (2 * n) % 2,
        t % (2 * n) // 2,
    ),
}


def _product(where: Where, M: int, N: int, K: int, cores: int, bounds: bool = False) -> Any:
    rows, columns = -(-M // 64), -(-N // 32)
    total = rows * columns

    def inside(t: Any, row: Any, column: Any) -> Any:
        return T.And(row * 64 < M, column * 32 < N) if bounds else t < total

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "bfloat16"), B: T.Tensor((K, N), "bfloat16"),
        C: T.Tensor((M, N), "float32"),
    ):  # fmt: skip
        with T.Kernel(cores) as block:
            a = T.alloc_shared((64, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_fragment((64, 32), "float32")
            for w in T.serial(T.ceildiv(total, cores) + bounds):
                tile = w * cores + block
                row, column = where(tile, rows, columns)
                if inside(tile, row, column):
                    T.clear(c)
                    for k in T.Pipelined(T.ceildiv(K, 32), num_stages=2):
                        T.copy(A[row * 64, k * 32], a)
                        T.copy(B[k * 32, column * 32], b)
                        T.gemm(a, b, c)
                    T.copy(c, C[row * 64, column * 32])

    return main


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("cores", [1, 6, 7])
@pytest.mark.parametrize("order", ORDERS)
def test_a_persistent_product_in_any_order(order: str, cores: int, device: str) -> None:
    """Every order of tiles over any number of cores is one grid of blocks, each worked at once."""
    func = _product(ORDERS[order], 256, 128, 64, cores)
    artifact = harness.compile(func, device=device)
    assert artifact.plan.kernel_grid in ((4, 4, 1), (2, 2, 4), (2, 4, 2))
    assert harness.check(func, device=device).passed
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-4, 5, s).astype(np.float32) for s in ((256, 64), (64, 128)))
    np.testing.assert_array_equal(artifact.run({"A": a, "B": b}).outputs["C"], a @ b)


def test_a_guard_on_both_coordinates() -> None:
    """Waves beyond the last tile, and tiles beyond a ragged grid, do nothing."""
    func = _product(ORDERS["pairs of columns"], 250, 90, 40, 8, bounds=True)
    assert harness.compile(func).plan.kernel_grid == (3, 4, 1)
    assert harness.check(func).passed


def _numbered() -> Any:
    @T.prim_func
    def main(A: T.Tensor((4, 96, 64), "float32"), C: T.Tensor((4, 96, 64), "float32")):
        with T.Kernel(2, 12) as (x, y):
            s = T.alloc_fragment((32, 32), "float32")
            T.copy(A[y // 3, y % 3 * 32, x * 32], s)
            for i, j in T.Parallel(32, 32):
                if x * 32 + j > y % 3 * 32 + i:
                    s[i, j] = T.cast(y // 3, "float32")
            T.copy(s, C[y // 3, y % 3 * 32, x * 32])

    return main


def test_two_numbers_in_one_axis() -> None:
    """Batch and row block in one grid axis, used in copies and in masks."""
    func = _numbered()
    assert harness.check(func).passed
    a = np.random.default_rng(0).standard_normal((4, 96, 64)).astype(np.float32)
    out = harness.compile(func).run({"A": a}).outputs["C"]
    batch, row, column = np.indices(a.shape)
    np.testing.assert_array_equal(out, np.where(column > row, batch, a))


@pytest.mark.parametrize("fastest", ["head", "batch"])
def test_four_numbers_in_three_axes(fastest: str) -> None:
    """Batch and head in the last axis of three: the shorter of a grid's axes is gone through."""

    @T.prim_func
    def main(A: T.Tensor((2, 64, 3, 64), "float32"), C: T.Tensor((2, 64, 3, 64), "float32")):
        with T.Kernel(2, 2, 2 * 3) as (x, y, bh):
            s = T.alloc_fragment((32, 32), "float32")
            b, h = (bh // 3, bh % 3) if fastest == "head" else (bh % 2, bh // 2)
            T.copy(A[b, y * 32 : y * 32 + 32, h, x * 32 : x * 32 + 32], s)
            for i, j in T.Parallel(32, 32):
                s[i, j] = s[i, j] + T.cast(b * 10 + h, "float32")
            T.copy(s, C[b, y * 32 : y * 32 + 32, h, x * 32 : x * 32 + 32])

    made = harness.compile(main)
    assert sorted(made.plan.kernel_grid) == [2, 2, 3]
    assert harness.check(made).passed
    a = np.random.default_rng(0).integers(-9, 9, (2, 64, 3, 64)).astype(np.float32)
    batch, _, head, _ = np.indices(a.shape)
    np.testing.assert_array_equal(made.run({"A": a}).outputs["C"], a + batch * 10 + head)


def _scan(batch: int, chunks: int, heads: int, shared: int, dim: int, rows: int) -> Any:
    """Chunks of a sequence, decayed and summed under a causal mask, ``shared`` heads a group.

    Blocks number head, rows of the chunk by columns, and batch by chunk, as chunked scans do.
    """
    size = 2 * rows
    sequence = (batch, chunks * size, heads, dim)

    @T.prim_func
    def main(
        G: T.Tensor((batch, chunks, heads // shared, size, size), "bfloat16"),
        X: T.Tensor(sequence, "bfloat16"),
        decay: T.Tensor((batch, heads, chunks, size), "bfloat16"),
        scale: T.Tensor((heads,), "bfloat16"),
        Y: T.Tensor(sequence, "bfloat16"),
    ):
        columns = T.ceildiv(dim, 32)
        with T.Kernel(heads, T.ceildiv(size, rows) * columns, batch * chunks) as (h, mn, bc):
            g = T.alloc_shared((rows, rows), "bfloat16")
            low = T.alloc_fragment((rows, rows), "bfloat16")
            x = T.alloc_shared((rows, 32), "bfloat16")
            along = T.alloc_shared((rows,), "bfloat16")
            own = T.alloc_fragment((rows,), "float32")
            factor = T.alloc_fragment((1,), "float32")
            y = T.alloc_fragment((rows, 32), "float32")
            b = bc % batch
            c = bc // batch
            m = mn // columns
            n = mn % columns
            T.copy(decay[b, h, c, m * rows : (m + 1) * rows], own)
            T.clear(y)
            for k in T.Pipelined(T.ceildiv((m + 1) * rows, rows), num_stages=2):
                T.copy(
                    G[b, c, h // shared, m * rows : (m + 1) * rows, k * rows : (k + 1) * rows], g
                )
                T.copy(decay[b, h, c, k * rows : (k + 1) * rows], along)
                for i, j in T.Parallel(rows, rows):
                    low[i, j] = T.if_then_else(
                        m * rows + i >= k * rows + j, g[i, j] * (own[i] - along[j]), 0
                    )
                T.copy(
                    X[b, c * size + k * rows : c * size + (k + 1) * rows, h, n * 32 : (n + 1) * 32],
                    x,
                )
                T.gemm(low, x, y)
            factor[0] = scale[h]
            for i, j in T.Parallel(rows, 32):
                y[i, j] *= factor[0]
            T.copy(
                y, Y[b, c * size + m * rows : c * size + (m + 1) * rows, h, n * 32 : (n + 1) * 32]
            )

    return main


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize(
    ("batch", "chunks", "heads", "shared", "dim", "rows"),
    [(1, 2, 2, 2, 32, 32), (2, 2, 4, 2, 32, 32), (2, 3, 3, 3, 32, 32), (2, 2, 2, 1, 32, 48)],
)
def test_more_places_than_axes(
    batch: int, chunks: int, heads: int, shared: int, dim: int, rows: int, device: str
) -> None:  # fmt: skip
    """Batch, chunk, rows, columns and head in three axes: quotients place what is read."""
    verdict = harness.check(_scan(batch, chunks, heads, shared, dim, rows), device=device)
    assert verdict.passed, (verdict.reason, verdict.findings)


def test_an_axis_of_one_block_may_go() -> None:
    """A division anywhere in a kernel lets its places be numbered anew, and the judge knows."""

    @T.prim_func
    def main(A: T.Tensor((64, 32), "bfloat16"), B: T.Tensor((128, 32), "bfloat16")):
        with T.Kernel(2, 1, 2) as (x, y, z):
            s = T.alloc_shared((32, 32), "bfloat16")
            T.copy(A[(x * 2 + z) // 2 * 32, 0], s)
            T.copy(s, B[(x * 2 + z + y) * 32, 0])

    verdict = harness.check(main)
    assert verdict.passed, (verdict.reason, verdict.findings)


def _waves(what: str) -> Any:
    @T.prim_func
    def main(A: T.Tensor((256, 32), "float32"), C: T.Tensor((256, 32), "float32")):
        with T.Kernel(2) as block:
            a = T.alloc_fragment((32, 32), "float32")
            s = T.alloc_fragment((32, 32), "float32")
            T.clear(s)
            for w in T.serial(4):
                tile = w * 2 + block
                if tile < 8:
                    if what == "reads what it wrote":
                        T.copy(C[tile % 2 * 32 + tile // 2 * 64, 0], a)
                    else:
                        T.copy(A[tile % 2 * 32 + tile // 2 * 64, 0], a)
                    if what == "half a clear":
                        T.clear(s[0:16, :])
                    for i, j in T.Parallel(32, 32):
                        s[i, j] = s[i, j] + a[i, j]
                    T.copy(s, C[tile % 2 * 32 + tile // 2 * 64, 0])

    return main


@pytest.mark.parametrize(
    ("what", "words"),
    [("sums over waves", "'s' keeps values"), ("half a clear", "'s' keeps values"),
     ("reads what it wrote", "")],
)  # fmt: skip
def test_waves_that_depend_on_each_other_are_refused(what: str, words: str) -> None:
    """A loop whose iterations need each other is not dealt out as if they did not."""
    if what == "reads what it wrote":
        with pytest.raises(CompileError):
            harness.compile(_waves(what))
        return
    with pytest.raises(CompileError) as caught:
        harness.compile(_waves(what))
    assert caught.value.code == "UnsupportedIndex"
    assert words in caught.value.message


def _under(condition: Callable[[Any, Any], Any]) -> Any:
    @T.prim_func
    def main(A: T.Tensor((64, 128), "float32"), C: T.Tensor((64, 128), "float32")):
        with T.Kernel(2) as block:
            a = T.alloc_fragment((32, 32), "float32")
            s = T.alloc_fragment((32, 32), "float32")
            T.clear(s)
            for k in T.serial(4):
                if condition(k, block):
                    T.copy(A[block * 32, k * 32], a)
                    for i, j in T.Parallel(32, 32):
                        s[i, j] = s[i, j] + a[i, j]
                    T.copy(s, C[block * 32, k * 32])

    return main


def test_running_sums_under_a_condition_are_no_loop_over_places() -> None:
    """A guard of loop and block that always holds does not make places of what is summed."""
    func = _under(lambda k, block: k + block >= 0)
    a = np.random.default_rng(0).integers(-9, 9, (64, 128)).astype(np.float32)
    sums = np.cumsum(a.reshape(64, 4, 32), axis=1).reshape(64, 128)
    np.testing.assert_array_equal(harness.compile(func).run({"A": a}).outputs["C"], sums)


def test_places_are_counted_from_the_source() -> None:
    """The judge counts places by itself, and a plan of another number is found out."""
    contract = NumericContract("wormhole", "HiFi4", True, "float32", "tfloat32")
    assert numbered_places(read_kernel(_product(ORDERS["rows"], 256, 96, 32, 5)), contract) == 12
    assert numbered_places(read_kernel(_numbered()), contract) == 24
    plain = _product(lambda t, *_: (t, 0), 256, 32, 32, 4)
    assert numbered_places(read_kernel(plain), contract) == 4
