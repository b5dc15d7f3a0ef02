"""Drawn programs of transfers and semaphores: races are found exactly where there are any.

The reference below knows no clocks: it lays out what every core does, closes "before" over the
whole program, and looks at every pair of accesses. Every signal has a semaphore of its own, so what
is ordered does not depend on the schedule.
"""

from __future__ import annotations

import operator
import re
from itertools import accumulate, combinations
from typing import Any, NamedTuple
from unittest import mock

from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.engine import ordering
from simulator.engine.schedule import RoundRobin, Seeded
from simulator.program import Program, Stmt
from simulator.run import RunOptions
from tests.simulator.builders import Sketch, op, plus, when
from tests.simulator.engine.test_network import everywhere, network
from tests.simulator.pipes import run

CORES = 4
PAGE = 2048
PAGES = 2
"""Pages of each core's window that are sent and fetched; one more takes what is fetched."""
SIGNALS = 4
WORD = SIGNALS + 2
"""The semaphore nobody waits for."""
KINDS = ("send", "fetch", "fill", "barrier", "signal", "wait", "raise", "reset", "spread", "order")
ORDERS = {"order": ("barrier", "signal", "wait")}
HEAD = PAGES + 3 + CORES
"""Statements before the steps."""


class Step(NamedTuple):
    """What the cores of ``who`` do: to the core ``far`` to the right, or ``to``, from page to page.

    ``raise`` increments that core's last semaphore, ``spread`` sets it, ``reset`` sets the own.
    """

    what: str
    who: tuple[str, int] = ("all", 0)
    far: int = 1
    source: int = 0
    target: int = 0
    to: int | None = None

    def other(self, core: int) -> int:
        """The core that this one turns to."""
        return (core + self.far) % CORES if self.to is None else self.to

    def members(self) -> list[int]:
        """The cores of ``who``."""
        kind, k = self.who
        compare = {"all": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt}[kind]
        return [core for core in range(CORES) if compare(core, k)]


class Touch(NamedTuple):
    """An access of a page of a core by a statement, from one point of its program to another.

    ``risc``: by the core itself, without a transfer.
    """

    page: tuple[int, int]
    core: int
    write: bool
    at: int
    begins: int
    ends: int
    risc: bool = False


@st.composite
def _steps(draw: Any) -> list[Step]:

    def few(values: Any, most: int) -> Any:  # orders that fit each other come of few choices
        return st.sampled_from(draw(st.lists(st.sampled_from(values), min_size=1, max_size=most)))

    kinds, fars, pages = few(KINDS, 4), few(range(1, CORES), 2), st.integers(0, PAGES - 1)
    whos = few([("all", 0), *((kind, k) for kind in ("==", "!=", "<") for k in (1, 2))], 2)
    one = st.sampled_from([None, None, *range(CORES)])
    steps: list[Step] = []
    signals: list[Step] = []
    wanted = [draw(kinds) for _ in range(draw(st.integers(1, 8)))]
    for what in (one for kind in wanted for one in ORDERS.get(kind, (kind,))):
        step = Step(what, draw(whos), draw(fars), draw(pages), draw(pages))
        if step.what in ("fetch", "raise", "signal"):
            to = draw(one)
            step = step if to is None else step._replace(who=("!=", to), to=to)
        if step.what == "signal":
            if len(signals) == SIGNALS:
                continue
            step = step._replace(source=len(signals))
            step = step if step.to is not None else step._replace(who=("all", 0))
            signals.append(step)
        if step.what == "wait":
            if not signals:
                continue
            heard = draw(st.sampled_from(signals[::-1]))
            who = step.who if heard.to is None else ("==", heard.to)
            step = heard._replace(what="wait", who=who)
        steps.append(step)
    return steps


# --- the reference ---------------------------------------------------------------------------


def _races(steps: list[Step]) -> set[tuple[Any, ...]]:
    """Unordered accesses: the page, and of both sides the core, whether it writes, and where."""
    count = len(steps) + 1
    points = [[core * count + i for i in range(count)] for core in range(CORES)]
    before = {point: {point} for line in points for point in line}
    told: dict[tuple[int, int], set[int]] = {}
    touches = []
    places = list(accumulate((len(_body(step)) for step in steps), initial=HEAD))
    for i, step in enumerate(steps):  # every edge leads from an earlier step to a later one
        for core in range(CORES):
            here = points[core][i]
            if i:
                before[here] |= before[points[core][i - 1]]
            if step.what == "wait" and core in step.members():
                before[here] |= told[step.source, core]
        for core in step.members():
            other, here = step.other(core), points[core][i]
            if step.what == "signal":
                told.setdefault((step.source, other), set()).update(before[here])
            if step.what == "send":
                barriers = [
                    j for j in range(i + 1, len(steps))
                    if steps[j].what == "barrier" and core in steps[j].members()
                ]  # fmt: skip
                ends = points[core][barriers[0]] if barriers else -1
                touches.append(Touch((core, step.source), core, False, places[i], here, ends))
                touches.append(Touch((other, step.target), core, True, places[i], here, ends))
            if step.what == "fill":
                page = core, step.source
                touches.append(Touch(page, core, True, places[i], here, here, risc=True))
            at_once = {"fetch": ((other, step.source), False), "raise": ((other, WORD), False),
                       "spread": ((other, WORD), True), "reset": ((core, WORD), True)}  # fmt: skip
            if step.what in at_once:
                page, write = at_once[step.what]
                touches.append(Touch(page, core, write, places[i], here, here))
    return {
        (a.page, frozenset({(a.core, a.write, a.at), (b.core, b.write, b.at)}))
        for a, b in combinations(touches, 2)
        if a.page == b.page and (a.write or b.write)
        and (a.core != b.core or (a.write and not b.write) or b.risc)  # own writes keep their order
        and a.ends not in before[b.begins] and b.ends not in before[a.begins]
    }  # fmt: skip


# --- the program -----------------------------------------------------------------------------


def _statements(step: Step) -> tuple[Stmt, ...]:
    mine = ["get_write_ptr", 0]
    other = ["%", plus("x", step.far), CORES] if step.to is None else step.to
    source, target = plus(mine, step.source * PAGE), plus(mine, step.target * PAGE)
    match step.what:
        case "send":
            return (op("noc_async_write", source, other, 0, target, PAGE),)
        case "fetch":
            taken = plus(mine, PAGES * PAGE)
            return (op("noc_async_read", other, 0, source, taken, PAGE),
                    op("noc_async_read_barrier"))  # fmt: skip
        case "fill":
            return (op("fill_tile_l1", 0, source, 1.0),)
        case "barrier":
            return (op("noc_async_write_barrier"),)
        case "signal":
            return (op("noc_semaphore_inc", other, 0, step.source, 1),)
        case "raise":
            return (op("noc_semaphore_inc", other, 0, WORD, 1),)
        case "reset":
            return (op("noc_semaphore_set", WORD, 3),)
        case "spread":
            return (op("noc_semaphore_set_multicast", WORD, other, 0, other, 0, 1),)
        case _:
            senders = 1 if step.to is None else CORES - 1
            return (op("noc_semaphore_wait_min", step.source, senders),)


def _body(step: Step) -> tuple[Stmt, ...]:
    done, (kind, k) = _statements(step), step.who
    return done if kind == "all" else (when([kind, "x", k], *done),)


def _meet(number: int) -> tuple[Stmt, ...]:
    """All cores wait for all."""
    others = (["%", plus("x", far), CORES] for far in range(1, CORES))
    return (*(op("noc_semaphore_inc", other, 0, number, 1) for other in others),
            op("noc_semaphore_wait_min", number, CORES - 1))  # fmt: skip


def _sketch(steps: list[Step]) -> Sketch:
    """All fill their windows, meet, do the steps, meet, and hand the windows over."""
    fill = (op("noc_async_read_page", "x", "A", plus(["get_write_ptr", 0], page * PAGE))
            for page in range(PAGES + 1))  # fmt: skip
    head = (op("cb_reserve_back", 0, PAGES + 1), *fill, op("noc_async_read_barrier"),
            *_meet(SIGNALS))  # fmt: skip
    assert len(head) == HEAD
    tail = (op("noc_async_write_barrier"), *_meet(SIGNALS + 1), op("cb_push_back", 0, PAGES + 1))
    whole = (*head, *(statement for step in steps for statement in _body(step)), *tail)
    zeros = (0,) * (WORD + 1)
    made = network(
        (CORES, 1), 1, whole, CORES, extra={"semaphores": everywhere((CORES, 1), *zeros)}
    )
    fmt, _, producer, consumer = made.buffers[0]
    made.buffers[0] = (fmt, PAGES + 1, producer, consumer)
    *start, tiles = made.programs["compute"].body
    skip = (op("cb_wait_front", 0, PAGES + 1), op("cb_pop_front", 0, PAGES))
    made.programs["compute"] = Program(
        name="compute", thread="compute", runtime_args=("x", "y"), body=(*start, *skip, tiles)
    )
    return made


SIDE = re.compile(
    r"(read|written|changed|set) by \S+ of reader \(ncrisc\) on core \((\d+), 0\) at 0\.(\d+)"
)
PLACE = re.compile(
    rf"(?:slot (\d+) of circular buffer 0|semaphore {WORD}) of core \((\d+), 0\) is "
)


def _named(message: str) -> tuple[Any, ...]:
    """What a finding says: the page, and the sides."""
    place, sides = PLACE.match(message), SIDE.findall(message)
    assert place, message
    assert len(sides) == 2, message
    page = (int(place[2]), WORD if place[1] is None else int(place[1]))
    return page, frozenset(
        (int(core), verb in ("written", "set"), int(at)) for verb, core, at in sides
    )


def _case(*steps: tuple[Any, ...]) -> Any:
    """A program worth trying every time, with the default schedule."""
    return example([Step(*step) for step in steps], RoundRobin())


@settings(max_examples=150)
@given(_steps(), st.sampled_from([RoundRobin(), Seeded(1), Seeded(2)]))
@_case(  # ordered, for cores that are not evenly spaced
    ("fetch", ("all", 0), 3), ("signal", ("all", 0), 1), ("wait", ("!=", 1), 1),
    ("send", ("!=", 1), 2, 1),
)  # fmt: skip
@_case(  # three read a page in one step, the writer has heard of the last
    ("fetch", ("!=", 0), 1, 0, 0, 0), ("signal", ("all", 0), 2), ("wait", ("==", 1), 2),
    ("send", ("==", 1), 3),
)  # fmt: skip
@_case(  # two read a page one after the other, the writer has heard of the last
    ("fetch", ("==", 2), 2), ("fetch", ("==", 3), 1), ("signal", ("all", 0), 2),
    ("wait", ("==", 1), 2), ("send", ("==", 1), 3),
)  # fmt: skip
@_case(  # one core of those that send has a barrier
    ("send", ("all", 0), 1, 1), ("barrier", ("==", 1)), ("signal", ("all", 0), 1),
    ("wait", ("all", 0), 1), ("send", ("==", 3), 1),
)  # fmt: skip
@_case(  # three are heard before a set
    ("raise", ("!=", 1), 1, 0, 0, 1), ("signal", ("!=", 1), 1, 0, 0, 1),
    ("wait", ("==", 1), 1, 0, 0, 1), ("reset", ("==", 1)),
)  # fmt: skip
@_case(("raise", ("all", 0), 1), ("reset", ("all", 0)))
@_case(("fill", ("==", 1)), ("fetch", ("==", 0)))  # nobody told that it is there
@_case(("fill", ("==", 1)), ("send", ("==", 0)))
def test_races_are_found_exactly(steps: list[Step], schedule: Any) -> None:
    """A run is clean if and only if no two accesses are unordered, and else names such a pair.

    What it finds is the same where the clocks follow every edge.
    """
    options = RunOptions(schedule=schedule, repair=False)
    found = run(_sketch(steps), options).findings
    with mock.patch.object(ordering, "useful", lambda edges, *_: edges):
        assert run(_sketch(steps), options).findings == found
    races = _races(steps)
    told = [finding for finding in found if finding.code == "Race"]
    assert bool(told) == bool(races), (steps, races, found)
    assert bool(found) == bool(races), (steps, races, found)
    for finding in told:
        assert _named(finding.message) in races
