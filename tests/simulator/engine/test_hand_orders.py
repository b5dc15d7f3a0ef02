"""Hand programs that are odd but right, and others that lack one order between two accesses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.arch import find_arch
from simulator.engine.schedule import LateNoc, RoundRobin, Seeded
from simulator.plan.tensors import round_up
from simulator.program import Program, Stmt
from simulator.run import RunOptions
from tests.simulator.builders import Sketch, layout, let, loop, op, plus, times, when
from tests.simulator.engine.hand import (
    PAGE,
    R1,
    R2,
    READ_BARRIER,
    W0,
    W1,
    W2,
    WRITE_BARRIER,
    at_least,
    equals,
    fetch,
    increment,
    mine,
    on_cores,
    pop,
    push,
    reading,
    reserve,
    reset,
    send,
    store,
    storing,
    wait,
)
from tests.simulator.pipes import COPY, codes, compute_of, pipe, run

SCHEDULES: tuple[RoundRobin | Seeded | LateNoc, ...] = (
    RoundRobin(),
    *(Seeded(n) for n in range(12)),
    *(LateNoc(n) for n in range(3)),
)
SINGLE: dict[int, Any] = {
    0: ("Float16_b", 1, "ncrisc", "compute"),
    1: ("Float16_b", 1, "compute", "brisc"),
    2: ("Float16_b", 1, "ncrisc", "ncrisc"),
}
SECTION = (op("tile_regs_wait"), op("pack_tile", 0, 1), op("tile_regs_release"))


def every(sketch: Sketch) -> list[list[str]]:
    """Codes of the findings under every schedule, the same ones once."""
    found = {tuple(codes(run(sketch, RunOptions(schedule=s)))) for s in SCHEDULES}
    return [list(item) for item in sorted(found)]


def handshake(*sender: Stmt, receiver: tuple[Stmt, ...]) -> Sketch:
    """Core 0 passes each of its pages to core 1, whose reader reads none."""
    body = when(["==", "x", 0], *sender, orelse=receiver)
    return on_cores(reader=(loop("t", 2, reserve(0), body, push(0)),))


def ring(*told: Stmt, cores: int = 4) -> Sketch:
    """Every core passes its pages to the next: one page each, so ``told`` that it is free."""
    following = ["%", plus("x", 1), cores]
    body = (
        reserve(0), *told, reserve(2), fetch(mine(), W2), READ_BARRIER, push(2), wait(2),
        send(R2, following, W0), WRITE_BARRIER, increment(following, 1), pop(2),
        at_least(1, plus("t", 1)), push(0),
    )  # fmt: skip
    return on_cores(cores, reader=(loop("t", 2, *body),), buffers=SINGLE)


PREVIOUS = ["%", plus("x", 3), 4]
TOLD = (increment(PREVIOUS, 0), at_least(0, plus("t", 1)))

ODD: dict[str, Sketch] = {
    "pages pushed by two, popped by one": reading(
        reserve(0, 2), loop("i", 2, fetch(plus(times("t", 2), "i"), plus(W0, times("i", PAGE)))),
        READ_BARRIER, push(0, 2), steps=2),
    "the second page of a window first": reading(
        reserve(0, 2), fetch(plus(times("t", 2), 1), plus(W0, PAGE)), fetch(times("t", 2)),
        READ_BARRIER, push(0, 2), steps=2),
    "reserved again and for less": reading(
        reserve(0, 2), reserve(0, 1), let("p", W0), fetch("t", "p"), READ_BARRIER, push(0)),
    "barriers with nothing under way": reading(
        READ_BARRIER, WRITE_BARRIER, reserve(0), fetch("t"), READ_BARRIER, READ_BARRIER, push(0)),
    "waits that add up, pops behind": storing(
        wait(1, 1), store(times("t", 2)), wait(1, 2),
        store(plus(times("t", 2), 1), plus(R1, PAGE)), WRITE_BARRIER, pop(1, 2), steps=2),
    "flushed page by page, one barrier": pipe(4, writer=(
        loop("t", 4, wait(1), store("t"), op("noc_async_writes_flushed"), pop(1)),
        WRITE_BARRIER)),
    "two sections under way": pipe(4, compute=compute_of(
        2, wait(0, 2), *COPY[1:4], op("tile_regs_acquire"), op("copy_tile", 0, 1, 0),
        op("tile_regs_commit"), pop(0, 2), reserve(1, 2), *SECTION, *SECTION, push(1, 2))),
    "packed out of order": pipe(4, compute=compute_of(
        2, wait(0, 2), *COPY[1:3], op("copy_tile", 0, 1, 1), op("tile_regs_commit"), pop(0, 2),
        reserve(1, 2), op("tile_regs_wait"), op("pack_tile_out_of_order", 1, 1, 1),
        op("pack_tile_out_of_order", 0, 1, 0), op("tile_regs_release"), push(1, 2))),
    "a counting handshake": handshake(
        at_least(0, plus("t", 1)), fetch("t"), READ_BARRIER, send(W0, 1, W0), WRITE_BARRIER,
        increment(1, 1), receiver=(increment(0, 0), at_least(1, plus("t", 1)))),
    "tokens taken back": handshake(
        equals(0, 1), increment(0, 0, -1), fetch("t"), READ_BARRIER, send(W0, 1, W0),
        WRITE_BARRIER, increment(1, 1), receiver=(increment(0, 0), equals(1, 1), reset(1, 0))),
    "a multicast flag behind multicast data": handshake(
        equals(0, 1), reset(0, 0), fetch("t"), READ_BARRIER,
        op("noc_async_write_multicast", W0, 1, 0, 1, 0, W0, PAGE, 1), reset(1, 1),
        op("noc_semaphore_set_multicast", 1, 1, 0, 1, 0, 1), WRITE_BARRIER,
        receiver=(reset(1, 0), increment(0, 0), equals(1, 1))),
    "a ring of single pages": ring(*TOLD),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_programs_are_clean(name: str) -> None:
    """Nothing is said of a right program, and its answer is one under every schedule and cursor."""
    answers = []
    for schedule in SCHEDULES:
        for cursors in (False, True):
            result = run(ODD[name], RunOptions(schedule=schedule, cursors=cursors))
            assert codes(result) == []
            assert result.completed
            assert result.written["C"].all()
            answers.append(result.outputs["C"])
    assert all(np.array_equal(answers[0], other) for other in answers)


def test_a_ring_that_is_not_told_when_a_page_is_free() -> None:
    """Without the signal after the reserve, a page is sent before it was popped."""
    assert {item[0] for item in every(ring())} <= {"Race", "CBWindow"}
    assert [] not in every(ring())


def overwriting(depth: int, *, late: bool = True) -> Sketch:
    """One thread reads page t of A before it pops; the other overwrites that page.

    It does so ``late``, after reserving the page that was popped, or before.
    """
    over = store(plus("t", -1) if late else "t", R2, "A")
    ahead = (when(["<", 0, "t"], over, WRITE_BARRIER),) if late else ()
    behind = () if late else (over, WRITE_BARRIER)
    reader = (
        reserve(2), op("fill_tile_l1", 2, W2, 7.0), push(2), wait(2),
        loop("t", 4, reserve(0), *ahead, op("fill_tile_l1", 0, W0, 1.0), push(0), *behind), pop(2),
    )  # fmt: skip
    writer = loop("t", 4, wait(0), reserve(1), fetch("t", W1), READ_BARRIER, push(1), wait(1),
                  pop(1), pop(0))  # fmt: skip
    buffers: dict[int, Any] = {
        0: ("Float16_b", depth, "ncrisc", "brisc"),
        1: ("Float16_b", 1, "brisc", "brisc"),
        2: ("Float16_b", 1, "ncrisc", "ncrisc"),
    }
    sketch = pipe(4, reader=reader, tensors={"A": layout("bfloat16", (32, 128), "inout")},
                  buffers=buffers)  # fmt: skip
    del sketch.programs["compute"]
    sketch.programs["writer"] = Program(
        name="writer", thread="brisc", accessors=("A",), body=(writer,)
    )
    return sketch


@pytest.mark.parametrize(
    ("sketch", "want"),
    [
        (overwriting(1), [[]]),
        (overwriting(2), [["Race"]]),
        (overwriting(1, late=False), [["Race"]]),
    ],
    ids=["the page reserved is the one popped", "another page was free", "before the reserve"],
)
def test_back_pressure_orders_what_waited_for_the_pop(sketch: Sketch, want: list[Any]) -> None:
    """A reserve is after the pops that freed its own pages, and after no others."""
    assert every(sketch) == want


def fetching(*acknowledged: Stmt) -> Sketch:
    """Core 1 reads the first page that core 0's compute packed; core 0 then packs the next."""
    give = (wait(1), when(["==", "t", 0], increment(1, 0), *acknowledged), pop(1))
    take = (
        when(["==", "t", 0], at_least(0, 1), reserve(2),
             op("noc_async_read", 0, 0, R1, W2, PAGE), READ_BARRIER, increment(0, 1), push(2),
             wait(2), pop(2)),
        wait(1), pop(1),
    )  # fmt: skip
    buffers = {**SINGLE, 2: ("Float16_b", 1, "brisc", "brisc")}
    return on_cores(writer=(loop("t", 2, when(["==", "x", 0], *give, orelse=take)),),
                    buffers=buffers)  # fmt: skip


def test_a_page_another_core_reads_is_not_packed_again() -> None:
    """The packer must know that the read is over, also where it came first in this schedule."""
    assert every(fetching(at_least(1, 1))) == [[]]
    for found in every(fetching()):
        assert "Race" in found


def test_a_page_is_reserved_under_a_write() -> None:
    """Who sends first and then waits for the reserve is found, whichever of the two came first."""
    sketch = handshake(
        fetch("t"), READ_BARRIER, send(W0, 1, W0), at_least(0, plus("t", 1)), WRITE_BARRIER,
        increment(1, 1), receiver=(increment(0, 0), at_least(1, plus("t", 1))),
    )  # fmt: skip
    for number in range(12):
        assert codes(run(sketch, RunOptions(schedule=LateNoc(number))))[:1] == ["Race"]


def test_a_late_delivery_is_its_senders_fault() -> None:
    """Found at the barrier, it is told of the write, its core, and the core it was sent to."""
    early = when(["==", "x", 0], reserve(0), fetch(0), READ_BARRIER, send(W0, 1, W0),
                 WRITE_BARRIER, push(0))  # fmt: skip
    for schedule in (RoundRobin(), LateNoc(1)):
        result = run(on_cores(reader=(early,)), RunOptions(schedule=schedule))
        first = result.findings[0]
        assert (first.code, first.path, first.core) == ("CBWindow", "0.3", (0, 0))
        assert "on core (1, 0) as it was sent to" in first.message


def test_pointers_of_another_thread_do_not_move() -> None:
    """Every RISC-V has its own: to the writer, the reader's buffer is written at its start."""
    base = find_arch("wormhole_n150").l1_base
    slot = ["//", ["-", ["get_write_ptr", 0], round_up(base, 32)], PAGE]
    sketch = pipe(1, writer=(wait(1), store(slot), WRITE_BARRIER, pop(1)))
    assert every(sketch) == [[]]
    assert run(sketch).written["C"].all()
