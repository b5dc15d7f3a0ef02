"""Drawn programs that loop: what their cores tell the clocks repeats, or nearly so.

Loops of transfers and semaphores within one window, drawn or right by themselves, and pipelines
whose first core hands pages on by multicast. Most have a fault: a statement left out, done twice,
exchanged with its neighbour, or one too many, always or in one iteration only, when all that came
before has long repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from simulator.engine.schedule import LateNoc, RoundRobin, Seeded
from simulator.program import If, Loop, Program, Stmt
from tests.simulator.builders import Sketch, op, plus, times, when
from tests.simulator.builders import loop as loop_of
from tests.simulator.engine.test_collectives import multicast_gemm
from tests.simulator.engine.test_network import everywhere, multicast, network

CORES = 4
PAGE = 2048
PAGES = 2
"""Pages of each core's window that are sent and fetched; one more takes what is fetched."""
SIGNALS = 4
LATE = (None, 0, 1, 7, 19, 20, 21, 22, 31, 36)
"""In which iteration a fault is: mostly when calls have begun to repeat; None for all."""
WORD = SIGNALS
"""The semaphore nobody waits for."""
Pick = Callable[[Sequence[Any]], Any]


def _step(pick: Pick, number: int, heard: list[tuple[int, Any]]) -> tuple[Stmt, ...]:
    """What some cores do in an iteration ``t``; ``number`` is the next free semaphore."""
    mine = ["get_write_ptr", 0]
    to = pick([None, None, *range(CORES)])
    other: Any = ["%", plus("x", pick(range(1, CORES))), CORES] if to is None else to
    who = pick([None, None, ["==", "x", 1], ["!=", "x", 1], ["<", "x", 2]])
    who = who if to is None else ["!=", "x", to]
    source, target = (plus(mine, pick(range(PAGES)) * PAGE) for _ in range(2))
    what = pick(["send", "send", "fetch", "barrier", "signal", "wait", "wait", "raise", "reset",
                 "spread"])  # fmt: skip
    if what == "send":
        done: tuple[Stmt, ...] = (op("noc_async_write", source, other, 0, target, PAGE),)
    elif what == "fetch":
        done = (op("noc_async_read", other, 0, source, plus(mine, PAGES * PAGE), PAGE),
                op("noc_async_read_barrier"))  # fmt: skip
    elif what == "barrier":
        done = (op("noc_async_write_barrier"),)
    elif what == "signal" and number < SIGNALS:
        who = None if to is None else who
        heard.append((number, to))
        done = (op("noc_semaphore_inc", other, 0, number, 1),)
    elif what == "wait" and heard:
        signal, to = pick(heard)
        who = who if to is None else ["==", "x", to]
        each = 1 if to is None else CORES - 1
        done = (op("noc_semaphore_wait_min", signal, times(each, plus("t", 1))),)
    elif what == "raise":
        done = (op("noc_semaphore_inc", other, 0, WORD, 1),)
    elif what == "reset":
        done = (op("noc_semaphore_set", WORD, 3),)
    elif what == "spread":
        done = (op("noc_semaphore_set_multicast", WORD, other, 0, other, 0, 1),)
    else:
        return ()
    return done if who is None else (when(who, *done),)


def _meet(number: int, value: Any) -> tuple[Stmt, ...]:
    """All cores wait for all."""
    others = (["%", plus("x", far), CORES] for far in range(1, CORES))
    return (*(op("noc_semaphore_inc", other, 0, number, 1) for other in others),
            op("noc_semaphore_wait_min", number, times(CORES - 1, value)))  # fmt: skip


def window(pick: Pick) -> Sketch:
    """Whatever comes to mind."""
    heard: list[tuple[int, Any]] = []
    body: list[Stmt] = []
    for _ in range(pick(range(2, 8))):
        body += _step(pick, len(heard), heard)
    if pick([True, False]):
        body += _meet(SIGNALS + 1, plus("t", 2))
    return _in_window(_faulty(pick, body), pick([3, 12, 30, 50]))


def exchange(pick: Pick) -> Sketch:
    """Every core sends a page on, and reads what it got; all meet between: with a fault."""
    mine = ["get_write_ptr", 0]
    pages = [plus(mine, page * PAGE) for page in range(PAGES + 1)]
    right = ["%", plus("x", pick(range(1, CORES))), CORES]
    twice = times(2, "t")
    body: list[Stmt] = [
        op("noc_async_write", pages[0], right, 0, pages[1], PAGE),
        op("noc_async_write_barrier"),
        *_meet(SIGNALS + 1, plus(twice, 2)),
        op("noc_async_read", pick(["x", right]), 0, pages[1], pages[2], PAGE),
        op("noc_async_read_barrier"),
        *_meet(SIGNALS + 1, plus(twice, 3)),
    ]
    return _in_window(_faulty(pick, body, pick(LATE)), pick([12, 40, 40]))


def _in_window(body: Sequence[Stmt], steps: int) -> Sketch:
    """All fill their windows, meet, loop, meet, and hand the windows over."""
    fill = (op("noc_async_read_page", "x", "A", plus(["get_write_ptr", 0], page * PAGE))
            for page in range(PAGES + 1))  # fmt: skip
    whole = (op("cb_reserve_back", 0, PAGES + 1), *fill, op("noc_async_read_barrier"),
             *_meet(SIGNALS + 1, 1), loop_of("t", steps, *body),
             op("noc_async_write_barrier"), *_meet(SIGNALS + 2, 1),
             op("cb_push_back", 0, PAGES + 1))  # fmt: skip
    zeros = (0,) * (SIGNALS + 3)
    made = network((CORES, 1), 1, (), CORES, extra={"semaphores": everywhere((CORES, 1), *zeros)})
    reader = made.programs["reader"]
    made.programs["reader"] = Program(
        name="reader", thread="ncrisc", accessors=("A",), runtime_args=reader.runtime_args,
        body=whole,
    )  # fmt: skip
    fmt, _, producer, consumer = made.buffers[0]
    made.buffers[0] = (fmt, PAGES + 1, producer, consumer)
    *start, tiles = made.programs["compute"].body
    skip = (op("cb_wait_front", 0, PAGES + 1), op("cb_pop_front", 0, PAGES))
    made.programs["compute"] = Program(
        name="compute", thread="compute", runtime_args=("x", "y"), body=(*start, *skip, tiles)
    )
    return made


def _faulty(pick: Pick, body: Sequence[Stmt], now: int | None = None) -> tuple[Stmt, ...]:
    """The statements with a fault, perhaps in iteration ``now`` only, or as they were."""
    kind = pick(["", "drop", "drop", "twice", "turn", "more", "more"])
    if not kind or not body:
        return tuple(body)
    at = pick(range(len(body)))
    one = body[at]
    if isinstance(one, If) and pick([True, True, False]):
        inside = one.orelse if one.orelse and pick([True, False]) else one.then
        changed = _faulty(pick, inside, now)
        then, orelse = (changed, one.orelse) if inside is one.then else (one.then, changed)
        return (*body[:at], when(one.cond, *then, orelse=orelse), *body[at + 1 :])
    end = min(at + 2, len(body)) if kind == "turn" else at + 1
    right = tuple(body[at:end])
    wrong = {"drop": (), "twice": right * 2, "turn": right[::-1], "more": (_more(pick), *right)}
    if now is None:
        return (*body[:at], *wrong[kind], *body[end:])
    return (*body[:at], when(["==", "t", now], *wrong[kind], orelse=right), *body[end:])


def _more(pick: Pick) -> Stmt:
    """What nobody asked for."""
    mine = ["get_write_ptr", 0]
    other, page = pick([0, 1, "x"]), plus(mine, pick([0, 0, PAGE]))
    one: Stmt = pick([
        op("noc_async_write", page, other, 0, page, PAGE),
        op("noc_async_read", other, 0, page, page, PAGE),
        op("noc_semaphore_inc", other, 0, pick([0, 1]), 1),
        op("noc_semaphore_set", pick([0, 1]), pick([0, 1])),
        op("noc_async_read_barrier"),
    ])  # fmt: skip
    return one


def pipeline(pick: Pick) -> Sketch:
    """Pages handed on along rows, or a product's along rows and columns, with a fault."""
    if pick([True, False]):
        sketch, _ = multicast_gemm(pick([(2, 2), (3, 2), (2, 4)]), 32 * pick([8, 40, 40]))
        name = "ko"
    else:
        sketch = multicast(pick([(2, 1), (3, 1), (4, 2)]), pick([8, 40, 40]))
        name = "t"
    number = pick([0, 0, 1])
    fmt, _, producer, consumer = sketch.buffers[number]
    sketch.buffers[number] = (fmt, pick([1, 2, 2, 3]), producer, consumer)
    for which in ("reader",) if pick([True, True, True, False]) else tuple(sketch.programs):
        program = sketch.programs[which]
        body = tuple(
            Loop(
                var=item.var,
                start=0,
                stop=item.stop,
                body=_named(_faulty(pick, item.body, pick(LATE)), name),
            )
            if isinstance(item, Loop) and item.var == name
            else item
            for item in program.body
        )
        sketch.programs[which] = Program(
            name=program.name, thread=program.thread, accessors=program.accessors,
            runtime_args=program.runtime_args, body=body,
        )  # fmt: skip
    return sketch


def ring(pick: Pick) -> Sketch:
    """Every core sends the first page of two on, its neighbour's second; with a fault."""
    width, steps, mine = pick([2, 3, 4]), pick([12, 30, 30]), ["get_write_ptr", 0]
    right, left = (["%", plus("x", far), width] for far in (1, width - 1))
    asked = plus("t", 1)
    body: list[Stmt] = [
        op("cb_reserve_back", 0, 2),
        op("noc_async_read_page", "x", "A", mine),
        op("noc_async_read_barrier"),
        op("noc_semaphore_inc", left, 0, 0, 1),
        op("noc_semaphore_wait_min", 0, asked),
        op("noc_async_write", mine, right, 0, plus(mine, PAGE), PAGE),
        op("noc_async_write_barrier"),
        op("noc_semaphore_inc", right, 0, 1, 1),
        op("noc_semaphore_wait_min", 1, asked),
        op("cb_push_back", 0, 2),
    ]
    made = network(
        (width, 1), steps, _faulty(pick, body, pick(LATE)), width * steps,
        extra={"semaphores": everywhere((width, 1), 0, 0)},
    )  # fmt: skip
    fmt, _, producer, consumer = made.buffers[0]
    made.buffers[0] = (fmt, pick([2, 4]), producer, consumer)
    *start, tiles = made.programs["compute"].body
    assert isinstance(tiles, Loop)
    both = tuple(TWO.get(getattr(item, "name", ""), item) for item in tiles.body)
    made.programs["compute"] = Program(
        name="compute", thread="compute", runtime_args=("x", "y"),
        body=(*start, loop_of("t", steps, *both)),
    )  # fmt: skip
    return made


TWO = {
    "cb_wait_front": op("cb_wait_front", 0, 2),
    "cb_pop_front": op("cb_pop_front", 0, 2),
    "copy_tile": op("copy_tile", 0, 1, 0),
}
"""What takes two pages of a ring's buffer."""


def _named(body: tuple[Stmt, ...], name: str) -> tuple[Stmt, ...]:
    """The statements, with a fault's iteration counted by another loop variable."""
    return tuple(
        when(_renamed(item.cond, name), *_named(item.then, name),
             orelse=_named(item.orelse, name))
        if isinstance(item, If)
        else item
        for item in body
    )  # fmt: skip


def _renamed(cond: Any, name: str) -> Any:
    return [name if part == "t" else part for part in cond] if isinstance(cond, list) else cond


def looping(random: Random) -> tuple[Sketch, Any]:
    """A program, and a schedule to run it under."""
    sketch = random.choice([window, exchange, ring, pipeline, pipeline])(random.choice)
    schedules = [RoundRobin()] * 6 + [Seeded(random.randrange(9)), LateNoc(random.randrange(9))]
    return sketch, random.choice(schedules)
