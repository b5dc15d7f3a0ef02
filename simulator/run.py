"""Running an artifact: plan, programs and tensors in, tensors and findings out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from simulator.engine.machine import Machine
from simulator.engine.scheduler import Scheduler
from simulator.findings import Finding, finding
from simulator.host import check_inputs, download, load_tensors, written
from simulator.plan.schema import Plan
from simulator.program import Program, ProgramFile

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
    """

    numbers: Literal["fast", "exact"] = "fast"
    errata: bool = False
    level: Literal["strict", "hardware"] = "strict"
    max_steps: int = 100_000_000
    max_seconds: float | None = None
    max_bytes: int | None = 1 << 34
    arithmetic: bool = True


@dataclass(frozen=True)
class RunStats:
    """What a run did.

    Attributes:
        steps: ops executed, each for all lanes of a group.
        groups, splits, merges: lock-step groups created, and how often they parted and met.
        tile_ops: executions by op, in tiles over all lanes.
        dram_read_bytes, dram_write_bytes: by buffer.
        l1_high_water_bytes: bytes of L1 the circular buffers take per core.
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
        written: per output, which elements hold data; the caller judges whether all had to.
        findings: broken rules, in the order found.
        completed: every program ran to its end.
        determinate: every timing gives the same result (a Kahn network), with ``reasons``: why,
            or what breaks it.
        stats: counters and times.
    """

    outputs: dict[str, Array]
    written: dict[str, npt.NDArray[np.bool_]]
    findings: tuple[Finding, ...]
    completed: bool
    determinate: bool
    reasons: tuple[str, ...]
    stats: RunStats


def execute(
    plan: Plan,
    programs: ProgramFile | Sequence[Program],
    inputs: Mapping[str, Array],
    options: RunOptions | None = None,
) -> RunResult:
    """Run a plan's programs on the simulated device.

    ``inputs`` holds an array for every layout of role input, inout or table, by name and in
    logical shape: float32 for real dtypes (rounded to the buffer's dtype by the host), integers
    for the others. Arrays for outputs are their initial contents.

    Raises:
        InputError: arrays that do not fit the plan.
        ArtifactError: a plan and programs that do not fit together.
    """
    options = options or RunOptions()
    check_inputs(plan, inputs)
    listed = programs.programs if isinstance(programs, ProgramFile) else programs
    began = time.perf_counter()
    need = _bytes(plan)
    if options.max_bytes is not None and need > options.max_bytes:
        spent = finding("BudgetSpent", f"tensors take {need} bytes of the {options.max_bytes}")
        return RunResult({}, {}, (spent,), False, False, ("the run did not start",), RunStats())
    tensors = load_tensors(plan, inputs, arithmetic=options.arithmetic)
    loaded = time.perf_counter()
    machine = Machine(
        plan,
        {program.name: program for program in listed},
        tensors,
        numbers=options.numbers,
        errata=options.errata,
        arithmetic=options.arithmetic,
    )
    ready = time.perf_counter()
    scheduler = Scheduler(machine, options.max_steps, options.max_seconds)
    with np.errstate(all="ignore"):
        scheduler.run()
    completed = all(group.done for group in machine.groups)
    if completed:
        machine.check_exit()
    ran = time.perf_counter()
    names = [name for name, layout in plan.layouts.items() if layout.role in ("output", "inout")]
    outputs = {name: download(tensors[name]) for name in names}
    known = {name: written(tensors[name]) for name in names}
    stats = RunStats(
        steps=scheduler.steps,
        groups=machine.created,
        splits=scheduler.splits,
        merges=scheduler.merges,
        tile_ops=machine.tile_ops(),
        dram_read_bytes={n: t.read_bytes for n, t in tensors.items() if t.read_bytes},
        dram_write_bytes={n: t.written_bytes for n, t in tensors.items() if t.written_bytes},
        l1_high_water_bytes=sum(cb.depth * cb.page_bytes for cb in machine.cbs.values()),
        cb_max_occupancy={number: cb.peak for number, cb in machine.cbs.items()},
        upload_seconds=loaded - began,
        run_seconds=ran - ready,
        download_seconds=time.perf_counter() - ran,
    )
    reasons = _reasons(plan, machine)
    return RunResult(outputs, known, machine.findings, completed, not reasons[1], reasons[0], stats)


def _bytes(plan: Plan) -> int:
    total = 0
    for layout in plan.layouts.values():
        size = 4
        for extent in layout.padded_shape:
            size *= extent
        total += size
    return total


def _reasons(plan: Plan, machine: Machine) -> tuple[tuple[str, ...], bool]:
    """Why the run is or is not determinate, and whether anything breaks it."""
    broken = [f"semaphore {item.id} orders or races cores" for item in plan.semaphores]
    broken += [
        f"tensor {tensor.name} is written and read in one run"
        for tensor in machine.tensors.values()
        if tensor.writable and tensor.read_bytes
    ]
    aliases = [item.id for item in plan.circular_buffers if item.alias_of is not None]
    broken += [f"circular buffer {number} shares another's memory" for number in aliases]
    if broken:
        return tuple(broken), True
    return (
        "every circular buffer has one producer and one consumer",
        "no op probes; no tensor is both read and written",
    ), False
