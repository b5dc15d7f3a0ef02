"""What a circular buffer's broken rules say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.engine.strand import Strand
from simulator.engine.values import Value, highest
from simulator.engine.violation import Violation, offenders

if TYPE_CHECKING:
    from simulator.engine.cb import CircularBuffer


def unbarriered(cb: CircularBuffer, strand: Strand) -> Violation:
    """Pushed before the barrier."""
    return Violation(
        "Unbarriered",
        f"pages of circular buffer {cb.number} were pushed before the barrier of the NoC"
        " read that fills them",
        strand.lanes.ids,
    )


def unordered(
    cb: CircularBuffer, strand: Strand, page: int, what: str, op: str, other: str
) -> Violation:
    """Level hardware: the page is there by luck; no wait has seen the other end."""
    return Violation(
        "Race",
        f"page {page} of circular buffer {cb.number} is {what} without a {op} that covers"
        f" it: nothing orders that with {other}, the other end",
        strand.lanes.ids,
    )


def stray(cb: CircularBuffer, strand: Strand, start: int, pages: int) -> Violation:
    """Written, from the write pointer on, over the memory of something else."""
    wr, size = highest(strand.wr), cb.page_bytes
    core = int(strand.lanes.ids[0])
    what = f"{pages} page(s) are written {start} page(s) from the write pointer"
    found = cb.l1.stray(cb, core, (wr + start) * size, pages * size, what, "StrayWrite")
    found.lanes = strand.lanes.ids
    return found


def capacity(cb: CircularBuffer, op: str, pages: int) -> Violation:
    """More pages than there are."""
    if pages < 0:
        return Violation("OutOfBounds", f"{op} of {pages} pages")
    return Violation(
        "CBCapacity",
        f"{op} asks for {pages} pages of circular buffer {cb.number}, which has {cb.depth}",
    )


def overflow(cb: CircularBuffer, strand: Strand, pages: int) -> Violation:
    """Pushed more than reserved."""
    free = cb.depth - strand.occ
    return Violation(
        "CBOverflow",
        f"{pages} pages pushed to circular buffer {cb.number}: {strand.reserved} reserved,"
        f" {free} of {cb.depth} free",
        strand.lanes.ids,
    )


def underflow(cb: CircularBuffer, strand: Strand, pages: int) -> Violation:
    """Popped more than waited for."""
    return Violation(
        "CBUnderflow",
        f"{pages} pages popped from circular buffer {cb.number}: {strand.waited} waited for,"
        f" {strand.occ} there",
        strand.lanes.ids,
    )


def wrap(cb: CircularBuffer, strand: Strand, phase: Value, pages: int) -> Violation:
    """A block that straddles the end."""
    bad = phase + pages > cb.depth
    return Violation(
        "CBWrap",
        f"{pages} pages from slot {highest(phase)} straddle the end of circular buffer"
        f" {cb.number} of {cb.depth} pages",
        offenders(bad, strand.lanes.ids),
    )
