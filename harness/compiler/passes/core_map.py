"""Pass 3, TTTilesToCoreMap: blocks to physical cores.

Reads the grid and the layouts; joins blocks smaller than a tile; writes core ranges, what each core
receives, the work partition and the tiles each block writes. A partition the user attached
(``tt.work_partition``) is honoured or refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import tvm
from tvm import tirx

from harness.compiler import attrs, ir_sugar
from harness.compiler.attrs import WorkItem
from harness.compiler.dealing.matching import check_device, match_shard, shard_ranges
from harness.compiler.dealing.partition import cores_of, describe, descriptors, partition_of
from harness.compiler.diagnostics import TTPass, refuse
from harness.compiler.facts.kernel import read_kernel
from harness.compiler.facts.outputs import output_blocks
from harness.compiler.facts.reduction import len_k
from harness.compiler.joining.coalesce import coalesce
from harness.compiler.joining.joinloops import join_loops
from harness.compiler.options import CompileOptions, chosen
from harness.compiler.passes.propagate_layout import describe_onchip
from harness.compiler.rewrite.planewise import planewise
from harness.errors import CompileError
from simulator.plan.coords import core_key
from simulator.plan.work import MAX_BLOCKS


class TTTilesToCoreMap(TTPass):
    """Core ranges and a balanced work partition on the chosen device."""

    name = "TTTilesToCoreMap"

    def __init__(
        self,
        fallback_grid: tuple[int, int] | None = None,
        partition_strategy: str | None = None,
        *,
        target_device: str | None = None,
        options: CompileOptions | None = None,
    ) -> None:
        """Choose device, cores and strategy.

        Args:
            fallback_grid: (columns, rows) of cores to deal to where a function names no
                ``tt.core_ranges`` of its own; None for the device's whole grid.
            partition_strategy: how blocks are dealt; None for row_major.
            target_device: the device; None for the default one.
            options: all options at once, instead of the others.

        Raises:
            OptionError: an option that does not exist or does not fit.
        """
        self.options = chosen(
            options, grid=fallback_grid, strategy=partition_strategy, device=target_device
        )

    def transform_function(
        self, var: tvm.ir.GlobalVar, func: tirx.PrimFunc
    ) -> list[tuple[tvm.ir.GlobalVar, tirx.PrimFunc]]:
        """Write ranges, descriptors, partition and output blocks."""
        if attrs.get(func, attrs.TT_ONCHIP_DESC) is None:
            refuse("tt.onchip_desc is missing", code="PassOrder", node=func.body,
                   next_step="run PropagateTTLayout first")  # fmt: skip
        before = attrs.get(func, attrs.TT_COALESCE, [1, 1, 1])  # the pass may run again
        source = func
        func, factors = coalesce(func)
        func = planewise(join_loops(func))
        kernel = read_kernel(func)
        if not func.same_as(source):
            said, joined = attrs.get(func, attrs.TT_ONCHIP_DESC), describe_onchip(kernel)
            if joined != said and joined != describe_onchip(read_kernel(source)):
                func = func.with_attr(attrs.TT_ONCHIP_DESC, joined)
        total = math.prod(kernel.grid)
        if total > MAX_BLOCKS:
            refuse(f"the grid has {total:,} blocks, a plan may deal {MAX_BLOCKS:,}",
                   node=kernel.body, code="TooManyBlocks",
                   next_step="use larger blocks")  # fmt: skip
        blocks = output_blocks(kernel, kernel.grid)
        length = len_k(kernel)
        layouts = attrs.get(func, attrs.TT_LAYOUT_DESC)
        check_device(layouts, self.options.arch)
        matched = self.options.strategy == "match_shard"
        matched |= attrs.get(func, attrs.TT_PARTITION_MODE) == "local_shard"
        ranges = tuple(ir_sugar.core_ranges(func)) or self.options.core_ranges or ()
        if not ranges:
            ranges = shard_ranges(layouts) if matched else self.options.ranges
        options = self.options
        if tuple(ranges) != tuple(options.ranges):
            options = replace(options, core_ranges=tuple(ranges))
        user = ir_sugar.work_partition(func)
        if not user and matched:
            user = match_shard(layouts, blocks, kernel.grid)
        if user:
            cores = [core_key(core) for core in cores_of(ranges)]
            dealt = _described(user, kernel.grid, cores, matched=matched)
            partition = _completed({core: user.get(core, []) for core in cores}, length)
        else:
            dealt = descriptors(options.strategy, kernel.grid, ranges)
            partition = partition_of(dealt, kernel.grid, length, options.strategy)
        func = ir_sugar.with_core_ranges(func, ranges)
        func = ir_sugar.with_work_partition(func, partition)
        new = {
            attrs.TT_WORK_DESCRIPTORS: dealt,
            attrs.TT_DEVICE_GRID: list(options.physical_grid),
            attrs.TT_COALESCE: _joined(func, factors, before),
            attrs.TT_OUTPUT_BLOCKS: blocks,
            attrs.TT_PARTITION_STRATEGY: options.strategy,
            attrs.TT_TARGET_DEVICE: options.device,
            **({} if length is None else {attrs.TT_LEN_K: length}),
        }
        for key, value in new.items():
            func = func.with_attr(key, value)
        return [(var, func)]


def _described(
    partition: dict[str, list[WorkItem]], grid: tuple[int, int, int], cores: Sequence[str], *,
    matched: bool,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Descriptors of a partition the user, or ``match_shard``, gave."""
    try:
        return describe(partition, grid, cores)
    except CompileError as error:
        if matched and error.location == attrs.TT_WORK_PARTITION:
            refuse(f"match_shard: {error.message}", code="ShardMismatch", location="strategy",
                   next_step="use shards that are rows, columns or rectangles of blocks, on the"
                   " cores of core_ranges")  # fmt: skip
        raise


def _joined(func: tirx.PrimFunc, factors: Sequence[int], before: Sequence[int]) -> list[int]:
    """Source blocks per work block along each axis; never more than the grid has."""
    grid = attrs.get(func, attrs.TT_KERNEL_GRID)
    return [min(a * b, g) for a, b, g in zip(factors, before, grid, strict=True)]


def _completed(
    partition: dict[str, list[WorkItem]], length: int | None
) -> dict[str, list[WorkItem]]:
    """A user's partition with the kernel's own K length in every item."""
    for core, items in partition.items():
        for item in items:
            if item.len_k is not None and item.len_k != length:
                refuse(f"{core}: len_k {item.len_k}, and the kernel sums over {length} tiles",
                       code="InvalidPartition", location=attrs.TT_WORK_PARTITION,
                       next_step="leave len_k out")  # fmt: skip
    return {core: [replace(item, len_k=length) for item in items]
            for core, items in partition.items()}  # fmt: skip
