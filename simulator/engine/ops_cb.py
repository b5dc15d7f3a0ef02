"""Ops of the circular-buffer handshake and of the DST handshake."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from simulator.engine.cb import CircularBuffer
from simulator.engine.code import BLOCKED, Builders, OpContext, Step, refusal, uniform
from simulator.engine.dst import Section
from simulator.engine.group import Group
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


def build_reserve(c: OpContext) -> Step:
    """cb_reserve_back."""
    cb, pages, following = c.cb(0), c.scalar(1), c.next
    reserve, depth = cb.reserve, cb.depth if cb.strict else -1
    c.code.waits[c.number] = PagesWait(cb, pages, producer=True)

    def step(group: Group) -> int:
        n = pages(group.regs)
        if group.lanes is cb.solo_lanes and type(n) is int and 0 <= n <= depth:
            strand = cb.solo
            if depth - strand.occ < n:
                return BLOCKED
            strand.reserved = max(strand.reserved, n)
            return following
        return following if reserve(group.lanes, uniform(group, n)) else BLOCKED

    return _endpoint(c, cb, producer=True) or step


def build_wait(c: OpContext) -> Step:
    """cb_wait_front."""
    cb, pages, following = c.cb(0), c.scalar(1), c.next
    wait, depth = cb.wait, cb.depth if cb.strict else -1
    c.code.waits[c.number] = PagesWait(cb, pages, producer=False)

    def step(group: Group) -> int:
        n = pages(group.regs)
        if group.lanes is cb.solo_lanes and type(n) is int and 0 <= n <= depth:
            strand = cb.solo
            if strand.occ < n:
                return BLOCKED
            strand.waited = max(strand.waited, n)
            return following
        return following if wait(group.lanes, uniform(group, n)) else BLOCKED

    return _endpoint(c, cb, producer=False) or step


def build_push(c: OpContext) -> Step:
    """cb_push_back."""
    cb, pages, following = c.cb(0), c.scalar(1), c.next
    push, depth = cb.push, cb.depth
    plain = cb.backing is None

    def step(group: Group) -> int:
        n = pages(group.regs)
        if plain and group.lanes is cb.solo_lanes and type(n) is int:
            strand = cb.solo
            staged, wr = strand.staged, strand.wr
            if (
                len(staged) == 1
                and 0 < n <= strand.reserved
                and type(wr) is int
                and wr + n <= depth
                and staged[0][0] == 0
                and staged[0][1].pages == n
                and staged[0][1].epoch <= group.local.reads_done
            ):  # one whole block into its window; everything else is the general case
                strand.front.append(staged.pop()[1])
                strand.wr = 0 if wr + n == depth else wr + n
                strand.reserved -= n
                strand.packed = 0
                strand.occ += n
                cb.peak = max(cb.peak, strand.occ)
                return following
        push(group.lanes, uniform(group, n), group.local.reads_done)
        return following

    return _endpoint(c, cb, producer=True) or step


def build_pop(c: OpContext) -> Step:
    """cb_pop_front."""
    cb, pages, following = c.cb(0), c.scalar(1), c.next
    pop, depth = cb.pop, cb.depth

    def step(group: Group) -> int:
        n = pages(group.regs)
        if group.lanes is cb.solo_lanes and type(n) is int:
            strand = cb.solo
            rd = strand.rd
            if (
                0 < n <= strand.waited
                and type(rd) is int
                and rd + n <= depth
                and strand.front[0].pages == n
                and strand.source_epoch <= group.local.flushed
            ):  # one whole block; everything else is the general case
                del strand.front[0]
                strand.rd = 0 if rd + n == depth else rd + n
                strand.waited -= n
                strand.occ -= n
                return following
        pop(group.lanes, uniform(group, n), group.local.flushed)
        return following

    return _endpoint(c, cb, producer=False) or step


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
