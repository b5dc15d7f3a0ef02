"""The destination register: sections that math fills and the packer empties.

``tile_regs_acquire`` gives math a cleared section, ``commit`` hands it to the packer, ``wait``
takes it there, ``release`` clears it. Half-sync mode has two sections, full-sync one
(isa-doc Dst.md). A cleared section reads as zero to accumulating ops and is invalid to all others.
"""

from __future__ import annotations

from simulator.engine.lanes import Lanes, Vector
from simulator.engine.pool import Pool
from simulator.engine.segs import Seg, join_lanes, join_pages
from simulator.engine.violation import Violation


class Section:
    """Tiles of one acquired DST section.

    Attributes:
        segs: (first tile, segment), ascending, disjoint.
        capacity: tiles of the mode.
    """

    __slots__ = ("capacity", "segs")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.segs: list[tuple[int, Seg]] = []

    def check(self, low: int, high: int) -> None:
        """Raise unless tiles low..high exist in this mode."""
        if low < 0 or high >= self.capacity:
            raise Violation(
                "DstCapacity",
                f"DST tile {low if low < 0 else high} of {self.capacity} in this mode",
            )

    def put(self, start: int, seg: Seg) -> None:
        """Overwrite tiles from ``start``."""
        segs = self.segs
        stop = start + seg.pages
        if not segs or segs[-1][0] + segs[-1][1].pages <= start:
            segs.append((start, seg))
            return
        if len(segs) == 1 and segs[0][0] == start and segs[0][1].pages == seg.pages:
            segs[0] = (start, seg)
            return
        kept = []
        for at, old in segs:
            end = at + old.pages
            if end <= start or at >= stop:
                kept.append((at, old))
                continue
            if at < start:
                kept.append((at, old.slice(0, start - at)))
            if end > stop:
                kept.append((stop, old.slice(stop - at, end - stop)))
        kept.append((start, seg))
        kept.sort(key=lambda item: item[0])
        self.segs = kept

    def exact(self, start: int, pages: int) -> Seg | None:
        """The segment that is exactly these tiles, if there is one."""
        for at, seg in self.segs:
            if at == start and seg.pages == pages:
                return seg
        return None

    def untouched(self, start: int, pages: int) -> bool:
        """Whether none of the tiles was written since the clear."""
        stop = start + pages
        return all(at >= stop or at + seg.pages <= start for at, seg in self.segs)

    def get(self, start: int, pages: int, lanes: Lanes, pool: Pool) -> Seg:
        """Tiles as one segment; cleared ones are invalid zeros."""
        seg = self.exact(start, pages)
        if seg is not None:
            return seg
        out: list[Seg] = []
        at, end = start, start + pages
        for begin, old in self.segs:
            stop = begin + old.pages
            if stop <= start or begin >= end:
                continue
            if begin > at:
                out.append(Seg(begin - at, None))
            first, last = max(begin, start), min(stop, end)
            out.append(old.slice(first - begin, last - first))
            at = last
        if at < end:
            out.append(Seg(end - at, None))
        return join_pages(out, lanes.n, lanes.width, pool)

    def take(self, rows: Vector) -> Section:
        """The section on some lanes."""
        part = Section(self.capacity)
        part.segs = [(at, seg.take(rows)) for at, seg in self.segs]
        return part

    def shape(self) -> tuple[object, ...]:
        """What must be equal for sections of different lanes to be joined."""
        return tuple((at, seg.pages) for at, seg in self.segs)


def join_sections(parts: list[tuple[Section, Vector]], lanes: int) -> Section:
    """One section of several in equal :meth:`Section.shape`."""
    whole = Section(parts[0][0].capacity)
    for number, (at, _) in enumerate(parts[0][0].segs):
        segs = [(section.segs[number][1], rows) for section, rows in parts]
        whole.segs.append((at, join_lanes(segs, lanes)))
    return whole
