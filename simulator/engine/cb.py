"""Circular buffers: bounded, blocking, with the window, wrap and capacity rules of tt-metal.

Rules (W:tt_metal/hw/inc/api/dataflow/dataflow_api.h and llk_io): reserve and wait are cumulative
and idempotent, push and pop never wait; a block must not straddle the end of the buffer; pages
are touched only between reserve and push, or wait and pop.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.engine import cb_rules as rules
from simulator.engine.aliases import check_partners
from simulator.engine.backing import Backing
from simulator.engine.l1map import L1Map
from simulator.engine.lanes import Lanes, LaneTable, Vector
from simulator.engine.pool import Pool
from simulator.engine.segs import NEVER, Seg, join_lanes, join_pages, pages_of, selection
from simulator.engine.strand import Strand, align, join_strands
from simulator.engine.values import Value, highest, join, lowest
from simulator.engine.violation import Violation
from simulator.formats.bytemap import ByteMap
from simulator.formats.dataformat import DataFormat

Pair = tuple[Strand, "Vector | None"]
"""A strand and its rows among the lanes asked for; None for all."""


class CircularBuffer:
    """One circular buffer on all its cores.

    Attributes:
        depth: pages. page_bytes: bytes of a page. base: L1 address of the first page.
        lanes: cores it exists on.
        peak: highest occupancy seen, in pages.
        partners: circular buffers that share this one's memory.
        backing: the sharded tensor whose memory this is.
        far: transfers between cores touch it.
        watched: clocks tell its accesses apart; so are those that are stored from before a push.
        fetched: NoC transfers read it behind the back of its producer.
        grain: bytes that such transfers are multiples of, in size and place.
        loose: pages were handed over that were there but not asked for (level hardware).
        solo, solo_lanes: the one strand there is for the lanes asked for last, if it is one.
    """

    def __init__(
        self,
        number: int,
        depth: int,
        fmt: DataFormat,
        tile: tuple[int, int],
        base: int,
        lanes: Lanes,
        table: LaneTable,
        pool: Pool,
        l1: L1Map,
        *,
        unpack_to_dest: bool = False,
        strict: bool = True,
        producer: str = "",
        consumer: str = "",
    ) -> None:
        self.number = number
        self.depth = depth
        self.fmt = fmt
        self.tile = tile
        self.page_bytes = fmt.tile_bytes(tile)
        self.map = ByteMap(fmt, tile)
        self.base = base
        self.lanes = lanes
        self.unpack_to_dest = unpack_to_dest
        self.strict = strict
        self.producer = producer
        self.consumer = consumer
        self.partners: list[CircularBuffer] = []
        self.backing: Backing | None = None
        self.far = False
        self.watched = False
        self.grain = self.page_bytes
        self.fetched = False
        self._table = table
        self.pool = pool
        self.l1 = l1
        self.clear()

    def clear(self) -> None:
        """Be as before any run."""
        lanes = self._lanes = self.lanes
        self.solo = Strand(lanes)
        self.solo_lanes: Lanes | None = lanes
        self.strands = [self.solo]
        self._pairs: list[Pair] = [(self.solo, None)]
        if not self.strict:
            self.solo.reserved = self.depth  # nobody has touched them yet
        self.peak = 0
        self.loose = False

    def at(self, lanes: Lanes) -> list[Pair]:
        """Strands that together are exactly ``lanes``.

        Raises:
            Violation: the buffer does not exist on some of the lanes.
        """
        if lanes is self._lanes:
            return self._pairs
        table = self._table
        if lanes.mask & ~self.lanes.mask:
            outside = table.of_mask(lanes.mask & ~self.lanes.mask)
            raise Violation("OutOfBounds", f"circular buffer {self.number} does not exist on"
                            " this core", outside.ids)  # fmt: skip
        strands: list[Strand] = []
        inside: list[Strand] = []
        for strand in self.strands:
            common = strand.lanes.mask & lanes.mask
            if not common:
                strands.append(strand)
            elif common == strand.lanes.mask:
                inside.append(strand)
            else:
                cut = table.cut(strand.lanes, lanes)
                common_part, rest = cut.proper()
                inside.append(strand.take(common_part, cut.common_rows))
                strands.append(strand.take(rest, cut.rest_rows))
        if len(inside) > 1:
            inside = self._join(inside)
        self.strands = strands + inside
        self._lanes = lanes
        self.solo_lanes = None
        if len(inside) == 1:
            self._pairs = [(inside[0], None)]
            self.solo, self.solo_lanes = inside[0], lanes
        else:
            self._pairs = [(strand, table.rows(strand.lanes, lanes)) for strand in inside]
        return self._pairs

    def strand_at(self, core: int) -> Strand | None:
        """The state on one core; None where the buffer does not exist."""
        return next((strand for strand in self.strands if strand.lanes.mask >> core & 1), None)

    def _join(self, strands: list[Strand]) -> list[Strand]:
        """Fewer strands: those in equal state become one."""
        alike: dict[Any, list[Strand]] = {}
        for strand in strands:
            alike.setdefault(strand.shape(), []).append(strand)
        out = []
        for group in alike.values():
            if len(group) == 1:
                out.append(group[0])
                continue
            mask = 0
            for strand in group:
                mask |= strand.lanes.mask
            lanes = self._table.of_mask(mask)
            align(group, self.pool)
            parts = [(strand, self._table.rows(strand.lanes, lanes)) for strand in group]
            out.append(join_strands(parts, lanes, self.pool))
        return out

    # --- handshake -------------------------------------------------------------------------

    def reserve(self, lanes: Lanes, pages: int) -> bool:
        """Whether ``pages`` are free on all lanes; if so they are reserved."""
        if pages > self.depth or pages < 0:
            raise rules.capacity(self, "cb_reserve_back", pages)
        pairs = self.at(lanes)
        for strand, _ in pairs:
            if self.depth - strand.occ < pages:
                return False
        for strand, _ in pairs:
            strand.reserved = max(strand.reserved, pages)
        return True

    def wait(self, lanes: Lanes, pages: int) -> bool:
        """Whether ``pages`` are available on all lanes; if so they may be read."""
        if pages > self.depth or pages < 0:
            raise rules.capacity(self, "cb_wait_front", pages)
        pairs = self.at(lanes)
        for strand, _ in pairs:
            if strand.occ < pages:
                return False
        for strand, _ in pairs:
            strand.waited = max(strand.waited, pages)
        return True

    def push(self, lanes: Lanes, pages: int, done_epoch: int) -> None:
        """Hand over pages; ``done_epoch`` is the last NoC read epoch known complete."""
        depth = self.depth
        for strand, _ in self._pairs if lanes is self._lanes else self.at(lanes):
            if pages > strand.reserved or pages < 0:
                if self.strict or not 0 <= pages <= self.depth - strand.occ:
                    raise rules.overflow(self, strand, pages)
                self.loose = True
            wr = strand.wr
            if self.backing is not None and highest(wr) + pages <= depth:
                self.backing.push(strand, pages, self.pool)
            if type(wr) is int:
                after = wr + pages
                if after >= depth:
                    if after > depth:
                        raise rules.wrap(self, strand, wr, pages)
                    after = 0
                strand.wr = after
            else:
                strand.wr = self._advance(strand, wr, pages)
            for seg in strand.hand_over(pages):
                if seg.epoch > done_epoch:
                    raise rules.unbarriered(self, strand)
            strand.reserved = max(strand.reserved - pages, 0)
            strand.packed = 0
            strand.occ += pages
            self.peak = max(self.peak, strand.occ)

    def pop(self, lanes: Lanes, pages: int, flushed_epoch: int) -> None:
        """Free pages; ``flushed_epoch`` is the last NoC write epoch known to have left."""
        depth = self.depth
        for strand, _ in self._pairs if lanes is self._lanes else self.at(lanes):
            if pages > strand.waited or pages < 0:
                if self.strict or not 0 <= pages <= strand.occ:
                    raise rules.underflow(self, strand, pages)
                self.loose = True
            rd = strand.rd
            if type(rd) is int:
                after = rd + pages
                if after >= depth:
                    if after > depth:
                        raise rules.wrap(self, strand, rd, pages)
                    after = 0
                strand.rd = after
            else:
                strand.rd = self._advance(strand, rd, pages)
            if strand.source_epoch > flushed_epoch:
                if pages > strand.source_low:
                    raise Violation(
                        "Unbarriered",
                        f"pages of circular buffer {self.number} were popped while a NoC write"
                        " may still read them",
                        strand.lanes.ids,
                    )
                strand.source_low -= pages
            else:
                strand.source_epoch = NEVER
            strand.waited = max(strand.waited - pages, 0)
            strand.occ -= pages
            strand.drop(pages)

    def _advance(self, strand: Strand, phase: Value, pages: int) -> Value:
        after = phase + pages
        if highest(after) > self.depth:
            raise rules.wrap(self, strand, phase, pages)
        return join([(after % self.depth, np.arange(strand.lanes.n))], strand.lanes.n)

    # --- data ------------------------------------------------------------------------------

    def select(self, lanes: Lanes, start: int, n1: int, s1: int, n2: int, s2: int) -> Seg:
        """Readable pages ``start + s1*i + s2*j`` as one segment with tile axes (n1, n2)."""
        if n1 == 1 and n2 == 1:
            low = high = start
        else:
            low, high = pages_of(start, n1, s1, n2, s2)
        if lanes is self.solo_lanes:
            seg, offset = self._readable(self.solo, low, high)
            if seg.pages == n1 * n2 == 1:
                return seg
            return selection(seg, start - low + offset, n1, s1, n2, s2)
        pairs = self.at(lanes)
        if len(pairs) == 1:
            return self.select(lanes, start, n1, s1, n2, s2)
        found = [(*self._readable(strand, low, high), rows) for strand, rows in pairs]
        first, offset, _ = found[0]
        if all(seg.pages == first.pages and at == offset for seg, at, _ in found):
            whole = join_lanes(
                [(seg, rows) for seg, _, rows in found if rows is not None], lanes.n, self.pool
            )
            return selection(whole, start - low + offset, n1, s1, n2, s2)
        parts = []
        for seg, at, rows in found:
            if rows is not None:
                parts.append((selection(seg, start - low + at, n1, s1, n2, s2), rows))
        whole = join_lanes(parts, lanes.n, self.pool)
        return selection(whole, 0, n1, n2, n2, 1)

    def run(self, lanes: Lanes, start: int, pages: int) -> Seg:
        """Readable pages from ``start`` in order, with whatever tile axes they have."""
        if lanes is self.solo_lanes:
            seg, offset = self._readable(self.solo, start, start + pages - 1)
            return seg.slice(offset, pages)
        return self.select(lanes, start, 1, pages, pages, 1)

    def _readable(self, strand: Strand, low: int, high: int) -> tuple[Seg, int]:
        if (
            low < 0
            or high >= strand.waited
            or type(strand.rd) is not int
            or (strand.rd + high >= self.depth)
        ):
            self.check_readable(strand, low, high)
        first = strand.front[0]
        if high < first.pages:
            return first, low
        return strand.find(low, high, self.pool)

    def check_readable(self, strand: Strand, low: int, high: int) -> None:
        """Raise unless pages low..high lie in the waited-for window and before the end."""
        if low < 0 or high >= strand.waited:
            if low >= 0 and high < strand.occ and not self.strict:
                if self._one_agent():
                    return
                raise rules.unordered(self, strand, high, "read", "cb_wait_front", self.producer)
            raise Violation(
                "CBWindow",
                f"page {high if low >= 0 else low} of circular buffer {self.number} was read,"
                f" {strand.waited} pages were waited for",
                strand.lanes.ids,
            )
        if highest(strand.rd) + high >= self.depth:
            raise rules.wrap(self, strand, strand.rd, high + 1)

    def write(self, lanes: Lanes, start: int, seg: Seg, *, patched: bool = False) -> None:
        """Write a segment at page ``start`` from the write pointer; see :meth:`Strand.stage`."""
        pages = seg.pages
        if self.partners:
            check_partners(self, lanes, start, pages)
        if lanes is self.solo_lanes:
            strand = self.solo
            wr = strand.wr
            if (
                start < 0
                or start + pages > strand.reserved
                or (type(wr) is not int or wr + start + pages > self.depth)
            ):
                self.check_writable(strand, start, pages)
            strand.stage(start, seg, patched=patched)
            return
        for strand, rows in self.at(lanes):
            self.check_writable(strand, start, pages)
            strand.stage(start, seg if rows is None else seg.take(rows), patched=patched)

    def check_writable(self, strand: Strand, start: int, pages: int) -> None:
        """Raise unless the pages lie in the reserved window and before the buffer's end."""
        last = highest(strand.wr) + start + pages
        if lowest(strand.wr) + start < 0 or (start + pages > strand.reserved and last > self.depth):
            raise rules.stray(self, strand, start, pages)
        if start < 0 or start + pages > strand.reserved:
            if start >= 0 and start + pages <= self.depth - strand.occ and not self.strict:
                if self._one_agent():
                    return
                raise rules.unordered(
                    self, strand, start + pages - 1, "written", "cb_reserve_back", self.consumer
                )
            raise Violation(
                "CBWindow",
                f"page {start + pages - 1 if start >= 0 else start} of circular buffer"
                f" {self.number} was written, {strand.reserved} pages are reserved",
                strand.lanes.ids,
            )
        if last > self.depth:
            raise rules.wrap(self, strand, strand.wr, start + pages)

    def written(self, lanes: Lanes, start: int, pages: int) -> Seg:
        """Pages of the reserved window as the producer sees them."""
        parts = []
        for strand, rows in self.at(lanes):
            self.check_writable(strand, start, pages)
            segs = strand.staged_range(start, pages)
            seg = join_pages(segs, strand.lanes.n, strand.lanes.width, self.pool)
            if rows is None:
                return seg
            parts.append((seg, rows))
        return join_lanes(parts, lanes.n, self.pool)

    def pointer(self, lanes: Lanes, *, write: bool) -> Value:
        """L1 address of the window's first byte, for the producer or the consumer."""
        return self.phase(lanes, write=write) * self.page_bytes + self.base

    def phase(self, lanes: Lanes, *, write: bool) -> Value:
        """Slot of the window's first page, for the producer or the consumer."""
        if lanes is self.solo_lanes:
            return self.solo.wr if write else self.solo.rd
        parts = []
        for strand, rows in self.at(lanes):
            slot = strand.wr if write else strand.rd
            if rows is None:
                return slot
            parts.append((slot, rows))
        return join(parts, lanes.n)

    def reserved(self, lanes: Lanes) -> int:
        """Pages that are reserved on all lanes."""
        if lanes is self.solo_lanes:
            return self.solo.reserved
        return min(strand.reserved for strand, _ in self.at(lanes))

    def _one_agent(self) -> bool:
        """Whether both ends are one RISC, whose own order is enough."""
        return self.producer == self.consumer != "compute"
