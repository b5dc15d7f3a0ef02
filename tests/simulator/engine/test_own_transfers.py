"""Reads and writes of one RISC that touch the same bytes need a barrier between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec import structs

from simulator.engine.schedule import LateNoc, RoundRobin, Seeded
from simulator.program import Program, Stmt
from simulator.run import RunOptions
from tests.simulator.builders import Sketch, layout, loop, op, plus
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


def some(source: Any, target: Any, first: int, size: int = 512) -> Stmt:
    """The same of some bytes of the page."""
    return op("noc_async_write", plus(source, first), "x", "y", plus(target, first), size)


def fetch(source: Any, target: Any) -> Stmt:
    """Read a page of the own core, over the NoC."""
    return op("noc_async_read", "x", "y", source, target, PAGE)


def page(number: int, target: Any) -> Stmt:
    """Read a page of A."""
    return op("noc_async_read_page", number, "A", target)


def bytes_of(number: int, first: int, size: int = 512) -> Stmt:
    """Read some bytes of a page of A to their place in the first page of the window."""
    return op("noc_async_read_partial_page", number, "A", plus(A, first), first, size)


def store(source: Any) -> Stmt:
    """Write a page of the window to the tensor Z."""
    return op("noc_async_write_page", 0, "Z", source)


def part(source: Any) -> Stmt:
    """Write some bytes of it."""
    return op("noc_async_write_partial_page", 0, "Z", source, 0, 512)


ZERO, FILL = op("zero_tile_region", 0, A, 16, 16), op("fill_tile_l1", 0, A, 3.0)
NONE = op("zero_tile_region", 0, A, 32, 32)

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
    "store, then read over it": (store(A), page(2, A), WRITES, READS, PUSH),
    "store some bytes, then read over them": (part(A), page(2, A), WRITES, READS, PUSH),
    "store, then fill": (store(A), FILL, WRITES, PUSH),
    "write, then store before it has come": (send(B, A), store(A), WRITES, PUSH),
    "send, then fill": (send(A, B), FILL, WRITES, PUSH),
    "send, then zero": (send(A, B), ZERO, WRITES, PUSH),
    "write, then fill": (send(B, A), FILL, WRITES, PUSH),
    "write some bytes, then fill": (
        op("noc_async_write", B, "x", "y", A, 512), FILL, WRITES, PUSH,
    ),
    "write, then zero": (send(B, A), ZERO, WRITES, PUSH),
    "write some bytes, then zero them": (some(B, A, 512), ZERO, WRITES, PUSH),
    "write some bytes, kept and not, then zero": (some(B, A, 496, 32), ZERO, WRITES, PUSH),
    "send some bytes, then zero them": (some(A, B, 1024), ZERO, WRITES, PUSH),
}  # fmt: skip
EARLY: dict[str, tuple[Stmt, ...]] = {
    "fill what is being read": (page(2, A), FILL, READS, PUSH),
    "zero what is being read": (page(2, A), ZERO, READS, PUSH),
    "fill what is being fetched": (fetch(B, A), FILL, READS, PUSH),
    "fill where some bytes are being read": (bytes_of(2, 0), FILL, READS, PUSH),
    "zero bytes that are being read": (bytes_of(2, 512), ZERO, READS, PUSH),
    "zero some of the bytes that are being read": (bytes_of(2, 448, 128), ZERO, READS, PUSH),
    "push bytes that are being read beside zeros": (bytes_of(2, 0), ZERO, PUSH, READS),
}
ORDERED: dict[str, tuple[Stmt, ...]] = {
    "write, barrier, read into it": (send(B, A), WRITES, page(2, A), READS, PUSH),
    "fetch, barrier, write the source": (fetch(A, C), READS, send(B, A), WRITES, PUSH),
    "write, reserve, barrier, fetch": (send(B, A), RESERVE, WRITES, fetch(A, C), READS, PUSH),
    "write, barrier, send on": (send(B, A), WRITES, send(A, C), WRITES, PUSH),
    "two writes keep their order": (send(B, A), send(C, A), WRITES, PUSH),
    "send, flush, read over it": (send(A, C), FLUSHED, page(2, A), WRITES, READS, PUSH),
    "store, flush, read over it": (store(A), FLUSHED, page(2, A), READS, WRITES, PUSH),
    "write, barrier, store": (send(B, A), WRITES, store(A), WRITES, PUSH),
    "send, flush, zero": (send(A, B), FLUSHED, ZERO, WRITES, PUSH),
    "write, barrier, fill": (send(B, A), WRITES, FILL, PUSH),
    "fill, then write over it": (FILL, send(B, A), WRITES, PUSH),
    "fill, then store": (FILL, store(A), WRITES, PUSH),
    "write some bytes, zero others": (some(B, A, 0), ZERO, WRITES, PUSH),
    "send some bytes, zero others": (some(A, B, 0), ZERO, WRITES, PUSH),
    "read some bytes, zero others": (bytes_of(2, 0), ZERO, READS, PUSH),
    "read a page, zero none of it": (page(2, A), NONE, READS, PUSH),
    "both barriers": (send(A, C), fetch(A, B), READS, FLUSHED, page(2, A), WRITES, READS, PUSH),
}


def alone(*moves: Stmt, device: str) -> Sketch:
    """One core reads three pages, moves them about, and passes them on."""
    fill = tuple(page(number, plus(A, number * PAGE)) for number in range(PAGES))
    sketch = network((1, 1), 1, (RESERVE, *fill, READS, *moves), PAGES, device=device)
    sketch.buffers[0] = ("Float16_b", PAGES, "ncrisc", "compute")
    sketch.tensors["Z"] = layout("bfloat16", (32, 32), "inout")
    reader = sketch.programs["reader"]
    sketch.programs["reader"] = structs.replace(reader, accessors=("A", "Z"))
    drain = (
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
                          accessors=("C",), body=(loop("t", PAGES, *drain),)),
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


@pytest.mark.parametrize("name", EARLY)
def test_a_risc_writes_no_page_that_a_read_still_fills(name: str) -> None:
    """Filled or zeroed before the barrier, the page may end up with either."""
    result = run(alone(*EARLY[name], device="wormhole_n150"))
    assert codes(result)[:1] == ["Unbarriered"]


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("name", ORDERED)
def test_barriers_order_transfers_of_one_thread(name: str, device: str) -> None:
    """The same moves with a barrier between are no finding, and give one answer."""
    answers = set()
    for schedule in SCHEDULES:
        result = run(alone(*ORDERED[name], device=device), RunOptions(schedule=schedule))
        assert codes(result) == []
        answers.add(result.outputs["C"].tobytes() + result.outputs["Z"].tobytes())
    assert len(answers) == 1


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_bytes_read_beside_zeros_arrive(schedule: Any) -> None:
    """Zeroing leaves what is kept to the read that fills it, and the rest is zero."""
    moves = (bytes_of(2, 0), ZERO, READS, PUSH)
    result = run(alone(*moves, device="wormhole_n150"), RunOptions(schedule=schedule))
    counting = (np.arange(32 * 32 * PAGES).reshape(32, -1) % 251).astype(np.float32)
    want = np.zeros((32, 32), np.float32)
    want[:16, :16] = counting[:16, 64:80]
    np.testing.assert_array_equal(result.outputs["C"][:, :32], want)
