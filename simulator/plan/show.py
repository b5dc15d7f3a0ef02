"""A plan in plain data that a terminal, a web page or a script can draw from."""

from __future__ import annotations

from typing import Any

from simulator.arch import Arch, find_arch
from simulator.plan.coords import core_key
from simulator.plan.placement import Placement, bank_bytes, cb_bytes, place
from simulator.plan.schema import CoreRange, Linear, Plan, Rect
from simulator.plan.tensors import page_count
from simulator.plan.work import range_cores, work_grid


def plan_summary(plan: Plan) -> dict[str, Any]:
    """What a person wants to see of a valid plan.

    Keys: ``name``, ``device``, ``grid`` (kernel, coalesce, work, core), ``cores`` (active, idle,
    least and most blocks), ``core_map`` (see :func:`core_map`), ``work`` (one line per core),
    ``tensors``, ``circular_buffers``, ``l1`` (bytes and the ``map`` of who lies where on the
    fullest core), ``semaphores``, ``kernels``.

    Raises:
        KeyError: the device is not in the architecture table.
    """
    arch = find_arch(plan.device.name)
    placement = place(plan, arch)
    counts = [len(items) for items in plan.work_partition.values()]
    return {
        "name": plan.name,
        "device": plan.device.name,
        "grid": {
            "kernel": list(plan.kernel_grid),
            "coalesce": list(plan.coalesce),
            "work": list(work_grid(plan)),
            "core": list(plan.core_grid),
        },
        "cores": {
            "active": sum(count > 0 for count in counts),
            "idle": sum(count == 0 for count in counts),
            "least_blocks": min((count for count in counts if count), default=0),
            "most_blocks": max(counts, default=0),
        },
        "core_map": core_map(plan),
        "work": _work(plan),
        "tensors": _tensors(plan, arch, placement),
        "circular_buffers": [
            {
                "id": cb.id,
                "name": cb.name,
                "format": cb.data_format,
                "tile": list(cb.tile_shape),
                "depth": cb.depth,
                "page_bytes": cb.page_bytes,
                "bytes": cb_bytes(cb),
                "address": placement.cbs[cb.id],
                "producer": cb.producer,
                "consumer": cb.consumer,
                "cores": ranges_text(cb.core_ranges),
                "shares": _shares(cb.tensor, cb.alias_of),
                "unpack_to_dest": cb.unpack_to_dest,
            }
            for cb in plan.circular_buffers
        ],
        "l1": _l1(plan, arch, placement),
        "semaphores": [
            {"id": s.id, "initial": s.initial, "cores": ranges_text(s.core_ranges)}
            for s in plan.semaphores
        ],
        "kernels": _kernels(plan),
    }


def core_map(plan: Plan) -> list[list[str]]:
    """Blocks per core as text, rows of ``core_grid`` from y = 0 down, columns from x = 0.

    ``"."`` is a core outside ``core_ranges``, ``"0"`` an idle one.
    """
    columns, rows = plan.core_grid
    return [
        [
            str(len(plan.work_partition[key])) if key in plan.work_partition else "."
            for key in (core_key((x, y)) for x in range(columns))
        ]
        for y in range(rows)
    ]


def ranges_text(ranges: tuple[CoreRange, ...]) -> str:
    """Core ranges as ``--core-ranges`` takes them: ``"0,0:2x2;4,4:2x2"``."""
    return ";".join(f"{r.start[0]},{r.start[1]}:{r.extent[0]}x{r.extent[1]}" for r in ranges)


def _work(plan: Plan) -> list[dict[str, Any]]:
    lines = []
    for key, descriptor in plan.work_descriptors.items():
        if isinstance(descriptor, Rect):
            end = (descriptor.x0 + descriptor.width, descriptor.y0 + descriptor.height)
            text = f"jo {descriptor.x0}..{end[0] - 1}, io {descriptor.y0}..{end[1] - 1}"
        elif isinstance(descriptor, Linear):
            last = descriptor.start + descriptor.count - 1
            text = f"{descriptor.order} {descriptor.start}..{last}"
        else:
            last = descriptor.start + descriptor.count - 1
            text = f"table {descriptor.tensor} {descriptor.start}..{last}"
        blocks = len(plan.work_partition.get(key, ()))
        lines.append({"core": key, "blocks": blocks, "which": text if blocks else "idle"})
    return lines


def _tensors(plan: Plan, arch: Arch, placement: Placement) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "role": layout.role,
            "dtype": layout.dtype,
            "shape": list(layout.logical_shape),
            "view": list(layout.view),
            "padded": list(layout.padded_shape),
            "memory": layout.memory,
            "layout": layout.layout if layout.shard is None else f"{layout.shard.strategy} sharded",
            "pages": page_count(layout),
            "address": placement.tensors[name],
            "bytes_per_bank": bank_bytes(layout, arch),
        }
        for name, layout in ((name, plan.layouts[name]) for name in plan.io)
    ]


def _shares(tensor: str | None, alias_of: int | None) -> str | None:
    if tensor is not None:
        return f"tensor {tensor}"
    return None if alias_of is None else f"circular buffer {alias_of}"


def _l1(plan: Plan, arch: Arch, placement: Placement) -> dict[str, Any]:
    """L1 of the core whose circular buffers reach highest, in order of addresses."""
    fullest = max(placement.cb_end, key=lambda core: placement.cb_end[core], default=(0, 0))
    spans = [
        (placement.cbs[cb.id], cb_bytes(cb), f"circular buffer {cb.id} ({cb.name})")
        for cb in plan.circular_buffers
        if cb.tensor is None and cb.alias_of is None and fullest in range_cores(cb.core_ranges)
    ]
    spans += [
        (placement.tensors[name], bank_bytes(layout, arch), f"tensor {name}")
        for name, layout in plan.layouts.items()
        if layout.memory == "L1"
    ]
    end = placement.cb_end.get(fullest, arch.l1_base)
    return {
        "core": core_key(fullest),
        "bytes": arch.l1_bytes,
        "base": arch.l1_base,
        "cb_end": end,
        "tensors_from": placement.l1_floor,
        "free": placement.l1_floor - end,
        "map": [{"address": a, "bytes": n, "what": what} for a, n, what in sorted(spans)],
    }


def _kernels(plan: Plan) -> list[dict[str, Any]]:
    lines = []
    for kernel in plan.kernels:
        compute = kernel.compute
        config = f"NoC {kernel.noc}"
        if compute is not None:
            flags = (
                "fp32_dest_acc_en",
                "dst_full_sync_en",
                "math_approx_mode",
                "bfp8_pack_precise",
            )
            config = ", ".join([compute.math_fidelity, *(f for f in flags if getattr(compute, f))])
        lines.append(
            {
                "program": kernel.program,
                "cores": ranges_text(kernel.core_ranges),
                "config": config,
                "compile_args": list(kernel.compile_args),
                "common_args": list(kernel.common_args),
                "runtime_args": max((len(v) for v in kernel.runtime_args.values()), default=0),
            }
        )
    return lines
