"""Depths of circular buffers: the change that frees a deadlock, and the least that suffices.

Both are found by trying: a run without arithmetic under another depth either ends or does not. What
a search may take is counted in steps, as what it finds must not depend on how busy a machine is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from simulator.plan.schema import Plan

Attempt = Callable[[Plan, int], tuple[bool, int]]
"""Whether a plan runs to its end without findings within so many steps, and how many it took."""

MOST_TRIES: Final = 64
"""Runs a search for a repair may take."""

SEARCH: Final = 10
"""Times the steps of the run that got stuck that such a search may take."""

SHORT: Final = 5_000
"""Steps that a run counts as if it got stuck sooner."""


@dataclass(frozen=True)
class DepthChange:
    """Another depth, in pages, for one circular buffer."""

    cb: int
    before: int
    after: int


@dataclass(frozen=True)
class DepthAdvice:
    """What one circular buffer needs.

    Attributes:
        depth: pages it has. least: pages with which the run still ends, other depths unchanged.
        overlapping: pages with which a producer can fill one block while the consumer empties
            another: twice the least.
    """

    cb: int
    depth: int
    least: int
    overlapping: int


def with_depth(plan: Plan, cb: int, depth: int) -> Plan:
    """The plan with another depth for one circular buffer."""
    buffers = tuple(
        msgspec.structs.replace(item, depth=depth) if item.id == cb else item
        for item in plan.circular_buffers
    )
    return msgspec.structs.replace(plan, circular_buffers=buffers)


def repair(plan: Plan, starved: Iterable[int], attempt: Attempt, steps: int) -> DepthChange | None:
    """The change of one depth that takes fewest bytes and frees a deadlock; None if none is known.

    Tries the buffers some producer waits for room in, up to four times their depth.
    """
    tried = []
    wanted = set(starved)
    for item in plan.circular_buffers:
        if item.id in wanted:
            tried += [
                (extra * item.page_bytes, item.id, item.depth, item.depth + extra)
                for extra in range(1, max(3 * item.depth, 16) + 1)
            ]
    for _, cb, before, after in sorted(tried)[:MOST_TRIES]:
        freed, took = attempt(with_depth(plan, cb, after), steps)
        if freed:
            return DepthChange(cb, before, after)
        steps -= took
        if steps <= 0:
            return None
    return None


def advise(plan: Plan, attempt: Attempt, steps: int) -> tuple[DepthAdvice, ...]:
    """The least depth of every circular buffer with which the plan still runs.

    ``plan`` must run as it is. Depths need not be monotonic (blocks must not straddle the end), so
    every smaller one is tried, smallest first, each within ``steps``.
    """
    out = []
    for item in plan.circular_buffers:
        least = item.depth
        for depth in range(1, item.depth):
            if attempt(with_depth(plan, item.id, depth), steps)[0]:
                least = depth
                break
        out.append(DepthAdvice(item.id, item.depth, least, 2 * least))
    return tuple(out)
