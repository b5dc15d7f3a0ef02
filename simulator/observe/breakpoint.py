"""Stopping a run at a place in a program, with the tiles a person asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from simulator.engine.code import Code, Step
from simulator.engine.group import Group
from simulator.engine.machine import Machine
from simulator.engine.segs import NEVER, Seg
from simulator.errors import InputError
from simulator.observe.location import FORMS, Location, LocationError, listing
from simulator.observe.origins import Origins
from simulator.observe.tiles import Dump, TileView, locate, tile_of


@dataclass(frozen=True)
class BufferState:
    """A circular buffer on the core that stopped: pages readable, reserved, waited for, in all."""

    cb: int
    pages: int
    reserved: int
    waited: int
    depth: int


@dataclass(frozen=True)
class Snapshot:
    """The machine just before an op is executed.

    Attributes:
        program, thread, path, location, op: the op. step: how many ran before it.
        core: the core looked at. cores: all cores about to execute the op together.
        buffers: circular buffers of that core. tiles: what was asked for.
    """

    program: str
    thread: str
    op: str
    path: str
    location: str | None
    step: int
    core: tuple[int, int]
    cores: tuple[tuple[int, int], ...]
    buffers: tuple[BufferState, ...]
    tiles: tuple[TileView, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        out = {name: getattr(self, name) for name in self.__dataclass_fields__}
        out["core"], out["cores"] = list(self.core), [list(core) for core in self.cores]
        out["buffers"] = [asdict(buffer) for buffer in self.buffers]
        out["tiles"] = [tile.to_json() for tile in self.tiles]
        return out


class Stopped(Exception):  # noqa: N818 - the wanted end of the run, not an error
    """The run came to its breakpoint."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(f"stopped at {snapshot.program}:{snapshot.path}")
        self.snapshot = snapshot


class Breakpoint:
    """Stops the run it watches just before an op.

    The exception :class:`Stopped` leaves ``simulator.run.execute``; a run that never comes to the
    place ends as usual.
    """

    def __init__(self, location: Location, dumps: Sequence[Dump] = ()) -> None:
        """``dumps``: tiles to look at; their cores, if given, must be one and the same."""
        cores = {dump.core for dump in dumps if dump.core is not None}
        if len(cores) > 1:
            raise InputError("the dumps name several cores", location="dump",
                             next_step="ask for one core at a time")  # fmt: skip
        self.location = location
        self.dumps = tuple(dumps)
        self.core = next(iter(cores), None)
        self.seen = 0
        self._machine: Machine | None = None
        self._found = False
        self._waiting: set[int] = set()

    def wrap(self, machine: Machine, code: Code) -> list[Step]:
        """See Observer.

        Raises:
            LocationError: no program has the place, or no core of the plan is the one asked for.
        """
        if machine is not self._machine:
            self._machine, self._found, self.seen = machine, False, 0
            self._origins = Origins(machine)
            self._check(machine)
        steps = [self._origins.wrap(code, number, step) for number, step in enumerate(code.steps)]
        for number in self.location.find(code):
            self._found = True
            steps[number] = self._stopping(code, number, steps[number])
        self._complain(machine, code)
        return steps

    def ended(self, machine: Machine, seconds: float) -> None:
        """See Observer."""

    def _check(self, machine: Machine) -> None:
        if self.core is not None and self.core not in machine.cores:
            raise InputError(f"core {self.core} runs nothing of this plan", location="dump")
        for dump in self.dumps:
            if dump.cb is not None and dump.cb not in machine.cbs:
                known = ", ".join(f"cb{number}" for number in machine.cbs)
                raise InputError(f"there is no circular buffer {dump.cb}", location="dump",
                                 next_step=f"there are {known}")  # fmt: skip

    def _complain(self, machine: Machine, code: Code) -> None:
        """After the last program: refuse a place that none of them has."""
        if self._found or code.number != len(machine.plan.kernels) - 1:
            return
        wanted = self.location
        codes = {id(g.code): g.code for g in machine.groups} | {id(code): code}
        for one in codes.values():
            if wanted.program in (one.program, one.thread):
                last = listing(one)[-1]
                raise LocationError(
                    f"{one.program} has no statement {wanted.text!r}", location="break",
                    next_step=f"its statements go from 0 to {last['number']}; --break"
                    f" {one.program} lists them",
                )  # fmt: skip
        names = ", ".join(sorted({one.program for one in codes.values()}))
        raise LocationError(f"no program has the place {wanted.text!r}", location="break",
                            next_step=f"{FORMS}; the programs are {names}")  # fmt: skip

    def _stopping(self, code: Code, number: int, step: Step) -> Step:
        def stopping(group: Group) -> int:
            if self._here(group) and group.serial not in self._waiting:
                self.seen += 1
                if self.seen == self.location.hit:
                    raise Stopped(self._snapshot(code, number, group))
            following = step(group)
            # An op that waits is tried again, which is the same visit.
            if following < 0 and not group.done:
                self._waiting.add(group.serial)
            else:
                self._waiting.discard(group.serial)
            return following

        return stopping

    def _here(self, group: Group) -> bool:
        if self.core is None or self._machine is None:
            return True
        return bool(group.lanes.mask >> self._machine.cores.index(self.core) & 1)

    def _snapshot(self, code: Code, number: int, group: Group) -> Snapshot:
        machine = self._origins.machine
        place = code.places[number]
        cores = tuple(machine.cores[i] for i in group.lanes.ids.tolist())
        core = machine.cores.index(self.core or cores[0])
        buffers = []
        for cb in machine.cbs.values():
            strand = cb.strand_at(core)
            if strand is not None:
                buffers.append(BufferState(cb.number, strand.occ, strand.reserved, strand.waited,
                                           cb.depth))  # fmt: skip
        tiles = tuple(
            self._dst(dump, core) if dump.cb is None else self._page(dump, core)
            for dump in self.dumps
        )
        return Snapshot(
            code.program, code.thread, place.text, place.path, place.loc, self._origins.clock,
            machine.cores[core], cores, tuple(buffers), tiles,
        )  # fmt: skip

    def _page(self, dump: Dump, core: int) -> TileView:
        """A page counted from the oldest readable one; behind them come those not pushed yet."""
        machine = self._origins.machine
        cb = machine.cbs[dump.cb or 0]
        strand = cb.strand_at(core)
        name, spot = f"cb{cb.number}[{dump.tile}]", machine.cores[core]
        if strand is None:
            return TileView(name, spot, "no such tile now", format=cb.fmt.value)
        readable = dump.tile < strand.occ
        page = dump.tile if readable else dump.tile - strand.occ
        lane = strand.lanes.ids.tolist().index(core)
        pointer = strand.rd if readable else strand.wr
        slot = ((pointer if isinstance(pointer, int) else int(pointer[lane])) + page) % cb.depth
        found = locate(_in_order(strand.front) if readable else strand.staged, page)
        if found is None:
            return TileView(name, spot, "no such tile now", format=cb.fmt.value)
        seg, at = found
        values, valid = tile_of(seg, lane, at)
        return TileView(
            name, spot, "readable" if readable else "written, not pushed", slot,
            cb.base + slot * cb.page_bytes, cb.fmt.value, valid,
            not readable and seg.epoch != NEVER,
            values if machine.arithmetic else None,
            self._origins.pages.get((cb.number, core, slot)),
        )  # fmt: skip

    def _dst(self, dump: Dump, core: int) -> TileView:
        """A tile of the section math holds, else of the packer's, else of the oldest committed."""
        machine, origins = self._origins.machine, self._origins
        name, spot = f"dst[{dump.tile}]", machine.cores[core]
        for group in machine.groups:
            if group.code.thread != "compute" or not group.lanes.mask >> core & 1:
                continue
            local, key = group.local, (group.code.key, core)
            queued = origins.queue.get(key) or [{}]
            for state, section, known in (
                ("held by math", local.math, origins.math.get(key, {})),
                ("held by the packer", local.packing, origins.packing.get(key, {})),
                ("committed", local.queue[0] if local.queue else None, queued[0]),
            ):
                if section is None:
                    continue
                found = locate(section.segs, dump.tile)
                if found is None:
                    return TileView(name, spot, f"{state}; nothing was written to it")
                values, valid = tile_of(found[0], group.lanes.ids.tolist().index(core), found[1])
                return TileView(name, spot, state, valid=valid,
                                values=values if machine.arithmetic else None,
                                origin=known.get(dump.tile))  # fmt: skip
        return TileView(name, spot, "no such tile now")


def _in_order(segs: Sequence[Seg]) -> list[tuple[int, Seg]]:
    out, at = [], 0
    for seg in segs:
        out.append((at, seg))
        at += seg.pages
    return out


class Listed(Exception):  # noqa: N818 - the wanted end, not an error
    """The statements of a program were asked for, and here they are."""

    def __init__(self, program: str, rows: list[dict[str, Any]]) -> None:
        super().__init__(program)
        self.program = program
        self.rows = rows


class Lister:
    """Raises :class:`Listed` for the program (or thread) of a name before anything runs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._seen: list[str] = []

    def wrap(self, machine: Machine, code: Code) -> list[Step]:
        """See Observer.

        Raises:
            Listed: this is the program.
            LocationError: it is none of the plan's.
        """
        if self.name in (code.program, code.thread):
            raise Listed(code.program, listing(code))
        self._seen.append(code.program)
        if code.number == len(machine.plan.kernels) - 1:
            names = ", ".join(dict.fromkeys(self._seen))
            raise LocationError(f"there is no program {self.name!r}", location="break",
                                next_step=f"there are {names}")  # fmt: skip
        return code.steps

    def ended(self, machine: Machine, seconds: float) -> None:
        """See Observer."""
