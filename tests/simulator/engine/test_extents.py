"""Transfers between L1s of any bytes: rows, parts of pages, local copies, several pages at once."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.schedule import LateNoc, RoundRobin, Seeded
from simulator.formats.codec import decode_tiles, encode_tiles
from simulator.formats.dataformat import DataFormat
from simulator.program import Program, Stmt
from simulator.run import RunOptions, RunResult
from tests.simulator.builders import Sketch, layout, let, loop, op, plus, times
from tests.simulator.engine.test_network import everywhere
from tests.simulator.pipes import codes, run

PAGE = 4096
COPIED = 2
IN, OUT = ["get_read_ptr", 2], ["get_write_ptr", 0]
BARRIER = op("noc_async_read_barrier")
Part = tuple[int, int, int]
"""(byte from, byte to, bytes)."""


def meet(here: int, there: int) -> tuple[Stmt, ...]:
    """Both cores of a pair have come this far."""
    return (op("noc_semaphore_inc", "peer", 0, here, 1), op("noc_semaphore_wait", there, 1))


def copying(
    *parts: Stmt, dtype: str = "uint32", fmt: str = "UInt32", pages: int = COPIED
) -> Sketch:
    """Two cores read ``pages`` pages each into buffer 2, run ``parts``, and store buffer 0."""
    mine = plus(times("x", pages), "t")
    page = DataFormat(fmt).tile_bytes()
    reader = (
        op("cb_reserve_back", 2, pages),
        loop("t", pages, op("noc_async_read_page", mine, "A",
                            plus(["get_write_ptr", 2], times("t", page)))),
        BARRIER,
        op("cb_push_back", 2, pages),
        op("cb_wait_front", 2, pages),
        op("cb_reserve_back", 0, pages),
        *meet(0, 0),
        *parts,
        BARRIER,
        op("noc_async_write_barrier"),
        *meet(1, 1),
        op("cb_push_back", 0, pages),
        op("cb_pop_front", 2, pages),
    )  # fmt: skip
    writer = (
        op("cb_wait_front", 0, pages),
        loop("t", pages, op("noc_async_write_page", mine, "C",
                            plus(["get_read_ptr", 0], times("t", page)))),
        op("noc_async_write_barrier"),
        op("cb_pop_front", 0, pages),
    )  # fmt: skip
    shape = (32, 64 * pages)
    return Sketch(
        tensors={"A": layout(dtype, shape, "input", padding="zero"),
                 "C": layout(dtype, shape, "output", padding="zero")},
        buffers={0: (fmt, pages, "ncrisc", "brisc"), 2: (fmt, pages, "ncrisc", "ncrisc")},
        programs={
            "reader": Program(name="reader", thread="ncrisc", accessors=("A",),
                              runtime_args=("x", "peer"), body=reader),
            "writer": Program(name="writer", thread="brisc", accessors=("C",),
                              runtime_args=("x", "peer"), body=writer),
        },
        cores=(2, 1),
        args={name: {(x, 0): (x, 1 - x) for x in range(2)} for name in ("reader", "writer")},
        extra={"semaphores": everywhere((2, 1), 0, 0)},
    )  # fmt: skip


def from_core(x: Any, source: int, target: int, size: int) -> Stmt:
    """Bytes of the input buffer of a core into the own output buffer."""
    return op("noc_async_read", x, 0, plus(IN, source), plus(OUT, target), size)


def to_core(x: Any, source: int, target: int, size: int) -> Stmt:
    """Bytes of the own input buffer into the output buffer of a core."""
    return op("noc_async_write", plus(IN, source), x, 0, plus(OUT, target), size)


def data(pages: int = COPIED) -> Any:
    """Numbers all of whose bytes differ from their neighbours'."""
    count = 32 * 64 * pages
    return (
        (np.arange(count, dtype=np.uint64) * 2654435761 % 2**32).astype(np.uint32).reshape(32, -1)
    )


def stored(values: Any, core: int, pages: int = COPIED) -> Any:
    """Bytes of a core's pages of a tensor."""
    tiles = values.reshape(32, -1, 32).swapaxes(0, 1)[core * pages : (core + 1) * pages]
    return encode_tiles(tiles, DataFormat.UInt32).reshape(-1)


@st.composite
def parts_of(draw: Any) -> list[Part]:
    """Copies whose addresses agree modulo 16, across pages and granules."""
    out = []
    for _ in range(draw(st.integers(1, 5))):
        source = draw(st.integers(0, COPIED * PAGE - 1))
        target = (source + 16 * draw(st.integers(0, COPIED * PAGE // 16))) % (COPIED * PAGE)
        most = COPIED * PAGE - max(source, target)
        out.append((source, target, min(draw(st.integers(1, 2 * PAGE)), most)))
    return out


SCHEDULES = st.sampled_from([RoundRobin(), Seeded(3), LateNoc(4)])


@settings(max_examples=60)
@given(parts_of(), st.sampled_from(["own", "peer"]), st.booleans(), SCHEDULES)
def test_any_bytes_go_where_they_are_sent(
    parts: list[Part], whose: str, write: bool, schedule: Any
) -> None:
    """After a copy of everything, copies of parts leave the bytes a plain array would hold."""
    at: Any = "x" if whose == "own" else "peer"
    move = to_core if write else from_core
    barrier = op("noc_async_write_barrier") if write else BARRIER
    whole = (0, 0, COPIED * PAGE)
    body = [stmt for part in (whole, *parts) for stmt in (move(at, *part), barrier)]
    result = run(copying(*body), RunOptions(schedule=schedule), A=data())
    assert codes(result) == []
    assert result.written["C"].all()
    for core in range(2):
        source = stored(data(), core if whose == "own" else 1 - core)
        want = source.copy()
        for begin, to, size in parts:
            want[to : to + size] = source[begin : begin + size]
        np.testing.assert_array_equal(stored(result.outputs["C"], core), want)


@settings(max_examples=60)
@given(st.lists(st.integers(1, COPIED * PAGE - 1), max_size=4, unique=True), st.booleans())
def test_pieces_make_a_whole(cuts: list[int], write: bool) -> None:
    """A page that came in pieces of any size, in any order, is as good as one that came at once."""
    edges = [0, *sorted(cuts), COPIED * PAGE]
    move = to_core if write else from_core
    pieces = [move("peer", a, a, b - a) for a, b in pairwise(edges)]
    result = run(copying(*reversed(pieces)), A=data())
    assert codes(result) == []
    assert result.written["C"].all()
    for core in range(2):
        np.testing.assert_array_equal(stored(result.outputs["C"], core), stored(data(), 1 - core))


def rows_of(result: RunResult) -> Any:
    """Elements of each tile of core 0 that were written."""
    return result.written["C"][:, :64].reshape(32, 2, 32).swapaxes(0, 1)


def test_a_row_is_two_rows_of_faces() -> None:
    """Row 0 of a tile lies in two places; what was not sent stays unwritten."""
    rows = [from_core("peer", page * PAGE + face, page * PAGE + face, 64)
            for page in range(2) for face in (0, 1024)]  # fmt: skip
    result = run(copying(*rows), A=data())
    assert codes(result) == []
    tiles = rows_of(result)
    assert tiles[:, 0].all()
    assert not tiles[:, 1:].any()
    np.testing.assert_array_equal(result.outputs["C"][0, :64], data()[0, 64:128])


def test_bytes_nobody_wrote_are_not_sent_on() -> None:
    """A hole of 16 bytes in a page is found when it is sent, and named."""
    hole = (from_core("x", 0, 0, 512), from_core("x", 528, 528, 2 * PAGE - 528), BARRIER)
    sending = [op("noc_async_write", plus(OUT, 256), "peer", 0, plus(OUT, 256), size)
               for size in (256, 320)]  # fmt: skip
    fine = (*hole, op("noc_async_write", plus(OUT, 528), "x", 0, plus(OUT, 512), 16))
    result = run(copying(*hole, sending[1]), A=data())
    assert codes(result)[:1] == ["UninitialisedRead"]
    assert "of which nobody wrote 16, the first at byte 256" in result.findings[0].message
    assert "Misaligned" not in codes(run(copying(*fine), A=data()))


def test_addresses_must_agree_modulo_the_alignment() -> None:
    """Sixteen bytes are the unit: 8 bytes aside is found, 8 bytes aside at both ends is not."""
    whole = from_core("peer", 0, 0, 2 * PAGE)
    assert codes(run(copying(whole, BARRIER, from_core("peer", 8, 24, 40)), A=data())) == []
    result = run(copying(from_core("peer", 8, 16, 40)), A=data())
    assert codes(result)[:1] == ["Misaligned"]
    assert "differ modulo 16" in result.findings[0].message


def test_each_part_has_its_barrier() -> None:
    """One part sent on before its read's barrier is found, another part of the page is not."""
    begin = (from_core("x", 0, 0, 512), BARRIER, from_core("x", 512, 512, 2 * PAGE - 512))
    early = op("noc_async_write", plus(OUT, 512), "peer", 0, plus(OUT, 512), 16)
    assert codes(run(copying(*begin, early), A=data()))[:1] == ["Unbarriered"]


def test_two_reads_under_way_into_the_same_bytes() -> None:
    """Nothing orders two reads without a barrier; beside each other they are fine."""
    whole = (from_core("x", 0, 0, 2 * PAGE), BARRIER)
    beside = (from_core("x", 0, 0, 32), from_core("x", 0, 32, 32))
    over = (from_core("x", 0, 0, 48), from_core("x", 0, 32, 32))
    assert codes(run(copying(*whole, *beside), A=data())) == []
    result = run(copying(*whole, *over), A=data())
    assert codes(result)[:1] == ["Race"]
    assert "byte 32" in result.findings[0].message
    twice = (from_core("x", 0, 0, PAGE), from_core("x", PAGE, 0, PAGE))
    assert codes(run(copying(*twice), A=data()))[:1] == ["Race"]


@pytest.mark.parametrize(("overlap", "found"), [(0, []), (16, ["Race"]), (1, ["Race"])])
def test_races_are_told_apart_by_bytes(overlap: int, found: list[str]) -> None:
    """Two cores fill one page of a third: halves are no race, overlapping ones are."""
    half = PAGE // 2
    mine = times("x", half)
    body = (
        let("extra", times("x", overlap)),
        op("noc_async_write", plus(IN, plus(mine, ["-", 0, "extra"])), 0, 0,
           plus(OUT, plus(mine, ["-", 0, "extra"])), plus(half, "extra")),
        op("noc_async_write", plus(IN, PAGE), "x", 0, plus(OUT, PAGE), PAGE),
    )  # fmt: skip
    sketch = copying(*body)
    sketch.programs["writer"] = only_first(sketch.programs["writer"])
    result = run(sketch, A=data())
    races = [item for item in result.findings if item.code == "Race"]
    assert [item.code for item in races] == found
    if found:
        assert f"byte {half - overlap} of slot 0" in races[0].message
        assert "nothing orders the two" in races[0].message


def only_first(writer: Program) -> Program:
    """The writer that stores on core 0 alone, and lets the other's pages go."""
    wait, store, barrier, pop = writer.body
    body = (wait, replace_body(store), barrier, pop)
    return Program(name="writer", thread="brisc", accessors=("C",), runtime_args=("x", "peer"),
                   body=body)  # fmt: skip


def replace_body(store: Any) -> Stmt:
    """Loop as often as core 0 has pages, elsewhere never."""
    return store.__class__(var=store.var, start=0, stop=times(COPIED, "peer"), body=store.body)  # type: ignore[no-any-return]


def test_block_formats_come_in_pieces_too() -> None:
    """Exponents in one transfer, mantissas in two others."""
    pieces = [from_core("peer", a, a, b - a) for a, b in ((0, 64), (64, 700), (700, 2176))]
    sketch = copying(*pieces, dtype="bfloat8_b", fmt="Bfp8_b")
    a = np.random.default_rng(0).standard_normal((32, 128)).astype(np.float32)
    whole = copying(from_core("peer", 0, 0, 2176), dtype="bfloat8_b", fmt="Bfp8_b")
    one, two = run(sketch, A=a), run(whole, A=a)
    assert codes(one) == codes(two) == []
    np.testing.assert_array_equal(one.outputs["C"], two.outputs["C"])


def test_without_arithmetic() -> None:
    """Protocol alone: the same findings, no values."""
    right = copying(from_core("peer", 0, 0, 100), from_core("peer", 100, 100, 2 * PAGE - 100))
    wrong = copying(from_core("peer", 16, 16, 2 * PAGE - 16), BARRIER,
                    op("noc_async_write", OUT, "x", 0, plus(OUT, 32), 32))  # fmt: skip
    quick = RunOptions(arithmetic=False)
    assert codes(run(right, quick, A=data())) == []
    assert codes(run(wrong, quick, A=data()))[:1] == ["UninitialisedRead"]


def test_values_decode() -> None:
    """The helper of these tests and the machine mean the same bytes."""
    tiles = decode_tiles(stored(data(), 0).reshape(2, -1), DataFormat.UInt32)
    np.testing.assert_array_equal(tiles[1], data()[:, 32:64])
    assert replace(copying(), cores=(2, 1)).cores == (2, 1)
