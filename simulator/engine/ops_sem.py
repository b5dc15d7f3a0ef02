"""Ops on L1 semaphores."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.engine.code import BLOCKED, Builders, OpContext, Step
from simulator.engine.expr import ExprError
from simulator.engine.group import Group
from simulator.engine.lanes import Vector
from simulator.engine.semaphores import MOST, Semaphores
from simulator.engine.targets import Resolve, one_core, rectangle
from simulator.engine.values import spread
from simulator.engine.violation import Violation
from simulator.engine.waits import SemaphoreWait


def _semaphore(c: OpContext, operand: int) -> tuple[Semaphores, int]:
    number = c.op.args[operand]
    semaphores = c.machine.semaphores
    if not isinstance(number, int) or number not in semaphores.values:
        raise ExprError(f"there is no semaphore {number!r}")
    return semaphores, number


def _raises(c: OpContext, number: int) -> None:
    """Remember that an op changes a semaphore: for whoever waits in vain, and for the clocks."""
    c.machine.senders.add(c.code.thread)
    raisers = c.machine.raisers.setdefault(number, [])
    raisers.append((c.code.thread, f"{c.op.name} of {c.code.program} at {c.place}"))


def _checker(semaphores: Semaphores, number: int) -> Callable[[Vector], None]:
    """A check that cores have a semaphore; it looks once at the cores a loop names again."""
    passed: Vector | None = None

    def check(cores: Vector) -> None:
        nonlocal passed
        if cores is passed:
            return
        has = semaphores.present[number][cores]
        if not has.all():
            raise Violation("OutOfBounds", f"semaphore {number} does not exist on the core",
                            cores[~has][:1])  # fmt: skip
        passed = cores

    return check


def _in_range(c: OpContext, values: Any, group: Group, rows: Vector | None = None) -> None:
    """Raise unless a semaphore can hold the values; ``rows`` are the senders' of each."""
    if len(values) == 1 and 0 <= values.item() <= MOST:
        return
    bad = (values < 0) | (values > MOST)
    if bad.any():
        at = np.flatnonzero(bad)
        lanes = group.lanes.ids if rows is None else group.lanes.ids[rows]
        raise Violation(
            "OutOfBounds",
            f"{c.op.name} makes a semaphore {int(values[at[0]])}: it has 32 bits without a sign, so"
            f" it would hold {int(values[at[0]]) & MOST}",
            np.unique(lanes[at]),
        )


def build_set(c: OpContext) -> Step:
    """noc_semaphore_set."""
    semaphores, number = _semaphore(c, 0)
    _raises(c, number)
    value, following, check = c.scalar(1), c.next, _checker(semaphores, number)

    def step(group: Group) -> int:
        check(group.lanes.ids)
        new = spread(value(group.regs), group.lanes.n)
        _in_range(c, new, group)
        semaphores.values[number][group.lanes.ids] = new
        if c.machine.order is not None:
            c.machine.order.reset(number, group, c.number)
        return following

    return step


def build_wait(c: OpContext) -> Step:
    """noc_semaphore_wait (equality) and noc_semaphore_wait_min."""
    semaphores, number = _semaphore(c, 0)
    value, following = c.scalar(1), c.next
    least = c.op.name.endswith("_min")
    c.machine.waiters[number].add(c.code.thread)
    raisers = c.machine.raisers.setdefault(number, [])
    c.code.waits[c.number] = SemaphoreWait(semaphores, number, value, raisers, least=least)

    def step(group: Group) -> int:
        have, want = semaphores.values[number][group.lanes.ids], value(group.regs)
        good = have >= want if least else have == want
        if 0 in good.tobytes():
            return BLOCKED
        if c.machine.order is not None:
            c.machine.order.signalled(number, group)
        return following

    return step


def _increments(c: OpContext, operand: int, target: Resolve, value: Any) -> Step:
    """Add ``value`` to the semaphore an operand names, on the cores ``target`` gives."""
    semaphores, number = _semaphore(c, operand)
    _raises(c, number)
    following, check = c.next, _checker(semaphores, number)

    def step(group: Group) -> int:
        rows, cores = target(group)
        check(cores)
        amounts = spread(value(group.regs), group.lanes.n)
        semaphores.increment(number, cores, amounts[rows])
        _in_range(c, semaphores.values[number][cores], group, rows)
        if c.machine.order is not None:
            c.machine.order.signal(number, group, rows, cores, c.number)
        return following

    return step


def build_inc(c: OpContext) -> Step:
    """noc_semaphore_inc."""
    return _increments(c, 2, one_core(c, 0, 1), c.scalar(3))


def _multicast(c: OpContext, *, last: int) -> Resolve:
    return rectangle(c, 1, last, loopback=False)


def build_set_multicast(c: OpContext) -> Step:
    """noc_semaphore_set_multicast: the local value to every core of the rectangle."""
    semaphores, number = _semaphore(c, 0)
    _raises(c, number)
    target, following, check = _multicast(c, last=5), c.next, _checker(semaphores, number)

    def step(group: Group) -> int:
        rows, cores = target(group)
        check(cores)
        group.local.arrive(multicast=True)  # they keep their order, other writes need not
        values = semaphores.values[number]
        values[cores] = values[group.lanes.ids[rows]]
        if c.machine.order is not None:
            c.machine.order.spread(number, group, rows, cores, c.number)
        return following

    return step


def build_inc_multicast(c: OpContext) -> Step:
    """noc_semaphore_inc_multicast: the sender is not counted."""
    return _increments(c, 0, _multicast(c, last=6), c.scalar(5))


BUILDERS: Final[Builders] = MappingProxyType(
    {
        "noc_semaphore_set": build_set,
        "noc_semaphore_wait": build_wait,
        "noc_semaphore_wait_min": build_wait,
        "noc_semaphore_inc": build_inc,
        "noc_semaphore_set_multicast": build_set_multicast,
        "noc_semaphore_inc_multicast": build_inc_multicast,
    }
)
"""Op name to builder."""
