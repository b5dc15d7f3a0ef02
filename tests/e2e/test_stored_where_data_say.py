"""Rows stored where int32 tensors say, from source to numbers, and stores that are refused."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from golden import GoldenError, evaluate
from golden.formats import round_even
from harness.errors import CompileError
from harness.fuzz.stages import validate
from harness.kernels.grouped import grouped_gemm
from simulator.run import execute
from tests.harness.compiler import samples

ROWS = """
@T.prim_func
def main(X: T.Tensor((70, {n}), "{dtype}"), ids: T.Tensor((70,), "int32"),
         Out: T.Tensor((100, {n}), "{dtype}")):
    with T.Kernel(3) as bx:
        x = T.alloc_shared((32, {n}), "{dtype}")
        T.copy(X[bx * 32, 0], x)
        for i, j in T.Parallel(32, {n}):
            if bx * 32 + i < 70:
                if ids[bx * 32 + i] >= 0:
                    Out[ids[bx * 32 + i], j] = x[i, j] + x[i, j]
"""
PAGES = """
@T.prim_func
def main(X: T.Tensor((3, 64, 64), "bfloat16"), table: T.Tensor((3, 2), "int32"),
         of: T.Tensor((3,), "int32"), Cache: T.Tensor((9, 32, 64), "bfloat16")):
    with T.Kernel(2, 3) as (k, b):
        x = T.alloc_shared((32, 64), "bfloat16")
        T.copy(X[b, k * 32, 0], x)
        T.copy(x, Cache[table[of[b], k], :, :])
"""
SLOTS = """
@T.prim_func
def main(X: T.Tensor((64, 2, 64), "bfloat16"), slot: T.Tensor((64,), "int32"),
         Cache: T.Tensor((9, 16, 2, 64), "bfloat16")):
    with T.Kernel(2, 2) as (bx, h):
        x = T.alloc_shared((32, 64), "bfloat16")
        T.copy(X[bx * 32 : bx * 32 + 32, h, :], x)
        for i, j in T.Parallel(32, 64):
            s = slot[bx * 32 + i]
            Cache[s // 16, s % 16, h, j] = x[i, j]
"""
NUMBERS = """
@T.prim_func
def main(X: T.Tensor((90, 2, 64), "{dtype}"), cu: T.Tensor((4,), "int32"),
         order: T.Tensor((90,), "int32"), Sum: T.Tensor((2, 90), "{dtype}"),
         Top: T.Tensor((90,), "{dtype}")):
    with T.Kernel(3, 2, 3) as (bx, h, b):
        x = T.alloc_shared((32, 64), "{dtype}")
        s = T.alloc_fragment((32,), "float32")
        m = T.alloc_fragment((32,), "float32")
        first = cu[b] + bx * 32
        left = cu[b + 1] - first
        T.copy(X[first : first + 32, h, :], x)
        T.reduce_sum(x, s, dim=1)
        T.reduce_max(x, m, dim=1)
        for i in T.Parallel(32):
            if i < left:
                Sum[h, first + i] = s[i]
        if h == 1:
            for i in T.Parallel(32):
                if i < left and first + i < 90:
                    Top[order[first + i]] = m[i]
"""
COPIED = """
@T.prim_func
def main(X: T.Tensor((64, 64), "bfloat16"), ids: T.Tensor((64,), "int32"),
         Out: T.Tensor((100, 64), "bfloat16")):
    with T.Kernel(2) as bx:
        x = T.alloc_shared((1, 64), "bfloat16")
        for i in T.serial(32):
            T.copy(X[bx * 32 + i : bx * 32 + i + 1, :], x)
            if ids[bx * 32 + i] >= 0:
                T.copy(x, Out[ids[bx * 32 + i], 0])
"""
HEADS = """
@T.prim_func
def main(X: T.Tensor((48, 3, 48), "{dtype}"), ids: T.Tensor((40,), "int32"),
         Out: T.Tensor((50, 5, 48), "{dtype}")):
    with T.Kernel(3) as bx:
        for i, h, j in T.Parallel(16, 3, 48):
            if bx * 16 + i < 40 and h + ids[bx * 16 + i] != 7:
                Out[ids[bx * 16 + i], h + 1, j] = X[bx * 16 + i, h, j] * 2.0
"""
OPTIONS: list[dict[str, Any]] = [
    {}, {"grid": (2, 1)}, {"grid": (1, 1)}, {"double_buffer": False, "prefetch": False},
    {"device": "blackhole_p150"}, {"device": "blackhole_p150", "grid": (1, 1)},
]  # fmt: skip
DEVICES = ("wormhole_n150", "blackhole_p150")


def rows(n: int = 64, dtype: str = "bfloat16") -> Any:
    """Out[ids[r]] is twice X[r], where ids[r] is not negative."""
    return samples.from_text(ROWS.format(n=n, dtype=dtype), "main")


def run(source: Any, given: dict[str, Any], **options: Any) -> Any:
    """A run without findings, which no timing changes."""
    made = harness.compile(source, **options)
    result = execute(made.plan, made.programs, given)
    assert result.findings == ()
    assert result.determinate
    return result


def data(shape: tuple[int, ...], dtype: str = "bfloat16") -> Any:
    """Another number in every element."""
    values = np.random.default_rng(0).standard_normal(shape)
    return round_even(values, dtype).astype(np.float32)


@given(
    st.permutations(range(100)), st.sets(st.integers(0, 69)), st.sampled_from(OPTIONS),
    st.sampled_from([(64, "bfloat16"), (70, "bfloat16"), (48, "float32"), (32, "float16")]),
)  # fmt: skip
def test_rows_go_where_a_table_says_and_nowhere_else(
    order: list[int], left: set[int], options: dict[str, Any], form: tuple[int, str]
) -> None:
    """Rows in any order, some of them nowhere: those elements are written, and no others."""
    ids = np.array(order[:70], np.int32)
    ids[list(left)] = -1
    x = data((70, form[0]), form[1])
    result = run(rows(*form), {"X": x, "ids": ids}, **options)
    there = np.zeros(100, bool)
    there[ids[ids >= 0]] = True
    assert (result.outputs["Out"][ids[ids >= 0]] == 2 * x[ids >= 0]).all()
    assert (result.written["Out"] == there[:, None]).all()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("first", "second"), [(3, 40), (3, 5)])
def test_a_row_stored_twice_is_found(device: str, first: int, second: int) -> None:
    """Two cores that store one row clash in the machine; golden refuses the inputs either way."""
    ids = np.random.default_rng(1).permutation(100)[:70].astype(np.int32)
    ids[second] = ids[first]
    x = {"X": data((70, 64)), "ids": ids}
    made = harness.compile(rows(), device=device)
    if second >= 32:
        result = execute(made.plan, made.programs, x)
        assert [f.code for f in result.findings] == ["DoubleWrite"]
        assert not result.determinate
    with pytest.raises(GoldenError) as caught:
        evaluate(made.source, x)
    assert caught.value.code == "SourceRace"
    assert ":11:" in str(caught.value.location)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bad", [100, 110, 128, 2**31 - 1])
def test_a_row_that_there_is_not_is_found_at_its_line(device: str, bad: int) -> None:
    """Padding of the last tile, a page beyond and far beyond: none is written."""
    ids = np.random.default_rng(1).permutation(100)[:70].astype(np.int32)
    ids[40] = bad
    x = {"X": data((70, 64)), "ids": ids}
    made = harness.compile(rows(), device=device)
    (found,) = execute(made.plan, made.programs, x).findings
    assert (found.code, "page 8 of tensor Out" in found.message) == ("OutOfBounds", True)
    assert ":11:" in str(found.location)
    with pytest.raises(GoldenError, match="a tensor of indices places an element") as caught:
        evaluate(made.source, x)
    assert (caught.value.code, ":11:" in str(caught.value.location)) == ("InvalidInputs", True)


def test_a_negative_row_is_none() -> None:
    """Without a condition -1 is an error of the inputs, and no row from the end."""
    text = ROWS.format(n=64, dtype="bfloat16").replace("ids[bx * 32 + i] >= 0", "bx < 3")
    x = {"X": data((70, 64)), "ids": np.arange(-1, 69, dtype=np.int32)}
    made = harness.compile(samples.from_text(text, "main"))
    assert [f.code for f in execute(made.plan, made.programs, x).findings] == ["OutOfBounds"]
    with pytest.raises(GoldenError, match="at -1 along"):
        evaluate(made.source, x)


@given(st.permutations(range(9)), st.permutations(range(3)), st.sampled_from(OPTIONS))
def test_pages_are_written_where_an_index_of_an_index_says(
    pages: list[int], of: list[int], options: dict[str, Any]
) -> None:
    """The row of the table is data too: the reader asks for it before it fetches that row."""
    table = np.reshape(pages[:6], (3, 2)).astype(np.int32)
    x = {"X": data((3, 64, 64)), "table": table, "of": np.array(of, np.int32)}
    result = run(samples.from_text(PAGES, "main"), x, **options)
    for b in range(3):
        for k in range(2):
            page = table[of[b], k]
            assert (result.outputs["Cache"][page] == x["X"][b, k * 32 : k * 32 + 32]).all()
    assert int(result.written["Cache"].any((1, 2)).sum()) == 6


def test_an_index_of_an_index_out_of_range_is_found() -> None:
    """A row of the table that there is not is no page of it."""
    x = {"X": data((3, 64, 64)), "table": np.arange(6, dtype=np.int32).reshape(3, 2)}
    made = harness.compile(samples.from_text(PAGES, "main"))
    for bad in (-1, 3, 1000):
        of = np.array([0, 1, bad], np.int32)
        found = execute(made.plan, made.programs, {**x, "of": of}).findings
        assert {f.code for f in found} == {"OutOfBounds"}, bad
        assert "tensor table" in found[0].message


@given(st.permutations(range(144)), st.sampled_from(OPTIONS))
def test_page_and_row_come_of_one_number(slots: list[int], options: dict[str, Any]) -> None:
    """Rows of pages, one head at a time, of a cache whose tiles hold rows of pages."""
    slot = np.array(slots[:64], np.int32)
    x = data((64, 2, 64))
    result = run(samples.from_text(SLOTS, "main"), {"X": x, "slot": slot}, **options)
    assert (result.outputs["Cache"].reshape(144, 2, 64)[slot] == x).all()
    assert int(result.written["Cache"].sum()) == x.size


@given(st.lists(st.integers(0, 90), min_size=2, max_size=2), st.permutations(range(90)),
       st.sampled_from(OPTIONS), st.sampled_from(["float32", "bfloat16"]))  # fmt: skip
def test_single_numbers_go_where_data_say(
    cuts: list[int], order: list[int], options: dict[str, Any], dtype: str
) -> None:
    """A number per row, of neighbours that other blocks and cores store: none is lost."""
    x = np.random.default_rng(0).integers(-2, 3, (90, 2, 64)).astype(np.float32)
    given = {"X": x, "cu": np.array([0, *sorted(cuts), 90], np.int32),
             "order": np.array(order, np.int32)}  # fmt: skip
    result = run(samples.from_text(NUMBERS.format(dtype=dtype), "main"), given, **options)
    assert (result.outputs["Sum"] == x.sum(2).T).all()
    assert (result.outputs["Top"][given["order"]] == x[:, 1].max(1)).all()


@given(st.permutations(range(50)), st.sampled_from(OPTIONS),
       st.sampled_from(["float32", "bfloat16"]))  # fmt: skip
def test_planes_go_where_data_say(order: list[int], options: dict[str, Any], dtype: str) -> None:
    """All heads of a token at once, but for those that a condition of both leaves out."""
    ids, x = np.array(order[:40], np.int32), data((48, 3, 48), dtype)
    source = samples.from_text(HEADS.format(dtype=dtype), "main")
    result = run(source, {"X": x, "ids": ids}, **options)
    kept = ids[:, None] + np.arange(3) != 7
    assert (result.outputs["Out"][ids, 1:4][kept] == 2 * x[:40][kept]).all()
    assert int(result.written["Out"].sum()) == kept.sum() * 48


@given(st.permutations(range(100)), st.sampled_from(OPTIONS))
def test_rows_are_copied_one_by_one(order: list[int], options: dict[str, Any]) -> None:
    """T.copy of a row in a loop, which a datum decides and places."""
    ids = np.array(order[:64], np.int32)
    ids[::5] = -1
    x = data((64, 64))
    result = run(samples.from_text(COPIED, "main"), {"X": x, "ids": ids}, **options)
    assert (result.outputs["Out"][ids[ids >= 0]] == x[ids >= 0]).all()
    assert int(result.written["Out"].any(1).sum()) == (ids >= 0).sum()


@pytest.mark.parametrize("text", [
    ROWS.format(n=64, dtype="bfloat16"), PAGES, SLOTS, COPIED, HEADS.format(dtype="bfloat16"),
    NUMBERS.format(dtype="float32"),
])  # fmt: skip
@pytest.mark.parametrize("device", DEVICES)
def test_drawn_tables_fit_and_every_pass_keeps_the_meaning(text: str, device: str) -> None:
    """Rows are drawn that differ; each pass's IR, executed by other means, stores the same."""
    source = samples.from_text(text, "main")
    for oracle in ("auto", "tagged", "llvm", "metamorphic"):
        verdict = harness.check(source, device=device, oracle=oracle)
        assert verdict.passed, (oracle, verdict.reason, verdict.findings)
    made = harness.compile(source, device=device)
    assert not validate(made).reason
    assert {m.coverage for m in made.plan.output_blocks.values()} == {"told"}


HEAD = """
@T.prim_func
def main(X: T.Tensor((64, 64), "{dtype}"), t: T.Tensor((64,), "int32"),
         n: T.Tensor((2, 64), "int32"), Y: T.Tensor((64, 64), "{dtype}")):
    with T.Kernel(2) as bx:
        x = T.alloc_shared((32, 64), "{dtype}")
        T.copy(X[bx * 32, 0], x)
{lines}
"""
NEST = "for i, j in T.Parallel(32, 64):\n    "
REFUSED = [
    (NEST + "Y[i, t[j]] = x[i, j]  #", "UnsupportedIndex", "do not lie side by side"),
    (NEST + "Y[t[bx * 32 + i], j] = x[i, j]\nT.copy(x, Y[bx * 32, 0])  #", "UnsupportedIndex",
     "stored elsewhere besides"),
    ("T.copy(Y[bx * 32, 0], x)  #\n" + NEST + "Y[t[bx * 32 + i], j] = x[i, j]",
     "UnsupportedIndex", "read besides"),
    (NEST + "Y[t[bx * 32 + i], j] = Y[t[i], j]  #", "UnsupportedIndex", "have no order"),
    (NEST + "if j < 40:\n        Y[t[bx * 32 + i], j] = x[i, j]  #", "UnsupportedIndex",
     "may change within them"),
    (NEST + "x[i, j] = x[i, j] * 2.0\n" + NEST + "if x[i, j] > 0.0:\n"
     "        Y[t[bx * 32 + i], j] = x[i, j]  #", "DataDependent", "a condition depends on 'x'"),
    (NEST + "Y[n[t[bx * 32 + i] % 2, i], j] = x[i, j]  #", "UnsupportedIndex",
     "is not the same for all"),
    (NEST + "Y[t[bx * 33 + i], j] = x[i, j]  #", "OutOfBounds", "may lie outside its 64"),
    ("for i, j in T.Parallel(32, 8):\n    Y[t[bx * 32 + i], j + 8] = x[i, j]  #",
     "UnsupportedIndex", "their columns begin at 8"),
    ("for i, j in T.Parallel(32, 24):\n    Y[t[bx * 32 + i], j] = x[i, j]  #",
     "UnsupportedIndex", "the block has 24 columns"),
    ("for i in T.Parallel(32):\n    Y[t[bx * 32 + i], 0] = x[i, 0]  #", "UnsupportedIndex",
     "does not run along its last dimension"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "code", "text"), REFUSED)
def test_other_stores_are_refused_at_their_line(lines: str, code: str, text: str) -> None:
    """What no writer can do is told with its line, why, and what to write instead."""
    source = HEAD.format(dtype="bfloat16", lines=textwrap.indent(lines, " " * 8))
    with pytest.raises(CompileError) as caught:
        harness.compile(samples.from_text(source, "main"))
    error = caught.value
    assert error.code == code, str(error)
    assert text in str(error)
    assert error.next_step
    line = next(n for n, text in enumerate(source.split("\n"), 1) if text.endswith("#"))
    assert f":{line}:" in str(error.location), str(error)


@pytest.mark.parametrize(("groups", "fits"), [(24, True), (40, True), (60, False)])
def test_many_groups_are_scanned_or_refused(groups: int, fits: bool) -> None:
    """A row of a table is fetched once, however many of its data are asked."""
    source = grouped_gemm(total=groups * 12, groups=groups, N=32, K=32)
    if fits:
        made = harness.compile(source)
        rows = [cb for cb in made.plan.circular_buffers if cb.data_format == "Int32"]
        assert len(rows) < 12
        assert harness.check(source).passed
        return
    with pytest.raises(CompileError, match="a choice within more than 48 others") as caught:
        harness.compile(source)
    assert "grouped.py" in str(caught.value.location)
