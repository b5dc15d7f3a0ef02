"""Hooks of :class:`~simulator.engine.order.Order` around the ops that synchronise.

They are put around a program's steps after loading, and only if there is something to order. Edges
within a core that teach nobody anything have none, see :mod:`~simulator.engine.flows`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from simulator.engine.clocks import AGENT, MATH, PACK, UNPACK
from simulator.engine.code import OpContext, Step
from simulator.engine.flows import FROM_MATH, FROM_UNPACK, Edge, Handed, Roles, useful
from simulator.engine.group import Group
from simulator.engine.listener import Listener
from simulator.engine.order import Order, end_of
from simulator.engine.transfers import FILLED, READ, SENT, WRITE
from simulator.isa import OPS

if TYPE_CHECKING:
    from simulator.engine.cb import CircularBuffer
    from simulator.engine.lanes import Lanes
    from simulator.engine.machine import Machine
    from simulator.engine.segs import Seg
    from simulator.memory.dram import Tensor

Hook = Callable[[Listener, OpContext, Step], Step]

ENDS: Final = MappingProxyType(
    {"cb_push_back": True, "cb_pop_front": False, "cb_wait_front": False, "cb_reserve_back": True}
)
"""Ops of edges through circular buffers: whether they are the producer's."""
HANDS: Final = MappingProxyType(
    {"cb_push_back": "cb_wait_front", "cb_pop_front": "cb_reserve_back"}
)
"""From what op to what op they lead."""


def make_order(machine: Machine) -> Listener | None:
    """The clocks a machine needs, with hooks around its steps; None if it needs none."""
    accesses = machine.accesses
    semaphores = bool(machine.semaphores.values)
    shared = [
        tensor
        for name, tensor in machine.tensors.items()
        if (uses := accesses.get(name)) and any(write for write, _ in uses)
        and (semaphores or len(uses) > 1)
    ]  # fmt: skip
    far = [cb for cb in machine.cbs.values() if cb.watched]
    if not shared and not far:
        return None
    order = Order(machine, shared, far, _roles(machine, shared, far))
    listener = Listener(order, repeats=not machine.cursors)
    for cb in far:
        _watch(listener, cb)
    for context in machine.contexts:
        hook = HOOKS.get(context.op.name)
        if hook is not None:
            steps = context.code.steps
            steps[context.number] = hook(listener, context, steps[context.number])
    return listener


def _roles(machine: Machine, tensors: list[Tensor], far: list[CircularBuffer]) -> Roles:
    edges, signals = _edges(machine), _signals(machine)
    near = {end_of(cb.producer, producer=True) for cb in far}
    near |= {AGENT[thread] for thread in machine.senders}
    touching = [{AGENT[thread] for _, thread in machine.accesses[t.name]} for t in tensors]
    acting = near.union(*touching)
    of_use = useful(set().union(*edges.values()), signals, [*touching, near])
    met = near.union(*of_use, *signals)
    taught = frozenset(handed for handed, some in edges.items() if some & of_use)
    hearing = {target for handed in taught for _, target in edges[handed]}
    hearing |= {AGENT[thread] for waiters in machine.waiters.values() for thread in waiters}
    return Roles(taught, frozenset(acting), frozenset(acting - met), frozenset(hearing))


def _edges(machine: Machine) -> dict[Handed, set[Edge]]:
    """The edges within a core, by what makes them."""
    ends: dict[tuple[str, int], set[int]] = {}
    for context in machine.contexts:
        name, thread = context.op.name, context.code.thread
        if name in ENDS:
            agent = end_of(thread, producer=ENDS[name])
            ends.setdefault((name, context.cb(0).number), set()).add(agent)
    edges: dict[Handed, set[Edge]] = {FROM_UNPACK: {(UNPACK, MATH)}, FROM_MATH: {(MATH, PACK)}}
    for number in machine.cbs:
        for giving, taking in HANDS.items():
            edges[giving, number] = {
                (source, target)
                for source in ends.get((giving, number), ())
                for target in ends.get((taking, number), ())
            }
    return edges


def _signals(machine: Machine) -> set[Edge]:
    """From who changes a semaphore to who waits for it."""
    return {
        (AGENT[raiser], AGENT[waiter])
        for number, raisers in machine.raisers.items()
        for raiser, _ in raisers
        for waiter in machine.waiters[number]
    }


def _watch(order: Listener, cb: CircularBuffer) -> None:
    """Have the clocks see what a thread itself writes to a circular buffer of transfers."""
    plain = cb.write

    def write(lanes: Lanes, start: int, seg: Seg, *, patched: bool = False) -> None:
        order.overwritten(cb, lanes, start, seg.pages)
        plain(lanes, start, seg, patched=patched)

    cb.write = write  # type: ignore[method-assign]  # other buffers pay nothing


def _writes(order: Listener, c: OpContext, step: Step) -> Step:
    """Ops by which a thread writes L1 itself.

    Zeroing some of a page leaves the rest alone, and may go with transfers of parts elsewhere.
    """
    zeroing = c.op.name == "zero_tile_region"
    kept = (c.scalar(2), c.scalar(3)) if zeroing else None
    agent = end_of(c.code.thread, producer=True)

    def hooked(group: Group) -> int:
        order.writer = group, c.number, agent, kept
        try:
            return step(group)
        finally:
            order.writer = None

    if OPS[c.op.name].effect == "l1_write":
        cb = c.cb(0)
        return hooked if cb.fetched or cb.watched else step
    return hooked if any(cb.fetched for cb in c.machine.cbs.values()) else step


def _push(order: Listener, c: OpContext, step: Step) -> Step:
    cb, pages, at = c.cb(0), c.scalar(1), c.number
    agent, queue = end_of(c.code.thread, producer=True), order.order.pushed[cb.number]
    taught, watched = ("cb_push_back", cb.number) in order.taught, order.judges(cb)

    def hooked(group: Group) -> int:
        count, first = pages(group.regs), cb.phase(group.lanes, write=True)
        following = step(group)
        if type(count) is int and count > 0:
            if watched:
                order.handed(cb, group, agent, first, count, at)
            if taught:
                order.told(cb, queue, group, agent, first, count, at)
        return following

    return hooked if taught or watched else step


def _pop(order: Listener, c: OpContext, step: Step) -> Step:
    cb, pages, at = c.cb(0), c.scalar(1), c.number
    agent, queue = end_of(c.code.thread, producer=False), order.order.popped[cb.number]
    if ("cb_pop_front", cb.number) not in order.taught:
        return step

    def hooked(group: Group) -> int:
        count, first = pages(group.regs), cb.phase(group.lanes, write=False)
        following = step(group)
        if type(count) is int and count > 0:
            order.told(cb, queue, group, agent, first, count, at)
        return following

    return hooked


def _wait(order: Listener, c: OpContext, step: Step) -> Step:
    cb, pages, at = c.cb(0), c.scalar(1), c.number
    agent, queue = end_of(c.code.thread, producer=False), order.order.pushed[cb.number]
    if ("cb_push_back", cb.number) not in order.taught:
        return step

    def hooked(group: Group) -> int:
        following = step(group)
        count = pages(group.regs)
        if following >= 0 and type(count) is int and count > 0:
            last = (cb.phase(group.lanes, write=False) + count - 1) % cb.depth
            order.heard(cb, queue, group, agent, last, at)
        return following

    return hooked


def _reserve(order: Listener, c: OpContext, step: Step) -> Step:
    cb, pages, at = c.cb(0), c.scalar(1), c.number
    agent, queue = end_of(c.code.thread, producer=True), order.order.popped[cb.number]
    taught = ("cb_pop_front", cb.number) in order.taught

    def hooked(group: Group) -> int:
        before = cb.reserved(group.lanes) if cb.watched else 0
        following = step(group)
        count = pages(group.regs)
        if following >= 0 and type(count) is int and count > 0:
            first = cb.phase(group.lanes, write=True)
            if taught:
                order.heard(cb, queue, group, agent, (first + count - 1) % cb.depth, at)
            if cb.watched and count > before:
                order.reserved(cb, group, agent, first + before, count - before, at)
        return following

    return hooked if taught or cb.watched else step


def _computed(order: Listener, c: OpContext, step: Step) -> Step:
    if c.code.cursor != "all" or FROM_UNPACK not in order.taught:
        return step  # where cursors differ the banks of Src hand over what the unpacker knows

    def hooked(group: Group) -> int:
        order.computed(group)
        return step(group)

    return hooked


def _commit(order: Listener, _: OpContext, step: Step) -> Step:
    if FROM_MATH not in order.taught:
        return step

    def hooked(group: Group) -> int:
        following = step(group)
        order.section(group, 0)
        return following

    return hooked


def _pack_wait(order: Listener, _: OpContext, step: Step) -> Step:
    if FROM_MATH not in order.taught:
        return step

    def hooked(group: Group) -> int:
        following = step(group)
        if following >= 0:
            order.section(group, 1)
        return following

    return hooked


def _barrier(*kinds: int) -> Hook:
    def hook(order: Listener, c: OpContext, step: Step) -> Step:
        complete = order.lone_barrier if order.alone(c.code.thread) else order.barrier

        def hooked(group: Group) -> int:
            following = step(group)
            complete(group, kinds)
            return following

        return hooked

    return hook


HOOKS: Final[MappingProxyType[str, Hook]] = MappingProxyType(
    {
        **{name: _computed for name, spec in OPS.items() if spec.effect == "unpack_math"},
        **{name: _writes for name, spec in OPS.items() if spec.effect in ("pack", "l1_write")},
        "cb_push_back": _push,
        "cb_pop_front": _pop,
        "cb_wait_front": _wait,
        "cb_reserve_back": _reserve,
        "tile_regs_commit": _commit,
        "tile_regs_wait": _pack_wait,
        "noc_async_read_barrier": _barrier(READ, FILLED),
        "noc_async_write_barrier": _barrier(WRITE, SENT),
        "noc_async_writes_flushed": _barrier(SENT),
    }
)
"""Op name to hook. Ops of semaphores and transfers speak to the order themselves."""
