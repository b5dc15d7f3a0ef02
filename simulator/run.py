"""Running an artifact: plan, programs and tensors in, tensors and findings out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
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

SPENT: Final = "BudgetSpent"

STUCK: Final = frozenset({"Deadlock", SPENT})
"""Findings of a run that got no further, or not within its budget."""

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
    left = _left(options, result)
    again = None
    if machine.by_order and not options.cursors:
        again = _with_cursors(plan, listed, inputs, left, result, machine.by_order)
    if again is None and machine.starved and options.repair:
        again = replace(result, findings=_mended(plan, listed, inputs, left, machine, result))
    if options.observer is None and (workspace is None or not workspace.keeps(machine)):
        take_apart(machine)
    return result if again is None else again


def _with_cursors(
    plan: Plan,
    programs: Sequence[Program],
    inputs: Mapping[str, Array],
    left: RunOptions,
    first: RunResult,
    unsure: AbstractSet[str],
) -> RunResult | None:
    """The run with three cursors per compute program, if it gets further.

    Further is to the end, or to a broken rule other than this one. It has what the
    first run left of its budget, and no limit of its own; if it ends there, no deadlock is proven.
    """
    brief = replace(left, schedule=RoundRobin(), cursors=True)
    dry = replace(brief, arithmetic=False, observer=None)  # values do not decide who gets stuck
    result, further = _further(plan, programs, inputs, dry)
    if further:
        result, further = _further(plan, programs, inputs, brief)
    if SPENT in _codes(result):
        return replace(first, findings=_undecided(first, result, unsure))
    return result if further else None


def _further(
    plan: Plan, programs: Sequence[Program], inputs: Mapping[str, Array], options: RunOptions
) -> tuple[RunResult, bool]:
    """A run with three cursors, and whether it got further."""
    result, machine = _execute(plan, programs, inputs, options)
    if machine is None:
        return result, False
    further = not (machine.by_order or _codes(result) & STUCK)
    if options.observer is None:
        take_apart(machine)
    return result, further


def _undecided(
    first: RunResult, second: RunResult, unsure: AbstractSet[str]
) -> tuple[Finding, ...]:
    """What is found if one cursor got stuck and three spent the budget."""
    after = (
        f"with a cursor for each part of compute; one cursor ends in {', '.join(sorted(unsure))}"
    )
    spent = next(item for item in second.findings if item.code == SPENT)
    sure = tuple(item for item in first.findings if item.code not in {SPENT, *unsure})
    return (*sure, msgspec.structs.replace(spent, message=f"{spent.message}, {after}"))


def _codes(result: RunResult) -> frozenset[str]:
    return frozenset(item.code for item in result.findings)


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
        spent = finding(SPENT, f"tensors take {need} bytes of the {options.max_bytes}")
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
        for group in machine.groups:
            group.local.end()
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
    left: RunOptions,
    machine: Machine,
    stuck: RunResult,
) -> tuple[Finding, ...]:
    """The findings, with what would free the deadlock as its next step."""
    steps = min(depths.SEARCH * max(stuck.stats.steps, depths.SHORT), left.max_steps)
    change = depths.repair(plan, machine.starved, _attempt(programs, inputs, left), steps)
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


def _left(options: RunOptions, result: RunResult) -> RunOptions:
    """The options with what a run left of their budgets."""
    steps = max(options.max_steps - result.stats.steps, 0)
    seconds = options.max_seconds
    if seconds is not None:
        seconds = max(seconds - result.stats.run_seconds, 0.0)
    return replace(options, max_steps=steps, max_seconds=seconds)


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

    def attempt(plan: Plan, steps: int) -> tuple[bool, int]:
        try:
            result = execute(plan, programs, inputs, replace(quick, max_steps=steps))
        except ArtifactError:
            return False, 0
        return result.completed and not result.findings, result.stats.steps

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
    options = options or RunOptions()
    return depths.advise(plan, _attempt(listed, inputs, options), options.max_steps)


def _bytes(plan: Plan) -> int:
    total = 0
    for layout in plan.layouts.values():
        size = 4
        for extent in layout.padded_shape:
            size *= extent
        total += size
    return total
