"""Tables that say where rows are stored are drawn so that no row is stored twice or outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from golden.source import read_kernel
from golden.tables.indices import drawn_indices
from golden.tables.stored import told_outputs
from golden.tables.told import tried
from harness.kernels.grouped import grouped_gemm, packed_attention, unpermute
from tests.harness.compiler import samples

ROWS = """
@T.prim_func
def main(X: T.Tensor((70, 64), "float32"), a: T.Tensor((70,), "int32"),
         Y: T.Tensor((100, 64), "float32")):
    with T.Kernel(3) as b:
        x = T.alloc_shared((32, 64), "float32")
        T.copy(X[b * 32, 0], x)
        for i, j in T.Parallel(32, 64):
            if {test}:
                Y[a[b * 32 + i]{more}, j] = x[i, j]
"""
COPIES = """
@T.prim_func
def main(X: T.Tensor((3, 32, 64), "float32"), a: T.Tensor((3,), "int32"),
         Y: T.Tensor((100, 64), "float32")):
    with T.Kernel(3) as b:
        x = T.alloc_shared((32, 64), "float32")
        T.copy(X[b, 0, 0], x)
        T.copy(x, Y[a[b] : a[b] + 32, :])
"""
VECTORS = """
@T.prim_func
def main(X: T.Tensor((3, 32, 64), "float32"), a: T.Tensor((3,), "int32"),
         Y: T.Tensor((100,), "float32")):
    with T.Kernel(3) as b:
        x = T.alloc_shared((32, 64), "float32")
        y = T.alloc_fragment((32,), "float32")
        T.copy(X[b, 0, 0], x)
        T.reduce_sum(x, y, dim=1)
        T.copy(y, Y[a[b] : a[b] + 32])
"""
SCAN = """
@T.prim_func
def main(X: T.Tensor((96, 64), "float32"), {params},
         Y: T.Tensor((96, 64), "float32")):
    with T.Kernel(7) as b:
        x = T.alloc_shared((32, 64), "float32")
        of = T.alloc_local((1,), "int32")
        for g in range(4):
            of[0] = T.if_then_else(b * 32 >= r[g], g, of[0])
        done = b * 32 - r[of[0]]
        T.copy(X[q[of[0]] + done : q[of[0]] + done + 32, :], x)
        for i, j in T.Parallel(32, 64):
            if i < p[of[0]] - done:
                Y[q[of[0]] + done + i, j] = x[i, j]
"""


def drawn(text: str, seed: int, *, empty: bool = True) -> tuple[Any, dict[str, Any]]:
    """A kernel and its tables."""
    kernel = read_kernel(samples.from_text(text, "main"))
    return kernel, drawn_indices(kernel, seed, empty=empty)


@pytest.mark.parametrize("more", ["", " * 1 + 7", " // 1"])
def test_rows_of_their_own_differ(more: str) -> None:
    """As many rows as there are, in any order, within what the index makes of them."""
    orders = set()
    for seed in range(5):
        kernel, tables = drawn(ROWS.format(test="b * 32 + i < 70", more=more), seed)
        assert len(set(tables["a"].tolist())) == 70
        assert tried(kernel, tables) == 70
        orders.add(tuple(tables["a"].tolist()))
    assert len(orders) == 5


@pytest.mark.parametrize("join", [" and ", ":\n                if "])
def test_some_rows_have_no_place_where_a_condition_allows_that(join: str) -> None:
    """Both outcomes of the condition are drawn, however it is written."""
    text = ROWS.format(test=f"b * 32 + i < 70{join}a[b * 32 + i] >= 0", more="")
    text = text.replace("                Y[", "                    Y[") if "\n" in join else text
    kernel, tables = drawn(text, 0)
    assert 0 < (tables["a"] == -1).sum() < 30
    assert tried(kernel, tables) == (tables["a"] >= 0).sum()


@pytest.mark.parametrize("text", [COPIES, VECTORS])
def test_blocks_of_rows_are_a_block_apart(text: str) -> None:
    """Copies of whole blocks do not overlap, and begin anywhere; they are right."""
    starts = set()
    assert harness.check(samples.from_text(text, "main")).passed
    for seed in range(6):
        kernel, tables = drawn(text, seed)
        assert tried(kernel, tables) == 96
        starts |= set((tables["a"] % 32).tolist())
    assert len(starts) > 1


@pytest.mark.parametrize("names", ["pqr", "rpq", "wuv"])
def test_lengths_and_offsets_are_told_apart_by_their_use(names: str) -> None:
    """Whatever tables are called and in whatever order they come, every row is stored once."""
    params = ", ".join(f'{n}: T.Tensor((4,), "int32")' for n in sorted(names))
    text = SCAN.format(params=params)
    for old, new in zip("pqr", names.upper(), strict=True):
        text = text.replace(f"{old}[", f"{new}[")
    text = text.replace(params, params.upper().replace("T.TENSOR", "T.Tensor").replace(
        "INT32", "int32"))  # fmt: skip
    lengths, starts, blocks = list(names.upper())
    for seed in range(4):
        kernel, tables = drawn(text, seed)
        assert tried(kernel, tables) == 96
        sizes = tables[lengths]
        assert (sizes.sum(), sizes.min() == 0) == (96, True)
        assert (tables[starts] == np.cumsum(sizes) - sizes).all()
        taken = -(-sizes // 32) * 32
        assert (tables[blocks] == np.cumsum(taken) - taken).all()


@pytest.mark.parametrize(
    ("source", "rows"), [(grouped_gemm(), 300), (unpermute(), 96), (packed_attention(), 180)]
)
def test_packaged_kernels_store_every_row(source: Any, rows: int) -> None:
    """Once each: of every block of columns, and of every head."""
    kernel = read_kernel(source)
    for seed in range(3):
        assert tried(kernel, drawn_indices(kernel, seed)) == rows


def test_tables_that_store_twice_or_outside_do_not_fit() -> None:
    """What is tried is the whole of what tables do."""
    kernel, tables = drawn(ROWS.format(test="b * 32 + i < 70", more=""), 0)
    assert told_outputs(kernel) == {"Y"}
    for place, value in ((3, int(tables["a"][5])), (3, int(tables["a"][60])), (3, 100), (3, -1)):
        changed = tables["a"].copy()
        changed[place] = value
        assert tried(kernel, {**tables, "a": changed}) is None
