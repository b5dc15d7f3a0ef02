"""What the RISC copies within L1: right bytes, and every rule of windows, words and barriers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.engine.schedule import LateNoc, Seeded
from simulator.outcome import RunResult
from simulator.program import Program, Stmt
from simulator.run import RunOptions, execute
from tests.simulator.builders import Sketch, layout, loop, op, plus
from tests.simulator.engine.hand import (
    PAGE,
    R2,
    READ_BARRIER,
    W0,
    W2,
    WRITE_BARRIER,
    fetch,
    pop,
    push,
    reserve,
    store,
    wait,
)
from tests.simulator.pipes import codes

DATA = np.arange(1024, dtype=np.float32).reshape(32, 32) % 251
TAKE = (reserve(2), fetch("t", W2), READ_BARRIER, push(2))


def copy(to: Any, source: Any, size: Any) -> Stmt:
    """copy_l1 into circular buffer 0."""
    return op("copy_l1", 0, to, source, size)


def moved(*body: Stmt, formats: tuple[str, str] = ("Float16_b", "Float16_b"),
          ends: str = "ncrisc", late: bool = False) -> RunResult:  # fmt: skip
    """Two tiles of A come to circular buffer 2, and by ``body`` to 0, from which C is written."""
    out = (wait(0), store("t", ["get_read_ptr", 0]), WRITE_BARRIER, pop(0))
    programs = {
        "reader": Program(name="reader", thread="ncrisc", accessors=("A",),
                          body=(loop("t", 2, *body),)),
        "writer": Program(name="writer", thread="brisc", accessors=("C",),
                          body=(loop("t", 2, *out),)),
    }  # fmt: skip
    sketch = Sketch(
        tensors={"A": layout("bfloat16", (64, 32), "input"),
                 "C": layout("bfloat16", (64, 32), "output")},
        buffers={0: (formats[0], 2, "ncrisc", "brisc"), 2: (formats[1], 1, "ncrisc", ends)},
        programs=programs,
    )  # fmt: skip
    options = RunOptions(schedule=LateNoc() if late else Seeded(1))
    inputs = {"A": np.concatenate([DATA, -DATA])}
    return execute(sketch.plan(), list(programs.values()), inputs, options)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("size", [4, 32, 512, PAGE])
def test_bytes_come_where_they_are_wanted(size: int, late: bool) -> None:
    """Any whole words: here all of a tile in pieces, the last one first."""
    pieces = PAGE // size
    at = ["*", ["-", pieces - 1, "p"], size]
    result = moved(*TAKE, wait(2), reserve(0), loop("p", pieces, copy(plus(W0, at), plus(R2, at),
                   size)), push(0), pop(2), late=late)  # fmt: skip
    assert codes(result) == []
    assert result.determinate
    np.testing.assert_array_equal(result.outputs["C"], np.concatenate([DATA, -DATA]))


def test_a_piece_lands_in_another_place() -> None:
    """The second row of a face becomes the first, and the rest is what a fill left there."""
    result = moved(*TAKE, wait(2), reserve(0), op("fill_tile_l1", 0, W0, 7.0),
                   copy(W0, plus(R2, 32), 32), push(0), pop(2))  # fmt: skip
    assert codes(result) == []
    wanted = np.full((64, 32), 7, np.float32)
    wanted[0, :16], wanted[32, :16] = DATA[1, :16], -DATA[1, :16]
    np.testing.assert_array_equal(result.outputs["C"], wanted)


def datums(rows: Any, cols: Any, to: Any, source: Any, wide: tuple[Any, Any] = (1, 1)) -> Stmt:
    """copy_datums_l1 of all datums from circular buffer 2 into 0: see the table for the numbers."""
    return op("copy_datums_l1", 0, W0, R2, rows, cols, *to, wide[0], *source, wide[1])


ALL = (0, 0, 1, 1)
MAPS: dict[str, tuple[tuple[int, ...], tuple[int, ...], Any]] = {
    "as they are": (ALL, (0, 0, 1, 0, 1), lambda x: x),
    "backwards": (ALL, (31, 31, -1, 0, -1), lambda x: x[::-1, ::-1]),
    "to places backwards": ((31, 31, -1, -1), (0, 0, 1, 0, 1), lambda x: x[::-1, ::-1]),
    "the first of all": (ALL, (3, 5, 0, 0, 0), lambda x: np.full_like(x, x[3, 5])),
    "a column": (ALL, (0, 7, 1, 0, 0), lambda x: np.broadcast_to(x[:, 7:8], x.shape)),
}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", MAPS)
def test_datums_come_where_they_are_wanted(name: str, late: bool) -> None:
    """Steps of any sign, none among them, at either end."""
    to, source, wanted = MAPS[name]
    result = moved(*TAKE, wait(2), reserve(0), datums(32, 32, to, source), push(0), pop(2),
                   late=late)  # fmt: skip
    assert codes(result) == []
    assert result.determinate
    np.testing.assert_array_equal(
        result.outputs["C"], np.concatenate([wanted(DATA), wanted(-DATA)])
    )


def test_datums_leave_others_alone() -> None:
    """Every other column of every third row, over what a fill left there, sheared."""
    result = moved(*TAKE, wait(2), reserve(0), op("fill_tile_l1", 0, W0, 7.0),
                   datums(5, 8, (1, 2, 3, 2), (0, 1, 2, 3, 1)), push(0), pop(2))  # fmt: skip
    assert codes(result) == []
    wanted = np.full((64, 32), 7, np.float32)
    for m in range(5):
        for n in range(8):
            value = DATA[2 * m, 1 + 3 * m + n]
            wanted[1 + 3 * m, 2 + 2 * n], wanted[33 + 3 * m, 2 + 2 * n] = value, -value
    np.testing.assert_array_equal(result.outputs["C"], wanted)


WRONG: dict[str, tuple[tuple[Stmt, ...], str]] = {
    "half a word further": ((*TAKE, wait(2), reserve(0), copy(W0, plus(R2, 2), 32)), "Misaligned"),
    "to half a word": ((*TAKE, wait(2), reserve(0), copy(plus(W0, 2), R2, 32)), "Misaligned"),
    "half a word": ((*TAKE, wait(2), reserve(0), copy(W0, R2, 30)), "Misaligned"),
    "nothing": ((*TAKE, wait(2), reserve(0), copy(W0, R2, 0)), "Misaligned"),
    "not waited for": ((*TAKE, reserve(0), copy(W0, R2, 32)), "CBWindow"),
    "not reserved": ((*TAKE, wait(2), copy(W0, R2, 32)), "CBWindow"),
    "behind the window": ((*TAKE, wait(2), reserve(0), copy(W0, plus(R2, PAGE), 32)), "CBWindow"),
    "across its end": ((*TAKE, wait(2), reserve(0), copy(W0, plus(R2, PAGE - 16), 32)),
                       "CBWindow"),
    "past what is reserved": ((*TAKE, wait(2), reserve(0), copy(plus(W0, PAGE), R2, 32)),
                              "CBWindow"),
    "what is only reserved": ((*TAKE[:3], reserve(0), copy(W0, W2, 32)), "CBWindow"),
    "over a read under way": ((*TAKE, wait(2), reserve(0), fetch("t", W0), copy(W0, R2, 32)),
                              "Unbarriered"),
    "no rows": ((*TAKE, wait(2), reserve(0), datums(0, 1, ALL, (0, 0, 1, 0, 1))), "OutOfBounds"),
    "a column too far": ((*TAKE, wait(2), reserve(0), datums(1, 2, ALL, (0, 31, 1, 0, 1))),
                         "OutOfBounds"),
    "to before the first": ((*TAKE, wait(2), reserve(0),
                             datums(1, 2, (0, -1, 1, 1), (0, 0, 1, 0, 1))), "OutOfBounds"),
    "a row too far": ((*TAKE, wait(2), reserve(0), datums(2, 1, ALL, (31, 0, 1, 0, 1))),
                      "CBWindow"),
    "to a row too far": ((*TAKE, wait(2), reserve(0), datums(2, 1, (31, 0, 1, 1), (0, 0, 1, 0, 1))),
                         "CBWindow"),
    "datums not waited for": ((*TAKE, reserve(0), datums(1, 1, ALL, (0, 0, 1, 0, 1))), "CBWindow"),
    "datums over a read": ((*TAKE, wait(2), reserve(0), fetch("t", W0),
                            datums(1, 1, ALL, (0, 0, 1, 0, 1))), "Unbarriered"),
    "datums nobody wrote": ((reserve(2), push(2), wait(2), reserve(0),
                             datums(1, 1, ALL, (0, 0, 1, 0, 1))), "UninitialisedRead"),
    "what nobody wrote": ((reserve(2), push(2), wait(2), reserve(0), copy(W0, R2, 32)),
                          "UninitialisedRead"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_rules(what: str) -> None:
    """Places, sizes and times at which a RISC cannot copy are findings, each with its code."""
    body, code = WRONG[what]
    assert codes(moved(*body)) == [code]


def test_beside_a_read_under_way() -> None:
    """Other bytes of a page may be on their way meanwhile: whose they are is beyond doubt."""
    part = op("noc_async_read_partial_page", "t", "A", plus(W0, 32), 32, PAGE - 32)
    result = moved(*TAKE, wait(2), reserve(0), part, copy(W0, R2, 32), READ_BARRIER, push(0),
                   pop(2), late=True)  # fmt: skip
    assert codes(result) == []
    np.testing.assert_array_equal(result.outputs["C"], np.concatenate([DATA, -DATA]))


def test_datums_keep_their_format() -> None:
    """Bytes of one format are not those of another."""
    body = (*TAKE, wait(2), reserve(0), copy(W0, R2, 32))
    assert codes(moved(*body, formats=("Float16", "Float16_b"))) == ["ShapeMismatch"]


def test_both_ends_are_the_threads_own() -> None:
    """A RISC waits with pointers of its own: it does not copy from another's window."""
    body = (*TAKE, reserve(0), copy(W0, R2, 32))
    assert "CBEndpoint" in codes(moved(*body, ends="brisc"))
