"""Pass 3, TTTilesToCoreMap: blocks to physical cores.

Reads the grid and the layouts; joins blocks smaller than a tile; writes core ranges, what each core
receives, the work partition and the tiles each block writes. A partition the user attached
(``tt.work_partition``) is honoured or refused.
"""

from __future__ import annotations

import tvm
from tvm import tirx

from harness.compiler import attrs, ir_sugar
from harness.compiler.affine import with_loops
from harness.compiler.coalesce import coalesce
from harness.compiler.diagnostics import TTPass, refuse
from harness.compiler.kernel import Kernel, read_kernel
from harness.compiler.options import CompileOptions
from harness.compiler.outputs import output_blocks
from harness.compiler.partition import cores_of, describe, descriptors, partition_of
from harness.language.ops import GEMM
from harness.language.regions import constant
from simulator.arch import TILE


class TTTilesToCoreMap(TTPass):
    """Core ranges and a balanced work partition on the chosen device."""

    name = "TTTilesToCoreMap"

    def __init__(self, options: CompileOptions | None = None) -> None:
        """``options`` name the device, the sub-grid, the ranges and the strategy."""
        self.options = options or CompileOptions()

    def transform_function(
        self, var: tvm.ir.GlobalVar, func: tirx.PrimFunc
    ) -> list[tuple[tvm.ir.GlobalVar, tirx.PrimFunc]]:
        """Write ranges, descriptors, partition and output blocks."""
        if attrs.get(func, attrs.TT_ONCHIP_DESC) is None:
            refuse("tt.onchip_desc is missing", code="PassOrder",
                   next_step="run PropagateTTLayout first")  # fmt: skip
        func, factors = coalesce(func)
        kernel = read_kernel(func)
        _check_extents(kernel)
        blocks = output_blocks(kernel, kernel.grid)
        len_k = _len_k(kernel)
        ranges = tuple(ir_sugar.core_ranges(func)) or self.options.ranges
        options = self.options
        if tuple(ranges) != tuple(options.ranges):
            options = CompileOptions(
                device=options.device, grid=options.grid, core_ranges=tuple(ranges),
                strategy=options.strategy,
            )  # fmt: skip
        user = ir_sugar.work_partition(func)
        if user:
            cores = [f"({x},{y})" for x, y in cores_of(ranges)]
            dealt = describe(user, kernel.grid, cores)
            partition = {core: user.get(core, []) for core in cores}
        else:
            dealt = descriptors(options.strategy, kernel.grid, ranges)
            partition = partition_of(dealt, kernel.grid, len_k, options.strategy)
        func = ir_sugar.with_core_ranges(func, ranges)
        func = ir_sugar.with_work_partition(func, partition)
        new = {
            attrs.TT_WORK_DESCRIPTORS: dealt,
            attrs.TT_DEVICE_GRID: list(options.physical_grid),
            attrs.TT_COALESCE: list(factors),
            attrs.TT_OUTPUT_BLOCKS: blocks,
            attrs.TT_PARTITION_STRATEGY: options.strategy,
            attrs.TT_TARGET_DEVICE: options.device,
            **({} if len_k is None else {attrs.TT_LEN_K: len_k}),
        }
        for key, value in new.items():
            func = func.with_attr(key, value)
        return [(var, func)]


def _len_k(kernel: Kernel) -> int | None:
    """K tiles the gemms of one block sum over, the longest where there are several."""
    longest = None
    for stmt, around in with_loops(kernel.body):
        call = stmt.value if isinstance(stmt, tirx.Evaluate) else None
        if call is None or not hasattr(call, "op") or call.op.name != GEMM:
            continue
        region = call.args[0].region
        k = constant(region[-2 if constant(call.args[3]) else -1].extent)
        trips = 1
        for loop in around:
            trips *= loop.extent or 1
        tiles = trips * -(-(k or 1) // TILE)
        longest = tiles if longest is None else max(longest, tiles)
    return longest


def _check_extents(kernel: Kernel) -> None:
    """On-chip tile dimensions are whole tiles, or the buffer is the tensor's whole extent."""
    for buffer in kernel.onchip:
        shape = [constant(d) for d in buffer.ty.shape]
        for extent in shape[-2:]:
            if extent is not None and extent > TILE and extent % TILE:
                refuse(
                    f"buffer {buffer.name!r} has extent {extent}, not a multiple of {TILE}",
                    code="UnalignedBlock",
                    node=_allocation(kernel, buffer),
                    next_step=f"use block extents that are multiples of {TILE}",
                )


def _allocation(kernel: Kernel, buffer: object) -> object:
    for stmt, _ in with_loops(kernel.body):
        if isinstance(stmt, tirx.AllocBuffer) and stmt.buffer.same_as(buffer):
            return stmt
    return kernel.body
