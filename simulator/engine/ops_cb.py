"""Ops of the circular-buffer handshake and of the DST handshake."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from simulator.engine.cb import CircularBuffer
from simulator.engine.code import BLOCKED, Builders, OpContext, Step, refusal, uniform
from simulator.engine.dst import Section
from simulator.engine.group import Group
from simulator.engine.quick_cb import quick_pop, quick_push, quick_reserve, quick_wait
from simulator.engine.violation import Violation
from simulator.engine.waits import PagesWait


def _endpoint(context: OpContext, cb: CircularBuffer, *, producer: bool) -> Step | None:
    """A refusal when the program's thread is not the end the op acts as."""
    owner = cb.producer if producer else cb.consumer
    if context.code.thread == owner:
        return None
    role = "producer" if producer else "consumer"
    return refusal(
        "CBEndpoint",
        f"{context.op.name} on {context.code.thread}: the {role} of circular buffer {cb.number} is"
        f" {owner}",
    )


def _blocking(c: OpContext, *, producer: bool) -> Step:
    """Wait for pages: free ones as producer, handed over ones as consumer."""
    cb, pages, following = c.cb(0), c.scalar(1), c.next
    c.code.waits[c.number] = PagesWait(cb, pages, producer=producer)
    take, quick = (cb.reserve, quick_reserve) if producer else (cb.wait, quick_wait)

    def step(group: Group) -> int:
        ready = take(group.lanes, uniform(group, pages(group.regs)))
        return following if ready else BLOCKED

    return _endpoint(c, cb, producer=producer) or quick(c, cb, step)


def build_reserve(c: OpContext) -> Step:
    """cb_reserve_back."""
    return _blocking(c, producer=True)


def build_wait(c: OpContext) -> Step:
    """cb_wait_front."""
    return _blocking(c, producer=False)


def build_push(c: OpContext) -> Step:
    """cb_push_back."""
    cb, pages, following = c.cb(0), c.scalar(1), c.next

    def step(group: Group) -> int:
        cb.push(group.lanes, uniform(group, pages(group.regs)), group.local.reads_done)
        return following

    return _endpoint(c, cb, producer=True) or quick_push(c, cb, step)


def build_pop(c: OpContext) -> Step:
    """cb_pop_front."""
    cb, pages, following = c.cb(0), c.scalar(1), c.next

    def step(group: Group) -> int:
        cb.pop(group.lanes, uniform(group, pages(group.regs)), group.local.flushed)
        return following

    return _endpoint(c, cb, producer=False) or quick_pop(c, cb, step)


def build_acquire(c: OpContext) -> Step:
    """tile_regs_acquire."""
    following = c.next
    capacity, halves = c.machine.dst_capacity(c.code.key)

    def step(group: Group) -> int:
        local = group.local
        if local.math is not None:
            raise Violation("DstProtocol", "tile_regs_acquire while math already holds DST")
        if local.held() >= halves:
            if local.partner is not None:
                return BLOCKED
            raise Violation(
                "DstProtocol",
                f"tile_regs_acquire waits for ever: {halves} DST section(s) committed, none"
                " released",
                by_order=True,
            )
        local.math = Section(capacity)
        return following

    return step


def build_commit(c: OpContext) -> Step:
    """tile_regs_commit."""
    following = c.next

    def step(group: Group) -> int:
        local = group.local
        if local.math is None:
            raise Violation("DstProtocol", "tile_regs_commit without tile_regs_acquire")
        local.queue.append(local.math)
        local.math = None
        return following

    return step


def build_pack_wait(c: OpContext) -> Step:
    """tile_regs_wait."""
    following = c.next

    def step(group: Group) -> int:
        local = group.local
        if local.packing is not None:
            raise Violation("DstProtocol", "tile_regs_wait while the packer already holds DST")
        if not local.queue:
            if local.partner is not None:
                return BLOCKED
            raise Violation(
                "DstProtocol", "tile_regs_wait without a tile_regs_commit before it", by_order=True
            )
        local.packing = local.queue.pop(0)
        return following

    return step


def build_release(c: OpContext) -> Step:
    """tile_regs_release."""
    following = c.next

    def step(group: Group) -> int:
        local = group.local
        if local.packing is None:
            raise Violation("DstProtocol", "tile_regs_release without tile_regs_wait")
        local.packing = None
        return following

    return step


BUILDERS: Final[Builders] = MappingProxyType(
    {
        "cb_reserve_back": build_reserve,
        "cb_push_back": build_push,
        "cb_wait_front": build_wait,
        "cb_pop_front": build_pop,
        "tile_regs_acquire": build_acquire,
        "tile_regs_commit": build_commit,
        "tile_regs_wait": build_pack_wait,
        "tile_regs_release": build_release,
    }
)
"""Op name to builder."""
