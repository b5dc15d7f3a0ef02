"""SrcA and SrcB: where the unpacker leaves tiles for math, when the two have a cursor each.

Each register has two banks of one tile (isa-doc SrcASrcB.md), so the unpacker gets two tile ops
ahead of math and no further. A circular buffer that is unpacked to DST passes them by: the unpacker
waits until math has come to the op and holds DST.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from simulator.engine.clocks import MATH, UNPACK, Event
from simulator.engine.code import BLOCKED, OpContext, Step, uniform
from simulator.engine.flows import FROM_UNPACK
from simulator.engine.segs import Seg
from simulator.isa import OPS

if TYPE_CHECKING:
    from simulator.engine.group import Group
    from simulator.engine.lanes import Lanes
    from simulator.formats.dataformat import DataFormat

BANKS: Final = 2
"""Banks of SrcA and of SrcB; every op fills one of each."""


class Tiles(Protocol):
    """Where a tile op finds an operand: a circular buffer, or what was unpacked from it."""

    number: int
    fmt: DataFormat
    tile: tuple[int, int]
    unpack_to_dest: bool

    def select(self, lanes: Lanes, start: int, n1: int, s1: int, n2: int, s2: int) -> Seg:
        """Readable pages ``start + s1*i + s2*j`` as one segment with tile axes (n1, n2)."""

    def run(self, lanes: Lanes, start: int, pages: int) -> Seg:
        """Readable pages from ``start`` in order."""


class Src:
    """The banks of one core.

    Attributes:
        filled: tiles of ops that were unpacked and not computed, oldest first.
        wanted: math has come to an op nothing was unpacked for.
    """

    __slots__ = ("filled", "wanted")

    def __init__(self) -> None:
        self.filled: list[tuple[list[Seg], Event | None]] = []
        self.wanted = False


class Port:
    """One operand of the op math executes: the tile the unpacker fetched."""

    def __init__(self, cb: Tiles) -> None:
        self.number, self.fmt, self.tile = cb.number, cb.fmt, cb.tile
        self.unpack_to_dest = cb.unpack_to_dest
        self.held: Seg | None = None

    def select(self, lanes: Lanes, start: int, n1: int, s1: int, n2: int, s2: int) -> Seg:
        """See Tiles; which tile it is, the unpacker has decided."""
        del start, s1, s2
        return self.run(lanes, 0, n1 * n2)

    def run(self, lanes: Lanes, start: int, pages: int) -> Seg:
        """See Tiles."""
        del lanes, start
        if self.held is None or pages != 1:
            raise AssertionError("math takes one tile per op, after the unpacker")
        return self.held


def tiles_of(c: OpContext, operand: int) -> Tiles:
    """Where an unpack-and-math op takes the tiles of a circular buffer operand from."""
    cb = c.cb(operand)
    if c.code.cursor != "math":
        return cb
    port = Port(cb)
    c.ports.append(port)
    return port


def unpacking(c: OpContext) -> Step:
    """The unpacker's part of a tile op: fetch the operands into free banks."""
    spec, following, machine = OPS[c.op.name], c.next, c.machine
    cbs = [c.cb(k) for k, item in enumerate(spec.operands) if item.kind == "cb"]
    indices = [c.scalar(k) for k, item in enumerate(spec.operands) if item.kind == "expr"]
    direct = any(cb.unpack_to_dest for cb in cbs)

    def step(group: Group) -> int:
        src: Src = group.local.src
        if not src.wanted if direct else len(src.filled) >= BANKS:
            return BLOCKED
        held = []
        for cb, index in zip(cbs, indices, strict=True):
            held.append(cb.select(group.lanes, uniform(group, index(group.regs)), 1, 0, 1, 0))
        order = machine.order
        event = None
        if order is not None and FROM_UNPACK in order.taught:
            event = order.clocks.release(UNPACK, group.lanes)
        src.filled.append((held, event))
        src.wanted = False
        return following

    return step


def computing(c: OpContext, compute: Step) -> Step:
    """Math's part of a tile op: ``compute``, once its operands are there."""
    machine, ports = c.machine, c.ports

    def step(group: Group) -> int:
        src: Src = group.local.src
        if not src.filled:
            src.wanted = True
            return BLOCKED
        held, event = src.filled.pop(0)
        if event is not None and machine.order is not None:
            machine.order.clocks.join(MATH, group.lanes, event)
        for port, seg in zip(ports, held, strict=True):
            port.held = seg
        return compute(group)

    return step
