"""Races: accesses to memory that nothing orders, found with vector clocks where they can occur.

Pages inside checked windows of circular buffers need no clock: push -> wait and pop -> reserve
order them. What remains is known when the programs are loaded: tensors that are written and touched
in any other way, and circular buffers that take part in transfers between cores. For a plan without
such ranges there is no :class:`Order` at all.

Edges: push -> wait, pop -> reserve (of the very pages), unpack -> math (a tile op), commit ->
tile_regs_wait, semaphore set and inc -> wait. A transfer is complete at its thread's next barrier;
multicast data is also there when a semaphore multicast after it is.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from simulator.engine.clocks import AGENT, AGENTS, PACK, UNPACK, Clocks, Event
from simulator.engine.flows import Handed
from simulator.engine.group import Group
from simulator.engine.lanes import Lanes, Vector
from simulator.engine.records import Access, Actor, Clash, Records
from simulator.engine.releases import Queue
from simulator.engine.told import Told
from simulator.engine.transfers import FILLED, READ, SENT, WRITE, Transfer, Transfers
from simulator.engine.violation import Violation
from simulator.engine.words import Word

if TYPE_CHECKING:
    from simulator.engine.cb import CircularBuffer
    from simulator.engine.machine import Machine
    from simulator.memory.dram import Tensor

KEPT: Final = 1024
"""Patterns of cores remembered."""
SECTIONS: Final = 4
"""More than there are sections of DST: commits not waited for never wrap."""


class Order:
    """The clocks of a machine and the records of what they must order.

    Attributes:
        news: bits of the cores whose unpacker has learned of others since its last tile op.
        taught: edges that teach somebody something; no clock has to follow the others.
        writer: (group, place, agent) of the op being executed, while it may write to L1 itself.
    """

    def __init__(self, machine: Machine, tensors: list[Tensor], far: list[CircularBuffer]) -> None:
        self.machine = machine
        cores = len(machine.cores)
        wide = bool(machine.semaphores.values)
        self.clocks = Clocks(cores, machine.table, self._acting(tensors, far), wide=wide)
        self.pushed = {n: Queue(self.clocks, cb.depth) for n, cb in machine.cbs.items()}
        self.popped = {n: Queue(self.clocks, cb.depth) for n, cb in machine.cbs.items()}
        self.tensors = {t.name: Records(self.clocks, len(t.owner)) for t in tensors}  # type: ignore[arg-type]
        self.buffers = {cb.number: Records(self.clocks, _units(cb) * cores) for cb in far}
        self.flags: dict[int, Queue] = {}
        self.words: dict[int, Word] = {}
        for number in machine.semaphores.values:
            self.flags[number] = Queue(self.clocks, 1)
            self.words[number] = Word(self.clocks)
        self.sections = Queue(self.clocks, SECTIONS), np.zeros((2, cores), np.int64)
        self.transfers = Transfers()
        self.news = 0
        self.taught: set[Handed] = set()
        self.writer: tuple[Group, int, int] | None = None
        self._places: list[tuple[str, str, str]] = []
        self._numbers: dict[tuple[str, int], int] = {}
        self._actors: dict[tuple[str, int, int, Lanes], Actor] = {}
        self._told = lru_cache(KEPT)(partial(Told.of, machine.table))

    def _acting(self, tensors: list[Tensor], far: list[CircularBuffer]) -> tuple[int, ...]:
        """Agents that touch what is watched."""
        threads = {thread for t in tensors for _, thread in self.machine.accesses[t.name]}
        threads |= self.machine.senders
        acting = {AGENT[thread] for thread in threads}
        acting |= {self.end_of(cb.producer, producer=True) for cb in far}
        return tuple(sorted(acting))

    # --- who and where ---------------------------------------------------------------------

    def actor(self, group: Group, at: int, agent: int | None = None) -> Actor:
        """The group at op ``at``; by default as the RISC its program runs on."""
        code = group.code
        if agent is None:
            agent = AGENT[code.thread]
        key = code.key, at, agent, group.lanes
        found = self._actors.get(key)
        if found is None:
            place = self._place(group, at)
            found = self._actors[key] = Actor(self.clocks, agent, group.lanes.ids, place)
        return found

    def _place(self, group: Group, at: int) -> int:
        code = group.code
        key = (code.key, at)
        place = self._numbers.get(key)
        if place is None:
            spot = code.places[at]
            place = self._numbers[key] = len(self._places)
            self._places.append((code.program, spot.text, spot.loc or spot.path))
        return place

    def _side(self, access: Access, verbs: tuple[str, str]) -> str:
        program, text, where = self._places[access.place]
        kind = verbs[access.write]
        return (
            f"{kind} by {text} of {program} ({AGENTS[access.agent]}) on core"
            f" {self.machine.cores[access.core]} at {where}"
        )

    def violation(
        self, clash: Clash, actor: Actor, what: str, *, write: bool, code: str = "Race",
        verbs: tuple[str, str] = ("read", "written"),
    ) -> Violation:  # fmt: skip
        """The finding: both sides, with their places."""
        me = int(actor.cores[clash.row])
        here = self._side(Access(me, actor.agent, actor.place, write), verbs)
        there = self._side(clash.other, verbs)
        text = f"{what} is {here} and was {there}; nothing orders the two"
        if clash.other.core != me:
            text += " cores"
        return Violation(code, text, actor.cores[clash.rows])

    # --- tensors ---------------------------------------------------------------------------

    def read_page(self, tensor: Tensor, group: Group, ids: Any, at: int) -> None:
        """Units (lanes, n) are read."""
        records = self.tensors.get(tensor.name)
        if records is None:
            return
        actor = self.actor(group, at)
        clash = records.read(actor, ids)
        if clash:
            raise self.violation(clash, actor, tensor.named(clash.page), write=False)
        self.transfers.add(Transfer(READ, records, actor, ids, group.lanes))

    def write_page(self, tensor: Tensor, group: Group, ids: Any, at: int) -> bool:
        """Units (lanes, n) are written; whether this is for the clocks to judge."""
        records = self.tensors.get(tensor.name)
        if records is None:
            return False
        actor = self.actor(group, at)
        clash = records.write(actor, ids)
        if clash:
            twice = clash.other.write and clash.other.core != int(actor.cores[clash.row])
            raise self.violation(clash, actor, tensor.named(clash.page), write=True,
                                 code="DoubleWrite" if twice else "Race")  # fmt: skip
        lost = records.writes.lost(actor, ids)
        if lost is not None:
            raise Violation("DoubleWrite", f"a page of tensor {tensor.name} is written by two"
                            " cores in one step", actor.cores[lost.any(axis=1)])  # fmt: skip
        self.transfers.add(Transfer(WRITE, records, actor, ids, group.lanes))
        return True

    # --- L1 of other cores -----------------------------------------------------------------

    def _what(self, cb: CircularBuffer, unit: int) -> str:
        core, at = divmod(unit, _units(cb))
        slot, byte = divmod(at * cb.grain, cb.page_bytes)
        where = f"slot {slot} of circular buffer {cb.number} of core {self.machine.cores[core]}"
        return where if cb.grain == cb.page_bytes else f"byte {byte} of {where}"

    def _span(self, cb: CircularBuffer, cores: Vector, first: Any, size: int) -> Any:
        """Units (cores, n) of ``size`` bytes from byte ``first`` of a circular buffer on."""
        grain, whole = cb.grain, _units(cb)
        if type(first) is int:
            return _units_from(cores.tobytes(), whole, first // grain, size // grain)
        at = first[:, None] // grain + np.arange(size // grain)
        return cores[:, None] * whole + at % whole

    def _slots(self, cb: CircularBuffer, cores: Vector, first: Any, count: int) -> Any:
        """Units of ``count`` slots."""
        return self._span(cb, cores, first * cb.page_bytes, count * cb.page_bytes)

    def sent(self, cb: CircularBuffer, group: Group, first: Any, size: int, at: int) -> None:
        """Bytes of the own window are read by a NoC write."""
        records, actor = self.buffers[cb.number], self.actor(group, at)
        ids = self._span(cb, group.lanes.ids, first, size)
        clash = records.read(actor, ids)
        if clash:
            raise self.violation(clash, actor, self._what(cb, clash.page), write=False)
        self.transfers.add(Transfer(SENT, records, actor, ids, group.lanes))

    def delivered(
        self, cb: CircularBuffer, group: Group, pairs: tuple[Vector, Vector], first: int,
        size: int, at: int, *, multicast: bool,
    ) -> None:  # fmt: skip
        """Bytes of receiving cores are written; ``pairs`` are rows of senders and receivers."""
        rows, cores = pairs
        if not len(cores):
            return
        records, actor = self.buffers[cb.number], self.actor(group, at)
        actor = actor.of(rows.tobytes())
        ids = self._span(cb, cores, first, size)
        clash = records.write(actor, ids, own=True)
        if clash:
            raise self.violation(clash, actor, self._what(cb, clash.page), write=True)
        to = cores if multicast else None
        self.transfers.add(Transfer(WRITE, records, actor, ids, group.lanes, to))

    def fetched(
        self, cb: CircularBuffer, group: Group, cores: Vector, first: int, size: int, at: int
    ) -> None:
        """Bytes of other cores are read."""
        records, actor = self.buffers[cb.number], self.actor(group, at)
        ids = self._span(cb, cores, first, size)
        clash = records.read(actor, ids)
        if clash:
            raise self.violation(clash, actor, self._what(cb, clash.page), write=False)
        self.transfers.add(Transfer(READ, records, actor, ids, group.lanes))

    def filled(self, cb: CircularBuffer, group: Group, first: Any, size: int, at: int) -> None:
        """Bytes of the own window are written by a NoC read under way."""
        records = self.buffers.get(cb.number)
        if records is None:
            return
        ids = self._span(cb, group.lanes.ids, first, size)
        actor = self.actor(group, at)
        clash = records.write(actor, ids)
        if clash:
            raise self.violation(clash, actor, self._what(cb, clash.page), write=True)
        self.transfers.add(Transfer(FILLED, records, actor, ids, group.lanes))

    def reserved(
        self, cb: CircularBuffer, group: Group, agent: int, first: Any, count: int, at: int
    ) -> None:
        """Slots came into the producer's hand: nobody else may be writing there."""
        records, actor = self.buffers[cb.number], self.actor(group, at, agent)
        ids = self._slots(cb, group.lanes.ids, first, count)
        clash = records.after_writes(actor, ids)
        if clash:
            raise self.violation(clash, actor, self._what(cb, clash.page), write=True)
        records.writes.put(actor, ids, self.clocks.time[agent][actor.me])

    def overwritten(self, cb: CircularBuffer, lanes: Lanes, start: int, pages: int) -> None:
        """The op at :attr:`writer` writes pages of the own window: others must have read them."""
        if self.writer is None:
            return  # a NoC read, see :meth:`filled`
        group, at, agent = self.writer
        ids = self._slots(cb, lanes.ids, cb.phase(lanes, write=True) + start, pages)
        actor = self.actor(group, at, agent)
        clash = self.buffers[cb.number].after_reads(actor, ids)
        if clash:
            raise self.violation(clash, actor, self._what(cb, clash.page), write=True)

    def pushed_pages(
        self, cb: CircularBuffer, group: Group, agent: int, first: Any, count: int, at: int
    ) -> None:
        """Slots are handed over: what was written into them must have come."""
        records = self.buffers.get(cb.number)
        if records is None or not count:
            return
        actor = self.actor(group, at, agent)
        ids = self._slots(cb, group.lanes.ids, first, count)
        clash = records.after_writes(actor, ids)
        if clash:
            raise self.violation(clash, actor, self._what(cb, clash.page), write=False)
        if cb.fetched:
            records.writes.put(actor, ids, self.clocks.time[agent][actor.me])

    # --- edges -----------------------------------------------------------------------------

    def barrier(self, group: Group, kinds: tuple[int, ...]) -> None:
        """Transfers of these kinds are complete on the group's cores."""
        agent = AGENT[group.code.thread]
        self.transfers.complete(agent, group.lanes, kinds, self.clocks.time[agent])

    def _told_by(self, actor: Actor, rows: bytes, cores: Vector) -> tuple[Told, Actor]:
        """Whom the rows' signals to these cores reach, and who signals to each."""
        return self._told(rows, cores.tobytes()), actor.of(rows)

    def _changed(self, number: int, clash: Clash | None, actor: Actor, *, replaces: bool) -> None:
        """Raise the clash of a semaphore's change with another."""
        if clash:
            what = f"semaphore {number} of core {self.machine.cores[clash.page]}"
            raise self.violation(clash, actor, what, write=replaces, verbs=("changed", "set"))

    def signal(self, number: int, group: Group, rows: Vector, cores: Vector, at: int) -> None:
        """Cores' semaphore is incremented: whoever waits for it is after the senders."""
        if not len(cores):
            return
        told, actor = self._told_by(self.actor(group, at), rows.tobytes(), cores)
        time = self.clocks.time[actor.agent][actor.me]
        clash = self.words[number].increment(actor, told.lanes, cores[:, None], time)
        self._changed(number, clash, actor, replaces=False)
        event = self.clocks.release(actor.agent, group.lanes)
        self.flags[number].add(told.lanes, told.all(event.known))

    def reset(self, number: int, group: Group, at: int) -> None:
        """The group sets its own cores' semaphore: what it told before is gone."""
        actor, lanes, flags = self.actor(group, at), group.lanes, self.flags[number]
        time = self.clocks.time[actor.agent][actor.me]
        clash = self.words[number].set(actor, lanes, actor.me, time, home=True)
        self._changed(number, clash, actor, replaces=True)
        if self.machine.waiters[number] <= {group.code.thread}:
            flags.forget(lanes)  # it tells nobody but itself
        else:
            flags.put(lanes, 0, 1, self.clocks.release(actor.agent, lanes))

    def spread(self, number: int, group: Group, rows: Vector, cores: Vector, at: int) -> None:
        """Cores' semaphore is set by multicast: what it told before is gone."""
        if not len(cores):
            return
        told, actor = self._told_by(self.actor(group, at), rows.tobytes(), cores)
        agent, time = actor.agent, self.clocks.time[actor.agent]
        ids, word = cores[:, None], self.words[number]
        clash = word.set(actor, told.lanes, ids, time[actor.me], home=False)
        self._changed(number, clash, actor, replaces=True)
        self.transfers.overtaken(agent, group.lanes, cores, time)
        event = self.clocks.release(agent, group.lanes)
        self.flags[number].put(told.lanes, 0, 1, Event(told.lanes, told.last(event.known)))

    def signalled(self, number: int, group: Group) -> None:
        """The group has waited for its semaphore."""
        agent = AGENT[group.code.thread]
        self.flags[number].join(agent, group.lanes, 0)

    def end_of(self, thread: str, *, producer: bool) -> int:
        """The agent that acts as an end of a circular buffer."""
        if thread == "compute":
            return PACK if producer else UNPACK
        return AGENT[thread]


@lru_cache(KEPT)
def _units_from(cores: bytes, whole: int, first: int, count: int) -> Any:
    """Units (cores, count) from ``first`` on, of ``whole`` ones that each core has in a circle."""
    at = (first + np.arange(count)) % whole
    return np.frombuffer(cores, np.int64)[:, None] * whole + at


def _units(cb: CircularBuffer) -> int:
    """Pieces of a circular buffer on one core whose accesses are told apart."""
    return cb.depth * cb.page_bytes // cb.grain
