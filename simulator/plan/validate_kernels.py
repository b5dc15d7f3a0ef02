"""Kernels: placement, processor configuration and the values of their arguments."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from simulator.findings import RULES, finding
from simulator.plan.coords import core_key
from simulator.plan.facts import Facts, check_placed
from simulator.plan.report import Report
from simulator.plan.schema import ArgValue, Kernel, Linear, Rect, Table

U32_MAX: Final = 2**32 - 1

FIELDS: Final = MappingProxyType(
    {
        Linear: ("start", "count"),
        Table: ("start", "count"),
        Rect: ("x0", "y0", "width", "height"),
    }
)
"""Descriptor fields a core must be told, by form."""


def check_kernels(facts: Facts, report: Report) -> None:
    """Check placement, configuration and argument values of every kernel."""
    programs: set[str] = set()
    for index, kernel in enumerate(facts.plan.kernels):
        path = f"$.kernels[{index}]"
        if kernel.program in programs:
            report.add(f"{path}.program", "the program is placed twice", found=kernel.program,
                       expected="one kernel per program, with all its core ranges")  # fmt: skip
        programs.add(kernel.program)
        cores = check_placed(kernel.core_ranges, facts, f"{path}.core_ranges", report)
        _config(kernel, facts, path, report)
        keys = tuple(core_key(core) for core in cores)
        _runtime_args(kernel, keys, facts, path, report)
        for place, value in _values(kernel, path):
            _value(value, place, facts, report)
    _idle_hardware(facts, report)


def _config(kernel: Kernel, facts: Facts, path: str, report: Report) -> None:
    if (kernel.noc is None) == (kernel.compute is None):
        report.add(path, "a kernel has either a noc (data movement) or a compute configuration",
                   found="neither" if kernel.noc is None else "both",
                   program=kernel.program)  # fmt: skip
    if kernel.compute is None or not kernel.compute.fp32_dest_acc_en:
        return
    if not facts.arch.fp32_dest:
        report.add(f"{path}.compute.fp32_dest_acc_en",
                   f"{facts.arch.name} has no 32-bit destination register", found="true",
                   expected="false", program=kernel.program)  # fmt: skip
    elif facts.arch.family == "wormhole" and kernel.compute.math_fidelity == "HiFi4":
        place = f"{path}.compute.math_fidelity"
        meaning = RULES["ErratumWH38306"].meaning
        report.take(finding("ErratumWH38306", f"{place}: {meaning}", location=place,
                            program=kernel.program))  # fmt: skip


def _runtime_args(
    kernel: Kernel, keys: tuple[str, ...], facts: Facts, path: str, report: Report
) -> None:
    args = kernel.runtime_args
    place = f"{path}.runtime_args"
    most = max((len(values) for values in args.values()), default=0) + len(kernel.common_args)
    if most > facts.arch.max_runtime_args:
        report.add(place, "too many unique + common arguments", found=most,
                   expected=f"at most {facts.arch.max_runtime_args}")  # fmt: skip
    if not args and not kernel.work_args:
        return  # a program without runtime arguments; validate_binding compares the count
    for key in sorted(set(args) - set(keys)):
        report.add(f'{place}["{key}"]', "not the key of one of the kernel's cores",
                   expected='"(x,y)", no spaces')  # fmt: skip
    for key in keys:
        if key not in args:
            report.add(place, f"core {key} has no arguments")
    if len({len(values) for values in args.values()}) > 1:
        report.add(place, "cores have different numbers of arguments",
                   found=sorted({len(values) for values in args.values()}))  # fmt: skip


def _values(kernel: Kernel, path: str) -> Iterator[tuple[str, ArgValue]]:
    for field in ("compile_args", "common_args"):
        for name, value in getattr(kernel, field).items():
            yield f'{path}.{field}["{name}"]', value
    for key, values in kernel.runtime_args.items():
        for index, value in enumerate(values):
            yield f'{path}.runtime_args["{key}"][{index}]', value


def _value(value: ArgValue, place: str, facts: Facts, report: Report) -> None:
    """A 32-bit number, or one of the four symbolic forms, in a place that can hold it."""
    if isinstance(value, int):
        if not 0 <= value <= U32_MAX:
            report.add(place, "not an unsigned 32-bit number", found=value)
        return
    form, target = next(iter(value.items())) if len(value) == 1 else ("", None)
    plan = facts.plan
    is_compile = ".compile_args[" in place
    if form == ("accessor" if is_compile else "addr"):
        ok = isinstance(target, str) and target in plan.layouts
        expected = "the name of a tensor of layouts"
    elif form == "sem":
        ok = type(target) is int and any(s.id == target for s in plan.semaphores)
        expected = "the id of a semaphore"
    elif form == "noc_xy" and not is_compile:
        ok = _is_core(target, facts.arch.grid)
        expected = f"[x, y] inside the grid of {facts.arch.name}"
    else:
        forms = '{"accessor": buffer} or {"sem": id}' if is_compile else (
            '{"addr": buffer}, {"noc_xy": [x, y]} or {"sem": id}')  # fmt: skip
        report.add(place, "not an argument value of this place", found=str(value)[:60],
                   expected=f"an integer, {forms}")  # fmt: skip
        return
    if not ok:
        report.add(f"{place}.{form}", "does not exist", found=str(target)[:60], expected=expected)


def _is_core(target: object, grid: tuple[int, int]) -> bool:
    return (
        isinstance(target, (list, tuple))
        and len(target) == 2
        and all(type(v) is int and 0 <= v < n for v, n in zip(target, grid, strict=True))
    )


def _idle_hardware(facts: Facts, report: Report) -> None:
    """Per core: one kernel per data-movement NoC and one compute kernel; work needs a kernel."""
    places = [
        (index, kernel, check_placed(kernel.core_ranges, facts, "", Report()))
        for index, kernel in enumerate(facts.plan.kernels)
    ]
    taken: dict[tuple[object, ...], int] = {}
    clashes: set[tuple[int, int]] = set()
    for index, kernel, cores in places:
        what = ("compute",) if kernel.compute is not None else ("noc", kernel.noc)
        for core in cores:
            other = taken.setdefault((*what, core), index)
            if other != index and (other, index) not in clashes:
                clashes.add((other, index))
                place = f"$.kernels[{index}]" + ("" if kernel.compute else ".noc")
                report.add(place, f"core {core} already runs $.kernels[{other}] on that "
                           + ("compute engine" if kernel.compute else "NoC"),
                           found=kernel.noc, core=core)  # fmt: skip
    used = {core for _, _, cores in places for core in cores}
    for core in facts.cores:
        items = facts.plan.work_partition.get(core_key(core), ())
        if items and core not in used:
            report.add("$.kernels", f"core {core} has {len(items)} blocks but runs no kernel",
                       core=core)  # fmt: skip
