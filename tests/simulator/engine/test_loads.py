"""Integers loaded from L1: pages that a tensor chooses, each core by its own entry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.schedule import LateNoc, Seeded
from simulator.isa import OP_TABLE_VERSION
from simulator.outcome import RunResult
from simulator.program import Program, ProgramFile, Stmt
from simulator.program.check import check_programs
from simulator.run import RunOptions, advise_depths, execute
from tests.simulator.builders import Sketch, layout, let, loop, op, plus, rows, times
from tests.simulator.engine.hand import READ_BARRIER, fetch, pop, push, reserve, store, wait
from tests.simulator.pipes import codes

TABLE_PAGE = (reserve(2), fetch(0, ["get_write_ptr", 2], "table"), READ_BARRIER, push(2), wait(2))
LOAD = let("page", ["load_l1", 2, "t"])


def gather(*body: Stmt, cores: int = 1, pages: int = 5, **fields: Any) -> Sketch:
    """Tile t of C is tile ``table[t]`` of A; core x does steps 4x to 4x + 3."""
    start = times("x", 4)
    reader = body or (*TABLE_PAGE, LOAD, pop(2), reserve(0), fetch("page"), READ_BARRIER, push(0))
    out = (wait(0), store("t", ["get_read_ptr", 0]), op("noc_async_write_barrier"), pop(0))
    programs = {
        name: Program(name=name, thread=thread, accessors=accessors, runtime_args=("x",),
                      body=(loop("t", plus(start, 4), *inner, start=start),))
        for name, thread, accessors, inner in (
            ("reader", "ncrisc", ("A", "table"), reader), ("writer", "brisc", ("C",), out))
    }  # fmt: skip
    given: dict[str, Any] = {
        "tensors": {"A": layout("int32", (pages * 32, 32), "input"),
                    "table": rows("int32", (1, 4 * cores), "input", -(-cores // 2) * 8),
                    "C": layout("int32", (4 * cores * 32, 32), "output")},
        "buffers": {0: ("Int32", 2, "ncrisc", "brisc"), 2: ("Int32", 1, "ncrisc", "ncrisc")},
        "shapes": {2: (1, -(-cores // 2) * 8)},
        "args": {name: {(x, 0): (x,) for x in range(cores)} for name in programs},
    }  # fmt: skip
    return Sketch(programs=programs, cores=(cores, 1), **{**given, **fields})


def run(sketch: Sketch, table: Any, options: RunOptions | None = None) -> RunResult:
    """A run on A with the number of each tile in all its elements."""
    tiles = sketch.tensors["A"].logical_shape[0] // 32
    whole = np.repeat(np.arange(tiles, dtype=np.int32), 32)[:, None].repeat(32, 1)
    inputs = {"A": whole, "table": np.asarray(table, np.int32).reshape(1, -1)}
    return execute(sketch.plan(), list(sketch.programs.values()), inputs, options)


@given(st.integers(1, 4), st.data(), st.booleans())
def test_every_core_gathers_by_its_own_entries(cores: int, data: Any, late: bool) -> None:
    """Pages follow the table on every core at every step, whenever transfers arrive."""
    table = data.draw(st.lists(st.integers(0, 4), min_size=4 * cores, max_size=4 * cores))
    schedule = LateNoc() if late else Seeded(1)
    result = run(gather(cores=cores), table, RunOptions(schedule=schedule))
    assert codes(result) == []
    assert result.determinate
    assert (result.outputs["C"][::32, 0] == table).all()
    width = -(-cores // 2) * 32
    assert result.stats.dram_read_bytes == {"A": 4 * cores * 4096, "table": 4 * cores * width}


def test_depths_are_advised_by_the_values() -> None:
    """A run without arithmetic has no indices: searches keep it, so 7 does not become 0."""
    sketch = gather(pages=8)
    listed = list(sketch.programs.values())
    inputs = {"A": np.zeros((256, 32), np.int32), "table": np.array([[7, 7, 9, 7]], np.int32)}
    result = execute(sketch.plan(), listed, inputs, RunOptions(arithmetic=False))
    assert codes(result) == ["OutOfBounds"]
    inputs["table"][0, 2] = 7
    assert [a.least for a in advise_depths(sketch.plan(), listed, inputs)] == [1, 1]


@pytest.mark.parametrize("bad", [5, -1, 2**31 - 1])
def test_an_entry_beyond_the_tensor_is_found_where_it_is_used(bad: int) -> None:
    """The core and the read with the impossible page are named."""
    result = run(gather(cores=2), [0, 1, 2, 3, 4, bad, 0, 1])
    (found,) = [f for f in result.findings if f.code == "OutOfBounds"]
    assert f"page {bad} of tensor A, which has 5" in found.message
    assert (found.program, found.core, found.path) == ("reader", (1, 0), "0.8")


READ_ON = (reserve(0), fetch("page"), READ_BARRIER, push(0))
FETCH = (reserve(2), fetch(0, ["get_write_ptr", 2], "table"))
FAULTS: dict[str, tuple[str, Sketch]] = {
    "before the barrier of its read": (
        "Unbarriered", gather(*FETCH, push(2), wait(2), LOAD, READ_BARRIER, pop(2), *READ_ON)),
    "before anything was waited for": (
        "CBWindow", gather(*FETCH, READ_BARRIER, LOAD, push(2), wait(2), pop(2), *READ_ON)),
    "after it was popped": ("CBWindow", gather(*TABLE_PAGE, pop(2), LOAD, *READ_ON)),
    "of a page nobody wrote": (
        "UninitialisedRead", gather(reserve(2), push(2), wait(2), LOAD, pop(2), *READ_ON)),
    "of padding": (
        "UninitialisedRead",
        gather(*TABLE_PAGE, let("page", ["load_l1", 2, plus("t", 4)]), pop(2), *READ_ON)),
    "beyond the row": (
        "OutOfBounds",
        gather(*TABLE_PAGE, let("page", ["load_l1", 2, plus("t", 8)]), pop(2), *READ_ON)),
    "before the row": (
        "OutOfBounds",
        gather(*TABLE_PAGE, let("page", ["load_l1", 2, ["-", "t", 1]]), pop(2), *READ_ON)),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_load_that_is_wrong_is_found(name: str) -> None:
    """A load takes what was read, handed over and waited for, inside its row, and nothing else."""
    code, sketch = FAULTS[name]
    found = run(sketch, [0, 1, 2, 3]).findings[0]
    assert (found.code, found.program) == (code, "reader")


@pytest.mark.parametrize(
    ("value", "fields", "code", "text"),
    [
        (["load_l1", 0, "t"], {}, "CBEndpoint", "ncrisc is not the consumer"),
        (["load_l1", 2, 8], {}, "OutOfBounds", "datum 8 of a row of 8"),
        (["load_l1", 2], {}, "InvalidProgram", "takes 2 operands"),
        (["load_l1", 7, 0], {}, "InvalidProgram", "not declared"),
        (["+", ["load_l1", 2, "t"], 1], {}, "InvalidProgram", "whole value of a let"),
        (["load_l1", 2, ["load_l1", 2, 0]], {}, "InvalidProgram", "whole value of a let"),
        (["load_l1", 2, "t"], {"shapes": {}}, "ShapeMismatch", "loads are of rows of Int32"),
    ],
)  # fmt: skip
def test_loads_that_cannot_be_are_held_against_the_program(
    value: Any, fields: Any, code: str, text: str
) -> None:
    """What a load names is checked when the programs are loaded."""
    sketch = gather(*TABLE_PAGE, let("page", value), pop(2), *READ_ON, **fields)
    programs = tuple(sketch.programs.values())
    found = check_programs(ProgramFile(op_table_version=OP_TABLE_VERSION, programs=programs),
                           sketch.plan())  # fmt: skip
    assert any(f.code == code and text in f.message for f in found), found


def test_loads_of_what_other_cores_send_are_refused() -> None:
    """Nothing here orders a load with another core's write, so it is not taken for ordered."""
    send = op("noc_async_write", ["get_read_ptr", 2], 0, 0, ["get_write_ptr", 2], 32)
    sketch = gather(*TABLE_PAGE, LOAD, send, op("noc_async_write_barrier"), pop(2), *READ_ON)
    found = run(sketch, [0, 1, 2, 3]).findings[0]
    assert (found.code, found.program) == ("InvalidProgram", "reader")
    assert "not modelled" in found.message
