"""Telling a deadlock: who waits where, for what, and in which circle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.engine.group import Group
from simulator.engine.waits import PagesWait

if TYPE_CHECKING:
    from simulator.engine.machine import Machine


def describe(machine: Machine, groups: list[Group]) -> str:
    """Every waiting group with what it needs and has, and the cycle if the waits close one."""
    lines = [_waiting(machine, group) for group in groups]
    cycle = _cycle(groups)
    text = "; ".join(lines)
    return f"{text}. Cycle: {cycle}" if cycle else text


def starved(groups: list[Group]) -> tuple[int, ...]:
    """Circular buffers some producer waits for room in."""
    waits = (group.code.waits.get(group.pc) for group in groups)
    return tuple(sorted({w.cb.number for w in waits if isinstance(w, PagesWait) and w.producer}))


def _waiting(machine: Machine, group: Group) -> str:
    place = group.code.places[group.pc]
    core = machine.cores[int(group.lanes.ids[0])]
    who = f"{group.code.program} on core {core}"
    if group.lanes.n > 1:
        who += f" and {group.lanes.n - 1} more"
    spot = f" at {place.loc or place.path}"
    wait = group.code.waits.get(group.pc)
    if wait is None:
        return f"{who} waits{spot}"
    return f"{who} {wait.describe(group)}{spot}"


def _cycle(groups: list[Group]) -> str:
    """Threads in the order they wait for each other, if following the first leads back."""
    threads = {group.code.thread: group for group in groups}
    seen: list[str] = []
    at = groups[0].code.thread
    while at in threads and at not in seen:
        seen.append(at)
        wait = threads[at].code.waits.get(threads[at].pc)
        owner = None if wait is None else wait.owner()
        if owner is None:
            return ""
        at = owner
    if at not in seen:
        return ""
    return " -> ".join([*seen[seen.index(at) :], at])
