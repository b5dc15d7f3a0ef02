"""What a run is asked for and what it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from simulator.engine.observer import Observer
from simulator.engine.schedule import RoundRobin, Schedule
from simulator.findings import Finding

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RunOptions:
    """How to run.

    Attributes:
        numbers: number model, ``fast`` or ``exact``.
        errata: reproduce hardware errata.
        level: ``strict`` is the portable contract, ``hardware`` what tt-metal 0.81.1 permits.
        max_steps: ops the engine may execute, all groups together.
        max_seconds: wall time of the run, or None.
        max_bytes: bytes of tensors and blocks, or None.
        arithmetic: off computes shapes, addresses and protocol only.
        schedule: which group runs when; see simulator.engine.schedule.
        cursors: give unpacker, math and packer of compute programs a cursor each from the start;
            else only where one cursor gets stuck.
        repair: look for the smallest change of a depth that frees a deadlock.
        observer: watches the run; see simulator.observe.
    """

    numbers: Literal["fast", "exact"] = "fast"
    errata: bool = False
    level: Literal["strict", "hardware"] = "strict"
    max_steps: int = 100_000_000
    max_seconds: float | None = None
    max_bytes: int | None = 1 << 34
    arithmetic: bool = True
    schedule: Schedule = field(default_factory=RoundRobin)
    cursors: bool = False
    repair: bool = True
    observer: Observer | None = None


@dataclass(frozen=True)
class RunStats:
    """What a run did.

    Attributes:
        steps: ops executed, each for all lanes of a group.
        groups, splits, merges: lock-step groups created, and how often they parted and met.
        tile_ops: executions by op, in tiles over all lanes.
        dram_read_bytes, dram_write_bytes: by buffer in DRAM.
        dram_read_minimum, dram_write_minimum: bytes of the pages moved at least once, by buffer.
        multicast_bytes: bytes that cores received by multicast instead of reading them.
        l1_read_bytes, l1_write_bytes: by buffer in L1, of any core.
        l1_high_water_bytes: bytes of L1 that circular buffers and tensors take per core.
        cb_max_occupancy: most pages held at a time, by CB id.
        upload_seconds, run_seconds, download_seconds: host time.
    """

    steps: int = 0
    groups: int = 0
    splits: int = 0
    merges: int = 0
    tile_ops: dict[str, int] = field(default_factory=dict)
    dram_read_bytes: dict[str, int] = field(default_factory=dict)
    dram_write_bytes: dict[str, int] = field(default_factory=dict)
    dram_read_minimum: dict[str, int] = field(default_factory=dict)
    dram_write_minimum: dict[str, int] = field(default_factory=dict)
    multicast_bytes: int = 0
    l1_read_bytes: dict[str, int] = field(default_factory=dict)
    l1_write_bytes: dict[str, int] = field(default_factory=dict)
    l1_high_water_bytes: int = 0
    cb_max_occupancy: dict[int, int] = field(default_factory=dict)
    upload_seconds: float = 0.0
    run_seconds: float = 0.0
    download_seconds: float = 0.0


@dataclass(frozen=True)
class RunResult:
    """The outcome of a run.

    Attributes:
        outputs: tensors of role output or inout, logical shape, float32 or integers.
        written: per output, which elements the run wrote; the caller judges whether all had to.
        findings: broken rules, in the order found.
        completed: every program ran to its end.
        determinate: every timing gives the same result (a Kahn network), with ``reasons``: why,
            or what breaks it.
        stats: counters and times.
        choices: what the schedule chose, for an Explicit schedule that replays the run.
        trace_hash: digest of which lanes ran which ops in which order; holds no tensor values.
    """

    outputs: dict[str, Array]
    written: dict[str, npt.NDArray[np.bool_]]
    findings: tuple[Finding, ...]
    completed: bool
    determinate: bool
    reasons: tuple[str, ...]
    stats: RunStats
    choices: tuple[tuple[int, int], ...] = ()
    trace_hash: str = ""
