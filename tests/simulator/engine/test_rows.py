"""Row-major tensors: a page is one row, moved whole or in parts, byte for byte."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.schedule import LateNoc, Seeded
from simulator.errors import ArtifactError
from simulator.plan.schema import CoreRange, Semaphore, Shard
from simulator.program import Program, Stmt
from simulator.run import RunOptions
from tests.simulator.builders import Sketch, layout, loop, op, plus, rows, times
from tests.simulator.pipes import COPY, codes, compute_of, run

READ, WRITE = "noc_async_read_partial_page", "noc_async_write_partial_page"
MY_X = ("x",)
TWO = {"reader": {(0, 0): (0,), (1, 0): (1,)}, "writer": {(0, 0): (0,), (1, 0): (1,)}}


def moving(reader: tuple[Stmt, ...], writer: tuple[Stmt, ...], **fields: Any) -> Sketch:
    """Six rows of 100 bf16 datums from A to C, one at a time, through circular buffer 0."""
    given: dict[str, Any] = {
        "tensors": {
            "A": rows("bfloat16", (6, 100), "input", 112),
            "C": rows("bfloat16", (6, 100), "output", 112),
        },
        "buffers": {0: ("Float16_b", 2, "ncrisc", "brisc")},
        "shapes": {0: (1, 112)},
    }
    names = MY_X if fields.get("args") else ()
    programs = {
        "reader": Program(name="reader", thread="ncrisc", accessors=("A",), body=reader,
                          runtime_args=names),
        "writer": Program(name="writer", thread="brisc", accessors=("C",), body=writer,
                          runtime_args=names),
    }  # fmt: skip
    return Sketch(**{**given, "programs": programs, **fields})


def reads(*body: Stmt) -> tuple[Stmt, ...]:
    """The reader's loop around what fills a page."""
    return (
        loop("t", 6, op("cb_reserve_back", 0, 1), *body, op("noc_async_read_barrier"),
             op("cb_push_back", 0, 1)),
    )  # fmt: skip


def writes(*body: Stmt) -> tuple[Stmt, ...]:
    """The writer's loop around what empties a page."""
    return (
        loop("t", 6, op("cb_wait_front", 0, 1), *body, op("noc_async_write_barrier"),
             op("cb_pop_front", 0, 1)),
    )  # fmt: skip


WHOLE_IN = op("noc_async_read_page", "t", "A", ["get_write_ptr", 0])
WHOLE_OUT = op("noc_async_write_page", "t", "C", ["get_read_ptr", 0])


def part_in(page: Any, offset: Any, size: Any, at: Any = 0) -> Stmt:
    """Part of a row of A to a byte of the page reserved."""
    return op(READ, page, "A", plus(["get_write_ptr", 0], at), offset, size)


def part_out(page: Any, offset: Any, size: Any, at: Any = 0) -> Stmt:
    """Part of a row of C from a byte of the page in front."""
    return op(WRITE, page, "C", plus(["get_read_ptr", 0], at), offset, size)


@pytest.mark.parametrize(
    ("device", "dtype", "fmt", "width"),
    [
        ("wormhole_n150", "bfloat16", "Float16_b", 112),
        ("blackhole_p100", "bfloat16", "Float16_b", 128),
        ("wormhole_n150", "float32", "Float32", 104),
        ("blackhole_p150", "uint8", "UInt8", 128),
        ("wormhole_n150", "int32", "Int32", 104),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_rows_travel_whole(device: str, dtype: str, fmt: str, width: int, late: bool) -> None:
    """Every format, bank count and alignment: what the host uploads is what it reads back."""
    sketch = moving(
        reads(WHOLE_IN), writes(WHOLE_OUT), device=device, shapes={0: (1, width)},
        tensors={name: rows(dtype, (6, 100), role, width)
                 for name, role in (("A", "input"), ("C", "output"))},
        buffers={0: (fmt, 2, "ncrisc", "brisc")},
    )  # fmt: skip
    result = run(sketch, RunOptions(schedule=LateNoc() if late else Seeded(1)))
    assert codes(result) == []
    assert result.written["C"].all()
    assert (result.outputs["C"] == np.arange(600).reshape(6, 100) % 251).all()
    size = {"Float16_b": 2, "UInt8": 1}.get(fmt, 4)
    assert result.stats.dram_read_bytes == {"A": 6 * width * size}


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.booleans(), st.integers(1, 3))
def test_rows_travel_in_parts(cuts: list[int], late: bool, cores: int) -> None:
    """However a row is cut into multiples of 16 bytes, and whoever moves which part."""
    edges = [0, *(32 * int(v) for v in np.cumsum(cuts) if v < 7), 224]
    spans = list(pairwise(edges))
    body_in = [part_in("t", a, b - a, a) for a, b in spans]
    body_out = [part_out("t", a, b - a, a) for a, b in spans]
    per = 6 // cores
    start = times("x", per)

    def shared(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        return (loop("t", plus(start, per), *body[0].body, start=start),)  # type: ignore[union-attr]

    args = {name: {(x, 0): (x,) for x in range(cores)} for name in ("reader", "writer")}
    sketch = moving(shared(reads(*body_in)), shared(writes(*body_out)), cores=(cores, 1), args=args)
    result = run(sketch, RunOptions(schedule=LateNoc() if late else Seeded(1)))
    assert codes(result) == []
    assert result.written["C"].all()
    assert (result.outputs["C"] == np.arange(600).reshape(6, 100) % 251).all()


def test_a_reader_makes_tiles_of_rows_and_a_writer_rows_of_tiles() -> None:
    """32 rows of 64 go face row by face row into tiles, through compute, and back to rows."""
    face = plus(times(["//", "r", 16], 1024), times("h", 512), times(["%", "r", 16], 32))
    place = plus(times("c", 64), times("h", 32))

    def by_faces(*body: Stmt) -> Stmt:
        return loop("r", 32, loop("h", 2, *body))

    reader = loop(
        "c", 2, op("cb_reserve_back", 0, 1),
        by_faces(op(READ, "r", "A", plus(["get_write_ptr", 0], face), place, 32)),
        op("noc_async_read_barrier"), op("cb_push_back", 0, 1),
    )  # fmt: skip
    writer = loop(
        "c", 2, op("cb_wait_front", 1, 1),
        by_faces(op(WRITE, "r", "C", plus(["get_read_ptr", 1], face), place, 32)),
        op("noc_async_write_barrier"), op("cb_pop_front", 1, 1),
    )  # fmt: skip
    programs = {
        "reader": Program(name="reader", thread="ncrisc", accessors=("A",), body=(reader,)),
        "compute": Program(name="compute", thread="compute", body=compute_of(2, *COPY)),
        "writer": Program(name="writer", thread="brisc", accessors=("C",), body=(writer,)),
    }
    sketch = Sketch(
        tensors={"A": rows("bfloat16", (32, 64), "input", 64),
                 "C": rows("bfloat16", (32, 64), "output", 64)},
        buffers={0: ("Float16_b", 2, "ncrisc", "compute"), 1: ("Float16_b", 2, "compute", "brisc")},
        programs=programs,
    )  # fmt: skip
    result = run(sketch)
    assert codes(result) == []
    assert (result.outputs["C"] == np.arange(2048).reshape(32, 64) % 251).all()


def test_rows_become_tiles_inside_l1() -> None:
    """Bytes move between buffers whose pages have other shapes, as L1 knows bytes alone."""
    copy = loop("h", 2, op("noc_async_read", 0, 0, plus(["get_write_ptr", 0], times("h", 32)),
                           plus(["get_write_ptr", 1], times("h", 512)), 32))  # fmt: skip
    reader = (
        op("cb_reserve_back", 0, 1), op("cb_reserve_back", 1, 1),
        op("fill_tile_l1", 1, ["get_write_ptr", 1], 0.0), WHOLE_IN,
        op("noc_async_read_barrier"), copy, op("noc_async_read_barrier"), op("cb_push_back", 1, 1),
    )  # fmt: skip
    writer = (
        op("cb_wait_front", 1, 1), op("noc_async_write_page", 0, "C", ["get_read_ptr", 1]),
        op("noc_async_write_barrier"), op("cb_pop_front", 1, 1),
    )  # fmt: skip
    sketch = moving(
        (loop("t", 1, *reader),), writer, shapes={0: (1, 112)},
        buffers=dict.fromkeys((0, 1), ("Float16_b", 2, "ncrisc", "brisc")),
        tensors={"A": rows("bfloat16", (6, 100), "input", 112),
                 "C": layout("bfloat16", (32, 32), "output")},
    )  # fmt: skip
    result = run(sketch)
    assert codes(result) == []
    assert (result.outputs["C"][0] == np.arange(32)).all()
    assert (result.outputs["C"][1:] == 0).all()


def test_rows_in_shards() -> None:
    """A page of a sharded row-major tensor is the part of a row that lies in one shard."""
    shard = Shard(strategy="width", shape=(6, 48), core_ranges=(CoreRange(start=(0, 0),
                  extent=(2, 1)),))  # fmt: skip
    home = {"memory": "L1", "layout": "sharded", "shard": shard}
    start = times("x", 6)  # any core reads any page: those of both shards alternate
    sketch = moving(
        (loop("t", plus(start, 6), *reads(WHOLE_IN)[0].body, start=start),),  # type: ignore[union-attr]
        (loop("t", plus(start, 6), *writes(WHOLE_OUT)[0].body, start=start),),  # type: ignore[union-attr]
        tensors={"A": rows("bfloat16", (6, 96), "input", 48, **home),
                 "C": rows("bfloat16", (6, 96), "output", 48, **home)},
        shapes={0: (1, 48)}, cores=(2, 1), args=TWO,
    )  # fmt: skip
    result = run(sketch)
    assert codes(result) == []
    assert (result.outputs["C"] == np.arange(576).reshape(6, 96) % 251).all()


FAULTS: dict[str, tuple[str, str, str, Sketch]] = {
    "a row read at an offset its destination does not share": (
        "Misaligned", "reader", "byte 16 of page 0 of tensor A",
        moving(reads(part_in("t", 16, 32)), writes(WHOLE_OUT)),
    ),
    "a row read to the middle of an alignment unit": (
        "Misaligned", "reader", "byte 16 of the window of circular buffer 0",
        moving(reads(part_in("t", 0, 32, 16)), writes(WHOLE_OUT)),
    ),
    "a row written from an address its destination does not share": (
        "Misaligned", "writer", "modulo 16",
        moving(reads(WHOLE_IN), writes(part_out("t", 8, 16))),
    ),
    "past the end of the page": (
        "OutOfBounds", "reader", "64 bytes from byte 192 of a page of tensor A, which has 224",
        moving(reads(part_in("t", 192, 64, 0)), writes(WHOLE_OUT)),
    ),
    "past the end of the page written": (
        "OutOfBounds", "writer", "which has 224",
        moving(reads(WHOLE_IN), writes(part_out("t", 0, 256))),
    ),
    "no bytes": (
        "OutOfBounds", "reader", "of 0 bytes",
        moving(reads(part_in("t", 0, 0)), writes(WHOLE_OUT)),
    ),
    "before the page": (
        "OutOfBounds", "reader", "from byte -32",
        moving(reads(part_in("t", -32, 64)), writes(WHOLE_OUT)),
    ),
    "a page beyond the tensor": (
        "OutOfBounds", "reader", "page 6 of tensor A",
        moving(reads(part_in(plus("t", 1), 0, 224)), writes(WHOLE_OUT)),
    ),
    "pages of another size": (
        "ShapeMismatch", "reader", "rows of 112, those of circular buffer 0 Float16_b rows of 96",
        moving(reads(WHOLE_IN), writes(WHOLE_OUT), shapes={0: (1, 96)}),
    ),
    "parts of another format": (
        "ShapeMismatch", "reader", "Float32",
        moving(reads(part_in("t", 0, 224)), writes(WHOLE_OUT),
               buffers={0: ("Float32", 2, "ncrisc", "brisc")}),
    ),
    "beyond the reserved page": (
        "CBWindow", "reader", "1 pages are reserved",
        moving(reads(part_in("t", 0, 224, 32)), writes(WHOLE_OUT)),
    ),
    "beyond the buffer": (
        "StrayWrite", "reader", "circular buffer 0",
        moving(reads(part_in("t", 0, 224, 448)), writes(WHOLE_OUT)),
    ),
    "two reads of the same bytes": (
        "Race", "reader", "byte 96",
        moving(reads(part_in("t", 0, 128), part_in("t", 96, 64, 96)), writes(WHOLE_OUT)),
    ),
    "push before the barrier": (
        "Unbarriered", "reader", "",
        moving((op("cb_reserve_back", 0, 1), part_in(0, 0, 32), op("cb_push_back", 0, 1)),
               writes(WHOLE_OUT)),
    ),
    "pop before the write has left": (
        "Unbarriered", "writer", "",
        moving(reads(WHOLE_IN), (op("cb_wait_front", 0, 1), part_out(0, 0, 32),
                                 op("cb_pop_front", 0, 1))),
    ),
    "bytes nobody wrote": (
        "UninitialisedRead", "writer", "32 bytes of circular buffer 0",
        moving(reads(part_in("t", 0, 64)), writes(part_out("t", 64, 32, 64))),
    ),
    "the wrong end": (
        "CBEndpoint", "reader", "whose producer is brisc",
        moving((part_in(0, 0, 64),), (), buffers={0: ("Float16_b", 2, "brisc", "ncrisc")}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_rows(name: str) -> None:
    """Each broken transfer of a row is found, named, and said to be in its program."""
    code, program, text, sketch = FAULTS[name]
    first = run(sketch).findings[0]
    assert (first.code, first.program) == (code, program)
    assert text in first.message
    assert first.path


def halves(second: int) -> Sketch:
    """Two cores that write bytes of the same rows: 0..63, and 64 from ``second`` on."""
    offset = times("x", second)
    return moving(reads(WHOLE_IN), writes(part_out("t", offset, 64, offset)), cores=(2, 1),
                  args=TWO)  # fmt: skip


def test_cores_share_a_row_byte_by_byte() -> None:
    """Neighbouring parts of a row have a writer each; one common unit is a double write."""
    right = run(halves(64))
    assert codes(right) == []
    assert right.written["C"][:, :64].all()
    assert not right.written["C"][:, 64:].any()
    assert np.isnan(right.outputs["C"][:, 64:]).all()
    assert (right.outputs["C"][:, :64] == (np.arange(600).reshape(6, 100) % 251)[:, :64]).all()
    wrong = run(halves(48))
    assert codes(wrong)[:1] == ["DoubleWrite"]
    assert "byte 48 of page 0 of tensor C" in wrong.findings[0].message


def test_only_the_second_half_of_a_row_is_data() -> None:
    """What was written is known by bytes, also where it does not begin at the left."""
    result = run(moving(reads(WHOLE_IN), writes(part_out("t", 128, 96, 128))))
    assert codes(result) == []
    assert result.written["C"][:, 64:].all()
    assert not result.written["C"][:, :64].any()


@pytest.mark.parametrize(("offset", "want"), [(0, ["Unbarriered"]), (128, [])])
def test_reading_back_a_part_before_its_barrier(offset: int, want: list[str]) -> None:
    """The part written last may not be there yet; another part of the row is nobody's concern."""
    both = (
        op("cb_reserve_back", 0, 1), part_in(0, 0, 224), op("noc_async_read_barrier"),
        op("cb_push_back", 0, 1), op("cb_wait_front", 0, 1),
        op(WRITE, 1, "A", ["get_read_ptr", 0], 0, 64), op("cb_reserve_back", 0, 1),
        part_in(1, offset, 64), op("noc_async_read_barrier"), op("noc_async_write_barrier"),
        op("cb_pop_front", 0, 1),
    )  # fmt: skip
    tensors = {"A": rows("bfloat16", (6, 100), "inout", 112)}
    sketch = moving(both, (), tensors=tensors, buffers={0: ("Float16_b", 2, "ncrisc", "ncrisc")})
    del sketch.programs["writer"]
    assert codes(run(sketch)) == want


def overwriting(offset: int, *waiting: Stmt) -> Sketch:
    """One thread reads 64 bytes of a row from ``offset``, another overwrites its first 64 bytes."""
    own = (op("cb_push_back", 0, 1), op("cb_wait_front", 0, 1), op("cb_pop_front", 0, 1))
    signal = op("noc_semaphore_inc", 0, 0, 0, 1)
    reader = (op("cb_reserve_back", 0, 1), part_in(0, offset, 64), op("noc_async_read_barrier"),
              *((signal,) if waiting else ()), *own)  # fmt: skip
    writer = (
        op("cb_reserve_back", 1, 1), op("fill_tile_l1", 1, ["get_write_ptr", 1], 7.0),
        op("cb_push_back", 1, 1), op("cb_wait_front", 1, 1), *waiting,
        op(WRITE, 0, "A", ["get_read_ptr", 1], 0, 64), op("noc_async_write_barrier"),
        op("cb_pop_front", 1, 1),
    )  # fmt: skip
    semaphores = (Semaphore(id=0, core_ranges=(CoreRange(start=(0, 0), extent=(1, 1)),)),)
    sketch = moving(
        reader, (), tensors={"A": rows("bfloat16", (6, 100), "inout", 112)},
        buffers={0: ("Float16_b", 2, "ncrisc", "ncrisc"), 1: ("Float16_b", 2, "brisc", "brisc")},
        shapes={0: (1, 112), 1: (1, 112)}, extra={"semaphores": semaphores if waiting else ()},
    )  # fmt: skip
    name = "writer"
    sketch.programs[name] = Program(name=name, thread="brisc", accessors=("A",), body=writer)
    return sketch


@pytest.mark.parametrize(
    ("sketch", "want"),
    [
        (overwriting(64), []),
        (overwriting(32), ["Race"]),
        (overwriting(0, op("noc_semaphore_wait", 0, 1)), []),
        (overwriting(0, op("noc_async_writes_flushed")), ["Race"]),
    ],
    ids=["other bytes", "a common unit", "ordered by a semaphore", "waits for nothing"],
)
def test_threads_race_for_bytes_not_for_pages(sketch: Sketch, want: list[str]) -> None:
    """Only common bytes can race, and a signal orders them as it orders pages."""
    assert codes(run(sketch)) == want


def test_compute_knows_no_rows() -> None:
    """A circular buffer of rows cannot be unpacked or packed: refused when it is loaded."""
    sketch = moving(reads(WHOLE_IN), (), buffers={0: ("Float16_b", 2, "ncrisc", "compute")})
    with pytest.raises(ArtifactError, match="know tiles, and of rows only integers"):
        run(sketch)
