"""Loops and branches, run under lane masks where the lanes of a group disagree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from simulator.engine.code import Step
from simulator.engine.expr import Scalar
from simulator.engine.group import Group, LoopState, Mask, take_regs
from simulator.engine.values import spread

Spawn = Callable[[list[Group]], None]


def loop_steps(
    start: Scalar,
    stop: Scalar,
    stride: int,
    registers: tuple[int, int],
    sites: tuple[int, int],
    spawn: Spawn,
) -> tuple[Step, Step]:
    """The ops before and after a loop's body.

    While all lanes agree the loop's state is two ints; else a LoopState, whose mask changes only
    at the few distinct trip counts.
    """
    var, state = registers
    body, leave = sites[0] + 1, sites[1] + 1
    up = stride > 0

    def enter(group: Group) -> int:
        regs = group.regs
        first, last = start(regs), stop(regs)
        if type(first) is int and type(last) is int:
            if (first < last) is not up or first == last:
                return leave
            regs[var], regs[state] = first, last
            return body
        n = group.lanes.n
        length = spread(last, n) - spread(first, n)
        trips = np.maximum(-((-length if up else length) // abs(stride)), 0)
        regs[state] = LoopState(0, trips, first, masked=False)
        return proceed(group)

    def back(group: Group) -> int:
        regs = group.regs
        last = regs[state]
        if type(last) is int:
            value = regs[var] + stride
            if value < last if up else value > last:
                regs[var] = value
                return body
            return leave
        last.done += 1
        if last.done < last.until:
            regs[var] = last.start + last.done * stride
            return body
        return proceed(group)

    def proceed(group: Group) -> int:
        """Lanes that have done all their iterations leave."""
        loop: Any = group.regs[state]
        keep = loop.trips > loop.done
        if not keep.any():
            if loop.masked:
                spawn(group.widen())
            return leave
        if not keep.all():
            if not loop.masked:
                group.masks.append(Mask(sites[0], leave, group.lanes, list(group.regs)))
            left = group.narrow(group.table.of_ids(group.lanes.ids[keep]))
            group.masks[-1].parked.append(left)
            loop = group.regs[state]
            loop.masked = True
        group.regs[var] = loop.start + loop.done * stride
        return body

    return enter, back


def if_steps(cond: Scalar, sites: tuple[int, int, int], spawn: Spawn) -> tuple[Step, Step, Step]:
    """The ops before the then branch, after it, and after the else branch."""
    site, end_then, end_else = sites
    then, orelse, leave = site + 1, end_then + 1, end_else + 1
    empty = orelse == end_else

    def branch(group: Group) -> int:
        value = cond(group.regs)
        if not isinstance(value, np.ndarray):
            return then if value else orelse
        taken = value != 0
        if taken.all():
            return then
        if not taken.any():
            return orelse
        mask = Mask(site, leave, group.lanes, list(group.regs))
        mask.orelse = orelse
        group.masks.append(mask)
        left = group.narrow(group.table.of_ids(group.lanes.ids[taken]))
        if empty:
            mask.parked.append(left)
        else:
            mask.pending = left
        return then

    def after_then(group: Group) -> int:
        if not group.masks or group.masks[-1].site != site:
            return leave
        mask = group.masks[-1]
        if mask.pending is None:
            spawn(group.widen())
            return leave
        lanes, local = mask.pending
        mask.pending = None
        mask.parked.append((group.lanes, group.local))
        group.regs = take_regs(mask.regs, group.table.rows(lanes, mask.lanes), group)
        group.lanes, group.local = lanes, local
        return orelse

    def after_else(group: Group) -> int:
        if group.masks and group.masks[-1].site == site:
            spawn(group.widen())
        return leave

    return branch, after_then, after_else
