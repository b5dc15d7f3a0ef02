"""Cores that talk: multicast, semaphores, transfers between L1s."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import structs

from simulator.engine.local import Late, Local
from simulator.engine.schedule import LateNoc, RoundRobin, Seeded
from simulator.plan.schema import CoreRange, Semaphore
from simulator.program import Program, Stmt
from simulator.run import RunOptions, RunResult
from tests.simulator.builders import Sketch, loop, op, plus, times, when
from tests.simulator.pipes import codes, pipe, run

PAGE = 2048


def everywhere(cores: tuple[int, int], *initial: int) -> tuple[Semaphore, ...]:
    """Semaphores 0, 1, … on all cores."""
    ranges = (CoreRange(start=(0, 0), extent=cores),)
    return tuple(
        Semaphore(id=number, core_ranges=ranges, initial=value)
        for number, value in enumerate(initial)
    )


def network(
    cores: tuple[int, int], steps: int, body: tuple[Stmt, ...], pages: int, **fields: Any
) -> Sketch:
    """The copy pipe with a reader of coordinates (x, y); core (x, y) stores pages from its own."""
    sketch = pipe(pages, reader=(loop("t", steps, *body),), cores=cores, **fields)
    width = cores[0]
    mine = plus(times(plus(times("y", width), "x"), steps), "t")
    write = (
        op("cb_wait_front", 1, 1),
        op("noc_async_write_page", mine, "C", ["get_read_ptr", 1]),
        op("noc_async_write_barrier"),
        op("cb_pop_front", 1, 1),
    )
    for name, program in list(sketch.programs.items()):
        changes: dict[str, Any] = {"runtime_args": ("x", "y")}
        if name == "writer":
            changes["body"] = (loop("t", steps, *write),)
        if name == "compute":
            *head, tiles = program.body
            changes["body"] = (*head, loop("t", steps, *tiles.body))  # type: ignore[union-attr]
        sketch.programs[name] = Program(
            **{
                "name": name,
                "thread": program.thread,
                "accessors": program.accessors,
                "body": program.body,
                **changes,
            }
        )
        sketch.args[name] = {(x, y): (x, y) for x in range(cores[0]) for y in range(cores[1])}
    return sketch


def multicast(cores: tuple[int, int], steps: int, **changes: tuple[Stmt, ...]) -> Sketch:
    """Column 0 reads a page per step and sends it along its row."""
    width = cores[0]
    rect = (1, "y", width - 1, "y")
    ptr = ["get_write_ptr", 0]
    send = {
        "wait": (op("noc_semaphore_wait", 0, width - 1), op("noc_semaphore_set", 0, 0)),
        "data": (op("noc_async_write_multicast", ptr, *rect, ptr, PAGE, width - 1),),
        "flag": (op("noc_semaphore_set", 1, 1),
                 op("noc_semaphore_set_multicast", 1, *rect, width - 1)),
    } | changes  # fmt: skip
    sender = (
        op("cb_reserve_back", 0, 1),
        op("noc_async_read_page", plus(times("y", steps), "t"), "A", ptr),
        op("noc_async_read_barrier"),
        *send["wait"],
        *send["data"],
        *send["flag"],
        op("noc_async_write_barrier"),
        op("cb_push_back", 0, 1),
    )
    receiver = (
        op("cb_reserve_back", 0, 1),
        op("noc_semaphore_set", 1, 0),
        op("noc_semaphore_inc", 0, "y", 0, 1),
        op("noc_semaphore_wait", 1, 1),
        op("cb_push_back", 0, 1),
    )
    body = (when(["==", "x", 0], *sender, orelse=receiver),)
    extra = {"semaphores": everywhere(cores, 0, 0)}
    return network(cores, steps, body, cores[0] * cores[1] * steps, extra=extra)


@pytest.mark.parametrize("cores", [(2, 1), (4, 2), (8, 3)])
def test_multicast_along_rows(cores: tuple[int, int]) -> None:
    """Every core of a row gets what its first core read, step by step."""
    steps = 3
    sketch = multicast(cores, steps)
    result = run(sketch)
    assert codes(result) == []
    pages = pages_of(result)
    source = source_pages(sketch)
    for y in range(cores[1]):
        for x in range(cores[0]):
            for t in range(steps):
                got = pages[(y * cores[0] + x) * steps + t]
                np.testing.assert_array_equal(got, source[y * steps + t])
    assert not result.determinate
    assert any("semaphore" in reason for reason in result.reasons)


def pages_of(result: RunResult) -> list[Any]:
    """Tiles of C."""
    c = result.outputs["C"]
    return [c[:, 32 * i : 32 * i + 32] for i in range(c.shape[1] // 32)]


def source_pages(sketch: Sketch) -> list[Any]:
    """Tiles of the counting input."""
    shape = sketch.tensors["A"].logical_shape
    a = (np.arange(shape[0] * shape[1]).reshape(shape) % 251).astype(np.float32)
    return [a[:, 32 * i : 32 * i + 32] for i in range(shape[1] // 32)]


def test_num_dests_must_match() -> None:
    """The sender does not count itself: one receiver too many is found."""
    ptr = ["get_write_ptr", 0]
    wrong = (op("noc_async_write_multicast", ptr, 0, "y", 3, "y", ptr, PAGE, 4),)
    result = run(multicast((4, 1), 1, data=wrong))
    assert codes(result)[:1] == ["OutOfBounds"]
    assert "3 receivers" in result.findings[0].message


@pytest.mark.parametrize("name", ["noc_async_write_multicast", "noc_semaphore_set_multicast"])
def test_a_multicast_needs_a_receiver(name: str) -> None:
    """A rectangle of the sender alone has none, and the hardware has no multicast to nobody."""
    ptr = ["get_write_ptr", 0]
    alone = {
        "noc_async_write_multicast": op(name, ptr, 0, "y", 0, "y", ptr, PAGE, 0),
        "noc_semaphore_set_multicast": op(name, 1, 0, "y", 0, "y", 0),
    }
    result = run(multicast((2, 1), 1, data=(alone[name],)))
    assert codes(result)[:1] == ["OutOfBounds"]
    assert "must not be 0" in result.findings[0].message


def test_a_rectangle_off_the_grid_is_named_with_its_core() -> None:
    """Both corners are told, and those of a core that is wrong: one may be below zero."""
    ptr = ["get_write_ptr", 0]
    wrong = (
        op("noc_async_write_multicast", ptr, ["-", 1, times(2, "y")], "y", 3, "y", ptr, PAGE, 3),
    )
    result = run(multicast((4, 2), 1, data=wrong))
    (found,) = [item for item in result.findings if item.code == "OutOfBounds"]
    assert "multicast rectangle (-1, 1)..(3, 1) leaves the grid" in found.message
    assert found.core == (0, 1)


def test_loopback_includes_the_sender() -> None:
    """With loopback the rectangle may hold the sender, and counts it."""
    ptr = ["get_write_ptr", 0]
    right = (op("noc_async_write_multicast_loopback_src", ptr, 0, "y", 3, "y", ptr, PAGE, 4),)
    assert codes(run(multicast((4, 1), 1, data=right))) == []


def test_corners_follow_the_noc() -> None:
    """NCRISC is on NOC 0, whose rectangles start top left."""
    ptr = ["get_write_ptr", 0]
    wrong = (op("noc_async_write_multicast", ptr, 3, "y", 1, "y", ptr, PAGE, 3),)
    assert codes(run(multicast((4, 1), 1, data=wrong)))[:1] == ["OutOfBounds"]


def test_sending_before_the_receiver_is_ready() -> None:
    """Without the handshake data lands in pages nobody reserved."""
    result = run(multicast((4, 1), 3, wait=()))
    assert "CBWindow" in codes(result)


def test_missing_flag_is_a_deadlock() -> None:
    """The report names the semaphore, what is needed and what it is."""
    result = run(multicast((4, 1), 1, flag=()))
    assert codes(result) == ["Deadlock"]
    assert "needs semaphore 1 to be 1 and it is 0" in result.findings[0].message


def test_a_missed_value_is_a_deadlock() -> None:
    """Equality waits miss a value that was passed; at-least waits do not."""
    body = (
        op("cb_reserve_back", 0, 1),
        op("noc_async_read_page", "x", "A", ["get_write_ptr", 0]),
        op("noc_async_read_barrier"),
        op("noc_semaphore_inc", "x", 0, 0, 2),
        op("noc_semaphore_wait", 0, 1),
        op("cb_push_back", 0, 1),
    )
    extra = {"semaphores": everywhere((2, 1), 0)}
    assert codes(run(network((2, 1), 1, body, 2, extra=extra))) == ["Deadlock"]
    least = tuple(
        op("noc_semaphore_wait_min", 0, 1) if getattr(s, "name", "") == "noc_semaphore_wait" else s
        for s in body
    )
    assert codes(run(network((2, 1), 1, least, 2, extra=extra))) == []


def test_increments_of_one_step_are_summed() -> None:
    """All cores count up one semaphore in lock step; none is lost."""
    body = (
        op("noc_semaphore_inc", 0, 0, 0, 1),
        when(["==", "x", 0], op("noc_semaphore_wait", 0, 8)),
        op("cb_reserve_back", 0, 1),
        op("noc_async_read_page", "x", "A", ["get_write_ptr", 0]),
        op("noc_async_read_barrier"),
        op("cb_push_back", 0, 1),
    )
    extra = {"semaphores": everywhere((8, 1), 0)}
    assert codes(run(network((8, 1), 1, body, 8, extra=extra))) == []


def _drop_first_page(sketch: Sketch, pages: int = 1) -> None:
    """Have compute pop a page, or more, before its loop."""
    compute = sketch.programs["compute"]
    skip = (op("cb_wait_front", 0, 2), op("cb_pop_front", 0, pages))
    *head, tiles = compute.body
    sketch.programs["compute"] = Program(
        name="compute", thread="compute", runtime_args=("x", "y"), body=(*head, *skip, tiles)
    )


def test_ring_exchange() -> None:
    """Each core hands its page to the right neighbour, which stores it."""
    width = 4
    right = ["%", plus("x", 1), width]
    body = (
        op("cb_reserve_back", 0, 2),
        op("noc_async_read_page", "x", "A", ["get_write_ptr", 0]),
        op("noc_async_read_barrier"),
        op("noc_semaphore_inc", ["%", plus("x", width - 1), width], 0, 0, 1),
        op("noc_semaphore_wait", 0, 1),
        op("noc_async_write", ["get_write_ptr", 0], right, 0,
           plus(["get_write_ptr", 0], PAGE), PAGE),
        op("noc_async_write_barrier"),
        op("noc_semaphore_inc", right, 0, 1, 1),
        op("noc_semaphore_wait", 1, 1),
        op("cb_push_back", 0, 2),
    )  # fmt: skip
    sketch = network((width, 1), 1, body, width, extra={"semaphores": everywhere((width, 1), 0, 0)})
    _drop_first_page(sketch)
    result = run(sketch)
    assert codes(result) == []
    source = source_pages(sketch)
    for x, page in enumerate(pages_of(result)):
        np.testing.assert_array_equal(page, source[(x - 1) % width])


def test_reading_from_a_neighbour() -> None:
    """noc_async_read fetches a page another core staged, after its barrier."""
    body = (
        op("cb_reserve_back", 0, 2),
        op("noc_async_read_page", "x", "A", ["get_write_ptr", 0]),
        op("noc_async_read_barrier"),
        op("noc_semaphore_inc", ["%", plus("x", 1), 2], 0, 0, 1),
        op("noc_semaphore_wait", 0, 1),
        op("noc_async_read", ["%", plus("x", 1), 2], 0, ["get_write_ptr", 0],
           plus(["get_write_ptr", 0], PAGE), PAGE),
        op("noc_async_read_barrier"),
        op("noc_semaphore_inc", ["%", plus("x", 1), 2], 0, 1, 1),
        op("noc_semaphore_wait", 1, 1),
        op("cb_push_back", 0, 2),
    )  # fmt: skip
    sketch = network((2, 1), 1, body, 2, extra={"semaphores": everywhere((2, 1), 0, 0)})
    _drop_first_page(sketch)
    result = run(sketch)
    assert codes(result) == []
    source = source_pages(sketch)
    np.testing.assert_array_equal(pages_of(result)[0], source[1])
    np.testing.assert_array_equal(pages_of(result)[1], source[0])


@pytest.mark.parametrize("told", [True, False])
def test_a_page_may_be_pushed_while_a_neighbour_reads_it(told: bool) -> None:
    """It is not written: only who fills it again has to wait for the neighbour."""
    next_one = (["%", plus("x", 1), 2], 0)
    fill = op("noc_async_read_page", "x", "A", ["get_write_ptr", 0])
    body = (
        op("cb_reserve_back", 0, 2),
        fill,
        op("noc_async_read_barrier"),
        op("noc_semaphore_inc", *next_one, 0, 1),
        op("noc_semaphore_wait", 0, 1),
        op("noc_async_read", *next_one, ["get_write_ptr", 0], plus(["get_write_ptr", 0], PAGE),
           PAGE),
        op("noc_async_read_barrier"),
        op("cb_push_back", 0, 2),
        op("noc_semaphore_inc", *next_one, 1, 1),
        *((op("noc_semaphore_wait", 1, 1),) if told else ()),
        op("cb_reserve_back", 0, 1),
        fill,
        op("noc_async_read_barrier"),
        op("cb_push_back", 0, 1),
    )  # fmt: skip
    sketch = network((2, 1), 1, body, 2, extra={"semaphores": everywhere((2, 1), 0, 0)})
    _drop_first_page(sketch, 2)
    assert codes(run(sketch)) == ([] if told else ["Race"])


def test_a_deadlock_tells_who_changes_the_semaphore() -> None:
    """Receivers wait for a flag the sender never sets: where it is changed, and the circle."""
    silent = multicast((2, 1), 1, flag=(op("noc_semaphore_set", 1, 1),))
    result = run(silent)
    assert codes(result) == ["Deadlock"]
    text = result.findings[0].message
    assert "needs semaphore 1 to be 1 and it is 0 (changed by noc_semaphore_set of reader" in text
    assert "ncrisc -> ncrisc" in text


def test_a_value_that_was_passed_is_named() -> None:
    """noc_semaphore_wait is for equality: 2 is not 1, and never will be again."""
    twice = (op("noc_semaphore_set", 1, 2),
             op("noc_semaphore_set_multicast", 1, 1, "y", 1, "y", 1))  # fmt: skip
    text = run(multicast((2, 1), 1, flag=twice)).findings[0].message
    assert "needs semaphore 1 to be 1 and it is 2 (passed: noc_semaphore_wait_min" in text
    body = multicast((2, 1), 1, flag=twice)
    encoded = msgspec.json.encode(body.programs["reader"]).replace(
        b'"name":"noc_semaphore_wait","args":[1,1]', b'"name":"noc_semaphore_wait_min","args":[1,1]'
    )
    body.programs["reader"] = msgspec.json.decode(encoded, type=Program)
    assert codes(run(body)) == []


def test_a_late_noc_keeps_multicasts_in_order_and_nothing_else() -> None:
    """Data sent to one core may not be there when a multicast flag after it is: a race."""
    ptr = ["get_write_ptr", 0]
    single = (op("noc_async_write", ptr, 1, "y", ptr, PAGE),)
    right, wrong = multicast((2, 1), 1), multicast((2, 1), 1, data=single)
    for schedule in (RoundRobin(), LateNoc(1), Seeded(2)):
        assert codes(run(right, RunOptions(schedule=schedule))) == []
        found = codes(run(wrong, RunOptions(schedule=schedule)))
        assert found[:1] == ["Race"]


def test_semaphores_absent_from_the_plan() -> None:
    """A semaphore the plan does not have is an invalid program, not a crash."""
    sketch = multicast((4, 1), 1)
    sketch = replace(sketch, extra={})
    assert codes(run(sketch))[:1] == ["InvalidProgram"]


def test_what_a_late_noc_lets_arrive() -> None:
    """A multicast flag brings the multicasts before it, a barrier everything, in order."""
    local, seen = Local(), list[str]()
    for name, many in (("a", True), ("b", False), ("c", True)):
        local.late.append(Late(partial(seen.append, name), multicast=many))
    local.arrive(multicast=True)
    assert seen == ["a", "c"]
    local.arrive()
    assert seen == ["a", "c", "b"]
    assert local.late == []


@pytest.mark.parametrize("name", ["noc_semaphore_inc", "noc_semaphore_inc_multicast"])
@pytest.mark.parametrize(
    ("who", "whom"),
    [
        (["==", "x", 0], plus(1, ["%", "t", 2])),  # in turn
        (["==", "x", times(3, ["%", "t", 2])], plus(1, ["//", "x", 3])),  # another each time
    ],
)
def test_operands_name_other_cores_each_time(name: str, who: Any, whom: Any) -> None:
    """Whom an op reaches follows its operands from step to step, and its cores."""
    steps = 6
    ends = (whom, 0) if name == "noc_semaphore_inc" else (0, whom, 0, whom, 0)
    tell = op(name, *ends, *((0, 1) if name == "noc_semaphore_inc" else (1, 1)))
    body = (
        op("cb_reserve_back", 0, 1),
        op("noc_async_read_page", plus(times("x", steps), "t"), "A", ["get_write_ptr", 0]),
        op("noc_async_read_barrier"),
        when(who, tell),
        op("cb_push_back", 0, 1),
    )
    sketch = network((4, 1), steps, body, 4 * steps, extra={"semaphores": everywhere((4, 1), 0)})
    reader = sketch.programs["reader"]
    told = ["==", ["//", plus("x", 1), 2], 1]
    heard = when(told, op("noc_semaphore_wait", 0, steps // 2))
    sketch.programs["reader"] = structs.replace(reader, body=(*reader.body, heard))
    assert codes(run(sketch)) == []
