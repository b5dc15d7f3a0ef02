"""Data that place other data: what a tensor of indices is asked is itself asked of one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from golden.formats import round_even
from harness.fuzz.stages import validate
from simulator.run import execute
from tests.harness.compiler import samples

ROWS = """
@T.prim_func
def main(A: T.Tensor((100, 64), "{dtype}"), table: T.Tensor((40,), "int32"),
         idx: T.Tensor((64,), "int32"), Y: T.Tensor((64, 64), "{dtype}")):
    with T.Kernel(2) as bx:
        y = T.alloc_shared((32, 64), "{dtype}")
        for i, j in T.Parallel(32, 64):
            y[i, j] = A[table[idx[bx * 32 + i]], j]
        T.copy(y, Y[bx * 32, 0])
"""
PAGES = """
@T.prim_func
def main(A: T.Tensor((9, 32, 64), "{dtype}"), table: T.Tensor((3, 4), "int32"),
         of: T.Tensor((5,), "int32"), many: T.Tensor((3,), "int32"),
         Y: T.Tensor((5, 32, 64), "{dtype}")):
    with T.Kernel(5) as b:
        x = T.alloc_shared((32, 64), "{dtype}")
        y = T.alloc_fragment((32, 64), "float32")
        T.clear(y)
        for k in T.serial(many[of[b]]):
            if table[of[b], k] != 4:
                T.copy(A[table[of[b], k], :, :], x)
                for i, j in T.Parallel(32, 64):
                    y[i, j] += x[i, j]
        T.copy(y, Y[b, 0, 0])
"""
OPTIONS: list[dict[str, Any]] = [
    {}, {"grid": (2, 1)}, {"grid": (1, 1)}, {"double_buffer": False, "prefetch": False},
    {"device": "blackhole_p150"},
]  # fmt: skip


def run(text: str, given: dict[str, Any], dtype: str, **options: Any) -> Any:
    """Y of a run without findings, which no timing changes."""
    made = harness.compile(samples.from_text(text.format(dtype=dtype), "main"), **options)
    result = execute(made.plan, made.programs, given)
    assert result.findings == ()
    assert result.determinate
    return result.outputs["Y"]


@given(
    st.lists(st.integers(0, 99), min_size=40, max_size=40),
    st.lists(st.integers(0, 39), min_size=64, max_size=64),
    st.sampled_from(OPTIONS),
    st.sampled_from(["bfloat16", "float32"]),
)
def test_rows_of_rows(
    table: list[int], idx: list[int], options: dict[str, Any], dtype: str
) -> None:
    """Gather after gather, row by row; on Blackhole 16-bit rows come by way of spans."""
    A = round_even(np.random.default_rng(0).standard_normal((100, 64)), dtype).astype(np.float32)
    x = {"A": A, "table": np.array(table, np.int32), "idx": np.array(idx, np.int32)}
    assert (run(ROWS, x, dtype, **options) == A[x["table"][x["idx"]]]).all()


@given(
    st.lists(st.integers(0, 8), min_size=12, max_size=12),
    st.lists(st.integers(0, 2), min_size=5, max_size=5),
    st.lists(st.integers(-1, 4), min_size=3, max_size=3),
    st.sampled_from(OPTIONS),
)
def test_what_decides_is_placed_by_data(
    table: list[int], of: list[int], many: list[int], options: dict[str, Any]
) -> None:
    """Every thread that decides by a datum knows what places it: bounds, conditions and pages."""
    A = np.random.default_rng(0).integers(-9, 10, (9, 32, 64)).astype(np.float32)
    pages = np.reshape(table, (3, 4)).astype(np.int32)
    x = {"A": A, "table": pages, "of": np.array(of, np.int32), "many": np.array(many, np.int32)}
    found = run(PAGES, x, "bfloat16", **options)
    for b, sequence in enumerate(of):
        taken = [p for p in pages[sequence, : max(many[sequence], 0)] if p != 4]
        assert (found[b] == A[taken].sum(0)).all()


@pytest.mark.parametrize("text", [ROWS, PAGES])
@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
def test_drawn_tables_place_each_other_inside(text: str, device: str) -> None:
    """A table that places another is drawn by how long that is; passes keep the meaning."""
    source = samples.from_text(text.format(dtype="bfloat16"), "main")
    for oracle in ("auto", "tagged", "llvm"):
        verdict = harness.check(source, device=device, oracle=oracle)
        assert verdict.passed, (oracle, verdict.reason, verdict.findings)
    assert not validate(harness.compile(source, device=device)).reason


@pytest.mark.parametrize("bad", [-1, 40, 2**31 - 1])
def test_a_place_outside_a_table_is_found(bad: int) -> None:
    """What places another is held to it where it is loaded."""
    idx = np.arange(64, dtype=np.int32) % 40
    idx[50] = bad
    made = harness.compile(samples.from_text(ROWS.format(dtype="bfloat16"), "main"))
    x = {"A": np.ones((100, 64), np.float32), "table": np.arange(40, dtype=np.int32), "idx": idx}
    (found,) = execute(made.plan, made.programs, x).findings
    assert found.code in ("OutOfBounds", "UninitialisedRead")
    assert "load_l1 of datum" in found.message
