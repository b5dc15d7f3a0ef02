"""Bytes of one core that another touches without waiting: each way of touching them is checked."""

from __future__ import annotations

from simulator.program import Program, Stmt
from tests.simulator.builders import Sketch, op, plus
from tests.simulator.engine.test_network import everywhere, network
from tests.simulator.pipes import codes, run

PAGE = 2048
MINE = ["get_write_ptr", 0]
SECOND, THIRD = plus(MINE, PAGE), plus(MINE, 2 * PAGE)
RIGHT = ["%", plus("x", 1), 2]
READ = (op("noc_async_read_page", "x", "A", MINE), op("noc_async_read_barrier"))


def _tell(number: int) -> Stmt:
    return op("noc_semaphore_inc", RIGHT, 0, number, 1)


def _hear(number: int) -> Stmt:
    return op("noc_semaphore_wait_min", number, 1)


def _sketch(*body: Stmt, pages: int = 2) -> Sketch:
    """Two cores that fill a window of pages, of which the last is copied."""
    whole = (op("cb_reserve_back", 0, pages), *body, op("cb_push_back", 0, pages))
    made = network((2, 1), 1, whole, 2, extra={"semaphores": everywhere((2, 1), 0, 0, 0)})
    fmt, _, producer, consumer = made.buffers[0]
    made.buffers[0] = (fmt, pages, producer, consumer)
    *head, tiles = made.programs["compute"].body
    skip = (op("cb_wait_front", 0, pages), op("cb_pop_front", 0, pages - 1))
    made.programs["compute"] = Program(
        name="compute", thread="compute", runtime_args=("x", "y"), body=(*head, *skip, tiles)
    )
    return made


def test_reading_a_neighbours_page_before_it_says_so_is_a_race() -> None:
    """Each core takes the other's first page into its own second one."""

    def body(*ask: Stmt) -> Sketch:
        fetch = (op("noc_async_read", RIGHT, 0, MINE, SECOND, PAGE), op("noc_async_read_barrier"))
        return _sketch(*READ, *ask, *fetch, _tell(1), _hear(1))

    assert codes(run(body()))[:1] == ["Race"]
    assert codes(run(body(_tell(0), _hear(0)))) == []


def test_delivering_over_what_the_neighbour_still_sends_is_a_race() -> None:
    """Each core writes into the page that the other one is sending on."""

    def body(*order: Stmt) -> Sketch:
        more = op("noc_async_read_page", "x", "A", THIRD)
        send = op("noc_async_write", MINE, RIGHT, 0, SECOND, PAGE)
        back = op("noc_async_write", THIRD, RIGHT, 0, MINE, PAGE)
        done = (op("noc_async_write_barrier"), _tell(1), _hear(1))
        return _sketch(more, *READ, _tell(0), _hear(0), send, *order, back, *done, pages=3)

    waited = (op("noc_async_write_barrier"), _tell(2), _hear(2))
    assert codes(run(body()))[:1] == ["Race"]
    assert codes(run(body(*waited))) == []


def test_passing_on_a_page_before_it_has_come_is_a_race() -> None:
    """Each core sends the page that the other is to deliver to a third place, waiting or not."""

    def body(*ask: Stmt) -> Sketch:
        send = op("noc_async_write", MINE, RIGHT, 0, SECOND, PAGE)
        passed = op("noc_async_write", SECOND, RIGHT, 0, THIRD, PAGE)
        told = (op("noc_async_write_barrier"), _tell(1))
        done = (op("noc_async_write_barrier"), _tell(2), _hear(1), _hear(2))
        return _sketch(*READ, _tell(0), _hear(0), send, *told, *ask, passed, *done, pages=3)

    assert codes(run(body()))[:1] == ["Race"]
    assert codes(run(body(_hear(1)))) == []
