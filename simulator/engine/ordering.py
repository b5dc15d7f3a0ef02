"""Hooks of :class:`~simulator.engine.order.Order` around the ops that synchronise.

They are put around a program's steps after loading, and only if there is something to order. Edges
within a core that teach nobody anything have none, see :mod:`~simulator.engine.flows`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from simulator.engine.clocks import AGENT, MATH, PACK, UNPACK
from simulator.engine.code import OpContext, Step
from simulator.engine.flows import FROM_MATH, FROM_UNPACK, Edge, Handed, useful
from simulator.engine.group import Group
from simulator.engine.order import SECTIONS, Order
from simulator.engine.transfers import FILLED, READ, SENT, WRITE
from simulator.isa import OPS

if TYPE_CHECKING:
    from simulator.engine.cb import CircularBuffer
    from simulator.engine.lanes import Lanes
    from simulator.engine.machine import Machine
    from simulator.engine.segs import Seg
    from simulator.memory.dram import Tensor

Hook = Callable[[Order, OpContext, Step], Step]

ENDS: Final = MappingProxyType(
    {"cb_push_back": True, "cb_pop_front": False, "cb_wait_front": False, "cb_reserve_back": True}
)
"""Ops of edges through circular buffers: whether they are the producer's."""
HANDS: Final = MappingProxyType(
    {"cb_push_back": "cb_wait_front", "cb_pop_front": "cb_reserve_back"}
)
"""From what op to what op they lead."""


def make_order(machine: Machine) -> Order | None:
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
    order = Order(machine, shared, far)
    edges = _edges(order)
    of_use = useful(set().union(*edges.values()), _signals(machine), _touching(order, shared, far))
    order.taught = {handed for handed, some in edges.items() if some & of_use}
    for cb in far:
        _watch(order, cb)
    for context in machine.contexts:
        hook = HOOKS.get(context.op.name)
        if hook is not None:
            steps = context.code.steps
            steps[context.number] = hook(order, context, steps[context.number])
    return order


def _edges(order: Order) -> dict[Handed, set[Edge]]:
    """The edges within a core, by what makes them."""
    ends: dict[tuple[str, int], set[int]] = {}
    for context in order.machine.contexts:
        name, thread = context.op.name, context.code.thread
        if name in ENDS:
            agent = order.end_of(thread, producer=ENDS[name])
            ends.setdefault((name, context.cb(0).number), set()).add(agent)
    edges: dict[Handed, set[Edge]] = {FROM_UNPACK: {(UNPACK, MATH)}, FROM_MATH: {(MATH, PACK)}}
    for number in order.machine.cbs:
        for giving, taking in HANDS.items():
            edges[giving, number] = {
                (source, target)
                for source in ends.get((giving, number), ())
                for target in ends.get((taking, number), ())
            }
    return edges


def _touching(order: Order, tensors: list[Tensor], far: list[CircularBuffer]) -> list[set[int]]:
    """Who touches each tensor; and circular buffers and semaphores, all of them taken together."""
    ends = {order.end_of(cb.producer, producer=True) for cb in far}
    accesses, senders = order.machine.accesses, order.machine.senders
    return [
        *({AGENT[thread] for _, thread in accesses[tensor.name]} for tensor in tensors),
        ends | {AGENT[thread] for thread in senders},
    ]


def _signals(machine: Machine) -> set[Edge]:
    """From who changes a semaphore to who waits for it."""
    return {
        (AGENT[raiser], AGENT[waiter])
        for number, raisers in machine.raisers.items()
        for raiser, _ in raisers
        for waiter in machine.waiters[number]
    }


def _watch(order: Order, cb: CircularBuffer) -> None:
    """Have the clocks see what a thread itself writes to a circular buffer of transfers."""
    plain = cb.write

    def write(lanes: Lanes, start: int, seg: Seg) -> None:
        order.overwritten(cb, lanes, start, seg.pages)
        plain(lanes, start, seg)

    cb.write = write  # type: ignore[method-assign]  # other buffers pay nothing


def _writes(order: Order, c: OpContext, step: Step) -> Step:
    """Ops by which a thread writes L1 itself.

    Zeroing some of a page leaves the rest alone, and may go with transfers of parts elsewhere.
    """
    zeroing = c.op.name == "zero_tile_region"
    kept = (c.scalar(2), c.scalar(3)) if zeroing else None
    agent = order.end_of(c.code.thread, producer=True)

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


def _push(order: Order, c: OpContext, step: Step) -> Step:
    cb, pages = c.cb(0), c.scalar(1)
    agent, queue = order.end_of(c.code.thread, producer=True), order.pushed[cb.number]
    taught, watched = ("cb_push_back", cb.number) in order.taught, cb.number in order.buffers

    def hooked(group: Group) -> int:
        count, first = pages(group.regs), cb.phase(group.lanes, write=True)
        following = step(group)
        if type(count) is int and count > 0:
            order.pushed_pages(cb, group, agent, first, count, c.number)
            if taught:
                queue.put(group.lanes, first, count, order.clocks.release(agent, group.lanes))
        return following

    return hooked if taught or watched else step


def _pop(order: Order, c: OpContext, step: Step) -> Step:
    cb, pages = c.cb(0), c.scalar(1)
    agent, queue = order.end_of(c.code.thread, producer=False), order.popped[cb.number]
    if ("cb_pop_front", cb.number) not in order.taught:
        return step

    def hooked(group: Group) -> int:
        count, first = pages(group.regs), cb.phase(group.lanes, write=False)
        following = step(group)
        if type(count) is int and count > 0:
            queue.put(group.lanes, first, count, order.clocks.release(agent, group.lanes))
        return following

    return hooked


def _wait(order: Order, c: OpContext, step: Step) -> Step:
    cb, pages = c.cb(0), c.scalar(1)
    agent, queue = order.end_of(c.code.thread, producer=False), order.pushed[cb.number]
    if ("cb_push_back", cb.number) not in order.taught:
        return step

    def hooked(group: Group) -> int:
        following = step(group)
        count = pages(group.regs)
        if following >= 0 and type(count) is int and count > 0:
            last = (cb.phase(group.lanes, write=False) + count - 1) % cb.depth
            queue.join(agent, group.lanes, last)
            if agent == UNPACK:
                order.news |= group.lanes.mask
        return following

    return hooked


def _reserve(order: Order, c: OpContext, step: Step) -> Step:
    cb, pages = c.cb(0), c.scalar(1)
    agent, queue = order.end_of(c.code.thread, producer=True), order.popped[cb.number]
    taught = ("cb_pop_front", cb.number) in order.taught

    def hooked(group: Group) -> int:
        before = cb.reserved(group.lanes) if cb.watched else 0
        following = step(group)
        count = pages(group.regs)
        if following >= 0 and type(count) is int and count > 0:
            first = cb.phase(group.lanes, write=True)
            if taught:
                queue.join(agent, group.lanes, (first + count - 1) % cb.depth)
            if cb.watched and count > before:
                order.reserved(cb, group, agent, first + before, count - before, c.number)
        return following

    return hooked if taught or cb.watched else step


def _computed(order: Order, c: OpContext, step: Step) -> Step:
    if c.code.cursor != "all" or FROM_UNPACK not in order.taught:
        return step  # where cursors differ the banks of Src hand over what the unpacker knows

    def hooked(group: Group) -> int:
        lanes = group.lanes
        if order.news & lanes.mask:
            order.clocks.join(MATH, lanes, order.clocks.release(UNPACK, lanes))
            order.news &= ~lanes.mask
        return step(group)

    return hooked


def _commit(order: Order, _: OpContext, step: Step) -> Step:
    queue, count = order.sections
    if FROM_MATH not in order.taught:
        return step

    def hooked(group: Group) -> int:
        following = step(group)
        ids = group.lanes.ids
        slot: Any = count[0][ids] % SECTIONS
        queue.put(group.lanes, slot, 1, order.clocks.release(MATH, group.lanes))
        count[0][ids] += 1
        return following

    return hooked


def _pack_wait(order: Order, _: OpContext, step: Step) -> Step:
    queue, count = order.sections
    if FROM_MATH not in order.taught:
        return step

    def hooked(group: Group) -> int:
        following = step(group)
        if following >= 0:
            ids = group.lanes.ids
            queue.join(PACK, group.lanes, count[1][ids] % SECTIONS)
            count[1][ids] += 1
        return following

    return hooked


def _barrier(*kinds: int) -> Hook:
    def hook(order: Order, _: OpContext, step: Step) -> Step:
        def hooked(group: Group) -> int:
            following = step(group)
            order.barrier(group, kinds)
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
