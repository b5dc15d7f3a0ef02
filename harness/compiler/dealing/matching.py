"""Strategy match_shard: a block goes to the core whose L1 holds what it writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec
import numpy as np

from harness.compiler import attrs
from harness.compiler.attrs import CoreRange, WorkItem
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.outputs import TOLD
from simulator.arch import Arch
from simulator.formats.dataformat import DataFormat
from simulator.plan.coords import core_key
from simulator.plan.placement import bank_bytes
from simulator.plan.schema import BlockMap, Layout
from simulator.plan.shards import page_homes, shard_cores
from simulator.plan.tensors import round_up, tile_grid
from simulator.plan.work import Grid, block_rectangle, blocks_of_ids

FIELDS = ("dtype", "logical_shape", "padded_shape", "role", "memory", "layout", "tile_shape",
          "padding", "view")  # fmt: skip

Descs = Mapping[str, Mapping[str, Any]]


def row_width(datums: int, fmt: DataFormat, arch: Arch) -> int:
    """Datums of a page that holds a row of some: DRAM aligns it."""
    return round_up(datums * fmt.spec.bits // 8, arch.alignment("DRAM")) * 8 // fmt.spec.bits


def plan_layout(desc: Mapping[str, Any], arch: Arch | None = None) -> Layout:
    """A tensor's ``tt.layout_desc`` as the plan states it; rows as ``arch`` aligns them."""
    data = {k: desc[k] for k in FIELDS}
    if arch is not None and data["tile_shape"][0] == 1:
        width = row_width(data["tile_shape"][1], DataFormat.from_ir(data["dtype"]), arch)
        data["tile_shape"] = [1, width]
        data["padded_shape"] = [*data["padded_shape"][:-1], width]
    if desc.get("sharding") is not None:
        data["shard"] = desc["sharding"]
    return msgspec.convert(data, Layout)


def check_device(layouts: Descs, arch: Arch) -> None:
    """Refuse shards on cores the device does not have.

    Raises:
        CompileError: naming the tensor and the device's grid.
    """
    for name, desc in layouts.items():
        for r in (desc.get("sharding") or {}).get("core_ranges", ()):
            ends = [s + e for s, e in zip(r["start"], r["extent"], strict=True)]
            if any(end > limit for end, limit in zip(ends, arch.grid, strict=True)):
                refuse(f"{name}: shards on cores {r}, and {arch.name} has {arch.grid[0]}x"
                       f"{arch.grid[1]} cores", code="LayoutConflict",
                       location=f"{attrs.TT_LAYOUT_DESC}.{name}",
                       next_step="use fewer, larger shards")  # fmt: skip


def tensor_bytes(layouts: Descs, arch: Arch) -> dict[str, int]:
    """Bytes each L1 tensor takes on every core, aligned as they are placed."""
    found = {name: plan_layout(desc) for name, desc in layouts.items()}
    return {name: round_up(bank_bytes(layout, arch), arch.l1_alignment)
            for name, layout in found.items() if layout.memory == "L1"}  # fmt: skip


def sharded_outputs(layouts: Descs) -> list[str]:
    """Outputs that are sharded, in parameter order."""
    return [n for n, d in layouts.items() if d["role"] != "input" and d.get("sharding")]


def shard_ranges(layouts: Descs) -> tuple[CoreRange, ...]:
    """Core ranges of the sharded outputs.

    Raises:
        CompileError: no output is sharded, or two lie on different cores.
    """
    names = sharded_outputs(layouts)
    if not names:
        _refuse("strategy match_shard, and no output is sharded",
                "shard an output with annotate_tt_layout, or use another strategy")  # fmt: skip
    ranges = [layouts[n]["sharding"]["core_ranges"] for n in names]
    if any(r != ranges[0] for r in ranges):
        _refuse(f"outputs {' and '.join(names)} are sharded over different cores",
                "shard the outputs alike, or use another strategy")  # fmt: skip
    return tuple(CoreRange.from_json(r) for r in ranges[0])


def match_shard(
    layouts: Descs, blocks: Mapping[str, Mapping[str, Any]], grid: Grid
) -> dict[str, list[WorkItem]]:
    """Work items of every core that holds shards, blocks in row-major order.

    Raises:
        CompileError: no sharded output, or a block that writes the shards of two cores.
    """
    shard_ranges(layouts)
    ids = blocks_of_ids(np.arange(grid[0] * grid[1] * grid[2], dtype=np.int64), grid)
    owners: np.ndarray | None = None
    out: dict[str, list[WorkItem]] = {}
    for name in sharded_outputs(layouts):
        if blocks[name]["coverage"] == TOLD:
            _refuse(f"data choose which shards of {name!r} a block writes",
                    "use another strategy, or leave that tensor in DRAM")  # fmt: skip
        layout = plan_layout(layouts[name])
        assert layout.shard is not None  # noqa: S101  (sharded_outputs)
        tiles = tile_grid(layout)
        home = page_homes(layout)[0].reshape(tiles)
        first, last = block_rectangle(msgspec.convert(dict(blocks[name]), BlockMap), ids, tiles)
        mine = np.empty(len(ids), np.int64)
        for number, (low, high) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
            found = home[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
            mine[number] = found.flat[0]
            if (found != found.flat[0]).any():
                x, y, z = ids[number].tolist()
                _refuse(f"block io={y} jo={x} bo={z} writes shards of {name!r} on several cores",
                        f"use blocks that divide the shard {list(layout.shard.shape)}")  # fmt: skip
        if owners is not None and (owners != mine).any():
            _refuse("a block's outputs have their shards on different cores",
                    "shard the outputs alike, or use another strategy")  # fmt: skip
        owners = mine
        cores = shard_cores(layout.shard)
        out = {core_key(core): [] for core in cores}
        for (bx, by, bz), owner in zip(ids.tolist(), mine.tolist(), strict=True):
            item = WorkItem(by, bx, bo=bz, tile_order="match_shard")
            out[core_key(cores[owner])].append(item)
    return out


def _refuse(message: str, step: str) -> NoReturn:
    refuse(message, code="ShardMismatch", location="strategy", next_step=step)
