"""The state of one circular buffer on a set of cores that are in the same state.

Counters are plain ints because all lanes of a strand agree on them. Only the slot phase, which
differs by core after uneven loops, may be a vector.
"""

from __future__ import annotations

from simulator.engine.lanes import Lanes, Vector
from simulator.engine.pool import Pool
from simulator.engine.segs import NEVER, Seg, join_lanes, join_pages
from simulator.engine.values import Value, join, take
from simulator.engine.violation import Violation


class Strand:
    """A circular buffer on some lanes.

    Attributes:
        lanes: the cores.
        occ: pages pushed and not popped.
        wr, rd: slot of the write and read pointer, modulo the depth.
        reserved, waited: pages the producer may write and the consumer may read.
        front: segments of the ``occ`` pages, oldest first.
        staged: (page from the write pointer, segment), ascending, not pushed yet.
        packed: page the next in-order pack writes, from the write pointer.
        source_epoch, source_low: latest NoC write epoch that reads from here, and the lowest page
            of the window it reads; the pages may go only once that write has left. NEVER as soon
            as pages go behind it.
    """

    __slots__ = (
        "front", "lanes", "occ", "packed", "rd", "reserved", "source_epoch", "source_low",
        "staged", "waited", "wr",
    )  # fmt: skip

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.occ = 0
        self.wr: Value = 0
        self.rd: Value = 0
        self.reserved = 0
        self.waited = 0
        self.front: list[Seg] = []
        self.staged: list[tuple[int, Seg]] = []
        self.packed = 0
        self.source_epoch = NEVER
        self.source_low = 0

    def take(self, lanes: Lanes, rows: Vector) -> Strand:
        """The state on some of the lanes."""
        part = Strand(lanes)
        part.occ, part.reserved, part.waited = self.occ, self.reserved, self.waited
        part.packed = self.packed
        part.source_epoch, part.source_low = self.source_epoch, self.source_low
        part.wr, part.rd = take(self.wr, rows), take(self.rd, rows)
        part.front = [seg.take(rows) for seg in self.front]
        part.staged = [(start, seg.take(rows)) for start, seg in self.staged]
        return part

    def shape(self) -> tuple[object, ...]:
        """What must be equal for two strands to become one: counters, and which pages are there.

        Epochs count the barriers of a core, and mean nothing to another that has met fewer. How the
        pages are cut into segments may differ; see :func:`align`.
        """
        return (self.occ, self.reserved, self.waited, self.packed, self.source_epoch,
                tuple(self._staged_runs()))  # fmt: skip

    def _staged_runs(self) -> list[tuple[int, int, int]]:
        """(first page, end, epoch) of staged pages that follow each other."""
        runs: list[tuple[int, int, int]] = []
        for start, seg in self.staged:
            if runs and runs[-1][1] == start:
                first, _, epoch = runs[-1]
                runs[-1] = (first, start + seg.pages, max(epoch, seg.epoch))
            else:
                runs.append((start, start + seg.pages, seg.epoch))
        return runs

    def stage(self, start: int, seg: Seg, *, patched: bool = False) -> None:
        """Write pages at ``start`` from the write pointer, over what was staged there.

        ``patched`` pages keep most of what was there; else two reads under way are a race.
        """
        staged = self.staged
        if not staged or staged[-1][0] + staged[-1][1].pages <= start:
            staged.append((start, seg))
            return
        end = start + seg.pages
        kept: list[tuple[int, Seg]] = []
        for at, old in staged:
            stop = at + old.pages
            if stop <= start or at >= end:
                kept.append((at, old))
                continue
            if not patched and old.epoch == seg.epoch != NEVER:
                raise Violation("Race", "two NoC reads under way write the same page: which of them"
                                " comes last is not defined", self.lanes.ids)  # fmt: skip
            if at < start:
                kept.append((at, old.slice(0, start - at)))
            if stop > end:
                kept.append((end, old.slice(end - at, stop - end)))
        kept.append((start, seg))
        kept.sort(key=lambda item: item[0])
        self.staged = kept

    def staged_range(self, start: int, pages: int) -> list[Seg]:
        """Segments of staged pages; holes become segments without a block."""
        out: list[Seg] = []
        at, end = start, start + pages
        for begin, seg in self.staged:
            stop = begin + seg.pages
            if stop <= start or begin >= end:
                continue
            if begin > at:
                out.append(Seg(begin - at, None))
            first, last = max(begin, start), min(stop, end)
            out.append(seg.slice(first - begin, last - first))
            at = last
        if at < end:
            out.append(Seg(end - at, None))
        return out

    def hand_over(self, pages: int) -> list[Seg]:
        """Move ``pages`` staged pages to the readable ones; returns them."""
        staged = self.staged
        if len(staged) == 1 and staged[0][0] == 0 and staged[0][1].pages == pages:
            moved = [staged[0][1]]
            self.staged = []
        else:
            moved = self.staged_range(0, pages)
            rest = []
            for begin, seg in staged:
                stop = begin + seg.pages
                if stop > pages:
                    first = max(begin, pages)
                    rest.append((first - pages, seg.slice(first - begin, stop - first)))
            self.staged = rest
        self.front.extend(moved)
        return moved

    def drop(self, pages: int) -> None:
        """Remove the oldest pages."""
        front = self.front
        while pages:
            seg = front[0]
            if seg.pages <= pages:
                pages -= seg.pages
                del front[0]
            else:
                front[0] = seg.slice(pages, seg.pages - pages)
                pages = 0

    def find(self, low: int, high: int, pool: Pool) -> tuple[Seg, int]:
        """The segment holding readable pages low..high, and where ``low`` lies in it."""
        at = 0
        for number, seg in enumerate(self.front):
            if low < at + seg.pages:
                if high < at + seg.pages:
                    return seg, low - at
                last = number
                end = at + seg.pages
                while end <= high:
                    last += 1
                    end += self.front[last].pages
                segs = self.front[number : last + 1]
                joined = join_pages(segs, self.lanes.n, self.lanes.width, pool)
                self.front[number : last + 1] = [joined]
                return joined, low - at
            at += seg.pages
        raise AssertionError("pages were checked against the window")


def _cuts(segs: list[tuple[int, Seg]]) -> set[int]:
    """Pages at which segments begin or end."""
    return {at for start, seg in segs for at in (start, start + seg.pages)}


def _recut(
    segs: list[tuple[int, Seg]], cuts: set[int], strand: Strand, pool: Pool
) -> list[tuple[int, Seg]]:
    """The same pages in segments that begin and end at ``cuts`` only."""
    out: list[tuple[int, Seg]] = []
    run: list[Seg] = []
    for start, seg in segs:
        if not run:
            out.append((start, seg))
        run.append(seg)
        if start + seg.pages in cuts:
            joined = run[0]
            if len(run) > 1:
                joined = join_pages(run, strand.lanes.n, strand.lanes.width, pool)
                joined.epoch = max(part.epoch for part in run)
            out[-1] = (out[-1][0], joined)
            run = []
    return out


def align(strands: list[Strand], pool: Pool) -> None:
    """Cut the pages of strands in equal :meth:`Strand.shape` alike, at cuts all of them have."""
    fronts = []
    for strand in strands:
        at, placed = 0, []
        for seg in strand.front:
            placed.append((at, seg))
            at += seg.pages
        fronts.append(placed)
    cuts = set.intersection(*(_cuts(placed) for placed in fronts))
    staged_cuts = set.intersection(*(_cuts(strand.staged) for strand in strands))
    for strand, placed in zip(strands, fronts, strict=True):
        strand.front = [seg for _, seg in _recut(placed, cuts, strand, pool)]
        strand.staged = _recut(strand.staged, staged_cuts, strand, pool)


def join_strands(parts: list[tuple[Strand, Vector]], lanes: Lanes, pool: Pool) -> Strand:
    """One strand of several that were aligned."""
    first = parts[0][0]
    whole = Strand(lanes)
    whole.occ, whole.reserved, whole.waited = first.occ, first.reserved, first.waited
    whole.packed = first.packed
    whole.source_epoch = first.source_epoch
    whole.source_low = min(strand.source_low for strand, _ in parts)
    whole.wr = join([(strand.wr, rows) for strand, rows in parts], lanes.n)
    whole.rd = join([(strand.rd, rows) for strand, rows in parts], lanes.n)
    for number in range(len(first.front)):
        segs = [(strand.front[number], rows) for strand, rows in parts]
        whole.front.append(join_lanes(segs, lanes.n, pool))
    for number, (start, _) in enumerate(first.staged):
        segs = [(strand.staged[number][1], rows) for strand, rows in parts]
        whole.staged.append((start, join_lanes(segs, lanes.n, pool)))
    return whole
