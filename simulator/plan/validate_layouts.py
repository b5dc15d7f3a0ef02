"""Tensors: formats, padded shapes, sharding, and what the host passes in which order."""

from __future__ import annotations

from math import prod
from typing import Final

from simulator.formats.dataformat import LEGAL_TILES, MAX_ROW, DataFormat, is_row
from simulator.formats.errors import FormatError
from simulator.plan.facts import Facts, check_ranges
from simulator.plan.report import Report
from simulator.plan.schema import Layout, Plan, Shard
from simulator.plan.tensors import padded_shape, round_up, shard_count, shard_grid
from simulator.plan.views import is_view, stored_shape

MAX_RANK: Final = 8
"""ttnn shapes have at most eight dimensions."""


def check_layouts(facts: Facts, report: Report) -> bool:
    """Check every tensor; True when shapes can be relied on by other checks."""
    sound = True
    for name, layout in facts.plan.layouts.items():
        path = f'$.layouts["{name}"]'
        if not name.isidentifier():
            report.add(path, "the tensor's name is not an identifier", found=name)
        sound &= _shape(layout, path, report)
        _format(layout, path, report)
        if sound and is_row(layout.tile_shape):
            _row(layout, facts, path, report)
        if sound:
            _sharding(layout, facts, path, report)
    _io(facts.plan, report)
    return sound


def _shape(layout: Layout, path: str, report: Report) -> bool:
    logical = layout.logical_shape
    if not 1 <= len(logical) <= MAX_RANK:
        report.add(f"{path}.logical_shape", "not a shape", found=list(logical),
                   expected=f"1 to {MAX_RANK} dimensions")  # fmt: skip
        return False
    if layout.tile_shape not in LEGAL_TILES and not is_row(layout.tile_shape):
        report.add(f"{path}.tile_shape", "not a tile shape of the hardware",
                   found=list(layout.tile_shape),
                   expected="height of 1, 2, 4, 8, 16, 32 by width of 16, 32, or a row"
                   f" [1, up to {MAX_ROW}]")  # fmt: skip
        return False
    if layout.view and not is_view(layout.view, len(logical)):
        report.add(f"{path}.view", "not another order of the dimensions", found=list(layout.view),
                   expected=f"0 to {len(logical) - 1}, each once")  # fmt: skip
        return False
    want = padded_shape(stored_shape(layout), layout.tile_shape)
    if layout.padded_shape != want:
        report.add(f"{path}.padded_shape",
                   "not the stored shape with its last two dimensions rounded up to tiles",
                   found=list(layout.padded_shape), expected=list(want),
                   code="PlanInconsistent")  # fmt: skip
        return False
    return True


def _format(layout: Layout, path: str, report: Report) -> None:
    try:
        data_format = DataFormat.from_ir(layout.dtype)
    except FormatError as error:
        report.add(f"{path}.dtype", str(error))
        return
    if data_format.is_bfp and layout.padding != "zero":
        report.add(
            f"{path}.padding",
            f"{layout.dtype} shares exponents, so a stray datum in the"
            " padding would spoil its neighbours",
            found=layout.padding,
            expected="zero",
        )
    if layout.role == "table" and data_format is not DataFormat.UInt32:
        report.add(f"{path}.dtype", "a work table holds work ids", found=layout.dtype,
                   expected="uint32")  # fmt: skip


def _row(layout: Layout, facts: Facts, path: str, report: Report) -> None:
    """A page of a row-major tensor: a whole row, or the part of one that lies in a shard."""
    try:
        data_format = DataFormat.from_ir(layout.dtype)
    except FormatError:
        return  # said already
    if data_format.is_bfp:
        report.add(f"{path}.tile_shape", f"datums of {layout.dtype} share exponents inside tiles",
                   found=list(layout.tile_shape), expected="a tile shape")  # fmt: skip
        return
    alignment = facts.arch.alignment(layout.memory)
    whole = stored_shape(layout) if layout.shard is None else layout.shard.shape
    bits = data_format.spec.bits
    want = round_up(whole[-1] * bits // 8, alignment) * 8 // bits
    if layout.tile_shape[1] != want:
        what = "row" if layout.shard is None else "row of a shard"
        report.add(f"{path}.tile_shape[1]",
                   f"a page of a row-major tensor is one {what}, rounded up to {alignment} bytes",
                   found=layout.tile_shape[1], expected=want)  # fmt: skip


def _sharding(layout: Layout, facts: Facts, path: str, report: Report) -> None:
    shard = layout.shard
    if (layout.layout == "sharded") != (shard is not None):
        report.add(f"{path}.shard", f"does not go with layout {layout.layout}",
                   found="no shard" if shard is None else "a shard",
                   code="PlanInconsistent")  # fmt: skip
        return
    if shard is None:
        return
    if layout.memory != "L1":
        report.add(f"{path}.memory", "shards lie in the L1 of cores", found=layout.memory,
                   expected="L1")  # fmt: skip
    path = f"{path}.shard"
    cores = check_ranges(shard.core_ranges, facts.arch.grid, f"{path}.core_ranges", report,
                         grid=f"grid of {facts.arch.name}")  # fmt: skip
    rank = len(layout.padded_shape) if shard.strategy == "nd" else 2
    if len(shard.shape) != rank:
        report.add(f"{path}.shape", f"not a shape of a {shard.strategy} shard",
                   found=list(shard.shape), expected=f"{rank} dimensions")  # fmt: skip
        return
    for d, side in ((-2, 0), (-1, 1)):
        if shard.shape[d] % layout.tile_shape[side]:
            report.add(f"{path}.shape[{rank + d}]", "shards are cut between tiles",
                       found=shard.shape[d],
                       expected=f"a multiple of {layout.tile_shape[side]}")  # fmt: skip
    if cores:
        _deal(layout, shard, len(cores), path, report)


def _deal(layout: Layout, shard: Shard, cores: int, path: str, report: Report) -> None:
    """Shards and cores must match in number, and for block sharding in arrangement."""
    shape = (prod(layout.padded_shape[:-1]), layout.padded_shape[-1])
    whole = {"height": (1, shape[1]), "width": (0, shape[0])}.get(shard.strategy)
    if whole is not None and shard.shape[whole[0]] != whole[1]:
        report.add(f"{path}.shape[{whole[0]}]", f"{shard.strategy} shards cut one dimension only",
                   found=shard.shape[whole[0]], expected=whole[1])  # fmt: skip
    count = shard_count(layout)
    if shard.strategy == "nd":
        if cores > count:
            report.add(f"{path}.core_ranges", "more cores than shards", found=cores,
                       expected=f"at most {count}")  # fmt: skip
        return
    if shard.strategy == "block" and len(shard.core_ranges) == 1:
        rows, columns = shard_grid(layout)
        want = (columns, rows) if shard.orientation == "row_major" else (rows, columns)
        if shard.core_ranges[0].extent != want:
            report.add(f"{path}.core_ranges[0].extent", "not the arrangement of the shards",
                       found=list(shard.core_ranges[0].extent), expected=list(want))  # fmt: skip
        return
    if shard.strategy == "block":
        report.add(f"{path}.core_ranges", "block shards lie on one rectangle of cores",
                   found=f"{len(shard.core_ranges)} ranges", expected="1 range")  # fmt: skip
    if cores != count:
        report.add(f"{path}.shape", "not one shard per core", found=f"{count} shards",
                   expected=f"{cores} shards, one per core of core_ranges")  # fmt: skip


def _io(plan: Plan, report: Report) -> None:
    """``io`` names every tensor once, those the host only passes in before those it reads back."""
    seen: set[str] = set()
    output: str | None = None
    for index, name in enumerate(plan.io):
        path = f"$.io[{index}]"
        layout = plan.layouts.get(name)
        if layout is None:
            report.add(path, "not a tensor of layouts", found=name)
            continue
        if name in seen:
            report.add(path, "the tensor is listed twice", found=name)
        seen.add(name)
        if layout.role in ("output", "inout"):
            output = name
        elif output is not None:
            report.add(path, f"{layout.role} {name} comes after output {output}",
                       expected="inputs and tables before outputs")  # fmt: skip
    for name in plan.layouts:
        if name not in seen:
            report.add("$.io", f"tensor {name} is not listed")
