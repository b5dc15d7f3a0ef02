"""What a plan declares, against what the source and the user's options ask for.

Everything wanted here comes from the source program and the options, never from a compiler's
output, so a compiler that drops an option is found out although its answer is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any, Final

from harness.checking.declared_memory import declared_memory
from simulator.arch import TILE
from simulator.findings import Finding, finding
from simulator.formats.dataformat import DataFormat
from simulator.plan.coords import parse_core_key
from simulator.plan.schema import CoreRange, Linear, Plan
from simulator.plan.tensors import ceil_div, named_tensors
from simulator.plan.work import range_cores, work_grid
from simulator.program import ProgramFile

if TYPE_CHECKING:
    from golden import NumericContract
    from harness.compiler.options import CompileOptions


_DEALT_BY_USER: Final = ("tt.core_ranges", "tt.core_range", "tt.work_partition",
                         "tt.runtime_args", "tt.partition_mode")  # fmt: skip
"""Attributes of a source that deal its work themselves."""


def declared(
    plan: Plan, source: Any, options: CompileOptions, contract: NumericContract,
    programs: ProgramFile | None = None, *, name: str,
) -> list[Finding]:  # fmt: skip
    """Where plan (and programs) say something else than source and options; empty if nowhere.

    ``name``, the kernel's in its module, numeric modes, device, cores, strategy, grid, what
    arguments are, the tensors' order, element types, shapes, directions and places, the blocks in
    flight that ``double_buffer`` and ``prefetch`` promise, 32-bit datums that reach DST whole, that
    data choose what is stored where the source says so, and that nothing is declared that no
    program uses.
    """
    named = [] if plan.name == name else [_differs("$.name", f"the plan is of {plan.name}", name)]
    return [
        *named,
        *_modes(plan, contract),
        *_machine(plan, source, options, contract),
        *_tensors(plan, source),
        *(() if programs is None else _told(plan, programs)),
        *(() if programs is None else declared_memory(plan, source, options, contract, programs)),
    ]


def _modes(plan: Plan, contract: NumericContract) -> Iterator[Finding]:
    wanted = contract.modes()
    for index, kernel in enumerate(plan.kernels):
        if kernel.compute is None:
            continue
        where = f"$.kernels[{index}].compute"
        for name, value in wanted.items():
            have = getattr(kernel.compute, name)
            if have != value:
                yield finding(
                    "NumericModeMismatch",
                    f"{name} is {have}, the source and options ask for {value}",
                    location=f"{where}.{name}",
                )
        for name in ("dst_full_sync_en", "bfp8_pack_precise"):
            if getattr(kernel.compute, name):
                yield finding("NumericModeMismatch", f"{name} is on, and no option asks for it",
                              location=f"{where}.{name}")  # fmt: skip
        high = kernel.compute.math_fidelity == "HiFi4" and kernel.compute.fp32_dest_acc_en
        if high and plan.device.arch == "wormhole":
            yield finding("ErratumWH38306", "HiFi4 with 32-bit DST on Wormhole",
                          location=f"{where}.math_fidelity")  # fmt: skip


def _works_at(grid: tuple[int, ...], places: int | None) -> bool:
    """Whether a grid is of so many places; of more than three axes, some are done in turn."""
    blocks = prod(grid)
    if places is None or 1 in grid:
        return blocks == places
    return places % blocks == 0


def _machine(
    plan: Plan, source: Any, options: CompileOptions, contract: NumericContract
) -> Iterator[Finding]:
    from golden.products import find_product
    from golden.source import read_kernel
    from golden.tables.numbered import numbered_places

    if plan.device.name != options.device:
        yield _differs("$.device", f"the plan is for {plan.device.name}", options.device)
    attributes = source.attrs or {}
    own = any(key in attributes for key in _DEALT_BY_USER) or options.strategy == "match_shard"
    free = ("grid", "core_ranges", "strategy") if own else ()
    names = [k for k, v in options.to_json().items()
             if k not in free and plan.options.get(k) != v]  # fmt: skip
    if names or set(plan.options) != set(options.to_json()):
        yield _differs("$.options", f"{', '.join(names) or 'an option'} recorded otherwise",
                       "the options given")  # fmt: skip
    if plan.core_grid != tuple(options.physical_grid):
        yield _differs("$.core_grid", f"{plan.core_grid}", f"{tuple(options.physical_grid)}")
    kernel = read_kernel(source)
    grid = (*kernel.work_grid, 1, 1, 1)[:3]
    if plan.kernel_grid != grid and not _works_at(plan.kernel_grid,
                                                  numbered_places(kernel, contract)):  # fmt: skip
        yield _differs("$.kernel_grid", f"{plan.kernel_grid}", f"T.Kernel{grid}")
    product = find_product(source)
    if product is not None:
        shape = plan.layouts[product.a].logical_shape if product.a in plan.layouts else ()
        length = -(-shape[-2 if product.trans_a else -1] // TILE) if len(shape) > 1 else None
        claimed = {item.len_k for items in plan.work_partition.values() for item in items}
        if length is not None and claimed - {length}:
            yield _differs("$.work_partition", f"len_k {sorted(map(str, claimed))}", f"{length}")
    orders = {i.tile_order for items in plan.work_partition.values() for i in items}
    if not own:
        wanted = tuple(CoreRange(start=r.start, extent=r.extent) for r in options.ranges)
        if plan.core_ranges != wanted:
            yield _differs("$.core_ranges", "other cores", "the ones the options name")
        for core, one in plan.work_descriptors.items():
            form = one.order if isinstance(one, Linear) else "block"
            if form != options.strategy:
                yield _differs(f'$.work_descriptors["{core}"]', form, options.strategy)
                break
        yield from _even(plan, options)
    if (not own or options.strategy == "match_shard") and orders - {options.strategy}:
        yield _differs("$.work_partition", f"ordered {sorted(map(str, orders))}", options.strategy)


def _even(plan: Plan, options: CompileOptions) -> Iterator[Finding]:
    """No core has more blocks than dealing them evenly leaves it."""
    x, y, z = work_grid(plan)
    cores = range_cores(plan.core_ranges)
    most = ceil_div(x * y * z, len(cores))
    if options.strategy == "block":
        columns, rows = (len(set(places)) for places in zip(*cores, strict=True))
        most = ceil_div(x, columns) * ceil_div(y, rows) * z
    for core, items in plan.work_partition.items():
        if len(items) > most:
            wanted = f"at most {most} of {x * y * z} on each of {len(cores)} cores"
            yield _differs(f'$.work_partition["{core}"]', f"{len(items)} blocks", wanted)


def _tensors(plan: Plan, source: Any) -> Iterator[Finding]:
    from golden.source import read_kernel
    from golden.tables.decisions import deciding as by_decisions
    from golden.tables.indices import index_ranges
    from golden.tables.stored import told_outputs

    kernel = read_kernel(source)
    told = told_outputs(kernel)
    for name, block_map in plan.output_blocks.items():
        if (block_map.coverage == "told") != (name in told):
            source_says = "told" if name in told else "places that follow from the block"
            yield _differs(f"$.output_blocks.{name}.coverage", block_map.coverage, source_says)
    deciding = {*by_decisions(kernel), *index_ranges(kernel)}
    known = {t.name: t for t in kernel.tensors}
    layouts = {n: la for n, la in plan.layouts.items() if la.role != "table"}
    for name in sorted(named_tensors(plan) & set(known) - {*kernel.inputs, *kernel.outputs}):
        yield _differs(f"$.layouts.{name}", "programs name it", "neither read nor written")
    order = [name for name in plan.io if name in layouts]
    taken = sorted((n for n in known if n in layouts), key=lambda n: n in kernel.outputs)
    if sorted(order) == sorted(taken) and order != taken:
        yield _differs("$.io", f"the host passes {', '.join(order)}", ", ".join(taken))
    for name in sorted(set(known) | set(layouts)):
        if name not in known or name not in layouts:
            place = "source" if name in known else "plan"
            yield finding("PlanInconsistent", f"tensor {name!r} is only in the {place}",
                          location="$.layouts")  # fmt: skip
            continue
        want, have = known[name], layouts[name]
        dtype = want.stored
        if name in deciding and dtype in ("uint8", "int8_bytes"):
            dtype = "int32"  # which threads load
        facts = (
            ("dtype", have.dtype, dtype),
            ("logical_shape", have.logical_shape, want.shape),
            ("role", have.role, _role(name, kernel)),
            ("padding", have.padding, _padding(dtype)),
        )
        for fact, found, wanted in facts:
            if found != wanted:
                yield finding(
                    "PlanInconsistent",
                    f"tensor {name!r}: {fact} is {found}, the source says {wanted}",
                    location=f"$.layouts.{name}.{fact}",
                )


def _told(plan: Plan, programs: ProgramFile) -> Iterator[Finding]:
    """Numbers that cores are given are fields of their work, or where they are."""
    names = {program.name: program.runtime_args for program in programs.programs}
    for index, kernel in enumerate(plan.kernels):
        cores = [parse_core_key(key) for key in kernel.runtime_args]
        columns = zip(names[kernel.program], zip(*kernel.runtime_args.values(), strict=True),
                      strict=True)  # fmt: skip
        for name, values in columns:
            number = all(isinstance(value, int) for value in values)
            place = list(values) in ([x for x, _ in cores], [y for _, y in cores])
            if number and not place and name not in kernel.work_args:
                yield _differs(f"$.kernels[{index}].work_args", f"argument {name} is none of them",
                               "the field of the core's work it is")  # fmt: skip


def _padding(dtype: str) -> str:
    return "zero" if DataFormat.from_ir(dtype).is_bfp else "unspecified"


def _role(name: str, kernel: Any) -> str:
    if name not in kernel.outputs:
        return "input"
    return "inout" if name in kernel.inputs else "output"


def _differs(place: str, have: str, want: str) -> Finding:
    return finding("PlanInconsistent", f"{place.removeprefix('$.')}: {have}; asked for: {want}",
                   location=place)  # fmt: skip
