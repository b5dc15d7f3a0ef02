"""What lies where in L1: names what an access hits that leaves the memory it was meant for.

Every access is checked against the region its address was derived from, so regions need no guard
words around them: what would have changed one is found when it is written, with its writer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulator.arch import Arch
from simulator.engine.semaphores import semaphore_address
from simulator.engine.violation import Violation
from simulator.plan.coords import Core
from simulator.plan.placement import bank_bytes, cb_bytes, place
from simulator.plan.shards import shard_cores
from simulator.plan.work import range_cores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.engine.cb import CircularBuffer
    from simulator.plan.schema import Plan


class L1Map:
    """The regions of every core of a plan, looked up when something has gone wrong."""

    def __init__(self, plan: Plan, arch: Arch, cores: Sequence[Core]) -> None:
        """``cores`` are the machine's, in the order of lane numbers."""
        self._plan, self._arch, self.cores = plan, arch, cores

    def stray(
        self, cb: CircularBuffer, core: int, start: int, size: int, what: str, code: str
    ) -> Violation:
        """An access of ``size`` bytes at byte ``start`` of a circular buffer on lane ``core``."""
        first, end = cb.base + start, cb.base + cb.depth * cb.page_bytes
        place = self.cores[core]
        return Violation(
            code,
            f"{what} at {first:#x}..{first + size:#x} of core {place}: that leaves circular buffer"
            f" {cb.number} ({cb.base:#x}..{end:#x}) its address comes"
            f" from and hits {self.hit(place, first, first + size, cb)}",
        )

    def hit(self, core: Core, first: int, end: int, own: CircularBuffer) -> str:
        """What lies at addresses ``first``..``end`` of a core, besides ``own`` where it exists."""
        arch = self._arch
        found = [
            f"{what} ({low:#x}..{high:#x})"
            for low, high, what, number in sorted(self._regions(core))
            if low < end and first < high and number != own.number
        ]
        if end > arch.l1_bytes:
            found.append(f"what lies beyond the end of L1 ({arch.l1_bytes:#x})")
        if first < arch.l1_base and not found:
            found.append(f"the reserved part of L1 below {arch.l1_base:#x}")
        return ", ".join(found) or "memory nothing is allocated in"

    def _regions(self, core: Core) -> Iterator[tuple[int, int, str, int]]:
        """(first address, end, what, id of a circular buffer or -1)."""
        plan, arch = self._plan, self._arch
        placement = place(plan, arch)
        for cb in plan.circular_buffers:
            if core in range_cores(cb.core_ranges):
                base = placement.cbs[cb.id]
                what = f"circular buffer {cb.id}, whose producer is {cb.producer}"
                yield base, base + cb_bytes(cb), what, cb.id
        for name, layout in plan.layouts.items():
            here = layout.shard is None or core in shard_cores(layout.shard)
            if layout.memory == "L1" and here:
                base = placement.tensors[name]
                yield base, base + bank_bytes(layout, arch), f"tensor {name}", -1
        for item in plan.semaphores:
            if core in range_cores(item.core_ranges):
                base = semaphore_address(arch, item.id)
                yield base, base + 4, f"semaphore {item.id}", -1
