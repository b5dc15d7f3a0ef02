"""The plan of a kernel, from the attributes the passes left and the programs they made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from harness.compiler import attrs, ir_sugar
from harness.compiler.dealing.matching import plan_layout
from harness.compiler.options import CompileOptions
from harness.compiler.split.arguments import accessor_name, address_name
from harness.compiler.split.buffers import Circular, distinct, processor
from harness.compiler.split.multicast import NO_MULTICAST, Multicast
from harness.compiler.split.persistent import work_form
from simulator.isa import OP_TABLE_VERSION
from simulator.plan.load import programs_sha256
from simulator.plan.schema import SCHEMA_VERSION, Plan
from simulator.program import Program, ProgramFile

_NOC = (("ncrisc", 0), ("brisc", 1))
"""Reader on NoC 0, writer on NoC 1: tt-metal's Reader/WriterConfigDescriptor defaults."""


def build_plan(
    func: Any,
    name: str,
    options: CompileOptions,
    circular: Sequence[Circular],
    programs: Sequence[Program],
    shared: Multicast = NO_MULTICAST,
) -> Plan:
    """Assemble the plan; every fact comes from an attribute, a program or the options."""
    dealt = attrs.get(func, attrs.TT_WORK_DESCRIPTORS)
    layouts = attrs.get(func, attrs.TT_LAYOUT_DESC)
    fields = work_form(list(dealt.values())).names(layouts)
    names = [str(p.name) for p in func.params]
    tensors = {accessor_name(n): n for n in names}
    ranges = [r.to_json() for r in ir_sugar.core_ranges(func)]
    partition = {
        core: [item.to_json() for item in items]
        for core, items in ir_sugar.work_partition(func).items()
    }
    file = ProgramFile(op_table_version=OP_TABLE_VERSION, programs=tuple(programs))
    inputs = [n for n, d in layouts.items() if d["role"] == "input"]
    outputs = [n for n, d in layouts.items() if d["role"] != "input"]
    arch = options.arch
    config = attrs.get(func, attrs.TT_COMPUTE_CONFIG)
    data = {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "device": {"name": arch.name, "arch": arch.family, "board": arch.board},
        "options": options.to_json(),
        "kernel_grid": attrs.get(func, attrs.TT_KERNEL_GRID),
        "coalesce": attrs.get(func, attrs.TT_COALESCE),
        "core_grid": attrs.get(func, attrs.TT_DEVICE_GRID),
        "core_ranges": ranges,
        "work_partition": partition,
        "work_descriptors": dealt,
        "layouts": {n: plan_layout(d, arch) for n, d in layouts.items()},
        "output_blocks": attrs.get(func, attrs.TT_OUTPUT_BLOCKS),
        "io": [*inputs, *outputs],
        "circular_buffers": [_circular(c, ranges) for c in distinct(circular)],
        "kernels": [_kernel(p, dealt, fields, tensors, ranges, config, shared) for p in programs],
        "op_table_version": OP_TABLE_VERSION,
        "programs_sha256": programs_sha256(file),
        "semaphores": [{"id": n, "core_ranges": ranges} for n in shared.semaphores],
    }
    return msgspec.convert(data, Plan, from_attributes=True)


def _circular(c: Circular, ranges: list[Any]) -> dict[str, Any]:
    return {
        "id": c.id,
        "name": c.name,
        "page_bytes": c.page_bytes,
        "depth": c.depth,
        "data_format": c.format.value,
        "producer": processor(c.producer),
        "consumer": processor(c.consumer),
        "core_ranges": ranges,
        "unpack_to_dest": c.unpack_to_dest,
        "tensor": c.tensor,
        "tile_shape": c.page,
    }


def _kernel(
    program: Program,
    dealt: dict[str, Any],
    fields: dict[str, str],
    tensors: dict[str, str],
    ranges: list[Any],
    config: Any,
    shared: Multicast,
) -> dict[str, Any]:
    out: dict[str, Any] = {
        "program": program.name,
        "core_ranges": ranges,
        "compile_args": {a: {"accessor": tensors[a]} for a in program.accessors},
        "common_args": {address_name(a): {"addr": tensors[a]} for a in program.accessors},
        "runtime_args": {
            core: [
                d[fields[name]] if name in fields else shared.value(name, core)
                for name in program.runtime_args
            ]
            for core, d in dealt.items()
        },
        "work_args": {name: fields[name] for name in program.runtime_args if name in fields},
    }
    if program.thread == "compute":
        out["compute"] = config
    else:
        out["noc"] = dict(_NOC)[program.thread]
    return out
