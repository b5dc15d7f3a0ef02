"""Running an artifact: plan, programs and tensors in, tensors and findings out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from simulator import depths, determinacy
from simulator.engine.machine import Machine
from simulator.engine.reuse import Use, Workspace, take_apart
from simulator.engine.schedule import RoundRobin
from simulator.engine.scheduler import Scheduler
from simulator.errors import ArtifactError
from simulator.findings import Finding, finding
from simulator.host import (
    check_inputs,
    check_layouts,
    download,
    load_tensors,
    make_tensors,
    written,
)
from simulator.memory.dram import Tensor
from simulator.outcome import RunOptions, RunResult, RunStats
from simulator.plan.schema import Plan
from simulator.program import Program, ProgramFile, is_load, statements

Array = npt.NDArray[Any]

STUCK: Final = frozenset({"Deadlock", "BudgetSpent"})
"""Findings of a run that got no further, or not within its time."""

__all__ = ["RunOptions", "RunResult", "RunStats", "Workspace", "advise_depths", "execute"]


def execute(
    plan: Plan,
    programs: ProgramFile | Sequence[Program],
    inputs: Mapping[str, Array],
    options: RunOptions | None = None,
    workspace: Workspace | None = None,
) -> RunResult:
    """Run a plan's programs on the simulated device.

    ``inputs`` holds an array for every layout of role input, inout or table, by name and in
    logical shape: float32 for real dtypes (rounded to the buffer's dtype by the host), integers
    for the others. Arrays for outputs are their initial contents. A ``workspace`` kept by the
    caller lends its memory to run after run, which saves the page faults of fresh arrays, and
    making the machine anew when the same plan and programs follow each other.

    Raises:
        InputError: arrays that do not fit the plan.
        ArtifactError: a plan and programs that do not fit together.
    """
    options = options or RunOptions()
    check_layouts(plan)
    check_inputs(plan, inputs)
    listed = programs.programs if isinstance(programs, ProgramFile) else tuple(programs)
    result, machine = _execute(plan, listed, inputs, options, workspace=workspace)
    if machine is None:
        return result
    if machine.by_order and not options.cursors:
        again = _with_cursors(plan, listed, inputs, options, result.stats.run_seconds)
        if again is not None:
            return again
    if machine.starved and options.repair:
        findings = _mended(plan, listed, inputs, options, machine, result.stats.run_seconds)
        return replace(result, findings=findings)
    if options.observer is None and (workspace is None or not workspace.keeps(machine)):
        take_apart(machine)
    return result


def _with_cursors(
    plan: Plan,
    programs: Sequence[Program],
    inputs: Mapping[str, Array],
    options: RunOptions,
    seconds: float,
) -> RunResult | None:
    """The run with three cursors per compute program, if it gets further within ten times the time.

    Further is to the end, or to a broken rule other than this one.
    """
    deadline = time.monotonic() + min(max(10 * seconds, 0.5), _left(options, seconds))
    brief = replace(options, schedule=RoundRobin(), cursors=True)
    dry = replace(brief, arithmetic=False, observer=None)

    def further(attempt: RunOptions) -> RunResult | None:
        within = replace(attempt, max_seconds=max(deadline - time.monotonic(), 0.0))
        result, machine = _execute(plan, programs, inputs, within)
        stuck = any(item.code in STUCK for item in result.findings)
        return None if machine is None or machine.by_order or stuck else result

    return further(brief) if further(dry) else None  # values do not decide who gets stuck


def _execute(
    plan: Plan,
    listed: Sequence[Program],
    inputs: Mapping[str, Array],
    options: RunOptions,
    *,
    workspace: Workspace | None = None,
) -> tuple[RunResult, Machine | None]:
    began = time.perf_counter()
    if not options.arithmetic and any(is_load(s) for p in listed for s in statements(p.body)):
        options = replace(options, arithmetic=True)  # addresses depend on values
    need = _bytes(plan)
    if options.max_bytes is not None and need > options.max_bytes:
        spent = finding("BudgetSpent", f"tensors take {need} bytes of the {options.max_bytes}")
        why = ("the run did not start",)
        return RunResult({}, {}, (spent,), False, False, why, RunStats()), None
    pool = workspace if workspace is not None and options.arithmetic else None
    if pool is None:
        pool = Workspace(arithmetic=options.arithmetic)
    use = Use(plan, listed, (frozenset(inputs), options.numbers, options.errata, options.level))
    machine = None if options.cursors or options.observer else pool.machine(use)
    tensors = make_tensors(plan) if machine is None else machine.tensors
    load_tensors(tensors, inputs, pool)
    loaded = time.perf_counter()
    if machine is None:
        machine = Machine(
            plan,
            {program.name: program for program in listed},
            tensors,
            numbers=options.numbers,
            errata=options.errata,
            arithmetic=options.arithmetic,
            strict=options.level == "strict",
            cursors=options.cursors,
            observer=options.observer,
            pool=pool,
        )
    ready = time.perf_counter()
    scheduler = Scheduler(machine, options.max_steps, options.max_seconds, options.schedule)
    if options.max_bytes is not None:
        pool.limit = options.max_bytes - need
    with np.errstate(all="ignore"):
        scheduler.run()
    pool.limit = None
    completed = all(group.done for group in machine.groups)
    if completed:
        machine.check_exit()
    ran = time.perf_counter()
    if options.observer is not None:
        options.observer.ended(machine, ran - ready)
    names = [name for name, layout in plan.layouts.items() if layout.role in ("output", "inout")]
    outputs = {name: download(tensors[name], pool) for name in names}
    known = {name: written(tensors[name]) for name in names}
    stats = RunStats(
        steps=scheduler.steps,
        groups=machine.created,
        splits=scheduler.splits,
        merges=scheduler.merges,
        tile_ops=machine.tile_ops(),
        **moved_bytes(tensors),
        multicast_bytes=machine.multicast_bytes,
        l1_high_water_bytes=l1_high_water(machine),
        cb_max_occupancy={number: cb.peak for number, cb in machine.cbs.items()},
        upload_seconds=loaded - began,
        run_seconds=ran - ready,
        download_seconds=time.perf_counter() - ran,
    )
    reasons, broken = determinacy.reasons(plan, machine, completed=completed)
    result = RunResult(
        outputs,
        known,
        machine.findings,
        completed,
        not broken,
        reasons,
        stats,
        tuple(scheduler.picker.choices),
        scheduler.picker.digest(),
    )
    _let_go(machine)
    if completed:
        pool.keep(use, machine)
    return result, machine


def _let_go(machine: Machine) -> None:
    """Free the memory of tensors and pages at once.

    The ops of a machine refer to each other in cycles. Left to the garbage collector, the tensors
    of a workspace would still be taken when the next run asks for some.
    """
    for tensor in machine.tensors.values():
        tensor.values = np.empty((0, *tensor.tile), tensor.values.dtype)
    for cb in machine.cbs.values():
        for strand in cb.strands:
            strand.front.clear()
            strand.staged.clear()


def l1_high_water(machine: Machine) -> int:
    """Bytes of L1 in use on the fullest core: circular buffers from below, tensors from above."""
    arch, placement = machine.arch, machine.placement
    end = max(placement.cb_end.values(), default=arch.l1_base)
    return end - arch.l1_base + arch.l1_bytes - placement.l1_floor


def moved_bytes(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, int]]:
    """Bytes read and written by memory and buffer, under the names RunStats has for them."""
    out: dict[str, dict[str, int]] = {}
    for memory, prefix in (("DRAM", "dram"), ("L1", "l1")):
        here = {n: t for n, t in tensors.items() if t.layout.memory == memory}
        out[f"{prefix}_read_bytes"] = {n: t.read_bytes for n, t in here.items() if t.read_bytes}
        out[f"{prefix}_write_bytes"] = {
            n: t.written_bytes for n, t in here.items() if t.written_bytes
        }
    dram = {n: t for n, t in tensors.items() if t.layout.memory == "DRAM"}
    out["dram_read_minimum"] = {n: t.least_read() for n, t in dram.items() if t.read_bytes}
    out["dram_write_minimum"] = {n: t.least_written() for n, t in dram.items() if t.written_bytes}
    return out


def _mended(
    plan: Plan,
    programs: Sequence[Program],
    inputs: Mapping[str, Array],
    options: RunOptions,
    machine: Machine,
    seconds: float,
) -> tuple[Finding, ...]:
    """The findings, with what would free the deadlock as its next step."""
    left = _left(options, seconds)
    within = options if options.max_seconds is None else replace(options, max_seconds=left)
    limit = min(max(10 * seconds, 0.05), left)
    change = depths.repair(plan, machine.starved, _attempt(programs, inputs, within), limit)
    if change is None:
        return machine.findings
    advice = (
        f"A depth of {change.after} instead of {change.before} pages for circular buffer"
        f" {change.cb} lets it finish (tried)."
    )
    return tuple(
        msgspec.structs.replace(item, next_step=advice) if item.code == "Deadlock" else item
        for item in machine.findings
    )


def _left(options: RunOptions, seconds: float) -> float:
    """What is left of the budget of time after so many seconds."""
    return math.inf if options.max_seconds is None else max(options.max_seconds - seconds, 0.0)


def _attempt(
    programs: Sequence[Program], inputs: Mapping[str, Array], options: RunOptions
) -> depths.Attempt:
    quick = replace(
        options,
        arithmetic=False,
        repair=False,
        schedule=RoundRobin(),
        observer=None,
    )

    def attempt(plan: Plan) -> bool:
        try:
            result = execute(plan, programs, inputs, quick)
        except ArtifactError:
            return False
        return result.completed and not result.findings

    return attempt


def advise_depths(
    plan: Plan,
    programs: ProgramFile | Sequence[Program],
    inputs: Mapping[str, Array],
    options: RunOptions | None = None,
) -> tuple[depths.DepthAdvice, ...]:
    """The least depth of every circular buffer that neither deadlocks nor breaks a rule.

    Raises:
        InputError: arrays that do not fit the plan.
    """
    listed = programs.programs if isinstance(programs, ProgramFile) else programs
    return depths.advise(plan, _attempt(listed, inputs, options or RunOptions()))


def _bytes(plan: Plan) -> int:
    total = 0
    for layout in plan.layouts.values():
        size = 4
        for extent in layout.padded_shape:
            size *= extent
        total += size
    return total
