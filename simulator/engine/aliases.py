"""Circular buffers that share memory: nothing blocks one while the pages of another are live.

Pointers and counters are per index, bytes are shared (tt-metal CBDescriptor with several format
descriptors), so a write over unread pages of a partner is unordered with their reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.engine.lanes import Lanes
from simulator.engine.strand import Strand
from simulator.engine.values import highest, lowest
from simulator.engine.violation import Violation

if TYPE_CHECKING:
    from simulator.engine.cb import CircularBuffer

Span = tuple[int, int]
"""Bytes from and to, relative to the shared memory."""


def check_partners(cb: CircularBuffer, lanes: Lanes, start: int, pages: int) -> None:
    """Raise if pages written in ``cb`` lie over live pages of a buffer that shares its memory."""
    for strand, _ in cb.at(lanes):
        size = cb.page_bytes
        first = (lowest(strand.wr) + start) * size
        last = (highest(strand.wr) + start + pages) * size
        for partner in cb.partners:
            shared = lanes.mask & partner.lanes.mask & strand.lanes.mask
            for other in partner.strands:
                if not other.lanes.mask & shared:
                    continue
                if any(low < last and first < high for low, high in _live(partner, other)):
                    raise Violation(
                        "Race",
                        f"circular buffer {cb.number} is written over pages of circular buffer"
                        f" {partner.number}, which shares its memory and still holds data",
                        strand.lanes.ids,
                    )


def _live(cb: CircularBuffer, strand: Strand) -> list[Span]:
    """Bytes of pages not read yet, and of pages being written."""
    spans: list[Span] = []
    size, depth = cb.page_bytes, cb.depth
    if strand.occ:
        begin, end = lowest(strand.rd), highest(strand.rd) + strand.occ
        spans.append((begin * size, min(end, depth) * size))
        if end > depth:
            spans.append((0, (end - depth) * size))
    for at, seg in strand.staged:
        begin = lowest(strand.wr) + at
        spans.append((begin * size, (highest(strand.wr) + at + seg.pages) * size))
    return spans
