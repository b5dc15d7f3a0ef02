"""Versions, device, grids and core ranges; everything else rests on these."""

from __future__ import annotations

import re
from math import prod

from simulator.arch import Arch, device_names, find_arch
from simulator.isa import OP_TABLE_VERSION
from simulator.plan.facts import Facts, check_ranges
from simulator.plan.report import Report
from simulator.plan.schema import SCHEMA_VERSION, Plan
from simulator.plan.work import MAX_BLOCKS, work_grid


def check_device(plan: Plan, report: Report) -> Facts | None:
    """Check the plan's frame; None when it does not hold and nothing further can be judged."""
    before = len(report.findings)
    _versions(plan, report)
    arch = _device(plan, report)
    if arch is None:
        return None
    for axis, side in enumerate(("columns", "rows")):
        if plan.core_grid[axis] > arch.grid[axis]:
            report.add(
                f"$.core_grid[{axis}]",
                f"the grid has more {side} than {arch.name}",
                found=plan.core_grid[axis],
                expected=f"at most {arch.grid[axis]}",
            )
    cores = check_ranges(plan.core_ranges, plan.core_grid, "$.core_ranges", report,
                         grid="core_grid")  # fmt: skip
    for axis, name in enumerate("xyz"):
        if plan.coalesce[axis] > plan.kernel_grid[axis]:
            report.add(
                f"$.coalesce[{axis}]",
                f"more blocks are joined along {name} than the kernel grid has",
                found=plan.coalesce[axis],
                expected=f"at most {plan.kernel_grid[axis]}",
            )
    grid = work_grid(plan)
    if prod(grid) > MAX_BLOCKS:
        report.add("$.kernel_grid", "the work grid is too large", found=f"{prod(grid)} blocks",
                   expected=f"at most {MAX_BLOCKS}")  # fmt: skip
    facts = Facts(plan, arch, cores, grid)
    _options(facts, report)
    broken = any(item.severity == "error" for item in report.findings[before:])
    return None if broken and not _usable(facts) else facts


def _usable(facts: Facts) -> bool:
    """Whether the other checks can run on a plan whose frame has findings."""
    cores = facts.cores
    return bool(cores) and len(set(cores)) == len(cores) and prod(facts.grid) <= MAX_BLOCKS


def _versions(plan: Plan, report: Report) -> None:
    if plan.schema_version != SCHEMA_VERSION:
        report.add("$.schema_version", "the plan's schema is not this version's",
                   found=plan.schema_version, expected=SCHEMA_VERSION)  # fmt: skip
    if plan.op_table_version != OP_TABLE_VERSION:
        report.add("$.op_table_version", "the op table is not this version's",
                   found=plan.op_table_version, expected=OP_TABLE_VERSION)  # fmt: skip
    if re.fullmatch(r"[0-9a-f]{64}", plan.programs_sha256) is None:
        report.add("$.programs_sha256", "not a SHA-256", found=plan.programs_sha256,
                   expected="64 lower-case hexadecimal digits")  # fmt: skip
    if not plan.name:
        report.add("$.name", "the plan has no name")


def _device(plan: Plan, report: Report) -> Arch | None:
    try:
        arch = find_arch(plan.device.name)
    except KeyError:
        report.add("$.device.name", "unknown device", found=plan.device.name,
                   expected=f"one of {', '.join(device_names())}")  # fmt: skip
        return None
    for field, want in (("arch", arch.family), ("board", arch.board)):
        found = getattr(plan.device, field)
        if found != want:
            report.add(f"$.device.{field}", f"not the {field} of {arch.name}", found=found,
                       expected=want, code="PlanInconsistent")  # fmt: skip
    return arch


def _options(facts: Facts, report: Report) -> None:
    """Options whose effect the plan states elsewhere must state the same.

    A null stands for the default: the device's whole grid, the grid's whole range. The defaults of
    the numeric options are the compiler's business.
    """
    plan, options = facts.plan, facts.plan.options
    ranges = [_plain(r.start, r.extent) for r in plan.core_ranges]
    for name, stated, default in (
        ("device", plan.device.name, facts.arch.name),
        ("grid", list(plan.core_grid), list(facts.arch.grid)),
        ("core_ranges", ranges, [_plain((0, 0), plan.core_grid)]),
    ):
        asked = options.get(name)
        if name in options and stated != (default if asked is None else asked):
            _disagree(name, "null" if asked is None else asked, stated, report)
    for name, field in (("fidelity", "math_fidelity"), ("fp32_dest", "fp32_dest_acc_en")):
        asked = options.get(name)
        for kernel in plan.kernels:
            used = getattr(kernel.compute, field, asked)
            if asked is not None and used != asked:
                _disagree(name, asked, used, report)
                break


def _plain(start: tuple[int, int], extent: tuple[int, int]) -> dict[str, list[int]]:
    return {"start": list(start), "extent": list(extent)}


def _disagree(name: str, asked: object, stated: object, report: Report) -> None:
    report.add(f"$.options.{name}", "the option is not what the plan does", found=asked,
               expected=stated, code="PlanInconsistent")  # fmt: skip
