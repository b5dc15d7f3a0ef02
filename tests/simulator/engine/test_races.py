"""Races: accesses nothing orders, with both sides named; and orders that are recognised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.engine.schedule import LateNoc, RoundRobin, Seeded
from simulator.program import Program, Stmt
from simulator.run import RunOptions, execute
from tests.simulator.builders import Sketch, gemm, layout, loop, op, plus, when
from tests.simulator.engine.test_network import everywhere, multicast, network
from tests.simulator.pipes import COPY, READ, codes, compute_of, pipe, run, without

TILES = 4
INPLACE = {"A": layout("bfloat16", (32, 32 * TILES), "inout")}
POP = (op("noc_async_write_barrier"), op("cb_pop_front", 1, 1))


def in_place(page: Any) -> Sketch:
    """The pipe over one tensor that is read at page t and written at ``page``."""
    store = op("noc_async_write_page", page, "A", ["get_read_ptr", 1])
    body = (loop("t", TILES, op("cb_wait_front", 1, 1), store, *POP),)
    sketch = pipe(TILES, tensors=INPLACE)
    sketch.programs["writer"] = Program(name="writer", thread="brisc", accessors=("A",), body=body)
    return sketch


def test_in_place_is_ordered_by_circular_buffers() -> None:
    """A page is written after its own data went through the pipe: determinate."""
    result = run(in_place("t"))
    assert codes(result) == []
    assert result.determinate
    assert any("order all reads and writes of tensor A" in reason for reason in result.reasons)


def test_writing_ahead_of_the_reader_is_a_race() -> None:
    """The next page may or may not have been read; the finding names both sides."""
    result = run(in_place(["%", plus("t", 1), TILES]))
    assert "Race" in codes(result)
    message = result.findings[0].message
    assert "noc_async_write_page of writer (brisc) on core (0, 0) at 0.1" in message or (
        "noc_async_read_page of reader (ncrisc) on core (0, 0) at 0.1" in message
    )
    assert "nothing orders the two" in message
    assert not result.determinate


@pytest.mark.parametrize("seed", range(6))
def test_races_do_not_hide_behind_a_schedule(seed: int) -> None:
    """Without semaphores the verdict is the same under every schedule."""
    racy, right = in_place(["%", plus("t", 1), TILES]), in_place("t")
    assert "Race" in codes(run(racy, RunOptions(schedule=Seeded(seed))))
    assert codes(run(right, RunOptions(schedule=Seeded(seed)))) == []


def exchange(*order: Stmt, wait: bool = True) -> Sketch:
    """Core 0 stores a page; then ``order``; core 1's reader (waits and) reads that page."""
    tensors = {
        "A": layout("bfloat16", (32, 64), "input"),
        "C": layout("bfloat16", (32, 64), "inout"),
    }
    sketch = pipe(1, tensors=tensors, cores=(2, 1),
                  extra={"semaphores": everywhere((2, 1), 0)})  # fmt: skip
    fetch = (op("noc_async_read_barrier"), op("cb_push_back", 0, 1))
    pointer = ["get_write_ptr", 0]
    late = (op("noc_semaphore_wait", 0, 1),) if wait else ()
    reader = (
        op("cb_reserve_back", 0, 1),
        when(
            ["==", "me", 0],
            op("noc_async_read_page", 0, "A", pointer),
            orelse=(*late, op("noc_async_read_page", 0, "C", pointer)),
        ),
        *fetch,
    )
    writer = (
        op("cb_wait_front", 1, 1),
        op("noc_async_write_page", "me", "C", ["get_read_ptr", 1]),
        when(["==", "me", 0], *order),
        *POP,
    )
    for name, accessors, body in (("reader", ("A", "C"), reader), ("writer", ("C",), writer)):
        sketch.programs[name] = Program(
            name=name, thread=sketch.programs[name].thread, accessors=accessors,
            runtime_args=("me",), body=body,
        )  # fmt: skip
        sketch.args[name] = {(0, 0): (0,), (1, 0): (1,)}
    return sketch


SIGNAL = op("noc_semaphore_inc", 1, 0, 0, 1)


def test_a_semaphore_after_the_barrier_orders_cores() -> None:
    """Write, barrier, increment, wait, read: ordered; the verdict says for which schedules."""
    a = np.arange(2048, dtype=np.float32).reshape(32, 64) % 251
    result = run(exchange(op("noc_async_write_barrier"), SIGNAL), A=a)
    assert codes(result) == []
    np.testing.assert_array_equal(result.outputs["C"][:, 32:], a[:, :32])
    assert not result.determinate
    assert any("schedule that was run" in reason for reason in result.reasons)


def test_a_semaphore_before_the_barrier_does_not() -> None:
    """The increment may overtake the data."""
    result = run(exchange(SIGNAL))
    assert codes(result) == ["Race"]
    assert "core (0, 0)" in result.findings[0].message
    assert "core (1, 0)" in result.findings[0].message


def test_no_semaphore_at_all() -> None:
    """Reading what another core writes, whenever it comes."""
    sketch = exchange(op("noc_async_write_barrier"), wait=False)
    assert codes(run(sketch)) == ["Race"]


def test_two_cores_may_write_a_page_in_turn() -> None:
    """Ordered by a semaphore the second write wins; unordered it is a double write."""
    sketch = exchange(op("noc_async_write_barrier"), SIGNAL)
    writer = sketch.programs["writer"]
    body = list(writer.body)
    body[1] = op("noc_async_write_page", 0, "C", ["get_read_ptr", 1])
    sketch.programs["writer"] = Program(
        name="writer", thread="brisc", accessors=("C",), runtime_args=("me",), body=tuple(body)
    )
    assert codes(run(sketch)) == []
    reader = sketch.programs["reader"]
    other = when(["==", "me", 0], op("noc_async_read_page", 0, "A", ["get_write_ptr", 0]),
                 orelse=(op("noc_async_read_page", 1, "A", ["get_write_ptr", 0]),))  # fmt: skip
    sketch.programs["reader"] = Program(
        name="reader", thread="ncrisc", accessors=("A",), runtime_args=("me",),
        body=(reader.body[0], other, *reader.body[2:]),
    )  # fmt: skip
    assert codes(run(sketch)) == ["DoubleWrite"]


def test_multicast_without_the_handshake_is_a_race() -> None:
    """The receivers may not have made room; found though this schedule has it made."""
    found = codes(run(multicast((4, 1), 1, wait=())))
    assert found[:1] in (["Race"], ["CBWindow"])


def test_a_flag_by_increment_may_overtake_multicast_data() -> None:
    """Multicast then semaphore multicast keep their order; multicast then increment do not."""
    rect = (1, "y", 2, "y")
    flag = (op("noc_semaphore_inc_multicast", 1, *rect, 1, 2),)
    result = run(multicast((3, 1), 1, flag=flag))
    assert "Race" in codes(result)
    assert "cb_push_back" in result.findings[0].message
    barrier = (op("noc_async_write_barrier"), *flag)
    assert codes(run(multicast((3, 1), 1, flag=barrier))) == []


def test_a_page_is_filled_again_while_it_is_sent() -> None:
    """The source of a write must have left before a read overwrites it."""
    pointer = ["get_write_ptr", 0]
    fill = (op("noc_async_read_page", "x", "A", pointer), op("noc_async_read_barrier"))
    right = ["%", plus("x", 1), 2]
    there = plus(pointer, 2048)

    def body(*flush: Stmt) -> tuple[Stmt, ...]:
        return (
            op("cb_reserve_back", 0, 2), *fill,
            op("noc_semaphore_inc", right, 0, 0, 1), op("noc_semaphore_wait", 0, 1),
            op("noc_async_write", pointer, right, 0, there, 2048), *flush, *fill,
            op("noc_async_write_barrier"),
            op("noc_semaphore_inc", right, 0, 1, 1), op("noc_semaphore_wait", 1, 1),
            op("cb_push_back", 0, 2),
        )  # fmt: skip

    def sketch(*flush: Stmt) -> Sketch:
        made = network((2, 1), 1, body(*flush), 2, extra={"semaphores": everywhere((2, 1), 0, 0)})
        *head, tiles = made.programs["compute"].body
        skip = (op("cb_wait_front", 0, 2), op("cb_pop_front", 0, 1))
        made.programs["compute"] = Program(
            name="compute", thread="compute", runtime_args=("x", "y"), body=(*head, *skip, tiles)
        )
        return made

    assert codes(run(sketch()))[:1] == ["Race"]
    assert codes(run(sketch(op("noc_async_writes_flushed")))) == []


def test_level_hardware_knows_luck_from_order() -> None:
    """Reading a page that is there, without having waited for it, is a race on hardware."""
    body = without("cb_wait_front", COPY)
    sketch = pipe(1, compute=compute_of(1, *body))
    assert codes(run(sketch, RunOptions(level="hardware")))[:1] in (["Race"], ["CBWindow"])
    late = pipe(1, compute=compute_of(1, *body), reader=(
        op("cb_reserve_back", 0, 1), loop("t", 1, READ), op("noc_async_read_barrier"),
        op("cb_push_back", 0, 1)))  # fmt: skip
    result = run(late, RunOptions(level="hardware"))
    assert codes(result)[:1] == ["Race"]
    assert not result.determinate


@pytest.mark.parametrize("schedule", [RoundRobin(), Seeded(1), Seeded(2)])
@pytest.mark.parametrize("waited", [0, 1])
def test_level_hardware_counts_what_was_asked_for(waited: int, schedule: Any) -> None:
    """More pages than a wait asked for may be there or not: reading them is luck, seen or not."""
    late = op("cb_wait_front", 0, 2), op("cb_pop_front", 0, 2)  # another page is there by now
    body = (op("cb_wait_front", 0, waited), op("tile_regs_acquire"), op("copy_tile", 0, waited, 0),
            op("tile_regs_commit"), *late)  # fmt: skip
    sketch = pipe(2, compute=compute_of(1, *body))
    result = run(sketch, RunOptions(level="hardware", schedule=schedule))
    assert codes(result)[:1] in (["Race"], ["CBWindow"])  # there already, or not yet


def test_a_late_read_takes_its_value_when_it_completes() -> None:
    """Under a late NoC a page read before it is written may hold what was written meanwhile."""
    sketch = in_place(["%", plus("t", 1), TILES])
    values = np.repeat(np.arange(TILES, dtype=np.float32), 32)[None].repeat(32, axis=0)
    seen = set()
    for seed in range(12):
        for schedule in (Seeded(seed), LateNoc(seed)):
            result = run(sketch, RunOptions(schedule=schedule), A=values)
            assert "Race" in codes(result)
            seen.add(codes(result)[0])
    assert seen == {"Race"}
    right = [run(in_place("t"), RunOptions(schedule=LateNoc(seed)), A=values) for seed in range(4)]
    assert all(codes(result) == [] for result in right)
    assert all(np.array_equal(result.outputs["A"], values) for result in right)


def test_the_budget_of_steps_is_exact() -> None:
    """As many ops as allowed are executed and not one more, also by groups that take turns."""
    whole = run(pipe(64)).stats.steps
    assert codes(run(pipe(64), RunOptions(max_steps=whole))) == []
    for budget in (1, 17, whole - 1):
        for schedule in (RoundRobin(), Seeded(1), LateNoc(1)):
            result = run(pipe(64), RunOptions(max_steps=budget, schedule=schedule, repair=False))
            assert codes(result) == ["BudgetSpent"]
            assert result.stats.steps == budget


def test_the_budget_of_bytes_counts_blocks() -> None:
    """Tiles that are computed count, not only tensors."""
    sketch = gemm(128, 128, 64, (64, 64, 32), (2, 2))
    ones = np.ones((128, 64), np.float32), np.ones((64, 128), np.float32)
    tensors = 4 * (128 * 64 * 2 + 128 * 128)
    few = run(sketch, RunOptions(max_bytes=tensors + 1000), A=ones[0], B=ones[1])
    assert codes(few)[:1] == ["BudgetSpent"]
    assert codes(run(sketch, RunOptions(max_bytes=tensors + (1 << 20)), A=ones[0], B=ones[1])) == []


def test_reads_must_agree_modulo_the_alignment() -> None:
    """A page of 16 bytes in L1 lies at a multiple of 32 every other time only."""
    tile = {"tile_shape": (1, 16)}
    rows = layout("uint8", (1, 64), "input")
    tensors = {
        "A": rows.__class__(dtype="uint8", logical_shape=(1, 64), padded_shape=(1, 64),
                            role="input", **tile),  # type: ignore[arg-type]
        "C": layout("bfloat16", (32, 128), "output"),
    }  # fmt: skip
    assert tensors["A"].tile_shape == (1, 16)
    sketch = pipe(4, tensors=tensors)
    plan = sketch.plan()
    first = plan.circular_buffers[0]
    small = first.__class__(
        id=0, name="cb0", page_bytes=16, depth=2, data_format="UInt8", producer="ncrisc",
        consumer="compute", core_ranges=first.core_ranges, tile_shape=(1, 16),
    )  # fmt: skip
    plan = plan.__class__(
        **{name: getattr(plan, name) for name in plan.__struct_fields__}
        | {"circular_buffers": (small, *plan.circular_buffers[1:])}
    )
    result = execute(plan, sketch.listed(), {"A": np.ones((1, 64), np.int32)})
    assert "Misaligned" in codes(result)


def test_a_semaphore_set_that_may_undo_an_increment_is_a_race() -> None:
    """Setting back what receivers count up, after they were let go, loses their next signal."""
    late = (
        op("noc_semaphore_set", 1, 1),
        op("noc_semaphore_set_multicast", 1, 1, "y", 2, "y", 2),
        op("noc_semaphore_set", 0, 0),
    )
    right = multicast((3, 1), 2)
    wrong = multicast((3, 1), 2, wait=(op("noc_semaphore_wait", 0, 2),), flag=late)
    for schedule in (RoundRobin(), Seeded(1), LateNoc(2)):
        assert codes(run(right, RunOptions(schedule=schedule))) == []
        result = run(wrong, RunOptions(schedule=schedule))
        assert codes(result)[0] == "Race"
        assert "semaphore 0 of core (0, 0) is" in result.findings[0].message
        assert "changed by noc_semaphore_inc" in result.findings[0].message
