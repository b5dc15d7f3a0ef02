"""Which core does which block: lists, descriptors, and that every block runs exactly once.

Exactly once means: over all cores of ``core_ranges``, every block of the work grid is listed one
time. A block listed twice would run twice, which only harmless blocks survive; a block listed
nowhere is output that is never written. How many tiles an output block covers is a question of its
own, see ``validate_outputs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import prod

import numpy as np
import numpy.typing as npt

from simulator.plan.coords import Core, core_key, parse_core_key
from simulator.plan.facts import Facts
from simulator.plan.report import Report
from simulator.plan.schema import Linear, Plan, Rect, Table, WorkItem
from simulator.plan.work import Blocks, Grid, expand, item_blocks, work_ids
from simulator.plan.zorder import codes_of

ORDERS = ("row_major", "column_major", "block", "z_order", "match_shard")
"""Values of ``tile_order`` for a list that follows from a descriptor."""


def check_work(facts: Facts, report: Report) -> None:
    """Check lists and descriptors, and that every block has exactly one core."""
    plan = facts.plan
    _keys(plan.work_partition, facts, "$.work_partition", report)
    _keys(plan.work_descriptors, facts, "$.work_descriptors", report)
    lists: dict[Core, Blocks] = {}
    for core in facts.cores:
        key = core_key(core)
        items = plan.work_partition.get(key)
        if items is None:
            continue
        blocks = item_blocks(items)
        if not _inside(blocks, facts.grid, key, report):
            continue
        lists[core] = blocks
        descriptor = plan.work_descriptors.get(key)
        if descriptor is not None:
            _agree(core, blocks, descriptor, facts, report)
    _alike(plan, report)
    _tables(plan, report)
    if len(lists) == len(facts.cores):
        _once(lists, facts.grid, report)


def _keys(table: Mapping[str, object], facts: Facts, path: str, report: Report) -> None:
    known = {core_key(core) for core in facts.cores}
    for key in table:
        if key in known:
            continue
        try:
            parse_core_key(key)
        except ValueError as error:
            report.add(path, str(error))
        else:
            report.add(f'{path}["{key}"]', "the core is not in core_ranges")
    for key in sorted(known - set(table)):
        report.add(path, f"core {key} of core_ranges has no entry",
                   expected="an entry for every core, empty for an idle one")  # fmt: skip


def _inside(blocks: Blocks, grid: Grid, key: str, report: Report) -> bool:
    wrong = np.nonzero((blocks >= np.array(grid)).any(axis=1))[0]
    for index in wrong[:3]:
        x, y, z = blocks[index].tolist()
        report.add(
            f'$.work_partition["{key}"][{index}]',
            "the block is outside the work grid",
            found=f"io {y}, jo {x}, bo {z}",
            expected=f"io < {grid[1]}, jo < {grid[0]}, bo < {grid[2]}",
        )
    return not len(wrong)


def _agree(
    core: Core, blocks: Blocks, descriptor: Linear | Rect | Table, facts: Facts, report: Report
) -> None:
    """The descriptor must expand to the list, item by item."""
    key = core_key(core)
    path = f'$.work_descriptors["{key}"]'
    order = next((i.tile_order for i in facts.plan.work_partition[key] if i.tile_order), None)
    if order is not None and not _ordered(order, blocks, descriptor, facts.grid):
        report.add(f'$.work_partition["{key}"][0].tile_order',
                   "the list is not in the order it names", found=order,
                   code="PlanInconsistent", core=core)  # fmt: skip
    if isinstance(descriptor, Table):
        if descriptor.count != len(blocks):
            report.add(f"{path}.count", "the descriptor does not expand to the work list",
                       found=f"{descriptor.count} blocks", expected=f"{len(blocks)} blocks",
                       code="PlanInconsistent", core=core)  # fmt: skip
        return
    try:
        expanded = expand(descriptor, facts.grid)
    except ValueError as error:
        report.add(path, str(error), core=core)
        return
    if len(expanded) != len(blocks):
        report.add(path, "the descriptor does not expand to the work list",
                   found=f"{len(expanded)} blocks", expected=f"{len(blocks)} blocks",
                   code="PlanInconsistent", core=core)  # fmt: skip
    elif not np.array_equal(expanded, blocks):
        index = int(np.nonzero((expanded != blocks).any(axis=1))[0][0])
        report.add(path, f"the descriptor does not expand to the work list at item {index}",
                   found=_block(expanded[index]), expected=_block(blocks[index]),
                   code="PlanInconsistent", core=core)  # fmt: skip


def _ordered(order: str, blocks: Blocks, descriptor: Linear | Rect | Table, grid: Grid) -> bool:
    if order not in ORDERS:
        return isinstance(descriptor, Table)
    if order == "match_shard":
        return True  # the shards say, and the descriptor is compared item by item
    if order == "z_order":
        ids = codes_of(blocks, grid)
    elif order == "column_major":
        ids = blocks[:, 1] + grid[1] * (blocks[:, 0] + grid[0] * blocks[:, 2])
    else:
        ids = work_ids(blocks, grid)
    return bool((np.diff(ids) > 0).all())


def _alike(plan: Plan, report: Report) -> None:
    """All items name one order and one K length: the loop is the same in every block."""
    first: WorkItem | None = None
    where = ""
    for key, items in plan.work_partition.items():
        for index, item in enumerate(items):
            path = f'$.work_partition["{key}"][{index}]'
            if first is None:
                first, where = item, path
            for field in ("len_k", "tile_order"):
                found, want = getattr(item, field), getattr(first, field)
                if found != want:
                    report.add(f"{path}.{field}", f"not what {where} states",
                               found=_or_null(found), expected=_or_null(want),
                               code="PlanInconsistent")  # fmt: skip
    if first is not None and first.len_k is not None:
        longest = max(
            (n for la in plan.layouts.values() if la.role != "output" for n in la.padded_shape),
            default=0,
        )
        if first.len_k * 32 > max(longest, 32):
            report.add(f"{where}.len_k", "longer than any dimension of any input, in tiles of 32",
                       found=first.len_k, expected=f"at most {max(longest, 32) // 32}")  # fmt: skip


def _tables(plan: Plan, report: Report) -> None:
    """Work tables: a UInt32 tensor of that role, cut into disjoint runs."""
    runs: dict[str, list[tuple[int, int, str]]] = {}
    for key, descriptor in plan.work_descriptors.items():
        if isinstance(descriptor, Table):
            run = (descriptor.start, descriptor.start + descriptor.count, key)
            runs.setdefault(descriptor.tensor, []).append(run)
    for name, all_runs in runs.items():
        layout = plan.layouts.get(name)
        path = f'$.work_descriptors["{all_runs[0][2]}"].tensor'
        if layout is None or layout.role != "table" or layout.dtype != "uint32":
            report.add(path, "not a work table", found=name,
                       expected="a layout of role table and dtype uint32")  # fmt: skip
            continue
        found = sorted(run for run in all_runs if run[0] < run[1])
        entries = prod(layout.logical_shape)
        if found and found[-1][1] > entries:
            report.add(f'$.work_descriptors["{found[-1][2]}"]', "reaches past the work table",
                       found=f"entry {found[-1][1] - 1}", expected=f"< {entries}")  # fmt: skip
        for (_, end, one), (start, _, other) in pairwise(found):
            if start < end:
                report.add(
                    f'$.work_descriptors["{other}"]', f"shares table entries with core {one}"
                )
    for name, layout in plan.layouts.items():
        if layout.role == "table" and name not in runs:
            report.add(f'$.layouts["{name}"].role', "no work descriptor reads this table")


def _once(lists: Mapping[Core, Blocks], grid: Grid, report: Report) -> None:
    """Every id of the work grid over all lists exactly once."""
    ids = [work_ids(blocks, grid) for blocks in lists.values()]
    flat: npt.NDArray[np.int64] = np.concatenate(ids) if ids else np.zeros(0, np.int64)
    counts = np.bincount(flat, minlength=prod(grid))
    if len(counts) == len(flat) and (counts == 1).all():
        return
    missing, twice = np.nonzero(counts == 0)[0], np.nonzero(counts > 1)[0]
    if len(missing):
        report.add("$.work_partition", f"{len(missing)} of {prod(grid)} blocks belong to no core",
                   found=f"none for {_block(_one(missing[0], grid))}",
                   expected="every block exactly once")  # fmt: skip
    for ident in twice[:5]:
        owners = [core_key(core) for core, own in zip(lists, ids, strict=True) if ident in own]
        report.add("$.work_partition", f"block {_block(_one(ident, grid))} is listed"
                   f" {counts[ident]} times, by {', '.join(owners[:4])}",
                   expected="every block exactly once")  # fmt: skip


def _one(ident: int, grid: Grid) -> list[int]:
    return [ident % grid[0], ident // grid[0] % grid[1], ident // (grid[0] * grid[1])]


def _block(block: object) -> str:
    x, y, z = (int(v) for v in block)  # type: ignore[attr-defined]
    return f"io {y}, jo {x}, bo {z}"


def _or_null(value: object) -> object:
    return "null" if value is None else value
