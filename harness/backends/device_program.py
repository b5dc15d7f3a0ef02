"""A plan as the plain JSON the worker builds a ttnn program from.

Everything is decided here, in the parent, from the plan: the worker only turns names into ttnn
objects. What only the device knows (addresses, accessor words, NoC coordinates) stays symbolic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.backends.protocol import Array, Arrays, Compiled
from harness.codegen import print_kernels
from harness.codegen.arguments import arguments_of
from harness.codegen.printer import programs_by_name
from simulator.arch import find_arch
from simulator.formats.dataformat import SIGNED_BYTE, DataFormat
from simulator.plan.placement import cb_bytes, place
from simulator.plan.schema import CircularBuffer, CoreRange, Kernel, Layout, Plan
from simulator.plan.tensors import page_bytes, round_up
from simulator.plan.views import stored, stored_shape
from simulator.plan.work import table_contents
from simulator.program import Program

TTNN_DTYPES = {
    "Float32": "float32", "Float16_b": "bfloat16", "Bfp8_b": "bfloat8_b", "Bfp4_b": "bfloat4_b",
    "UInt8": "uint8", "UInt16": "uint16", "UInt32": "uint32", "Int32": "int32",
}  # fmt: skip
"""Data formats ttnn 0.81.1 has tensors of, by its names."""

_DM = {"ncrisc": "RISCV_1", "brisc": "RISCV_0"}


def unsupported(plan: Plan) -> str | None:
    """Why ttnn cannot run a plan at all, or None."""
    if find_arch(plan.device.name).family == "grayskull":
        return "ttnn has no Grayskull since 2025; compile for Wormhole or Blackhole"
    for name, layout in plan.layouts.items():
        if DataFormat.from_ir(layout.dtype).value not in TTNN_DTYPES:
            return f"ttnn has no tensors of {layout.dtype} (tensor {name})"
        if layout.tile_shape[0] == 1:
            return f"row-major tensors are not passed to ttnn (tensor {name})"
    for cb in plan.circular_buffers:
        if cb.data_format not in TTNN_DTYPES:
            return f"ttnn has no circular buffers of {cb.data_format} (buffer {cb.name})"
    if len(plan.io) < 2:
        return "ttnn.generic_op takes at least one input and one output"
    return None


def device_program(artifact: Compiled) -> dict[str, Any]:
    """The program as plain data.

    Raises:
        CodegenError: a kernel that cannot be printed.
    """
    plan = artifact.plan
    texts = print_kernels(artifact)
    placed = programs_by_name(plan, artifact.programs.programs)
    return {
        "name": plan.name,
        "io": list(plan.io),
        "tensors": {name: _tensor(layout) for name, layout in plan.layouts.items()},
        "circular_buffers": _circular_buffers(plan),
        "semaphores": [
            {"id": s.id, "cores": _cores(s.core_ranges), "initial": s.initial}
            for s in plan.semaphores
        ],
        "kernels": [_kernel(k, p, texts[n], plan) for n, (k, p) in placed.items()],
        "assumed": _assumed(plan),
    }


def _cores(ranges: Sequence[CoreRange]) -> list[list[int]]:
    """Rectangles as first and last core, ``[x0, y0, x1, y1]``."""
    return [[*r.start, r.start[0] + r.extent[0] - 1, r.start[1] + r.extent[1] - 1] for r in ranges]


def _tensor(layout: Layout) -> dict[str, Any]:
    shape = stored_shape(layout)
    shape = shape if len(shape) > 1 else (1, *shape)
    shard = layout.shard and {
        "strategy": layout.shard.strategy,
        "cores": _cores(layout.shard.core_ranges),
        "shape": list(layout.shard.shape),
        "orientation": layout.shard.orientation,
    }
    return {
        "shape": list(shape),
        "dtype": TTNN_DTYPES[DataFormat.from_ir(layout.dtype).value],
        "memory": layout.memory,
        "tile": list(layout.tile_shape),
        "role": layout.role,
        "shard": shard,
    }


def _circular_buffers(plan: Plan) -> list[dict[str, Any]]:
    """One entry per piece of memory; aliases are further formats of their owner's."""

    def form(cb: CircularBuffer) -> dict[str, Any]:
        return {"id": cb.id, "format": TTNN_DTYPES[cb.data_format], "page": cb.page_bytes,
                "tile": list(cb.tile_shape)}  # fmt: skip

    out: dict[int, dict[str, Any]] = {}
    for cb in plan.circular_buffers:
        if cb.alias_of is None:
            out[cb.id] = {"bytes": cb_bytes(cb), "cores": _cores(cb.core_ranges),
                          "tensor": cb.tensor, "formats": [form(cb)]}  # fmt: skip
    for cb in plan.circular_buffers:
        if cb.alias_of is not None:
            out[cb.alias_of]["formats"].append(form(cb))
    return list(out.values())


def _kernel(kernel: Kernel, program: Program, text: str, plan: Plan) -> dict[str, Any]:
    args = arguments_of(kernel, program)
    out: dict[str, Any] = {
        "name": program.name,
        "source": text,
        "cores": _cores(kernel.core_ranges),
        "accessors": [buffer for _, buffer in args.accessors],
        "compile": [value for _, value in args.compile],
        "common": [value for _, value in args.common],
        "runtime": {key: list(values) for key, values in args.per_core.items()},
        "coordinates": "NOC_COLUMNS" in text,
    }
    if kernel.compute is None:
        out["processor"] = _DM[program.thread]
        out["noc"] = kernel.noc
    else:
        out["compute"] = {
            "math_fidelity": kernel.compute.math_fidelity,
            "fp32_dest_acc_en": kernel.compute.fp32_dest_acc_en,
            "dst_full_sync_en": kernel.compute.dst_full_sync_en,
            "math_approx_mode": kernel.compute.math_approx_mode,
            "bfp8_pack_precise": kernel.compute.bfp8_pack_precise,
        }
        out["unpack_to_dest"] = sorted(c.id for c in plan.circular_buffers if c.unpack_to_dest)
    return out


def _assumed(plan: Plan) -> dict[str, Any]:
    """What stands in for the device's knowledge when a program is built without one."""
    arch = find_arch(plan.device.name)
    addresses = place(plan, arch).tensors
    return {
        "addresses": dict(addresses),
        "accessors": {name: accessor_words(layout, arch.dram_alignment, arch.l1_alignment)
                      for name, layout in plan.layouts.items()},
        "columns": list(range(arch.grid[0])),
        "rows": list(range(arch.grid[1])),
    }  # fmt: skip


def accessor_words(layout: Layout, dram_alignment: int, l1_alignment: int) -> list[int]:
    """Compile-time words of a TensorAccessor as measured: flags, aligned page bytes.

    Bit 0 of the flags is set for sharded tensors, bit 1 for DRAM. A sharded tensor has more words,
    which hold NoC coordinates: only ttnn on a device knows them.
    """
    dram = layout.memory == "DRAM"
    flags = (layout.shard is not None) | dram << 1
    return [flags, round_up(page_bytes(layout), dram_alignment if dram else l1_alignment)]


def device_inputs(plan: Plan, inputs: Arrays) -> dict[str, Array]:
    """Arrays for the worker: shapes as ttnn has them, work tables filled in."""
    out: dict[str, Array] = {}
    for name, layout in plan.layouts.items():
        array = inputs.get(name)
        if array is None and layout.role == "table":
            array = table_contents(plan, name)
        if array is None:
            continue
        fmt = DataFormat.from_ir(layout.dtype)
        kind = np.dtype(np.float32) if fmt.is_float else np.dtype(TTNN_DTYPES[fmt.value])
        if layout.dtype == SIGNED_BYTE:
            array = np.asarray(array, np.int8).view(np.uint8)
        placed = stored(np.asarray(array, dtype=kind), layout.view)
        shape = placed.shape if placed.ndim > 1 else (1, -1)
        out[name] = np.ascontiguousarray(placed).reshape(shape)
    return out
