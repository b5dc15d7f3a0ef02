"""What blocked ops wait for, so that splits and deadlock reports need not know the ops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from simulator.engine.cb import CircularBuffer
    from simulator.engine.expr import Scalar
    from simulator.engine.group import Group
    from simulator.engine.semaphores import Semaphores
    from simulator.engine.strand import Strand


class Wait(Protocol):
    """A condition a group waits for."""

    def ready(self, group: Group) -> int:
        """Bits of the group's lanes where it holds."""

    def describe(self, group: Group) -> str:
        """What is needed and what there is."""

    def owner(self) -> str | None:
        """The thread on the same core that can fulfil it, if it is known."""


class PagesWait:
    """Pages of a circular buffer: free ones for the producer, full ones for the consumer."""

    def __init__(self, cb: CircularBuffer, pages: Scalar, *, producer: bool) -> None:
        self.cb = cb
        self.pages = pages
        self.producer = producer

    def _have(self, strand: Strand) -> int:
        return self.cb.depth - strand.occ if self.producer else strand.occ

    def ready(self, group: Group) -> int:
        """See Wait."""
        need = self.pages(group.regs)
        ready = 0
        for strand, _ in self.cb.at(group.lanes):
            if isinstance(need, int) and self._have(strand) >= need:
                ready |= strand.lanes.mask
        return ready

    def describe(self, group: Group) -> str:
        """See Wait."""
        have = min(self._have(strand) for strand, _ in self.cb.at(group.lanes))
        kind = "free pages" if self.producer else "pages"
        need = self.pages(group.regs)
        return f"needs {need} {kind} of circular buffer {self.cb.number} and has {have}"

    def owner(self) -> str | None:
        """See Wait."""
        return self.cb.consumer if self.producer else self.cb.producer


class SemaphoreWait:
    """A value of a local semaphore: equal, or at least."""

    def __init__(
        self,
        semaphores: Semaphores,
        number: int,
        value: Scalar,
        raisers: list[tuple[str, str]],
        *,
        least: bool,
    ) -> None:
        """``raisers`` are thread and place of every op that changes the semaphore."""
        self.raisers = raisers
        self.semaphores = semaphores
        self.number = number
        self.value = value
        self.least = least

    def ready(self, group: Group) -> int:
        """See Wait."""
        have = self.semaphores.values[self.number][group.lanes.ids]
        want = self.value(group.regs)
        good = have >= want if self.least else have == want
        mask = 0
        for core in group.lanes.ids[good].tolist():
            mask |= 1 << core
        return mask

    def describe(self, group: Group) -> str:
        """See Wait."""
        have = int(self.semaphores.values[self.number][group.lanes.ids[0]])
        want = self.value(group.regs)
        if not isinstance(want, int):
            want = int(want[0])
        relation = "at least " if self.least else ""
        text = f"needs semaphore {self.number} to be {relation}{want} and it is {have}"
        if not self.least and have > want:
            text += " (passed: noc_semaphore_wait_min waits for at least)"
        places = sorted({place for _, place in self.raisers})
        return f"{text} (changed by {', '.join(places) or 'nobody'})"

    def owner(self) -> str | None:
        """See Wait; of a semaphore the thread that changes it, on whatever core, if it is one."""
        threads = {thread for thread, _ in self.raisers}
        return threads.pop() if len(threads) == 1 else None
