"""Groups: cores that run one program in lock step, as explicit, copyable state."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.engine.lanes import Lanes, LaneTable, Vector
from simulator.engine.local import Local, join_locals
from simulator.engine.values import join, squeeze, take


class Diverge(Exception):  # noqa: N818 - control flow, not an error
    """The lanes of a group disagree about a value that one step needs to be one."""

    def __init__(self, values: Vector) -> None:
        super().__init__()
        self.values = values


class LoopState:
    """A loop whose lanes run unequal numbers of iterations, or start at different values.

    Attributes:
        done: iterations finished.
        trips: iterations per active lane.
        until: smallest of ``trips``: no lane leaves before.
        start: first value of the loop variable, an int or one per active lane.
        masked: lanes have left and wait at the loop's end.
    """

    __slots__ = ("done", "masked", "start", "trips", "until")

    def __init__(self, done: int, trips: Vector, start: Any, *, masked: bool) -> None:
        self.done = done
        self.trips = trips
        self.start = start
        self.masked = masked
        self.until = int(trips.min())

    def take(self, rows: Vector) -> LoopState:
        """The state on some lanes."""
        return LoopState(self.done, self.trips[rows], take(self.start, rows), masked=self.masked)


class Mask:
    """What waits while a group runs with fewer lanes.

    Attributes:
        site: index of the op that set the mask.
        lanes: lanes when it was set; they are restored together.
        regs: registers of those lanes.
        parked: lanes that wait at the end of the construct, with their thread state.
        pending: lanes that have yet to run the else branch, with their thread state.
        end: index of the op after the construct. orelse: first op of the else branch.
    """

    __slots__ = ("end", "lanes", "orelse", "parked", "pending", "regs", "site")

    def __init__(self, site: int, end: int, lanes: Lanes, regs: list[Any]) -> None:
        self.site = site
        self.end = end
        self.orelse = end
        self.lanes = lanes
        self.regs = regs
        self.parked: list[tuple[Lanes, Local]] = []
        self.pending: tuple[Lanes, Local] | None = None

    def only(self, table: LaneTable, lanes: Lanes) -> Mask:
        """The mask as seen by lanes that became a group of their own."""
        rows = table.rows(lanes, self.lanes)
        mask = Mask(self.site, self.end, lanes, take_regs(self.regs, rows, None))
        mask.orelse = self.orelse
        return mask

    def without(self, table: LaneTable, lanes: Lanes) -> Mask:
        """The mask after some lanes left the group."""
        cut = table.cut(self.lanes, lanes)
        if cut.rest is None or cut.common is None:
            return self
        mask = Mask(self.site, self.end, cut.rest, take_regs(self.regs, cut.rest_rows, None))
        mask.parked, mask.pending, mask.orelse = self.parked, self.pending, self.orelse
        return mask


class Group:
    """Lanes at one place of one program.

    Attributes:
        code: the program's ops. pc: index of the next one.
        regs: values of names; register 0 is the group itself, so that pointer expressions find
            their lanes.
        lanes: active lanes. local: their thread state. masks: innermost last.
        done, halted: ended regularly, or stopped by a finding.
        steps: ops executed. serial: number among all groups of the run.
        parted: op at which lanes last disagreed about a value; meeting there again would part them
            again.
    """

    __slots__ = (
        "code", "done", "halted", "lanes", "local", "masks", "parted", "pc", "regs",
        "serial", "steps", "table",
    )  # fmt: skip

    def __init__(self, code: Any, lanes: Lanes, regs: list[Any], table: LaneTable) -> None:
        self.code = code
        self.pc = 0
        self.regs = regs
        regs[0] = self
        self.lanes = lanes
        self.local = Local()
        self.masks: list[Mask] = []
        self.done = False
        self.halted = False
        self.steps = 0
        self.table = table
        self.parted = -1
        self.serial = 0

    @property
    def finished(self) -> bool:
        """Whether it will not run again."""
        return self.done or self.halted

    def narrow(self, lanes: Lanes) -> tuple[Lanes, Local]:
        """Go on with fewer lanes; returns those left behind and their thread state."""
        cut = self.table.cut(self.lanes, lanes)
        left = (cut.proper()[1], self.local.take(cut.rest_rows))
        self.local = self.local.take(cut.common_rows)
        self.regs = take_regs(self.regs, cut.common_rows, self)
        self.lanes = lanes
        return left

    def widen(self) -> list[Group]:
        """Leave the innermost mask; lanes whose thread state differs become groups of their own."""
        mask = self.masks[-1]
        joined: list[tuple[Lanes, Local]] = [(self.lanes, self.local)]
        strangers: list[Group] = []
        for part in mask.parked:
            if self._join([*joined, part]) is None:
                strangers.append(self._released(len(self.masks) - 1, part))
            else:
                joined.append(part)
        lanes, local = self._join(joined) or joined[0]
        mask = self.masks.pop()  # lanes of strangers have left it
        if lanes is mask.lanes:
            self.regs = list(mask.regs)
        else:
            self.regs = take_regs(mask.regs, self.table.rows(lanes, mask.lanes), self)
        self.regs[0] = self
        self.lanes, self.local = lanes, local
        return strangers

    def _join(self, parts: list[tuple[Lanes, Local]]) -> tuple[Lanes, Local] | None:
        if len(parts) == 1:
            return parts[0]
        total = 0
        for lanes, _ in parts:
            total |= lanes.mask
        lanes = self.table.of_mask(total)
        local = join_locals([(x, self.table.rows(part, lanes)) for part, x in parts], lanes.n)
        return None if local is None else (lanes, local)

    def release_parked(self) -> list[Group]:
        """Lanes that wait at the end of a masked construct, as groups of their own."""
        out: list[Group] = []
        for level in range(len(self.masks)):
            out += [self._released(level, part) for part in list(self.masks[level].parked)]
            pending = self.masks[level].pending
            if pending is not None:
                self.masks[level].pending = None
                twin = self._released(level, pending)
                twin.pc = self.masks[level].orelse
                out.append(twin)
        return out

    def _released(self, level: int, part: tuple[Lanes, Local]) -> Group:
        lanes, local = part
        mask = self.masks[level]
        rows = self.table.rows(lanes, mask.lanes)
        twin = Group(self.code, lanes, take_regs(mask.regs, rows, None), self.table)
        twin.local, twin.pc = local, mask.end
        twin.masks = [outer.only(self.table, lanes) for outer in self.masks[:level]]
        self.masks[level].parked = [item for item in mask.parked if item[0] is not lanes]
        self.masks = [
            outer.without(self.table, lanes) if number <= level else outer
            for number, outer in enumerate(self.masks)
        ]
        return twin

    def split_off(self, lanes: Lanes) -> Group:
        """Some of the active lanes, a proper part, as a group of their own."""
        cut = self.table.cut(self.lanes, lanes)
        twin = Group(self.code, lanes, take_regs(self.regs, cut.common_rows, None), self.table)
        twin.pc = self.pc
        twin.local = self.local.take(cut.common_rows)
        twin.masks = [mask.only(self.table, lanes) for mask in self.masks]
        self.masks = [mask.without(self.table, lanes) for mask in self.masks]
        self.narrow(cut.proper()[1])
        return twin


def take_regs(regs: list[Any], rows: Vector, owner: Group | None) -> list[Any]:
    """Registers on some lanes."""
    out = list(regs)
    out[0] = owner
    for number in range(1, len(out)):
        value = out[number]
        if isinstance(value, np.ndarray):
            out[number] = squeeze(value[rows])
        elif isinstance(value, LoopState):
            out[number] = value.take(rows)
    return out


def merge(one: Group, two: Group) -> bool:
    """Make ``two`` part of ``one`` if they stand at the same place in like state."""
    if one.code is not two.code or one.pc != two.pc or one.masks or two.masks:
        return False
    if one.pc in (one.parted, two.parted):
        return False
    table = one.table
    lanes = table.of_mask(one.lanes.mask | two.lanes.mask)
    rows1, rows2 = table.rows(one.lanes, lanes), table.rows(two.lanes, lanes)
    live = one.code.live_loops(one.pc)
    regs: list[Any] = [one]
    for number in range(1, len(one.regs)):
        a, b = one.regs[number], two.regs[number]
        if isinstance(a, LoopState) or isinstance(b, LoopState) or number in live:
            if number in live and not (type(a) is int and type(b) is int and a == b):
                return False
            regs.append(a)
        elif a is None or b is None:
            regs.append(None)
        else:
            regs.append(join([(a, rows1), (b, rows2)], lanes.n))
    local = join_locals([(one.local, rows1), (two.local, rows2)], lanes.n)
    if local is None:
        return False
    one.regs, one.lanes, one.local = regs, lanes, local
    one.steps += two.steps
    two.regs = []  # the first is the group itself: without it nobody has to find the cycle
    return True
