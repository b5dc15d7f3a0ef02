"""Plan against programs: every program placed, every declared argument bound, and bound alike."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from simulator.plan.coords import core_key
from simulator.plan.facts import Facts, check_placed
from simulator.plan.load import programs_sha256
from simulator.plan.report import Report
from simulator.plan.schema import Kernel, Linear, Rect, Table
from simulator.plan.validate_kernels import FIELDS
from simulator.program import Program, ProgramFile


def check_binding(facts: Facts, programs: ProgramFile, report: Report) -> None:
    """Check the plan's kernels against the programs they run."""
    plan = facts.plan
    found = programs_sha256(programs)
    if plan.programs_sha256 != found:
        report.add("$.programs_sha256", "the plan was made for other programs",
                   found=plan.programs_sha256, expected=found, code="PlanInconsistent")  # fmt: skip
    if plan.op_table_version != programs.op_table_version:
        report.add("$.op_table_version", "not the op table the programs are written in",
                   found=plan.op_table_version, expected=programs.op_table_version,
                   code="PlanInconsistent")  # fmt: skip
    by_name = {program.name: program for program in programs.programs}
    for index, kernel in enumerate(plan.kernels):
        path = f"$.kernels[{index}]"
        program = by_name.get(kernel.program)
        if program is None:
            report.add(f"{path}.program", "there is no such program", found=kernel.program,
                       expected=f"one of {', '.join(by_name)}")  # fmt: skip
            continue
        _engine(kernel, program, path, report)
        _declared(kernel, program, path, report)
        _accessors(kernel, program, path, report)
        _runtime(kernel, program, facts, path, report)
    placed = {kernel.program for kernel in plan.kernels}
    for name in by_name:
        if name not in placed:
            report.add("$.kernels", f"program {name} runs nowhere", program=name)
    _threads(facts, by_name, report)
    _delivered(facts, by_name, report)


def _engine(kernel: Kernel, program: Program, path: str, report: Report) -> None:
    want = "compute" if program.thread == "compute" else "noc"
    if getattr(kernel, want) is None:
        report.add(f"{path}.{want}", f"program {program.name} runs on {program.thread}",
                   expected=f"a {want} field", program=program.name)  # fmt: skip


def _declared(kernel: Kernel, program: Program, path: str, report: Report) -> None:
    """Names and order of compile-time and common arguments."""
    for field, want in (
        ("compile_args", (*program.accessors, *program.compile_args)),
        ("common_args", program.common_args),
    ):
        found = tuple(getattr(kernel, field))
        if found != want:
            report.add(f"{path}.{field}", f"not the arguments program {program.name} declares",
                       found=list(found), expected=list(want), code="PlanInconsistent",
                       program=program.name)  # fmt: skip


def _accessors(kernel: Kernel, program: Program, path: str, report: Report) -> None:
    """An accessor, and its address, are of one buffer; other arguments are no accessors."""
    for name in program.accessors:
        value = kernel.compile_args.get(name)
        if not isinstance(value, dict) or "accessor" not in value:
            if value is not None:
                report.add(f'{path}.compile_args["{name}"]', "an accessor is bound to a buffer",
                           found=str(value)[:60], expected='{"accessor": buffer}')  # fmt: skip
            continue
        address = kernel.common_args.get(f"{name}_addr")
        if address is not None and address != {"addr": value["accessor"]}:
            report.add(f'{path}.common_args["{name}_addr"]',
                       f"not the address of the buffer accessor {name} is bound to",
                       found=str(address)[:60], expected=f'{{"addr": "{value["accessor"]}"}}',
                       code="PlanInconsistent", program=program.name)  # fmt: skip
    for name in program.compile_args:
        value = kernel.compile_args.get(name)
        if isinstance(value, dict) and "accessor" in value:
            report.add(f'{path}.compile_args["{name}"]', "not declared as an accessor",
                       found=str(value)[:60], expected="an integer")  # fmt: skip


def _runtime(kernel: Kernel, program: Program, facts: Facts, path: str, report: Report) -> None:
    """Counts, and values that come from the core's work."""
    names = program.runtime_args
    if names and not kernel.runtime_args:
        report.add(f"{path}.runtime_args", f"program {program.name} declares arguments",
                   found="none", expected=list(names), code="PlanInconsistent")  # fmt: skip
    for key, values in kernel.runtime_args.items():
        if len(values) != len(names):
            report.add(f'{path}.runtime_args["{key}"]',
                       f"not one value per argument of program {program.name}",
                       found=f"{len(values)} values", expected=f"{len(names)} values",
                       code="PlanInconsistent", program=program.name)  # fmt: skip
            continue
        descriptor = facts.plan.work_descriptors.get(key)
        if descriptor is None:
            continue
        for name, field in kernel.work_args.items():
            if name in names:
                at = names.index(name)
                _work_value(values[at], field, descriptor, facts,
                            f'{path}.runtime_args["{key}"][{at}]', report)  # fmt: skip
    if kernel.work_args:
        _one_form(kernel, facts, report)
    for name, field in kernel.work_args.items():
        place = f'{path}.work_args["{name}"]'
        if name not in names:
            report.add(place, f"program {program.name} has no such runtime argument")
        if field != "len_k" and not any(field in fields for fields in FIELDS.values()):
            report.add(place, "not a field of a work descriptor", found=field,
                       expected="start, count, x0, y0, width, height or len_k")  # fmt: skip


def _one_form(kernel: Kernel, facts: Facts, report: Report) -> None:
    """One program decodes the descriptors of all its cores, so they are of one form and order."""
    first: tuple[str, tuple[str, str | None]] | None = None
    for key in kernel.runtime_args:
        descriptor = facts.plan.work_descriptors.get(key)
        if descriptor is None:
            continue
        form = (type(descriptor).__name__.lower(), getattr(descriptor, "order", None))
        first = first or (key, form)
        if form != first[1]:
            report.add(f'$.work_descriptors["{key}"]',
                       f"not of the form of core {first[0]}, which the same program decodes",
                       found=" ".join(filter(None, form)),
                       expected=" ".join(filter(None, first[1])),
                       code="PlanInconsistent", program=kernel.program)  # fmt: skip
            return


def _work_value(
    value: object,
    field: str,
    descriptor: Linear | Rect | Table,
    facts: Facts,
    place: str,
    report: Report,
) -> None:
    want: int | None
    if field == "len_k":  # one for all items, so idle cores are told the same
        items = (item for listed in facts.plan.work_partition.values() for item in listed)
        want = next((item.len_k for item in items), None)
    elif field in FIELDS[type(descriptor)]:
        want = getattr(descriptor, field)
    else:
        want = None
    if want is None:
        report.add(place, f"the core's work has no {field}", code="PlanInconsistent")
    elif value != want:
        report.add(place, f"not the {field} of the core's work descriptor", found=value,
                   expected=want, code="PlanInconsistent")  # fmt: skip


def _threads(facts: Facts, by_name: Mapping[str, Program], report: Report) -> None:
    """At most one kernel per RISC-V thread and core."""
    taken: dict[tuple[object, str], int] = {}
    said: set[tuple[int, int]] = set()
    for index, kernel in enumerate(facts.plan.kernels):
        program = by_name.get(kernel.program)
        if program is None:
            continue
        for core in check_placed(kernel.core_ranges, facts, "", Report()):
            other = taken.setdefault((core, program.thread), index)
            if other != index and (other, index) not in said:
                said.add((other, index))
                report.add(f"$.kernels[{index}].core_ranges",
                           f"$.kernels[{other}] already runs on {program.thread} of core {core}",
                           expected="one kernel per thread and core", core=core)  # fmt: skip


def _delivered(facts: Facts, by_name: Mapping[str, Program], report: Report) -> None:
    """Every core is told its descriptor by some kernel, unless there is but one block to do."""
    if prod(facts.grid) == 1:
        return
    told: dict[str, set[str]] = {}
    for kernel in facts.plan.kernels:
        if kernel.program in by_name:
            for core in check_placed(kernel.core_ranges, facts, "", Report()):
                told.setdefault(core_key(core), set()).update(kernel.work_args.values())
    for key, fields in told.items():
        descriptor = facts.plan.work_descriptors.get(key)
        for field in FIELDS[type(descriptor)] if descriptor is not None else ():
            if field not in fields:
                report.add(f'$.work_descriptors["{key}"].{field}',
                           "no kernel of the core receives it",
                           expected="a runtime argument listed in work_args",
                           code="PlanInconsistent")  # fmt: skip
                return
