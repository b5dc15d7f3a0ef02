"""A machine used again: for the same plan and programs, with other values in its tensors.

Most of a machine is found once: addresses, the programs as closures, how pages follow each other.
What a clean run changes of that is little and is cleared here. Machines that hold more (clocks,
semaphores, memory that several buffers share, an observer) are made anew for every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from simulator.engine.machine import Machine
from simulator.engine.pool import Pool
from simulator.plan.schema import Plan
from simulator.program import Program


class Use(NamedTuple):
    """What a machine was made for; ``settings`` is whatever else it depends on."""

    plan: Plan
    programs: Sequence[Program]
    settings: tuple[object, ...]

    def same(self, other: Use) -> bool:
        """Whether plan and programs are the same objects, and the settings equal."""
        return (
            self.plan is other.plan
            and len(self.programs) == len(other.programs)
            and all(a is b for a, b in zip(self.programs, other.programs, strict=True))
            and self.settings == other.settings
        )


def take_apart(machine: Machine) -> None:
    """Cut the cycles of a machine nobody will use again, so that no collector has to find them.

    Nearly all of them lead through the machine, which everything in it knows.
    """
    for group in machine.groups:
        group.code.steps.clear()
        group.code.waits.clear()
        group.regs.clear()
        group.masks.clear()
        group.local.partner = None
    for cb in machine.cbs.values():
        vars(cb).pop("write", None)  # what the clocks put around it
    vars(machine).clear()


class Workspace(Pool):
    """What outlives a run: memory, and the machine of the last run, if it can be used again.

    Plans and programs are values: they must not be changed between runs that share a workspace.
    """

    def __init__(self, *, arithmetic: bool = True) -> None:
        super().__init__(arithmetic=arithmetic)
        self._kept: tuple[Use, Machine] | None = None

    def machine(self, use: Use) -> Machine | None:
        """The machine kept, as before any run, if it was made for that; it is kept no longer."""
        kept, self._kept = self._kept, None
        if kept is None or not kept[0].same(use):
            return None
        machine = kept[1]
        for cb in machine.cbs.values():
            cb.clear()
        for tensor in machine.tensors.values():
            tensor.clear()
        machine.tally[:] = [0] * len(machine.tally)
        machine.multicast_bytes = 0
        machine.begin()
        return machine

    def keeps(self, machine: Machine) -> bool:
        """Whether that machine is the one kept."""
        return self._kept is not None and self._kept[1] is machine

    def close(self) -> None:
        """Let the machine go: no run follows."""
        kept, self._kept = self._kept, None
        if kept is not None:
            take_apart(kept[1])

    def keep(self, use: Use, machine: Machine) -> None:
        """Keep the machine of a run that ended well, if clearing it is enough."""
        watched = machine.observer is not None or machine.cursors
        ordered = machine.order is not None or bool(machine.plan.semaphores)
        shared = any(cb.backing is not None or cb.partners for cb in machine.cbs.values())
        if not (watched or ordered or shared or machine.findings):
            self._kept = use, machine
