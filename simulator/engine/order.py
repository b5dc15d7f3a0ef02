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

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from simulator.engine.actors import Actor, Clash, Stamp
from simulator.engine.clocks import (
    AGENT,
    COMING,
    GOING,
    MATH,
    PACK,
    UNPACK,
    Clocks,
    Event,
)
from simulator.engine.flows import Roles
from simulator.engine.judge import Judge
from simulator.engine.lanes import Vector
from simulator.engine.ledger import Ledger
from simulator.engine.records import Records, Touch
from simulator.engine.releases import Queue
from simulator.engine.sides import Sides
from simulator.engine.speaker import Speaker
from simulator.engine.told import Told
from simulator.engine.transfers import (
    FILLED,
    READ,
    SENT,
    UNDER_WAY,
    WRITE,
    Transfer,
    Transfers,
)
from simulator.engine.values import squeeze
from simulator.engine.violation import Violation
from simulator.engine.zeroed import zeroed

if TYPE_CHECKING:
    from simulator.engine.cb import CircularBuffer
    from simulator.engine.machine import Machine
    from simulator.engine.rings import Turns
    from simulator.engine.standing import Standing
    from simulator.engine.values import Value
    from simulator.memory.dram import Tensor

KEPT: Final = 1024
"""Patterns of cores remembered."""
SECTIONS: Final = 4
"""More than there are sections of DST: commits not waited for never wrap."""


class Order:
    """The clocks of a machine and the records of what they must order.

    Attributes:
        news: bits of the cores whose unpacker has learned of others since its last tile op.
    """

    def __init__(
        self, machine: Machine, tensors: list[Tensor], far: list[CircularBuffer], roles: Roles
    ) -> None:
        self.machine = machine
        cores = len(machine.cores)
        wide = bool(machine.semaphores.values)
        self.roles = roles
        self.clocks = Clocks(
            cores, machine.table, tuple(sorted(roles.acting)), tuple(sorted(roles.alone)), wide=wide
        )
        self.pushed = {n: Queue(self.clocks, cb.depth) for n, cb in machine.cbs.items()}
        self.popped = {n: Queue(self.clocks, cb.depth) for n, cb in machine.cbs.items()}
        self.tensors = {t.name: Records(self.clocks, len(t.owner)) for t in tensors}  # type: ignore[arg-type]
        judge = self.judge = Judge(self.clocks)
        self.buffers = {cb.number: Ledger(judge, _units(cb), cb.grain) for cb in far}
        self.flags: dict[int, Queue] = {}
        self.words: dict[int, Ledger] = {}
        for number in machine.semaphores.values:
            self.flags[number] = Queue(self.clocks, 1)
            self.words[number] = Ledger(judge, 1, 1)
        self.sections = Queue(self.clocks, SECTIONS), np.zeros((2, cores), np.int64)
        self.transfers = Transfers()
        self.news = 0
        self.sides = Sides(machine, self.clocks)
        self._tellings: dict[tuple[Actor, bytes, bytes], tuple[Told, Actor]] = {}

    # --- tensors ---------------------------------------------------------------------------

    def read_page(self, group: Speaker, tensor: Tensor, ids: Any, at: int) -> None:
        """Units (lanes, n) are read."""
        records = self.tensors.get(tensor.name)
        if records is None:
            return
        actor = self.sides.actor(group, at)
        try:
            records.read(actor, ids, COMING)
        except Clash as clash:
            raise self.sides.violation(
                clash, actor, tensor.named(clash.page), write=False
            ) from None
        self._begun(READ, Touch(records, actor, ids, write=False), group)

    def write_page(self, group: Speaker, tensor: Tensor, ids: Any, at: int) -> bool:
        """Units (lanes, n) are written; whether this is for the clocks to judge."""
        records = self.tensors.get(tensor.name)
        if records is None:
            return False
        actor = self.sides.actor(group, at)
        try:
            records.write(actor, ids, GOING)
        except Clash as clash:
            twice = clash.other.write and clash.other.core != int(actor.cores[clash.row])
            raise self.sides.violation(clash, actor, tensor.named(clash.page), write=True,
                                 code="DoubleWrite" if twice else "Race") from None  # fmt: skip
        lost = records.writes.lost(actor, ids)
        if lost is not None:
            raise Violation("DoubleWrite", f"a page of tensor {tensor.name} is written by two"
                            " cores in one step", actor.cores[lost.any(axis=1)])  # fmt: skip
        self._begun(WRITE, Touch(records, actor, ids, write=True), group)
        return True

    def _begun(
        self, kind: int, access: Touch | Stamp, group: Speaker, receivers: Vector | None = None
    ) -> None:
        agent = access.actor.agent
        self.transfers.open[agent].append(Transfer(kind, agent, access, group.lanes, receivers))

    # --- L1 of other cores -----------------------------------------------------------------

    def _what(self, cb: CircularBuffer, unit: int) -> str:
        core, at = divmod(unit, _units(cb))
        slot, byte = divmod(at * cb.grain, cb.page_bytes)
        where = f"slot {slot} of circular buffer {cb.number} of core {self.machine.cores[core]}"
        return where if cb.grain == cb.page_bytes else f"byte {byte} of {where}"

    def _there(
        self, cb: CircularBuffer, clash: Clash, actor: Actor, *, write: bool = True
    ) -> Violation:
        return self.sides.violation(clash, actor, self._what(cb, clash.page), write=write)

    def sent(self, group: Speaker, first: Any, cb: CircularBuffer, size: int, at: int) -> None:
        """Bytes of the own window are read by a NoC write."""
        self._read(cb, group, self.sides.actor(group, at), first, size, SENT)

    def _read(
        self, cb: CircularBuffer, group: Speaker, actor: Actor, first: Any, size: int, kind: int
    ) -> None:
        ledger = self.buffers[cb.number]
        try:
            stamp = ledger.read(actor, ledger.at(actor.reach, first, size), UNDER_WAY[kind])
        except Clash as clash:
            raise self._there(cb, clash, actor, write=False) from None
        self._begun(kind, stamp, group)

    def delivered(
        self, group: Speaker, first: int, cb: CircularBuffer, pairs: tuple[Vector, Vector],
        size: int, at: int, multicast: bool,
    ) -> None:  # fmt: skip
        """Bytes of receiving cores are written; ``pairs`` are rows of senders and receivers."""
        rows, cores = pairs
        if not len(cores):
            return
        ledger = self.buffers[cb.number]
        actor = self.sides.actor(group, at).of(rows.tobytes(), cores.tobytes())
        try:
            stamp = ledger.write(actor, ledger.at(actor.reach, first, size), GOING, (GOING,))
        except Clash as clash:
            raise self._there(cb, clash, actor) from None
        self._begun(WRITE, stamp, group, cores if multicast else None)

    def fetched(
        self, group: Speaker, first: int, cb: CircularBuffer, cores: Vector, size: int, at: int
    ) -> None:
        """Bytes of other cores are read."""
        rows = np.arange(len(cores)).tobytes()
        actor = self.sides.actor(group, at).of(rows, cores.tobytes())
        self._read(cb, group, actor, first, size, READ)

    def filled(self, group: Speaker, first: Any, cb: CircularBuffer, size: int, at: int) -> None:
        """Bytes of the own window are written by a NoC read under way."""
        ledger = self.buffers.get(cb.number)
        if ledger is None:
            return
        actor = self.sides.actor(group, at)
        try:
            stamp = ledger.write(actor, ledger.at(actor.reach, first, size), COMING)
        except Clash as clash:
            raise self._there(cb, clash, actor) from None
        self._begun(FILLED, stamp, group)

    def stored(self, group: Speaker, first: Any, cb: CircularBuffer, size: int, at: int) -> None:
        """The RISC itself writes bytes of the own window: no transfer may touch them."""
        ledger = self.buffers.get(cb.number)
        if ledger is not None:
            actor = self.sides.actor(group, at)
            self._stored(cb, ledger, actor, ledger.at(actor.reach, first, size))

    def _stored(self, cb: CircularBuffer, ledger: Ledger, actor: Actor, spots: Any) -> None:
        try:
            ledger.write(actor, spots, self.clocks.time[actor.agent].take(actor.cores))
        except Clash as clash:
            raise self._there(cb, clash, actor) from None

    def reserved(
        self, group: Speaker, first: Any, cb: CircularBuffer, agent: int, count: int, at: int
    ) -> None:
        """Slots came into the producer's hand: nobody else may be writing there."""
        ledger, actor = self.buffers[cb.number], self.sides.actor(group, at, agent)
        spots = ledger.at(actor.reach, first * cb.page_bytes, count * cb.page_bytes)
        try:
            ledger.take(actor, spots, self.clocks.time[agent].take(actor.cores))
        except Clash as clash:
            raise self._there(cb, clash, actor) from None

    def overwritten(
        self, group: Speaker, first: Any, cb: CircularBuffer, agent: int, pages: int, at: int,
        kept: tuple[Value, Value] | None,
    ) -> None:  # fmt: skip
        """Pages of the own window, or all but the ``kept`` rows and columns of one, are written.

        No transfer may touch them.
        """
        actor, ledger = self.sides.actor(group, at, agent), self.buffers[cb.number]
        if kept is None:
            spots = ledger.at(actor.reach, first, pages * cb.page_bytes)
        else:
            spots = zeroed(cb, ledger, actor.reach, first, *kept)
        self._stored(cb, ledger, actor, spots)

    def handed(
        self, group: Speaker, first: Any, cb: CircularBuffer, agent: int, count: int, at: int
    ) -> None:
        """Slots are handed over: what was written into them must have come."""
        ledger = self.buffers.get(cb.number)
        if ledger is None or not count:
            return
        actor = self.sides.actor(group, at, agent)
        spots = ledger.at(actor.reach, first * cb.page_bytes, count * cb.page_bytes)
        try:
            ledger.judge(actor, spots, (COMING,))
        except Clash as clash:
            raise self._there(cb, clash, actor, write=False) from None

    # --- edges -----------------------------------------------------------------------------

    def told(self, group: Speaker, slot: Value, agent: int, queue: Queue, count: int) -> None:
        """The agent hands on slots of a queue: whoever takes them is after what it did."""
        queue.put(group.lanes, slot, count, self.clocks.release(agent, group.lanes))

    def heard(self, group: Speaker, slot: Value, agent: int, queue: Queue) -> None:
        """The agent takes slots, up to this one."""
        queue.join(agent, group.lanes, slot)
        if agent == UNPACK:
            self.news |= group.lanes.mask

    def computed(self, group: Speaker) -> None:
        """A tile op: math is after the unpacker."""
        lanes = group.lanes
        if self.news & lanes.mask:
            self.clocks.join(MATH, lanes, self.clocks.release(UNPACK, lanes))
            self.news &= ~lanes.mask

    def section(self, group: Speaker, end: int) -> None:
        """Math commits (end 0) or pack has waited for (end 1) a section of DST."""
        queue, count = self.sections
        ids = group.lanes.ids
        slot = squeeze(count[end][ids] % SECTIONS)
        if end:
            queue.join(PACK, group.lanes, slot)
        else:
            queue.put(group.lanes, slot, 1, self.clocks.release(MATH, group.lanes))
        count[end][ids] += 1

    def barrier(self, group: Speaker, kinds: tuple[int, ...]) -> None:
        """Transfers of these kinds are complete on the group's cores."""
        agent = AGENT[group.code.thread]
        self.transfers.complete(agent, group.lanes, kinds, self.clocks.time[agent])

    def _changed(self, number: int, clash: Clash, actor: Actor, *, replaces: bool) -> Violation:
        """A semaphore's change clashes with another."""
        what = f"semaphore {number} of core {self.machine.cores[clash.page]}"
        return self.sides.violation(clash, actor, what, write=replaces, verbs=("changed", "set"))

    def _telling(self, group: Speaker, rows: bytes, cores: bytes, at: int) -> tuple[Told, Actor]:
        """Whom rows of the group signal to, and as whom."""
        key = self.sides.actor(group, at), rows, cores
        found = self._tellings.get(key)
        if found is None:
            told = Told.of(self.machine.table, group.lanes, rows, cores)
            found = told, key[0].of(rows, cores)
            if len(self._tellings) < KEPT:
                self._tellings[key] = found
        return found

    def signal(self, group: Speaker, number: int, rows: Vector, cores: Vector, at: int) -> None:
        """Cores' semaphore is incremented: whoever waits for it is after the senders."""
        if not len(cores):
            return
        told, actor = self._telling(group, rows.tobytes(), cores.tobytes(), at)
        word = self.words[number]
        time = self.clocks.time[actor.agent]
        try:
            stamp = word.read(actor, word.at(actor.reach, 0, 1), time.take(actor.cores))
        except Clash as clash:
            raise self._changed(number, clash, actor, replaces=False) from None
        known = told.together(self.clocks.knowledge(actor.agent, told.senders))
        self.clocks.advance(actor.agent, group.lanes)
        self.flags[number].add(told.lanes, known, stamp)

    def reset(self, group: Speaker, number: int, at: int) -> None:
        """The group sets its own cores' semaphore: what it told before is gone."""
        actor, lanes, flags = self.sides.actor(group, at), group.lanes, self.flags[number]
        word = self.words[number]
        time = self.clocks.time[actor.agent]
        try:
            stamp = word.write(actor, word.at(actor.reach, 0, 1), time.take(actor.cores))
        except Clash as clash:
            raise self._changed(number, clash, actor, replaces=True) from None
        if self.machine.waiters[number] <= {group.code.thread}:
            flags.forget(lanes)  # it tells nobody but itself
        else:
            flags.put(lanes, 0, 1, self.clocks.release(actor.agent, lanes, (stamp,)))

    def spread(self, group: Speaker, number: int, rows: Vector, cores: Vector, at: int) -> None:
        """Cores' semaphore is set by multicast: what it told before is gone."""
        if not len(cores):
            return
        told, actor = self._telling(group, rows.tobytes(), cores.tobytes(), at)
        last = self.sides.actor(group, at).of(told.ends.tobytes(), told.lanes.ids.tobytes())
        word = self.words[number]
        spots = word.at(actor.reach, 0, 1)
        agent, time = actor.agent, self.clocks.time[actor.agent]
        try:
            word.judge(actor, spots)
            word.judge_reads(actor, spots)
        except Clash as clash:
            raise self._changed(number, clash, actor, replaces=True) from None
        stamp = word.put(last, spots, time.take(last.cores), ends=True)
        come = self.transfers.overtaken(agent, group.lanes, cores, time)
        covers = (
            stamp,
            *(
                access
                for access in come
                if isinstance(access, Stamp)
                and self.judge.replaces(
                    last.reach, access.actor.reach
                )  # no sender is another core's
            ),
        )
        known = self.clocks.knowledge(agent, told.last)
        self.clocks.advance(agent, group.lanes)
        self.flags[number].put(told.lanes, 0, 1, Event(told.lanes, known, covers))

    def signalled(self, group: Speaker, number: int) -> None:
        """The group has waited for its semaphore."""
        agent = AGENT[group.code.thread]
        self.flags[number].join(agent, group.lanes, 0)

    def describe(self, standing: Standing, fronts: Turns) -> None:
        """What verdicts depend on, for a Standing: pages of circular buffers from fronts on."""
        sections, counts = self.sections
        for queues in (self.pushed, self.popped):
            for number, queue in queues.items():
                queue.describe(standing, fronts.get(number, 0))
        for queue in (*self.flags.values(), sections):
            queue.describe(standing)
        for number, ledger in self.buffers.items():
            cb = self.machine.cbs[number]
            ledger.describe(standing, fronts.get(number, 0) * cb.page_bytes // cb.grain)
        for ledger in self.words.values():
            ledger.describe(standing)
        self.transfers.describe(standing, self.roles.alone)
        standing.tell((self.news, (counts % SECTIONS).tobytes()))


def end_of(thread: str, *, producer: bool) -> int:
    """The agent that acts as an end of a circular buffer."""
    if thread == "compute":
        return PACK if producer else UNPACK
    return AGENT[thread]


def _units(cb: CircularBuffer) -> int:
    """Pieces of a circular buffer on one core whose accesses are told apart."""
    return cb.depth * cb.page_bytes // cb.grain
