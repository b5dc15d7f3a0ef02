"""Writes that leave the circular buffer they were meant for: caught, writer and victim named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.arch import find_arch
from simulator.plan.placement import place
from simulator.program import Stmt
from simulator.run import RunOptions
from tests.simulator.builders import Sketch, layout, loop, op, plus
from tests.simulator.engine.test_extents import IN, OUT, copying, data
from tests.simulator.pipes import COPY, codes, compute_of, pipe, run

ARCH = find_arch("wormhole_n150")
DEPTH, PAGE = 2, 2048


def reading_to(offset: int) -> Sketch:
    """The pipe whose reader reads its first page to an offset from the write pointer."""
    target = plus(["get_write_ptr", 0], offset)
    body = (op("cb_reserve_back", 0, 1), op("noc_async_read_page", "t", "A", target))
    return pipe(4, reader=(loop("t", 4, *body),))


@pytest.mark.parametrize(
    ("pages", "code", "victim"),
    [
        (1, "CBWindow", ""),
        (2, "StrayWrite", "circular buffer 1, whose producer is compute"),
        (3, "StrayWrite", "circular buffer 1, whose producer is compute"),
        (4, "StrayWrite", "memory nothing is allocated in"),
        (10_000, "StrayWrite", "what lies beyond the end of L1"),
        (-1, "StrayWrite", "the reserved part of L1"),
    ],
)
def test_a_stray_write_names_what_it_hits(pages: int, code: str, victim: str) -> None:
    """Inside the buffer it is the window that is left, outside the region that is hit."""
    result = run(reading_to(pages * PAGE))
    first = result.findings[0]
    assert first.code == code
    assert victim in first.message
    assert (first.program, first.thread, first.core) == ("reader", "ncrisc", (0, 0))
    assert not result.completed


@given(st.integers(-60, 800))
def test_no_stray_write_goes_unseen(page: int) -> None:
    """Guard words of a plain memory map, one before and after each region, would all be missed."""
    sketch = reading_to(page * PAGE)
    placement = place(sketch.plan(), ARCH)
    first = placement.cbs[0] + page * PAGE
    result = run(sketch)
    if page == 0:
        assert "StrayWrite" not in codes(result)
        return
    inside = placement.cbs[0] <= first < placement.cbs[0] + DEPTH * PAGE
    assert codes(result)[:1] == ["CBWindow" if inside else "StrayWrite"]
    hits = [n for n in (1,) if placement.cbs[n] - PAGE < first < placement.cbs[n] + DEPTH * PAGE]
    if not inside:
        assert f"{first:#x}..{first + PAGE:#x}" in result.findings[0].message
        assert all(f"circular buffer {n}, whose" in result.findings[0].message for n in hits)


def test_packing_beyond_the_buffer() -> None:
    """pack_tile<true> with an index past the depth."""
    body = tuple(op("pack_tile_out_of_order", 0, 1, 5) if getattr(s, "name", "") == "pack_tile"
                 else s for s in COPY)  # fmt: skip
    result = run(pipe(4, compute=compute_of(4, *body)))
    assert codes(result)[:1] == ["StrayWrite"]
    assert result.findings[0].thread == "compute"


def sending(target: Any, size: int, *, read: bool = False) -> Sketch:
    """Core x sends to (or reads from) its peer's buffer 0 at an offset."""
    move: tuple[Stmt, ...] = (op("noc_async_write", IN, "peer", 0, plus(OUT, target), size),)
    if read:
        move = (op("noc_async_read", "peer", 0, plus(IN, target), OUT, size),)
    return copying(*move)


@pytest.mark.parametrize("size", [64, 4096])
def test_a_write_into_another_buffer_of_another_core(size: int) -> None:
    """Writer and victim are on different cores; both are named, for parts and for whole pages."""
    sketch = sending(2 * 4096, size)
    result = run(sketch, A=data())
    first = result.findings[0]
    assert first.code == "StrayWrite"
    assert first.core == (0, 0)
    assert "of core (1, 0)" in first.message
    assert "circular buffer 2, whose producer is ncrisc" in first.message


def test_a_write_that_runs_over_the_end() -> None:
    """It begins in the buffer and ends 16 bytes behind it."""
    result = run(sending(2 * 4096 - 48, 64), A=data())
    assert codes(result)[:1] == ["StrayWrite"]
    assert codes(run(sending(2 * 4096 - 64, 64), A=data()))[:1] != ["StrayWrite"]


def test_semaphores_and_tensors_are_on_the_map() -> None:
    """What lies in L1 besides circular buffers is named as well."""
    base = place(sending(0, 64).plan(), ARCH).cbs[0]
    below = ARCH.l1_base - 16 * ARCH.num_semaphores - base
    assert "hits semaphore 0" in run(sending(below, 16), A=data()).findings[0].message
    sketch = sending(0, 64)
    sketch.tensors["T"] = layout("uint32", (32, 64), "input", memory="L1")
    floor = place(sketch.plan(), ARCH).l1_floor
    moved = sending(floor - base, 64)
    moved.tensors["T"] = sketch.tensors["T"]
    assert "hits tensor T" in run(moved, A=data()).findings[0].message


def test_reading_astray() -> None:
    """A read changes nothing; it is out of bounds."""
    result = run(sending(2 * 4096, 64, read=True), A=data())
    assert codes(result)[:1] == ["OutOfBounds"]
    assert "memory nothing is allocated in" in result.findings[0].message


def test_level_hardware_is_no_excuse() -> None:
    """The hardware lets it happen; it is found all the same."""
    result = run(reading_to(2 * PAGE), RunOptions(level="hardware"))
    assert codes(result)[:1] == ["StrayWrite"]
