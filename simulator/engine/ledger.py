"""Who touched which piece of L1 last: one write, and the reads since then.

Every access of a step is one stamp, whatever it touches: pieces that were always touched together
hold the same stamps, for sets of cores. So what is judged is an access against an access, by the
cores where both meet, and which these are is remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from simulator.engine.actors import Access, Actor, Clash, Reach, Stamp
from simulator.engine.clocks import COMING, GOING, Times
from simulator.engine.judge import Judge
from simulator.engine.lanes import Vector, ids_of, mask_of

if TYPE_CHECKING:
    from simulator.engine.standing import Standing

NOBODY: Final = -1


class Late(NamedTuple):
    """Rows of an access at a spot that are not after an earlier one, and whose it was."""

    spot: Spot
    stamp: Stamp
    rows: Vector
    cores: Vector


Part = tuple[int, Stamp]
"""An access, on the cores of a mask."""
Spot = tuple["Cell", int, int]
"""What is touched: a cell, on the cores of a mask, by an access that begins at a unit."""


class Cell:
    """Units that were always touched together. The ``writes`` are of different cores."""

    __slots__ = ("reads", "units", "writes")

    def __init__(self, units: int, writes: list[Part], reads: list[Part]) -> None:
        self.units = units
        self.writes = writes
        self.reads = reads


class Ledger:
    """The accesses to a piece of memory that every core has: units of ``grain`` bytes each."""

    def __init__(self, judge: Judge, units: int, grain: int) -> None:
        self._judge = judge
        self._units = units
        self._grain = grain
        self._cells = [Cell((1 << units) - 1, [], [])]
        self._spots: dict[tuple[int, int, int], tuple[Spot, ...]] = {}

    # --- which cells -----------------------------------------------------------------------

    def at(self, reach: Reach, first: Any, size: int) -> tuple[Spot, ...]:
        """``size`` bytes from byte ``first`` on, in a circle, of all that is in reach."""
        if type(first) is int:
            return self._span(first, size, reach.mask)
        starts = [(one, mask_of(reach.touched[first == one])) for one in np.unique(first).tolist()]
        for one, mask in starts:
            self._span(one, size, mask)  # a later one may divide the cells of an earlier one
        return tuple(spot for one, mask in starts for spot in self._span(one, size, mask))

    def _span(self, first: int, size: int, mask: int) -> tuple[Spot, ...]:
        return self._spots.get((first, size, mask)) or self._find(first, size, mask)

    def _find(self, first: int, size: int, mask: int) -> tuple[Spot, ...]:
        begin, whole = first // self._grain % self._units, (1 << self._units) - 1
        bits = ((1 << size // self._grain) - 1) << begin
        units = bits >> self._units | bits & whole
        if any(cell.units & units and cell.units & ~units for cell in self._cells):
            self._cells = [
                Cell(some, cell.writes, cell.reads)
                for cell in self._cells
                for some in (cell.units & units, cell.units & ~units)
                if some
            ]
            self._spots.clear()
        found = tuple((cell, mask, begin) for cell in self._cells if cell.units & units)
        self._spots[first, size, mask] = found
        return found

    def describe(self, standing: Standing, first: int = 0) -> None:
        """What is held, from a unit on, for :class:`~simulator.engine.standing.Standing`."""
        places = [(self._turned(cell.units, -first), at) for at, cell in enumerate(self._cells)]
        for units, at in sorted(places):
            cell = self._cells[at]
            writes = tuple((mask, standing.access(stamp)) for mask, stamp in cell.writes)
            reads = tuple((mask, standing.access(stamp)) for mask, stamp in cell.reads)
            standing.tell((units, writes, reads))

    def turn(self, units: int) -> None:
        """What happened to a unit happened to the one so many further on."""
        for cell in self._cells:
            cell.units = self._turned(cell.units, units)
        self._spots.clear()

    def _turned(self, bits: int, units: int) -> int:
        """Bits of units so many further on."""
        up, whole = units % self._units, (1 << self._units) - 1
        return bits << up & whole | bits >> self._units - up

    # --- what happens ----------------------------------------------------------------------

    def read(self, actor: Actor, spots: tuple[Spot, ...], time: Times | int) -> Stamp:
        """A read, complete at a time of each row or under way. Earlier ones by the same are gone.

        Own NoC reads that still fill what is sent do not count: the sender sees them itself.
        """
        self.judge(actor, spots, (COMING,) if isinstance(time, int) and time == GOING else ())
        stamp = Stamp(actor, time)
        for cell, mask, _ in spots:
            if cell.reads:
                kept = [part for part in cell.reads if not self._superseded(part, stamp, mask)]
                cell.reads = [*kept, (mask, stamp)]
            else:
                cell.reads = [(mask, stamp)]
        return stamp

    def _superseded(self, part: Part, stamp: Stamp, mask: int) -> bool:
        cores, old = part
        actor, before = stamp.actor, old.actor
        if cores & ~mask or before.agent != actor.agent or not (old.done or old.kind == stamp.kind):
            return False
        return before.reach is actor.reach or self._judge.replaces(actor.reach, before.reach)

    def write(
        self, actor: Actor, spots: tuple[Spot, ...], time: Times | int, own: tuple[int, ...] = ()
    ) -> Stamp:
        """A write, complete or under way, after reads but the actor's own under way as ``own``.

        Its writes under way in the same manner do not count either: they keep their order.
        """
        self.judge(actor, spots, (time,) if isinstance(time, int) else ())
        self.judge_reads(actor, spots, own)
        return self.put(actor, spots, time, ends=True)

    def put(
        self, actor: Actor, spots: tuple[Spot, ...], time: Times | int, *, ends: bool = False
    ) -> Stamp:
        """A write that clashes with nothing; ``ends``: reads before it no longer count."""
        stamp = Stamp(actor, time)
        for cell, mask, _ in spots:
            parts = cell.writes
            if len(parts) == 1 and not parts[0][0] & ~mask:
                cell.writes = [(mask, stamp)]
            else:
                kept = [(left, old) for cores, old in parts if (left := cores & ~mask)]
                cell.writes = [*kept, (mask, stamp)]
            if ends and cell.reads:
                cell.reads = [(left, old) for cores, old in cell.reads if (left := cores & ~mask)]
        return stamp

    def take(self, actor: Actor, spots: tuple[Spot, ...], time: Times) -> None:
        """Memory comes into the actor's hand; what it has under way there stays so."""
        self.judge(actor, spots, (GOING, COMING))
        for cell, mask, begin in spots:
            for cores, stamp in cell.writes:
                if not stamp.done:
                    mask &= ~cores  # noqa: PLW2901
            self.put(actor, ((cell, mask, begin),), time)

    # --- what clashes ----------------------------------------------------------------------

    def judge(self, actor: Actor, spots: tuple[Spot, ...], own: tuple[int, ...] = ()) -> None:
        """Whether all earlier writes are before what the actor is about to do.

        Those of the actor itself that are under way as one of ``own`` do not count.

        Raises:
            Clash: they are not.
        """
        late = self._late(actor, spots, own, write=True)
        if late:
            raise self._clash(actor, late, write=True)

    def judge_reads(self, actor: Actor, spots: tuple[Spot, ...], own: tuple[int, ...] = ()) -> None:
        """The same of earlier reads.

        Raises:
            Clash: some are not before.
        """
        late = self._late(actor, spots, own, write=False)
        if late:
            raise self._clash(actor, late, write=False)

    def _late(
        self, actor: Actor, spots: tuple[Spot, ...], own: tuple[int, ...], *, write: bool
    ) -> list[Late]:
        """The rows that are not after earlier accesses; who is after one is remembered there."""
        late: list[Late] = []
        mine = actor.agent if actor.home else NOBODY
        for spot in spots:
            cell, mask, _ = spot
            for cores, stamp in cell.writes if write else cell.reads:
                common = cores & mask
                if common and (stamp.by != mine or common & ~stamp.heard):
                    rows = self._judge.late(actor, stamp, common, own)
                    if rows is not None:
                        late.append(Late(spot, stamp, *rows))
                    elif mine != NOBODY:
                        stamp.hear(mine, common)
        return late

    def _clash(self, actor: Actor, found: list[Late], *, write: bool) -> Clash:
        """The first row's on its first unit, there the first core's, and of that its last."""
        row = min(int(late.rows[0]) for late in found)
        there = [late for late in found if row in late.rows]
        turn, core, _, one = min(
            (self._turn(late.spot), int(late.cores[late.rows == row].min()), -number, late)
            for number, late in enumerate(there)
        )
        bad = np.zeros(len(actor.cores), np.bool_)
        for late in found:
            bad[late.rows] = True
        before, unit = one.stamp.actor, (one.spot[2] + turn) % self._units
        page = int(actor.reach.touched[row]) * self._units + unit
        return Clash(row, page, bad, Access(core, before.agent, before.place, write))

    def _turn(self, spot: Spot) -> int:
        """Where the first unit of a spot stands in the order of the access."""
        cell, _, first = spot
        units: list[int] = ids_of(cell.units).tolist()
        return min((unit - first) % self._units for unit in units)
