"""Integers that a compute program loads: all three of its RISCs go the way one datum says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.loads import MAILBOX
from simulator.engine.schedule import Seeded
from simulator.isa import OP_TABLE_VERSION
from simulator.outcome import RunResult
from simulator.program import Program, ProgramFile, Stmt
from simulator.program.check import check_programs
from simulator.run import RunOptions, execute
from tests.simulator.builders import Sketch, layout, let, loop, op, plus, rows, times
from tests.simulator.engine.hand import (
    HEAD,
    READ_BARRIER,
    WRITE_BARRIER,
    fetch,
    pop,
    push,
    reserve,
    store,
    wait,
)
from tests.simulator.pipes import COPY, codes

MOST = 4


def minus(a: Any, b: Any) -> list[Any]:
    """A - b."""
    return ["-", a, b]


def told(cb: int) -> tuple[Stmt, ...]:
    """The counts, handed over by the reader."""
    return (reserve(cb), fetch(0, ["get_write_ptr", cb], "counts"), READ_BARRIER, push(cb))


def heard(cb: int) -> tuple[Stmt, ...]:
    """This core's count, of a row waited for and given back."""
    return (wait(cb), let("n", ["load_l1", cb, "x"]), pop(cb))


def counted(compute: tuple[Stmt, ...] | None = None, cores: int = 2, **fields: Any) -> Sketch:
    """Core x copies the first ``counts[x]`` of its tiles of A; every thread loads the count."""
    page, width = plus(times("x", MOST), "t"), 8
    bodies: dict[str, tuple[str, tuple[str, ...], tuple[Stmt, ...]]] = {
        "reader": ("ncrisc", ("A", "counts"), (
            *told(2), *told(3), *told(4), *heard(2),
            loop("t", "n", reserve(0), fetch(page), READ_BARRIER, push(0)))),
        "compute": ("compute", (), (*HEAD, *heard(3), loop("t", "n", *COPY))
                    if compute is None else compute),
        "writer": ("brisc", ("C",), (
            *heard(4), loop("t", "n", wait(1), store(page), WRITE_BARRIER, pop(1)))),
    }  # fmt: skip
    programs = {
        name: Program(name=name, thread=thread, accessors=accessors, runtime_args=("x",), body=body)
        for name, (thread, accessors, body) in bodies.items()
    }
    shape = (32 * MOST * cores, 32)
    given: dict[str, Any] = {
        "tensors": {"A": layout("bfloat16", shape, "input"),
                    "counts": rows("int32", (1, cores), "input", width),
                    "C": layout("bfloat16", shape, "inout")},
        "buffers": {0: ("Float16_b", 2, "ncrisc", "compute"),
                    1: ("Float16_b", 2, "compute", "brisc"),
                    2: ("Int32", 1, "ncrisc", "ncrisc"), 3: ("Int32", 1, "ncrisc", "compute"),
                    4: ("Int32", 1, "ncrisc", "brisc")},
        "shapes": dict.fromkeys((2, 3, 4), (1, width)),
        "args": {name: {(x, 0): (x,) for x in range(cores)} for name in programs},
    }  # fmt: skip
    return Sketch(programs=programs, cores=(cores, 1), **{**given, **fields})


def run(sketch: Sketch, counts: Any, options: RunOptions | None = None) -> RunResult:
    """A run on tiles of their own numbers, over an output of minus ones."""
    shape = sketch.tensors["A"].logical_shape
    tiles = np.repeat(np.arange(shape[0] // 32, dtype=np.float32), 32)[:, None].repeat(32, 1)
    inputs = {"A": tiles, "C": np.full(shape, -1, np.float32),
              "counts": np.asarray(counts, np.int32).reshape(1, -1)}  # fmt: skip
    return execute(sketch.plan(), list(sketch.programs.values()), inputs, options)


@given(st.lists(st.integers(0, MOST), min_size=1, max_size=3), st.booleans(), st.integers(0, 9))
def test_every_core_computes_as_often_as_its_datum_says(
    counts: list[int], cursors: bool, seed: int
) -> None:
    """Trip counts loaded by all threads agree, with one cursor for the trio and with three."""
    options = RunOptions(schedule=Seeded(seed), cursors=cursors)
    result = run(counted(cores=len(counts)), counts, options)
    assert codes(result) == []
    assert result.determinate
    found = result.outputs["C"][::32, 0].reshape(-1, MOST)
    wanted = np.arange(found.size, dtype=np.float32).reshape(found.shape)
    kept = np.arange(MOST) < np.array(counts)[:, None]
    assert (found == np.where(kept, wanted, -1)).all()


def test_the_unpacker_waits_for_room_in_the_mailboxes() -> None:
    """More values than a mailbox holds pass one after another, in their order."""
    last = 2 * MAILBOX
    loads = [let(f"n{n}", ["load_l1", 3, "x" if n == last else minus(1, "x")])
             for n in range(last + 1)]  # fmt: skip
    compute = (*HEAD, wait(3), *loads, pop(3), loop("t", f"n{last}", *COPY))
    result = run(counted(compute), [3, 1], RunOptions(cursors=True))
    assert codes(result) == []


def test_a_count_that_differs_from_the_readers_is_a_deadlock() -> None:
    """What compute waits for and nobody reads is found; the loads decide, not the tensor."""
    result = run(counted((*HEAD, *heard(3), loop("t", plus("n", 1), *COPY))), [1, 2])
    assert "Deadlock" in codes(result)


N = let("n", ["load_l1", 3, "x"])


@pytest.mark.parametrize("window", [(N, wait(3), pop(3)), (wait(3), pop(3), N)])
@pytest.mark.parametrize("cursors", [False, True])
def test_a_load_outside_its_window_is_found(window: tuple[Stmt, ...], cursors: bool) -> None:
    """Compute loads what was waited for and not given back, as data movement does."""
    compute = (*HEAD, *window, loop("t", "n", *COPY))
    found = run(counted(compute), [1, 2], RunOptions(cursors=cursors)).findings[0]
    assert (found.code, found.program) == ("CBWindow", "compute")


@pytest.mark.parametrize(
    ("compute", "fields", "code", "text"),
    [
        ((op("copy_tile", 3, 0, 0),), {}, "ShapeMismatch", "unpacker and packer know tiles"),
        ((op("copy_init", 3),), {}, "ShapeMismatch", "unpacker and packer know tiles"),
        ((let("n", ["load_l1", 2, "x"]),), {}, "CBEndpoint", "compute is not the consumer"),
        ((let("n", ["load_l1", 3, 9]),), {}, "OutOfBounds", "datum 9 of a row of 8"),
    ],
)  # fmt: skip
def test_of_rows_compute_programs_only_load(
    compute: tuple[Stmt, ...], fields: Any, code: str, text: str
) -> None:
    """Rows are no tiles: every tile op on them is held against the program."""
    sketch = counted((*HEAD, wait(3), *compute, pop(3)), **fields)
    programs = tuple(sketch.programs.values())
    found = check_programs(ProgramFile(op_table_version=OP_TABLE_VERSION, programs=programs),
                           sketch.plan())  # fmt: skip
    assert any(f.code == code and text in f.message for f in found), found
