"""Edges that are left out of the clocks: nobody would have learned anything from them."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.engine.clocks import BRISC, MATH, NCRISC, PACK, UNPACK
from simulator.engine.flows import useful

AGENTS = 5
CORES = 2
FOREVER = 1 << 30

_agents = st.sampled_from([NCRISC, BRISC, UNPACK, PACK, MATH])
_edges = st.sets(st.tuples(_agents, _agents).filter(lambda e: e[0] != e[1]), max_size=7)
_signals = st.sets(st.tuples(_agents, _agents), max_size=2)
_ranges = st.lists(st.sets(_agents, min_size=1, max_size=3), min_size=1, max_size=3)
_acts = st.lists(
    st.tuples(
        st.sampled_from(["give", "take", "both"]),
        st.integers(0, 20),
        st.integers(0, 1),
        st.integers(0, 1),
    ),
    max_size=40,
)

Knower = tuple[int, int]
Knowledge = dict[Knower, int]


def _judged(
    edges: set[Any], signals: set[Any], kept: set[Any], ranges: list[set[int]], acts: list[Any]
) -> list[Any]:
    """After every act, what each agent of each core knows of those it is judged against."""
    ways = [*((edge, False) for edge in sorted(edges)), *((edge, True) for edge in sorted(signals))]
    knowers = [(core, agent) for core in range(CORES) for agent in range(AGENTS)]
    known: dict[Knower, Knowledge] = {one: {one: FOREVER} for one in knowers}
    released: dict[Any, Knowledge] = {}
    pairs = [
        (one, other) for one in knowers for other in knowers
        if any(one[1] in some and other[1] in some for some in ranges)
    ]  # fmt: skip
    told = []
    for time, (what, number, core, far) in enumerate(acts if ways else (), 1):
        (source, target), wide = ways[number % len(ways)]
        there = far if wide else core
        key = number % len(ways), core, there
        if wide or (source, target) in kept:
            if what != "take":
                released[key] = {**known[core, source], (core, source): time}
            if what != "give":
                mine = known[there, target]
                for one, when in released.get(key, {}).items():
                    mine[one] = max(mine.get(one, 0), when)
        told.append([known[one].get(other, 0) for one, other in pairs])
    return told


@settings(max_examples=400)
@given(_edges, _signals, _ranges, _acts)
@example(  # another core's agent of the same kind is heard of by a detour
    {(BRISC, NCRISC)}, {(NCRISC, BRISC)}, [{NCRISC}], [("both", 1, 1, 0), ("both", 0, 0, 0)]
)  # fmt: skip
@example(  # so it is by the agent an edge leads back to
    {(NCRISC, UNPACK), (UNPACK, NCRISC)}, {(NCRISC, NCRISC)}, [{NCRISC}],
    [("both", 2, 0, 1), ("both", 0, 1, 1), ("both", 1, 1, 1)],
)  # fmt: skip
def test_what_is_left_out_teaches_nobody(
    edges: set[Any], signals: set[Any], ranges: list[set[int]], acts: list[Any]
) -> None:
    """Whoever is judged against somebody knows as much of them as with every edge, at any time."""
    kept = useful(edges, signals, ranges)
    assert kept <= edges
    whole = _judged(edges, signals, edges, ranges, acts)
    assert _judged(edges, signals, kept, ranges, acts) == whole


def test_pages_handed_back_to_their_reader_teach_it_nothing() -> None:
    """A reader that exchanges data with other cores' needs no edge through its consumers."""
    compute = {(UNPACK, MATH), (MATH, PACK)}
    buffers = {(NCRISC, UNPACK), (UNPACK, NCRISC), (PACK, BRISC), (BRISC, PACK)}
    signals = {(NCRISC, NCRISC)}
    assert useful(compute | buffers, signals, [{NCRISC}, {BRISC}]) == set()


def test_edges_on_the_way_to_who_touches_the_same_memory_are_kept() -> None:
    """What a reader knows reaches a writer of the same tensor through all of compute, not back."""
    forth = {(NCRISC, UNPACK), (UNPACK, MATH), (MATH, PACK), (PACK, BRISC)}
    back = {(target, source) for source, target in forth}
    assert useful(forth | back, set(), [{NCRISC, BRISC}]) == forth | back
    assert useful(forth | {(UNPACK, NCRISC)}, set(), [{NCRISC, BRISC}]) == forth
