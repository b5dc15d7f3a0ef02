"""Reads and writes of one RISC that touch the same bytes need a barrier between them."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.engine.schedule import LateNoc, RoundRobin, Seeded
from simulator.program import Program, Stmt
from simulator.run import RunOptions
from tests.simulator.builders import Sketch, loop, op, plus
from tests.simulator.engine.test_network import network
from tests.simulator.pipes import COPY, codes, run

PAGE = 2048
PAGES = 3
A: Any = ["get_write_ptr", 0]
B, C = plus(A, PAGE), plus(A, 2 * PAGE)
READS, WRITES = op("noc_async_read_barrier"), op("noc_async_write_barrier")
FLUSHED = op("noc_async_writes_flushed")
PUSH = op("cb_push_back", 0, PAGES)
RESERVE = op("cb_reserve_back", 0, PAGES)
SCHEDULES = (RoundRobin(), Seeded(1), LateNoc(2))


def send(source: Any, target: Any) -> Stmt:
    """Write a page of the own core to another place of the own core, over the NoC."""
    return op("noc_async_write", source, "x", "y", target, PAGE)


def fetch(source: Any, target: Any) -> Stmt:
    """Read a page of the own core, over the NoC."""
    return op("noc_async_read", "x", "y", source, target, PAGE)


def page(number: int, target: Any) -> Stmt:
    """Read a page of A."""
    return op("noc_async_read_page", number, "A", target)


RACES: dict[str, tuple[Stmt, ...]] = {
    "write, then read into it": (send(B, A), page(2, A), WRITES, READS, PUSH),
    "read into it, then write": (page(2, A), send(B, A), WRITES, READS, PUSH),
    "fetch, then write the source": (fetch(A, C), send(B, A), WRITES, READS, PUSH),
    "write, then fetch it": (send(B, A), fetch(A, C), READS, WRITES, PUSH),
    "write, then send it on": (send(B, A), send(A, C), WRITES, PUSH),
    "read into it, then fetch it": (page(2, A), fetch(A, C), READS, PUSH),
    "write, then push before it has come": (send(B, A), FLUSHED, PUSH, WRITES),
    "reserving again is no barrier": (send(B, A), RESERVE, fetch(A, C), READS, WRITES, PUSH),
    "a flush does not wait for reads": (
        send(A, C), fetch(A, B), FLUSHED, page(2, A), WRITES, READS, PUSH,
    ),
    "a read barrier does not wait for writes": (
        send(A, C), fetch(A, B), READS, page(2, A), WRITES, READS, PUSH,
    ),
}  # fmt: skip
ORDERED: dict[str, tuple[Stmt, ...]] = {
    "write, barrier, read into it": (send(B, A), WRITES, page(2, A), READS, PUSH),
    "fetch, barrier, write the source": (fetch(A, C), READS, send(B, A), WRITES, PUSH),
    "write, reserve, barrier, fetch": (send(B, A), RESERVE, WRITES, fetch(A, C), READS, PUSH),
    "write, barrier, send on": (send(B, A), WRITES, send(A, C), WRITES, PUSH),
    "two writes keep their order": (send(B, A), send(C, A), WRITES, PUSH),
    "send, flush, read over it": (send(A, C), FLUSHED, page(2, A), WRITES, READS, PUSH),
    "both barriers": (send(A, C), fetch(A, B), READS, FLUSHED, page(2, A), WRITES, READS, PUSH),
}


def alone(*moves: Stmt, device: str) -> Sketch:
    """One core reads three pages, moves them about, and passes them on."""
    fill = tuple(page(number, plus(A, number * PAGE)) for number in range(PAGES))
    sketch = network((1, 1), 1, (RESERVE, *fill, READS, *moves), PAGES, device=device)
    sketch.buffers[0] = ("Float16_b", PAGES, "ncrisc", "compute")
    store = (
        op("cb_wait_front", 1, 1),
        op("noc_async_write_page", "t", "C", ["get_read_ptr", 1]),
        op("noc_async_write_barrier"),
        op("cb_pop_front", 1, 1),
    )
    start = (op("compute_kernel_hw_startup", "Regular", 0, 0, 1), op("copy_init", 0))
    sketch.programs |= {
        "compute": Program(name="compute", thread="compute", runtime_args=("x", "y"),
                           body=(*start, loop("t", PAGES, *COPY))),
        "writer": Program(name="writer", thread="brisc", runtime_args=("x", "y"),
                          accessors=("C",), body=(loop("t", PAGES, *store),)),
    }  # fmt: skip
    return sketch


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("name", RACES)
def test_unordered_transfers_of_one_thread_are_a_race(name: str, device: str) -> None:
    """Whatever the schedule: the bytes depend on timing, so no plan may be called determinate."""
    for schedule in SCHEDULES:
        result = run(alone(*RACES[name], device=device), RunOptions(schedule=schedule))
        assert codes(result)[:1] == ["Race"], schedule
        assert not result.determinate


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("name", ORDERED)
def test_barriers_order_transfers_of_one_thread(name: str, device: str) -> None:
    """The same moves with a barrier between are no finding, and give one answer."""
    answers = set()
    for schedule in SCHEDULES:
        result = run(alone(*ORDERED[name], device=device), RunOptions(schedule=schedule))
        assert codes(result) == []
        answers.add(result.outputs["C"].tobytes())
    assert len(answers) == 1
