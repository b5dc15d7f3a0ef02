"""State that belongs to one thread of each core: DST, configuration, NoC transfers under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from simulator.engine.config import Config
from simulator.engine.dst import Section, join_sections
from simulator.engine.lanes import Vector


class Late(NamedTuple):
    """A write that a late NoC holds back: of a multicast, or one that stores to a tensor."""

    transfer: Callable[[], None]
    multicast: bool = False
    stores: bool = False


class Local:
    """Thread state on lanes that agree about it.

    Attributes:
        math: the section math holds, between acquire and commit.
        queue: committed sections.
        packing: the section the packer holds, between wait and release.
        config: configuration of the compute trio.
        reads, writes: epoch of the next NoC read or write; barriers start a new one.
        reads_done, flushed, written: last epochs known read, sent, and visible at destination.
        reading, writing: whether transfers of the current epochs are under way.
        partner: of math the packer's state and the other way round, where a compute program has a
            cursor per part; the queue is shared then.
        src: what unpacker and math share then.
        mail: mailboxes then: those that the unpacker fills, or the one that math or packer empties.
        late: writes that a late NoC holds back; only groups of
            one lane have any.
        late_reads: reads that a late NoC lets happen at their barrier.
    """

    __slots__ = (
        "config",
        "flushed",
        "late",
        "late_reads",
        "mail",
        "math",
        "packing",
        "partner",
        "queue",
        "reading",
        "reads",
        "reads_done",
        "src",
        "writes",
        "writing",
        "written",
    )  # fmt: skip

    def __init__(self) -> None:
        self.math: Section | None = None
        self.queue: list[Section] = []
        self.packing: Section | None = None
        self.config = Config()
        self.reads = 1
        self.reads_done = 0
        self.writes = 1
        self.flushed = 0
        self.written = 0
        self.reading = False
        self.writing = False
        self.late: list[Late] = []
        self.late_reads: list[Callable[[], None]] = []
        self.partner: Local | None = None
        self.src: Any = None
        self.mail: tuple[list[Any], ...] = ()

    def held(self) -> int:
        """DST sections that are committed and not released."""
        packer = self if self.partner is None else self.partner
        return len(self.queue) + (packer.packing is not None)

    def arrive(self, *, multicast: bool = False) -> None:
        """Let the transfers a late NoC holds back arrive: all, or the multicasts."""
        waiting = self.late
        self.late = [item for item in waiting if multicast and not item.multicast]
        for item in waiting:
            if item.multicast or not multicast:
                item.transfer()

    def end(self) -> None:
        """Let writes to tensors arrive: the run is over, and who waits for them is no longer."""
        for item in self.late:
            if item.stores:
                item.transfer()

    def fetch(self) -> None:
        """Let the reads a late NoC holds back happen."""
        for transfer in self.late_reads:
            transfer()
        self.late_reads = []

    def take(self, rows: Vector) -> Local:
        """The state on some lanes."""
        part = Local()
        part.math = None if self.math is None else self.math.take(rows)
        part.queue = [section.take(rows) for section in self.queue]
        part.packing = None if self.packing is None else self.packing.take(rows)
        part.config = self.config
        part.reads, part.reads_done, part.reading = self.reads, self.reads_done, self.reading
        part.writes, part.flushed, part.written = self.writes, self.flushed, self.written
        part.writing = self.writing
        return part

    def _shape(self) -> tuple[object, ...]:
        reading = (self.reads, self.reads_done) if self.reading else None
        writing = (self.writes, self.flushed, self.written) if self.writing else None
        return (
            None if self.math is None else self.math.shape(),
            tuple(section.shape() for section in self.queue),
            None if self.packing is None else self.packing.shape(),
            self.config, reading, writing,
        )  # fmt: skip


def join_locals(parts: list[tuple[Local, Vector]], lanes: int) -> Local | None:
    """One state of several on disjoint rows, or None where they differ.

    Epochs of threads with nothing under way need not agree: all their transfers are complete, so
    the largest epoch stands for each.
    """
    first = parts[0][0]
    shape = first._shape()  # noqa: SLF001 - same class
    if any(part._shape() != shape for part, _ in parts[1:]):  # noqa: SLF001
        return None
    whole = Local()
    whole.config = first.config
    whole.reading, whole.writing = first.reading, first.writing
    whole.reads = max(part.reads for part, _ in parts)
    whole.reads_done = max(part.reads_done for part, _ in parts)
    whole.writes = max(part.writes for part, _ in parts)
    whole.flushed = max(part.flushed for part, _ in parts)
    whole.written = max(part.written for part, _ in parts)

    def joined(sections: list[Section]) -> Section:
        rows = [rows for _, rows in parts]
        return join_sections(list(zip(sections, rows, strict=True)), lanes)

    if first.math is not None:
        whole.math = joined([part.math for part, _ in parts if part.math is not None])
    if first.packing is not None:
        whole.packing = joined([part.packing for part, _ in parts if part.packing is not None])
    whole.queue = [
        joined([part.queue[number] for part, _ in parts]) for number in range(len(first.queue))
    ]
    return whole
