"""Pass 4, LowerTTTileIntrinsics: tile ops become device ops on 32x32 tiles.

The result is a block program in TIR: sequential, named L1 tile arrays (scope ``tt.l1``), no
circular buffer ids, no init ops. Each block op stands under an ``AttrStmt`` that says which thread
it is for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import tvm
from tvm import tirx

from harness.compiler import attrs
from harness.compiler.block.emitting.asking import ahead, ask
from harness.compiler.block.emitting.emit import ComputeEmitter
from harness.compiler.block.emitting.transfer import TransferEmitter
from harness.compiler.block.model import (
    Accumulate,
    BlockProgram,
    For,
    Gemm,
    If,
    IndexTiles,
    Load,
    Scaler,
    Statement,
    Store,
)
from harness.compiler.block.moved import Moved, emit_moved
from harness.compiler.block.names import Names
from harness.compiler.block.reading.gather import Gathered, emit_gather
from harness.compiler.block.reading.read import read_block
from harness.compiler.block.reading.scatter import emit_scatter
from harness.compiler.block.settling.forwarded import forward_stores
from harness.compiler.block.settling.hazards import check_in_place
from harness.compiler.block.settling.integers import check_integers
from harness.compiler.block.settling.normalise import normalise
from harness.compiler.block.settling.spans import check_spans
from harness.compiler.diagnostics import TTPass, refuse
from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import block_ranges, mentions
from harness.compiler.facts.kernel import Kernel, read_kernel, with_body
from harness.compiler.options import CompileOptions, chosen
from harness.compiler.passes.propagate_layout import describe_onchip, multiplies_integers
from harness.compiler.rewrite.folded import row_lengths
from harness.compiler.rewrite.masks import keeps
from harness.compiler.tt_ops import seq
from harness.language.regions import constant
from simulator.arch import Arch


class LowerTTTileIntrinsics(TTPass):
    """Block operations to tile operations."""

    name = "LowerTTTileIntrinsics"

    def __init__(
        self, target_device: str | None = None, *, options: CompileOptions | None = None
    ) -> None:
        """Choose device and numeric modes.

        Args:
            target_device: the device; None for the one blocks were mapped to. Another one is taken
                if its grid holds the cores they were mapped to.
            options: all options at once, instead.

        Raises:
            OptionError: an option that does not exist or does not fit.
        """
        self.options = chosen(options, device=target_device)
        self._keep_device = target_device is None and options is None

    def transform_function(
        self, var: tvm.ir.GlobalVar, func: tirx.PrimFunc
    ) -> list[tuple[tvm.ir.GlobalVar, tirx.PrimFunc]]:
        """Rewrite the body; write ``tt.compute_config``."""
        if attrs.get(func, attrs.TT_WORK_DESCRIPTORS) is None:
            refuse("tt.work_descriptors is missing", code="PassOrder", node=func.body,
                   next_step="run TTTilesToCoreMap first")  # fmt: skip
        options = self._options_for(func)
        func = func.with_attr(attrs.TT_TARGET_DEVICE, options.device)
        kernel = read_kernel(func)
        _check_described(func, kernel)
        _check_accumulators(kernel, options)
        _check_kept(kernel, options)
        program = read_block(kernel, fp32_dest=options.use_fp32_dest)
        capacity = options.arch.dst_tiles(fp32_dest=options.use_fp32_dest, full_sync=False)
        forward_stores(program, list(block_ranges(kernel)), row_lengths(func))
        check_spans(program, list(block_ranges(kernel)), fp32_dest=options.use_fp32_dest)
        normalise(program, capacity, block_ranges(kernel), wide=options.use_fp32_dest)
        fidelity = options.math_fidelity(integers=multiplies_integers(func))
        check_integers(program, options, fidelity)
        check_in_place(program.body)
        body = _Lowering(kernel, capacity, program, options.arch).run()
        func = with_body(func, body)
        config = {
            "math_fidelity": fidelity,
            "fp32_dest_acc_en": options.use_fp32_dest,
            "dst_full_sync_en": False,
            "math_approx_mode": False,
            "bfp8_pack_precise": False,
        }
        return [(var, func.with_attr(attrs.TT_COMPUTE_CONFIG, config))]

    def _options_for(self, func: tirx.PrimFunc) -> CompileOptions:
        mapped = attrs.get(func, attrs.TT_TARGET_DEVICE)
        if self._keep_device:
            return replace(self.options, device=mapped)
        grid, full = attrs.get(func, attrs.TT_DEVICE_GRID), self.options.arch.grid
        if mapped != self.options.device and any(g > f for g, f in zip(grid, full, strict=True)):
            refuse(f"blocks are mapped to {grid[0]}x{grid[1]} cores of {mapped}, and"
                   f" {self.options.device} has {full[0]}x{full[1]}", code="DeviceMismatch",
                   location="target_device",
                   next_step="give TTTilesToCoreMap the same target_device")  # fmt: skip
        return self.options


def _check_described(func: tirx.PrimFunc, kernel: Kernel) -> None:
    """``tt.onchip_desc`` says of every buffer what the buffer is."""
    said = attrs.get(func, attrs.TT_ONCHIP_DESC, {})
    for name, facts in describe_onchip(kernel).items():
        for fact, value in facts.items():
            have = said.get(name, {}).get(fact)
            if have != value:
                refuse(f"tt.onchip_desc says {fact} {have} of buffer {name!r}, which has {value}",
                       code="LayoutConflict", node=kernel.body, location=attrs.TT_ONCHIP_DESC,
                       next_step="run PropagateTTLayout after changing buffers")  # fmt: skip


def _check_accumulators(kernel: Kernel, options: CompileOptions) -> None:
    """A float32 accumulator needs 32-bit DST unless the user gives it up (D4)."""
    if options.use_fp32_dest or options.fp32_dest is False:
        return
    for buffer in (*kernel.onchip, *kernel.params):
        if str(buffer.ty.dtype) == "float32":
            refuse(
                f"buffer {buffer.name!r} is float32, and {options.device} has a 16-bit destination"
                " register only",
                code="NeedsFp32Dest",
                node=kernel.body,
                next_step="accept bfloat16 accumulation with --no-fp32-dest, or use bfloat16",
            )


def _check_kept(kernel: Kernel, options: CompileOptions) -> None:
    """Elements a store leaves as they are pass DST as they are."""
    for stmt in () if options.use_fp32_dest else kernel.statements:
        kept = keeps(stmt) if isinstance(stmt, tirx.BufferStore) else False
        if kept and stmt.buffer in kernel.params and str(stmt.buffer.ty.dtype) == "float32":
            refuse(
                f"tensor {stmt.buffer.name!r} keeps float32 elements where nothing is stored, and"
                " the destination register would round them to 16 bits",
                code="NeedsFp32Dest",
                node=stmt,
                next_step="use 32-bit DST, or store to every element",
            )


class _Lowering:
    def __init__(
        self, kernel: Kernel, dst_tiles: int, program: BlockProgram, arch: Arch
    ) -> None:  # fmt: skip
        self.program = program.body
        layouts = attrs.get(kernel.func, attrs.TT_LAYOUT_DESC)
        self.memory = {name: desc["memory"] for name, desc in layouts.items()}
        self.arch = arch
        self.names = Names(program.names, kernel.signed)
        self.ranges = block_ranges(kernel)
        self.compute = ComputeEmitter(self.names, dst_tiles)
        self.transfer = TransferEmitter(self.names, self.ranges, self.align)
        self.bases: dict[Any, int] = {}

    def run(self) -> Any:
        stmts = self.body(self.program)
        return seq([*self.names.allocations(), *stmts])

    def align(self, tensor: Any) -> int:
        """Modulo how many bytes both ends of a read of a tensor are alike."""
        return self.arch.alignment(self.memory[str(tensor.name)])

    def body(self, body: list[Statement]) -> list[Any]:
        return [s for stmt in body for s in self.statement(stmt)]

    def statement(self, stmt: Statement) -> list[Any]:
        if isinstance(stmt, Load) and isinstance(stmt.region, Gathered):
            align = self.align(stmt.region.tensor)
            return [emit_gather(self.names, self.ranges, stmt, align, self.transfer.scope)]
        if isinstance(stmt, Load):
            return [self.transfer.load(stmt)]
        if isinstance(stmt, Moved):
            return [emit_moved(self.names, self.ranges, stmt)]
        if isinstance(stmt, Store) and isinstance(stmt.region, Gathered):
            return [emit_scatter(self.names, self.ranges, stmt, self.transfer.scope)]
        if isinstance(stmt, Store):
            return [self.transfer.store(stmt)]
        if isinstance(stmt, Scaler):
            return [self.transfer.scaler(stmt)]
        if isinstance(stmt, IndexTiles):
            return [self.transfer.index_tiles(stmt)]
        if isinstance(stmt, For):
            return self.loop(stmt)
        if isinstance(stmt, If):
            return self.branch(stmt, stmt.node.condition)
        if isinstance(stmt, Accumulate):
            base = 0
            for acc in stmt.accs:
                self.bases[acc] = base
                base += acc.tiles
            inner = self.body(stmt.body)
            return [self.compute.accumulate_open(stmt), *inner, self.compute.accumulate_close(stmt)]
        if isinstance(stmt, Gemm) and stmt.resident:
            return [self.compute.accumulate_step(stmt, self.bases[stmt.c])]
        return [self.compute.statement(stmt)]

    def ask(self, exprs: list[Any], node: Any) -> tuple[list[Any], list[Any]]:
        """What tells the threads what tensors decide, and expressions of the answers."""
        return ask(exprs, self.names, self.transfer.analyzer(), self.transfer.scope, node)

    def branch(self, stmt: If, test: Any) -> list[Any]:
        """A condition, behind what it asks tensors of indices.

        Of ``a and b``, b asks only where a holds, which may be what keeps its index in range.
        """
        if isinstance(test, tirx.And) and loads_of(test) and not stmt.orelse:
            inner = self.under(test.a, lambda: self.branch(stmt, test.b))
            before, (a,) = self.ask([test.a], stmt.node)
            return [*before, tirx.IfThenElse(a, seq(inner), None)] if inner else []
        before, (test,) = self.ask([test], stmt.node)
        then = self.under(test, lambda: self.body(stmt.then))
        denied = tvm.sym.Analyzer().simplify(tirx.Not(test))
        orelse = self.under(denied, lambda: self.body(stmt.orelse))
        if not then and not orelse:
            return []
        if not then:
            return [*before, tirx.IfThenElse(tirx.Not(test), seq(orelse), None)]
        return [*before, tirx.IfThenElse(test, seq(then), seq(orelse) if orelse else None)]

    def under(self, condition: Any, body: Callable[[], list[Any]]) -> list[Any]:
        """Statements that run where a condition holds."""
        self.transfer.scope.conditions.append(condition)
        done = body()
        self.transfer.scope.conditions.pop()
        return done

    def loop(self, stmt: For) -> list[Any]:
        node = stmt.node
        if node.step is not None and constant(node.step) != 1:
            refuse(f"loop step {node.step}", node=node, next_step="use a step of 1")
        before, (first, trips) = self.ask([node.min, node.extent], node)
        start = 0 if constant(first) == 0 else first
        extent = constant(trips)
        extent = trips if extent is None else extent
        self.ranges.append((node.loop_var, start, extent))
        outer = self.transfer.scope.told
        if before or any(mentions(bound, outer) for bound in (first, trips)):
            self.transfer.scope.told = [*outer, node.loop_var]
        inner = self.body(stmt.body)
        self.ranges.pop()
        self.transfer.scope.told = outer
        if not inner or (isinstance(extent, int) and extent <= 0):
            return []
        inner, early = ahead(inner, node.loop_var, self.transfer.analyzer(), self.transfer.scope)
        return [*before, *early,
                tirx.For(node.loop_var, first, trips, tirx.ForKind.SERIAL, seq(inner),
                         annotations=node.annotations, span=node.span)]  # fmt: skip
