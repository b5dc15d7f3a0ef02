"""Whether one run stands for every timing (a Kahn network), and why or why not."""

from __future__ import annotations

from simulator.engine.machine import Machine
from simulator.plan.schema import Plan

RACES = frozenset({"Race", "DoubleWrite"})


def reasons(plan: Plan, machine: Machine, *, completed: bool) -> tuple[tuple[str, ...], bool]:
    """The reasons, and whether anything breaks determinacy.

    Races were looked for with clocks. Where nothing breaks determinacy their absence holds for
    every timing; else only for the schedule that was run, and the reasons say so.
    """
    broken = [f"semaphore {item.id} orders or races cores" for item in plan.semaphores]
    broken += [
        f"circular buffer {item.id} shares another's memory"
        for item in plan.circular_buffers
        if item.alias_of is not None
    ]
    broken += [
        f"tensor {item.tensor} is reached through circular buffer {item.id} and by transfers"
        for item in plan.circular_buffers
        if item.tensor in machine.accesses and machine.tensors[item.tensor].writable
    ]
    broken += [f"finding {item.code}" for item in machine.findings if item.code in RACES]
    if not machine.strict:
        broken += [f"circular buffer {number} was used outside its window (level hardware)"
                   for number, cb in machine.cbs.items() if cb.loose]  # fmt: skip
    if broken:
        if machine.order is not None and not any(item.code in RACES for item in machine.findings):
            broken.append("no race in the schedule that was run; other schedules may have some")
        return tuple(broken), True
    why = ["every circular buffer has one producer and one consumer"]
    ordered = () if machine.order is None else tuple(machine.order.tensors)
    shared = "no tensor is both read and written"
    if ordered:
        names = ", ".join(ordered)
        shared = f"circular buffers order all reads and writes of tensor {names}"
    why.append(f"no op probes; {shared}")
    if not completed:
        why.append("as far as the run came")
    return tuple(why), False
