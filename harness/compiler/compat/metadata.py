"""Legacy functions that describe a kernel: schedule, shards, layouts, partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import tvm
from tvm import tirx

from harness.compiler import attrs
from harness.compiler.attrs import CoreRange
from harness.compiler.compat.common import DEVICE, each, legacy, staged, work_grid
from harness.compiler.dealing.partition import cores_of, split
from harness.compiler.diagnostics import refuse
from harness.compiler.options import CompileOptions
from simulator.arch import TILE
from simulator.formats.dataformat import DataFormat
from simulator.plan.coords import core_key
from simulator.plan.tensors import padded_shape

Facts = dict[str, Any]
_MODE: Final = attrs.TT_PARTITION_MODE
"""The one attribute legacy functions write that the pipeline reads: what the user said stays."""


@legacy
def infer_default_tt_schedule(mod: tvm.IRModule, device: str = DEVICE) -> tvm.IRModule:
    """Blocks in contiguous runs over the device's cores, as ``tt_schedule`` and its parts."""
    return each(staged(mod, 1, device), lambda func: schedule(func, device))


@legacy
def infer_default_tt_shard(mod: tvm.IRModule, device: str = DEVICE) -> tvm.IRModule:
    """Tiles and padding of every tensor, as ``tt_shard`` and ``tt_buffer_<n>_…``."""
    return each(staged(mod, 2, device), shard)


@legacy
def apply_tt_metadata_passes(mod: tvm.IRModule, device: str = DEVICE) -> tvm.IRModule:
    """Schedule and shards, and the first three passes."""
    return each(staged(mod, 3, device), lambda func: schedule(func, device) | shard(func))


@legacy
def infer_tt_layout(mod: tvm.IRModule, device: str = DEVICE) -> tvm.IRModule:
    """Where every tensor lies, as ``tt.buffer.<n>``; ``tt.user_layout`` is honoured."""
    return each(staged(mod, 1, device), layouts)


@legacy
def propagate_tt_layout(mod: tvm.IRModule, device: str = DEVICE) -> tvm.IRModule:
    """A circular buffer per tensor, as ``tt.cb.<n>``."""
    return each(staged(mod, 2, device), buffers)


@legacy
def layout_aware_work_partition_tt(mod: tvm.IRModule, device: str = DEVICE) -> tvm.IRModule:
    """Partition mode, tile grid and what each core receives."""
    return each(staged(mod, 3, device), partition)


@legacy
def apply_layout_aware_metadata_passes(mod: tvm.IRModule, device: str = DEVICE) -> tvm.IRModule:
    """Layouts, circular buffers and partition, and the first three passes."""
    return each(
        staged(mod, 3, device), lambda func: layouts(func) | buffers(func) | partition(func)
    )


@legacy
def tt_tiles_to_core_map(mod: tvm.IRModule, device: str = DEVICE) -> tvm.IRModule:
    """Each core's coordinates and run of blocks, as ``tt_core_ranges``."""
    return each(staged(mod, 3, device), core_map)


def schedule(func: tirx.PrimFunc, device: str) -> Facts:
    """The attributes of infer_default_tt_schedule."""
    grid = attrs.get(func, attrs.TT_KERNEL_GRID)
    for axis, extent in zip("xyz", grid, strict=True):
        for key in (f"tl.grid_{axis}", f"tt_grid_{axis}"):
            stated = attrs.get(func, key, extent)
            if stated != extent:
                refuse(f"{key} = {stated} contradicts T.Kernel's {extent}", node=func.body,
                       code="LayoutConflict", next_step="drop the attribute")  # fmt: skip
    labels = {}
    for name, only in (("policy", "contiguous"), ("order", "row_major")):
        labels[name] = attrs.get(func, f"tt_schedule_{name}", only)
        if labels[name] != only:
            refuse(f"tt_schedule_{name} = {labels[name]!r} was a label without effect",
                   node=func.body, code="UnsupportedSchedule",
                   next_step="use partition_strategy of run_pipeline")  # fmt: skip
    width, height = CompileOptions(device=device).arch.grid
    total = grid[0] * grid[1] * grid[2]
    runs = split(total, width * height)
    return {
        "tt_num_tiles": total,
        **{f"tt_grid_{axis}": extent for axis, extent in zip("xyz", grid, strict=True)},
        "tt_num_cores": len(runs),
        "tt_tiles_per_core": [list(run) for run in runs],
        "tt_schedule": {
            **labels,
            "grid_shape": grid,
            "total_tiles": total,
            "num_cores": len(runs),
            "assignments": [
                {"core_id": core, "start_tile": start, "tile_count": count}
                for core, (start, count) in enumerate(runs)
            ],
        },
    }


def shard(func: tirx.PrimFunc) -> Facts:
    """The attributes of infer_default_tt_shard."""
    out: Facts = {"tt_shard": {}}
    for name, shape in shapes(func).items():
        full = list(padded_shape(shape))
        parts = {
            "layout": "dram_interleaved",
            "tile_shape": [TILE, TILE],
            "num_tiles_height": full[-2] // TILE,
            "num_tiles_width": full[-1] // TILE,
            "needs_padding": full != shape,
            "padded_shape": full,
        }
        out["tt_shard"][name] = parts
        out |= {f"tt_buffer_{name}_{part}": value for part, value in parts.items()}
    return out


def shapes(func: tirx.PrimFunc) -> dict[str, list[int]]:
    """Logical shape of every tensor, 1-D as 1 x N."""
    layout = attrs.get(func, attrs.TT_LAYOUT_DESC)
    logical = {name: desc["logical_shape"] for name, desc in layout.items()}
    return {name: [1, *s] if len(s) == 1 else s for name, s in logical.items()}


def layouts(func: tirx.PrimFunc) -> Facts:
    """The attributes of infer_tt_layout."""
    out = {}
    logical = shapes(func)
    keys = ("memory", "layout", "tile_shape", "dtype", "padded_shape")
    for name, desc in attrs.get(func, attrs.TT_LAYOUT_DESC).items():
        out[f"tt.buffer.{name}"] = {
            **{key: desc[key] for key in keys},
            "needs_padding": desc["padded_shape"] != logical[name],
        }
    return out


def buffers(func: tirx.PrimFunc) -> Facts:
    """The attributes of propagate_tt_layout; the depth is the legacy default of two pages."""
    out = {}
    for name, desc in attrs.get(func, attrs.TT_LAYOUT_DESC).items():
        fmt = DataFormat.from_ir(desc["dtype"])
        out[f"tt.cb.{name}"] = {"page_size": fmt.tile_bytes(), "depth": 2,
                                "data_format": fmt.value}  # fmt: skip
    return out


def partition(func: tirx.PrimFunc) -> Facts:
    """The attributes of layout_aware_work_partition_tt."""
    facts = tile_facts(func)
    mode = attrs.get(func, "tt.user_schedule", {}).get("partition_mode", facts[_MODE])
    if mode != "global":
        refuse(f"partition mode {mode!r}, and these attributes describe one grid of tiles for all"
               " cores", node=func.body, code="UnsupportedSchedule",
               next_step="use TTTilesToCoreMap, which honours it")  # fmt: skip
    constants = facts["tt.runtime_constants"]
    cores = core_map(func)
    tail = [constants[name] for name in ("Mt", "Kt", "Nt")]
    return {
        **facts,
        "tt.runtime_arg_names": ["tt_start_tile", "tt_tile_count", "Mt", "Kt", "Nt"],
        "tt_core_ranges": cores["tt_core_ranges"],
        "tt_core_runtime_args": [[*run, *tail] for run in cores["tt_core_runtime_args"]],
    }


def tile_facts(func: tirx.PrimFunc) -> Facts:
    """Grid of blocks as rows and columns, and the constants a runtime was given."""
    gx, gy, gz = work_grid(func)
    rows, columns = gy * gz, gx
    return {
        _MODE: attrs.get(func, _MODE, "global"),
        "tt.grid_tiles": [rows, columns],
        "tt.local_shape_tiles": [rows, columns],
        "tt.shard_grid": [1, 1],
        "tt.runtime_constants": {
            "Mt": rows,
            "Nt": columns,
            "Kt": attrs.get(func, attrs.TT_LEN_K, 1),
        },
    }


def core_map(func: tirx.PrimFunc) -> Facts:
    """The attributes of tt_tiles_to_core_map."""
    dealt: Mapping[str, Any] = attrs.get(func, attrs.TT_WORK_DESCRIPTORS)
    ranges = [CoreRange.from_json(r) for r in attrs.get(func, attrs.TT_CORE_RANGES)]
    if any(d.get("order") != "row_major" for d in dealt.values()):
        refuse("blocks are not dealt in row-major runs, which is all tt_core_ranges can say",
               node=func.body, code="UnsupportedSchedule",
               next_step="read tt.work_partition")  # fmt: skip
    places, runs = [], []
    for x, y in cores_of(ranges):
        run = dealt[core_key((x, y))]
        runs.append([run["start"], run["count"]])
        if run["count"]:
            places.append([x, y, x, y, *runs[-1]])
    return {"tt_core_ranges": places, "tt_core_runtime_args": runs}
