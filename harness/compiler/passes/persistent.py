"""Pass 5, GridToPersistentTT: the block program becomes persistent device programs and a plan.

Allocates circular buffers, splits reader, compute and writer, adds the circular-buffer protocol,
places init and reconfigure ops, wraps the persistent loop with index recovery, and makes the plan.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tvm
from tvm import tirx

from harness.compiler import attrs, ir_sugar
from harness.compiler.dealing.matching import tensor_bytes
from harness.compiler.dealing.partition import expand
from harness.compiler.diagnostics import TTPass, refuse
from harness.compiler.facts.affine import block_ranges, mentioned
from harness.compiler.facts.kernel import Kernel, read_kernel
from harness.compiler.options import CompileOptions, chosen, in_force
from harness.compiler.passes.propagate_layout import multiplies_integers
from harness.compiler.runtime_plan import emit_tt_plan
from harness.compiler.split.answers import answered
from harness.compiler.split.bind import bind
from harness.compiler.split.buffers import Circular, allocate, processor
from harness.compiler.split.configure import configure, startup
from harness.compiler.split.inplace import Work, backed_buffers
from harness.compiler.split.multicast import NO_MULTICAST, Multicast, multicast
from harness.compiler.split.needs import Wanted
from harness.compiler.split.persistent import WorkForm, persist, work_form
from harness.compiler.split.plan import build_plan
from harness.compiler.split.protocol import Splitter
from harness.compiler.split.translate import translate
from harness.compiler.split.tree import THREADS, Node, parse
from harness.compiler.tt_ops import seq
from harness.language.regions import is_buffer
from simulator.isa import OP_TABLE_VERSION
from simulator.plan.load import dump_plan
from simulator.plan.schema import Plan
from simulator.plan.validate import validate_artifact
from simulator.program import Program, ProgramFile


class GridToPersistentTT(TTPass):
    """Threads, protocol, persistent loop and plan."""

    name = "GridToPersistentTT"

    def __init__(
        self,
        plan_path: Path | str | None = None,
        enable_double_buffer: bool | None = None,
        enable_prefetch: bool | None = None,
        *,
        options: CompileOptions | None = None,
    ) -> None:
        """Choose buffer depths and where the plan goes.

        Args:
            plan_path: file to write the plan to; with several kernels in the module one file each,
                ``tt.plan.json`` becoming ``tt.plan.<kernel>.json``. None writes nothing.
            enable_double_buffer: two blocks in flight per circular buffer of a loop and per output;
                None for True.
            enable_prefetch: what is read once per work item is read one item ahead; None for True.
            options: all options at once, instead of the two flags.

        Raises:
            OptionError: an option that does not exist or does not fit.
        """
        self.options = chosen(options, double_buffer=enable_double_buffer, prefetch=enable_prefetch)
        self.plan_path = None if plan_path is None else Path(plan_path)
        self._all_given = options is not None
        self.translated: list[tuple[tirx.PrimFunc, Program]] = []
        """The functions of the last module and the program each was checked as."""

    def transform_module(self, mod: tvm.IRModule) -> tvm.IRModule:
        """Rewrite every kernel, then write the plans where a path was given."""
        self.translated = []
        out = super().transform_module(mod)
        if self.plan_path is not None:
            emit_tt_plan(out, self.plan_path)
        return out

    def transform_function(
        self, var: tvm.ir.GlobalVar, func: tirx.PrimFunc
    ) -> list[tuple[tvm.ir.GlobalVar, tirx.PrimFunc]]:
        """One kernel to its reader, compute and writer functions."""
        if attrs.get(func, attrs.TT_COMPUTE_CONFIG) is None:
            refuse("tt.compute_config is missing", code="PassOrder", node=func.body,
                   next_step="run LowerTTTileIntrinsics first")  # fmt: skip
        name, kernel, options = str(var.name_hint), read_kernel(func), self.options_for(func)
        form = work_form(list(attrs.get(func, attrs.TT_WORK_DESCRIPTORS).values()))
        nodes = answered(parse(kernel.body, block_ranges(kernel)))
        circular = circular_buffers(func, kernel, nodes, options)
        shared = self._multicast(func, kernel, nodes) if options.multicast else NO_MULTICAST
        by_buffer = {c.buffer: c for c in circular}
        threads = Splitter(by_buffer).split(nodes)
        functions: list[tuple[str, tirx.PrimFunc]] = []
        for thread in THREADS:
            if threads[thread]:
                body = bind(threads[thread], thread, by_buffer)
                functions.append((thread, _function(kernel, thread, body, form, circular, shared)))
        functions[0] = _with_whole_descriptor(kernel, form, functions)
        programs = [translate(split, thread, processor(thread)) for thread, split in functions]
        plan = build_plan(func, name, options, circular, programs, shared)
        _check(kernel, plan, programs)
        text = dump_plan(plan).decode()
        made = []
        for (thread, split), program in zip(functions, programs, strict=True):
            whole = split.with_attrs(
                {
                    "global_symbol": f"{name}_{thread}",
                    attrs.TT_KERNEL: name,
                    attrs.TT_PROCESSOR: processor(thread),
                    attrs.TT_PLAN: text,
                }
            )
            self.translated.append((whole, program))
            made.append((tvm.ir.GlobalVar(f"{name}_{thread}"), whole))
        return made

    @staticmethod
    def _multicast(func: tirx.PrimFunc, kernel: Kernel, nodes: list[Node]) -> Multicast:
        items = work_items(func, kernel)
        names = [str(p.name) for p in kernel.params]
        return multicast(nodes, items, kernel.block_vars, ir_sugar.core_ranges(func), names)

    def options_for(self, func: tirx.PrimFunc) -> CompileOptions:
        """This pass's options, with what earlier passes settled for the function.

        Raises:
            CompileError: options given whole that contradict an earlier pass.
        """
        config = attrs.get(func, attrs.TT_COMPUTE_CONFIG)
        options = in_force(
            self.options,
            device=attrs.get(func, attrs.TT_TARGET_DEVICE),
            strategy=attrs.get(func, attrs.TT_PARTITION_STRATEGY),
            grid=tuple(attrs.get(func, attrs.TT_DEVICE_GRID)),
            core_ranges=tuple(ir_sugar.core_ranges(func)),
            fp32_dest=config["fp32_dest_acc_en"],
            fidelity=config["math_fidelity"],
            integers=multiplies_integers(func),
        )
        for name in ("device", "strategy", "fp32_dest", "fidelity"):
            ours, theirs = getattr(self.options, name), getattr(options, name)
            if self._all_given and ours != theirs:
                refuse(f"{name} is {ours!r} here and was {theirs!r} in an earlier pass",
                       code="OptionConflict", location=name,
                       next_step="give every pass the same options")  # fmt: skip
        return options


def _with_whole_descriptor(
    kernel: Kernel, form: WorkForm, functions: list[tuple[str, tirx.PrimFunc]]
) -> tuple[str, tirx.PrimFunc]:
    """The first function, also taking the descriptor fields that no function needs.

    A core receives its descriptor whole, so that what the plan says is what it is told.
    """
    names = form.names(str(p.name) for p in kernel.params)
    used = {str(p.name) for _, func in functions for p in func.params if not is_buffer(p)}
    thread, func = functions[0]
    idle = [tirx.Var(name, "int32") for name in names if name not in used]
    return thread, tirx.PrimFunc([*func.params, *idle], func.body)


def _check(kernel: Kernel, plan: Plan, programs: list[Program]) -> None:
    """The postcondition: plan and programs are sound, alone and together."""
    file = ProgramFile(op_table_version=OP_TABLE_VERSION, programs=tuple(programs))
    for item in validate_artifact(plan, file):
        if item.severity == "error":
            refuse(f"the plan made of this kernel is unsound: {item.message}", code=item.code,
                   node=kernel.body,
                   next_step="this is a defect of the compiler, please report it")  # fmt: skip


def work_items(func: tirx.PrimFunc, kernel: Kernel) -> dict[str, list[tuple[int, int, int]]]:
    """(bx, by, bz) of every core's blocks, in order."""
    dealt = attrs.get(func, attrs.TT_WORK_DESCRIPTORS)
    return {core: expand(d, kernel.grid) for core, d in dealt.items()}


def circular_buffers(
    func: tirx.PrimFunc, kernel: Kernel, nodes: list[Node], options: CompileOptions
) -> list[Circular]:
    """The circular buffers of a block program, in id order."""
    items = work_items(func, kernel)
    layouts = attrs.get(func, attrs.TT_LAYOUT_DESC)
    ranges = [r.to_json() for r in ir_sugar.core_ranges(func)]
    backed = backed_buffers(nodes, layouts, Work(items, kernel.block_vars, ranges))
    if attrs.get(func, attrs.TT_PARTITION_MODE) == "local_shard" and not backed:
        refuse("local_shard, and no core's work is exactly its shard", code="ShardMismatch",
               node=kernel.body,
               next_step="copy whole shards, each once, or use partition mode global")  # fmt: skip
    return allocate(nodes, options, several_items=max(map(len, items.values())) > 1,
                    tensors=tensor_bytes(layouts, options.arch), backed=backed)  # fmt: skip


def _function(
    kernel: Any, thread: str, body: list[Any], form: WorkForm, circular: list[Circular],
    shared: Multicast,
) -> tirx.PrimFunc:  # fmt: skip
    names = form.names(str(p.name) for p in kernel.params)
    arguments = {field: tirx.Var(name, "int32") for name, field in names.items()}
    loop = persist(body, form, kernel.grid, kernel.block_vars, arguments)
    stmts = [loop]
    if thread == "compute":
        wants = Wanted({c.id: c for c in circular})
        first, state = startup(stmts, wants)
        stmts = [first, *configure(stmts, wants, state)]
    whole = seq(stmts)
    given = (*arguments.values(), *shared.arguments.values())
    met = mentioned(whole)
    tensors = [p for p in kernel.params if p in met]
    scalars = [v for v in given if v in met]
    return tirx.PrimFunc([*tensors, *scalars], whole)
