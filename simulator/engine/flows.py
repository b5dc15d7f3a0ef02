"""Which edges within a core can teach anybody what they need to know.

An edge costs a release and a join of clocks, and most teach nothing: what the unpacker hands back
by a pop it has from the very reader that reserves, and what the writer hears from pack is of no
page the writer touches. Such edges are found when the programs are loaded, from who can tell whom,
and have no hooks. What is left out changes no answer of the clocks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

Edge = tuple[int, int]
"""From one agent to another."""
Handed = tuple[str, int]
"""What makes edges within a core: an op and its circular buffer."""
FROM_UNPACK: Final[Handed] = ("unpack", -1)
FROM_MATH: Final[Handed] = ("math", -1)


class Roles(NamedTuple):
    """Who does what to watched memory.

    Attributes:
        taught: what makes edges that teach somebody something; no clock has to follow the others.
        acting: agents that touch watched memory.
        alone: those of them that touch pages of tensors only, tell nobody, and hear of nobody.
        hearing: agents that ever hear of others.
    """

    taught: frozenset[Handed]
    acting: frozenset[int]
    alone: frozenset[int]
    hearing: frozenset[int]


def reached(starts: Iterable[int], edges: Collection[Edge]) -> set[int]:
    """Agents that edges lead to from ``starts``, these included."""
    found = set(starts)
    grown = True
    while grown:
        more = {target for source, target in edges if source in found} - found
        found |= more
        grown = bool(more)
    return found


def useful(
    edges: Collection[Edge], signals: Collection[Edge], ranges: Collection[Collection[int]]
) -> set[Edge]:
    """The edges that may tell an agent of accesses it is judged against, and did not know of.

    ``edges`` lead from agent to agent of one core, ``signals`` to agents of any core; ``ranges`` is
    who touches each piece of watched memory. An edge is of use for the accesses of an agent if

    - what its source knows of them does not all come from its target, and
    - they can get to its source, and from its target to somebody who touches the same memory.
    """
    found: set[Edge] = set()
    for agent in set().union(*ranges):
        judges = set().union(*(some for some in ranges if agent in some))
        teaching = _teaching(agent, edges, signals)
        ways = teaching | set(signals)
        told = reached([agent], ways)
        back = reached(judges, {(target, source) for source, target in ways})
        found |= {edge for edge in teaching if edge[0] in told and edge[1] in back}
    return found


def _teaching(agent: int, edges: Collection[Edge], signals: Collection[Edge]) -> set[Edge]:
    """The edges that may tell their target of the agent's accesses what it did not tell itself."""
    everyone = reached([agent], {*edges, *signals})
    sources = {agent} | {waiter for raiser, waiter in signals if raiser in everyone}
    return {
        (source, target)
        for source, target in edges
        if source in reached(sources - {target}, {e for e in edges if target not in e})
    }
