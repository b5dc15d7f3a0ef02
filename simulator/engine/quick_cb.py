"""The common case of the handshake: a constant number of pages, all lanes in one strand.

Each function gives the op for that case, which leaves everything unusual, broken rules included, to
the general step it is given.
"""

from __future__ import annotations

from simulator.engine.cb import CircularBuffer
from simulator.engine.code import BLOCKED, OpContext, Step
from simulator.engine.group import Group
from simulator.engine.segs import NEVER


def _pages(c: OpContext, cb: CircularBuffer, least: int) -> int | None:
    """The number of pages, if it is a constant that fits the buffer; at level strict only."""
    pages = c.constant(1)
    return pages if cb.strict and pages is not None and least <= pages <= cb.depth else None


def quick_reserve(c: OpContext, cb: CircularBuffer, step: Step) -> Step:
    """cb_reserve_back."""
    pages, depth, following = _pages(c, cb, 0), cb.depth, c.next
    if pages is None:
        return step

    def quick(group: Group) -> int:
        if group.lanes is not cb.solo_lanes:
            return step(group)
        strand = cb.solo
        if depth - strand.occ < pages:
            return BLOCKED
        if strand.reserved < pages:  # noqa: PLR1730 - max() would be another call
            strand.reserved = pages
        return following

    return quick


def quick_wait(c: OpContext, cb: CircularBuffer, step: Step) -> Step:
    """cb_wait_front."""
    pages, following = _pages(c, cb, 0), c.next
    if pages is None:
        return step

    def quick(group: Group) -> int:
        if group.lanes is not cb.solo_lanes:
            return step(group)
        strand = cb.solo
        if strand.occ < pages:
            return BLOCKED
        if strand.waited < pages:  # noqa: PLR1730
            strand.waited = pages
        return following

    return quick


def quick_push(c: OpContext, cb: CircularBuffer, step: Step) -> Step:
    """cb_push_back of one whole segment that lies at the start of the window."""
    pages, depth, following = _pages(c, cb, 1), cb.depth, c.next
    if pages is None or cb.backing is not None:
        return step

    def quick(group: Group) -> int:
        if group.lanes is not cb.solo_lanes:
            return step(group)
        strand = cb.solo
        staged, wr = strand.staged, strand.wr
        if len(staged) != 1 or strand.reserved < pages or type(wr) is not int:
            return step(group)
        start, seg = staged[0]
        after = wr + pages
        if start or seg.pages != pages or after > depth or seg.epoch > group.local.reads_done:
            return step(group)
        strand.front.append(seg)
        del staged[0]
        strand.wr = after if after < depth else 0
        strand.reserved -= pages
        strand.packed = 0
        strand.occ = occupied = strand.occ + pages
        if cb.peak < occupied:  # noqa: PLR1730
            cb.peak = occupied
        return following

    return quick


def quick_pop(c: OpContext, cb: CircularBuffer, step: Step) -> Step:
    """cb_pop_front of one whole segment."""
    pages, depth, following = _pages(c, cb, 1), cb.depth, c.next
    if pages is None:
        return step

    def quick(group: Group) -> int:
        if group.lanes is not cb.solo_lanes:
            return step(group)
        strand = cb.solo
        rd, front = strand.rd, strand.front
        if strand.waited < pages or type(rd) is not int or front[0].pages != pages:
            return step(group)
        after = rd + pages
        if after > depth or strand.source_epoch > group.local.flushed:
            return step(group)
        del front[0]
        strand.source_epoch = NEVER
        strand.rd = after if after < depth else 0
        strand.waited -= pages
        strand.occ -= pages
        return following

    return quick
