"""Pass 5, GridToPersistentTT: the block program becomes three persistent device programs and a plan.

Allocates circular buffers, splits reader, compute and writer, adds the circular-buffer protocol, places
init and reconfigure ops, wraps the persistent loop with index recovery, and writes the plan.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import tirx

from harness.compiler import attrs
from harness.compiler.diagnostics import TTPass, refuse
from harness.compiler.kernel import read_kernel
from harness.compiler.options import CompileOptions
from harness.compiler.partition import expand
from harness.compiler.split.bind import bind
from harness.compiler.split.buffers import Circular, allocate, processor
from harness.compiler.split.configure import configure, startup
from harness.compiler.split.persistent import WorkForm, persist, uses_var, work_form
from harness.compiler.split.plan import build_plan
from harness.compiler.split.protocol import Splitter
from harness.compiler.split.translate import translate
from harness.compiler.split.tree import THREADS, parse
from harness.compiler.tt_ops import seq
from simulator.plan.load import dump_plan
from simulator.program import Program


class GridToPersistentTT(TTPass):
    """Threads, protocol, persistent loop and plan."""

    name = "GridToPersistentTT"

    def __init__(self, options: CompileOptions | None = None) -> None:
        """``options`` decide buffer depths and the device's limits."""
        self.options = options or CompileOptions()

    def transform_function(
        self, var: tvm.ir.GlobalVar, func: tirx.PrimFunc
    ) -> list[tuple[tvm.ir.GlobalVar, tirx.PrimFunc]]:
        """One kernel to its reader, compute and writer functions."""
        if attrs.get(func, attrs.TT_COMPUTE_CONFIG) is None:
            refuse("tt.compute_config is missing", code="PassOrder",
                   next_step="run LowerTTTileIntrinsics first")  # fmt: skip
        kernel = read_kernel(func)
        dealt = attrs.get(func, attrs.TT_WORK_DESCRIPTORS)
        form = work_form(list(dealt.values()))
        busiest = max(len(expand(d, kernel.grid)) for d in dealt.values())
        nodes = parse(kernel.body)
        circular = allocate(nodes, self.options, several_items=busiest > 1)
        by_buffer = {c.buffer: c for c in circular}
        threads = Splitter(by_buffer).split(nodes)
        functions: list[tuple[str, tirx.PrimFunc, Program]] = []
        for thread in THREADS:
            if threads[thread]:
                body = [bind(s, thread, by_buffer) for s in threads[thread]]
                split = _function(kernel, thread, body, form, circular)
                program = translate(split, thread, processor(thread))
                functions.append((thread, split, program))
        programs = [program for _, _, program in functions]
        plan = build_plan(func, kernel.name, self.options, circular, programs)
        text = dump_plan(plan).decode()
        return [
            (
                tvm.ir.GlobalVar(f"{var.name_hint}_{thread}"),
                split.with_attrs(
                    {
                        "global_symbol": f"{kernel.name}_{thread}",
                        attrs.TT_KERNEL: kernel.name,
                        attrs.TT_PROCESSOR: processor(thread),
                        attrs.TT_PLAN: text,
                    }
                ),
            )
            for thread, split, _ in functions
        ]


def _function(
    kernel: Any, thread: str, body: list[Any], form: WorkForm, circular: list[Circular]
) -> tirx.PrimFunc:
    arguments = {name: tirx.Var(name, "int32") for name in form.arguments}
    loop = persist(body, form, kernel.grid, kernel.block_vars, arguments)
    stmts = [loop]
    if thread == "compute":
        formats = {c.id: c.format for c in circular}
        first, state = startup(stmts, formats)
        stmts = [first, *configure(stmts, formats, state)]
    whole = seq(stmts)
    tensors = [p for p in kernel.params if uses_var(whole, p)]
    scalars = [v for v in arguments.values() if uses_var(whole, v)]
    return tirx.PrimFunc([*tensors, *scalars], whole)
