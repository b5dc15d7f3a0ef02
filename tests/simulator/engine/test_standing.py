"""Whether clocks stand alike at two moments, up to a shift in time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simulator.engine.clocks import BRISC, COMING, NCRISC, Clocks
from simulator.engine.lanes import LaneTable
from simulator.engine.standing import Shift, shift_between

CLOCKS = Clocks(2, LaneTable(), (BRISC, NCRISC), wide=True)
COUNTS = 4
"""Counters of two agents of two cores; what else is known follows."""


def _standing(times: list[int], whose: list[int], shape: Any = ()) -> Any:
    """One with counters, and times of agents by number."""
    counters = {BRISC: slice(0, 2), NCRISC: slice(2, 4)}
    own = [*CLOCKS.who[BRISC], *CLOCKS.who[NCRISC]]
    values = np.array(times, np.int32)
    return SimpleNamespace(times=values, arrays=[values], whose=np.array(own + whose),
                           counters=counters, shape=list(shape))  # fmt: skip


FIRST, SECOND = (int(who) for who in CLOCKS.who[BRISC])
ALIKE = {
    "nothing moved": ([3, 3, 3, 3, 2], [3, 3, 3, 3, 2], FIRST),
    "all by its counter": ([3, 3, 3, 3, 2], [5, 3, 3, 3, 4], FIRST),
    "one stays behind": ([3, 3, 3, 3, 1], [5, 3, 3, 3, 1], FIRST),
    "one under way": ([3, 3, 3, 3, COMING], [5, 3, 3, 3, COMING], FIRST),
}
OTHERWISE = {
    "by less": ([3, 3, 3, 3, 1], [5, 3, 3, 3, 2], FIRST),
    "by another's counter": ([3, 3, 3, 3, 2], [5, 3, 3, 3, 4], SECOND),
    "one comes": ([3, 3, 3, 3, COMING], [5, 3, 3, 3, 4], FIRST),
    "what stays would be overtaken": ([3, 3, 3, 3, 3], [5, 3, 3, 3, 3], FIRST),
}


@pytest.mark.parametrize("name", ALIKE)
def test_clocks_stand_alike(name: str) -> None:
    """What moved gains a period more with every period, what stays nothing."""
    old, new, who = ALIKE[name]
    before, after = _standing(old, [who]), _standing(new, [who])
    shift = shift_between(CLOCKS, before, after)
    assert shift is not None
    shift.by(3)
    assert after.arrays[0].tolist() == [b + 3 * (b - a) for a, b in zip(old, new, strict=True)]


@pytest.mark.parametrize("name", OTHERWISE)
def test_clocks_stand_otherwise(name: str) -> None:
    """Times that moved by themselves, or that would be compared otherwise a period later."""
    old, new, who = OTHERWISE[name]
    assert shift_between(CLOCKS, _standing(old, [who]), _standing(new, [who])) is None


def test_what_is_no_time_has_to_be_equal() -> None:
    """Another access, release or holder is another state, whatever the times."""
    times = [3, 3, 3, 3, 2]
    before, after = (_standing(times, [FIRST], shape) for shape in ((1,), (2,)))
    assert shift_between(CLOCKS, before, after) is None


def test_times_that_accesses_share_are_shifted_once() -> None:
    """One array for the pages that a core reserves in one call, which may be told apart."""
    counters, shared = np.array([5, 3, 3, 3], np.int32), np.array([4], np.int32)
    Shift([counters, shared, shared], np.array([2, 0, 0, 0, 2, 2], np.int32)).by(10)
    assert counters.tolist() == [25, 3, 3, 3]
    assert shared.tolist() == [24]
