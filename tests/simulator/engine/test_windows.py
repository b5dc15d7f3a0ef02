"""Windows of several pages: reserved and waited for more than once, and left page by page."""

from __future__ import annotations

import pytest

from simulator.program import Op, Stmt
from tests.simulator.builders import loop, op, plus, times
from tests.simulator.engine.hand import (
    PAGE,
    R1,
    READ_BARRIER,
    W0,
    WRITE_BARRIER,
    computing,
    fetch,
    pop,
    push,
    reading,
    reserve,
    store,
    storing,
    wait,
)
from tests.simulator.pipes import codes, run

FIRST, SECOND = times("t", 2), plus(times("t", 2), 1)
NEXT_W, NEXT_R = plus(W0, PAGE), plus(R1, PAGE)
FETCHES = (fetch(FIRST), fetch(SECOND, NEXT_W))
STORES = (store(FIRST), store(SECOND, NEXT_R))

RIGHT: dict[str, tuple[str, tuple[Stmt, ...]]] = {
    "a smaller reserve takes nothing back": (
        "read", (reserve(0, 2), reserve(0), *FETCHES, READ_BARRIER, push(0, 2))),
    "reserves add nothing up": (
        "read", (reserve(0), fetch(FIRST), reserve(0, 2), fetch(SECOND, NEXT_W), READ_BARRIER,
                 push(0, 2))),
    "a smaller wait takes nothing back": (
        "write", (wait(1, 2), wait(1), *STORES, WRITE_BARRIER, pop(1, 2))),
    "a page behind what is still read is free": (
        "write", (wait(1, 2), store(FIRST), WRITE_BARRIER, store(SECOND, NEXT_R), pop(1),
                  WRITE_BARRIER, pop(1))),
    "the window moves on with its pages": (
        "read", (reserve(0, 2), fetch(FIRST), READ_BARRIER, push(0), fetch(SECOND), READ_BARRIER,
                 push(0))),
}  # fmt: skip

WRONG: dict[str, tuple[str, str, tuple[Stmt, ...]]] = {
    "the second page's read is under way": (
        "Unbarriered", "read", (reserve(0, 2), fetch(FIRST), READ_BARRIER, fetch(SECOND, NEXT_W),
                                push(0, 2), READ_BARRIER)),
    "the first page's read is under way": (
        "Unbarriered", "read", (reserve(0, 2), fetch(SECOND, NEXT_W), READ_BARRIER, fetch(FIRST),
                                push(0, 2), READ_BARRIER)),
    "popped with the page before what is still read": (
        "Unbarriered", "write", (wait(1, 2), store(FIRST), WRITE_BARRIER, store(SECOND, NEXT_R),
                                 pop(1, 2), WRITE_BARRIER)),
    "popped after the page before what is still read": (
        "Unbarriered", "write", (wait(1, 2), store(FIRST), WRITE_BARRIER, store(SECOND, NEXT_R),
                                 pop(1), pop(1), WRITE_BARRIER)),
    "reserves of one page each are one page": (
        "CBWindow", "read", (reserve(0), reserve(0), *FETCHES, READ_BARRIER, push(0, 2))),
    "waits for one page each are one page": (
        "CBWindow", "write", (wait(1), wait(1), *STORES, WRITE_BARRIER, pop(1, 2))),
    "what was pushed is behind the window": (
        "StrayWrite", "read", (reserve(0, 2), fetch(FIRST), READ_BARRIER, push(0),
                             fetch(SECOND, NEXT_W), READ_BARRIER, push(0))),
    "what was popped is no longer there": (
        "CBWindow", "write", (wait(1, 2), store(FIRST), WRITE_BARRIER, pop(1),
                              store(SECOND, NEXT_R), WRITE_BARRIER, pop(1))),
}  # fmt: skip


def test_tiles_packed_together_are_each_looked_at() -> None:
    """Of two tiles of the destination register, one that math never wrote."""
    body = (wait(0), reserve(1, 2), op("tile_regs_acquire"), op("copy_tile", 0, 0, 0),
            op("tile_regs_commit"), op("tile_regs_wait"), loop("i", 2, op("pack_tile", "i", 1)),
            op("tile_regs_release"), push(1, 2), pop(0))  # fmt: skip
    found = run(computing(*body))
    assert codes(found)[:1] == ["UninitialisedRead"]
    assert found.findings[0].program == "compute"


def counted(stmt: Stmt) -> Stmt:
    """An op of a circular buffer with its count computed, as a loop may do it."""
    if isinstance(stmt, Op) and stmt.name.startswith("cb_"):
        return op(stmt.name, stmt.args[0], ["max", stmt.args[1], "t"])
    return stmt


def codes_of(side: str, body: tuple[Stmt, ...], computed: bool) -> list[str]:
    """What is found in two steps of two pages each, of a reader or a writer."""
    body = tuple(map(counted, body)) if computed else body
    return codes(run((reading if side == "read" else storing)(*body, steps=2)))


@pytest.mark.parametrize("computed", [False, True])
@pytest.mark.parametrize("name", RIGHT)
def test_windows_are_cumulative(name: str, computed: bool) -> None:
    """What tt-metal allows is no finding."""
    assert codes_of(*RIGHT[name], computed) == []


@pytest.mark.parametrize("computed", [False, True])
@pytest.mark.parametrize("name", WRONG)
def test_every_page_of_a_window_is_looked_at(name: str, computed: bool) -> None:
    """Of several pages handed over at once, each has its own barrier and its own place."""
    code, side, body = WRONG[name]
    assert codes_of(side, body, computed)[:1] == [code]
