"""The pipeline: five passes in order, run by TVM's Sequential under the caller's PassContext."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tvm

from harness.compiler import attrs
from harness.compiler.diagnostics import TTPass, as_module, delivering, refuse
from harness.compiler.options import CompileOptions
from harness.compiler.passes.core_map import TTTilesToCoreMap
from harness.compiler.passes.infer_layout import InferTTLayout
from harness.compiler.passes.lower_tiles import LowerTTTileIntrinsics
from harness.compiler.passes.persistent import GridToPersistentTT
from harness.compiler.passes.propagate_layout import PropagateTTLayout
from harness.compiler.split.translate import translate
from simulator.isa import OP_TABLE_VERSION
from simulator.plan.load import load_plan
from simulator.plan.schema import Plan
from simulator.program import ProgramFile

PassLike = TTPass | tvm.transform.Pass


@dataclass(frozen=True)
class PassRecord:
    """One pass as it ran: its name, wall time in seconds and the module after it."""

    name: str
    seconds: float
    module: tvm.IRModule = field(repr=False)


@dataclass(frozen=True)
class CompiledKernel:
    """One kernel's plan and programs, and the module they were read from."""

    name: str
    plan: Plan
    programs: ProgramFile


@dataclass(frozen=True)
class Compilation:
    """What :func:`lower` returns.

    Attributes:
        kernels: one per kernel of the module, in name order.
        passes: the passes as they ran.
        source: the module before the first pass.
        module: the module after the last.
    """

    kernels: tuple[CompiledKernel, ...]
    passes: tuple[PassRecord, ...]
    source: tvm.IRModule = field(repr=False)
    module: tvm.IRModule = field(repr=False)


def tt_passes(options: CompileOptions) -> list[TTPass]:
    """The five passes for some options, in order."""
    return [
        InferTTLayout(),
        PropagateTTLayout(),
        TTTilesToCoreMap(options),
        LowerTTTileIntrinsics(options),
        GridToPersistentTT(options),
    ]


@tvm.ir.instrument.pass_instrument
class _Recorder:
    """Keeps name, time and result of every pass of the pipeline."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.started: list[float] = []
        self.records: list[PassRecord] = []

    def run_before_pass(self, mod: Any, info: Any) -> None:
        del mod, info
        self.started.append(self.clock())

    def run_after_pass(self, mod: Any, info: Any) -> None:
        seconds = self.clock() - self.started.pop()
        if str(info.name) != "TTPipeline":
            self.records.append(PassRecord(str(info.name), seconds, mod))


def sequential(passes: Sequence[PassLike]) -> tvm.transform.Pass:
    """One TVM pass that runs several."""
    return tvm.transform.Sequential(
        [p.as_pass() if isinstance(p, TTPass) else p for p in passes], name="TTPipeline"
    )


def lower(
    mod_or_func: Any, options: CompileOptions | None = None, *, extra: Sequence[PassLike] = (),
    **keywords: Any,
) -> Compilation:  # fmt: skip
    """Compile a kernel, or every kernel of a module.

    ``keywords`` are fields of :class:`CompileOptions`; ``extra`` passes run before the last one.

    Raises:
        HarnessError: what a pass refused, with code, source location and what would be accepted.
    """
    import time

    if options is None:
        options = CompileOptions(**keywords)
    elif keywords:
        raise TypeError("give options or keywords, not both")
    source = as_module(mod_or_func)
    passes: list[PassLike] = list(tt_passes(options))
    passes[-1:-1] = extra
    recorder = _Recorder(time.perf_counter)
    outer = tvm.transform.PassContext.current()
    context = tvm.transform.PassContext(
        opt_level=outer.opt_level, instruments=[*(outer.instruments or ()), recorder]
    )
    with delivering(), context:
        module = sequential(passes)(source)
    return Compilation(_kernels(module), tuple(recorder.records), source, module)


def _kernels(module: tvm.IRModule) -> tuple[CompiledKernel, ...]:
    grouped: dict[str, list[Any]] = {}
    plans: dict[str, str] = {}
    for func in module.functions.values():
        name = attrs.get(func, attrs.TT_KERNEL)
        if name is None:
            refuse("a function left the pipeline without programs", code="PassOrder")
        grouped.setdefault(name, []).append(func)
        plans[name] = attrs.get(func, attrs.TT_PLAN)
    out = []
    for name in sorted(grouped):
        plan = load_plan(plans[name].encode())
        by_thread = {attrs.get(f, attrs.TT_PROCESSOR): f for f in grouped[name]}
        programs = []
        for kernel in plan.kernels:
            thread = {"reader": "ncrisc", "writer": "brisc"}.get(kernel.program, "compute")
            programs.append(translate(by_thread[thread], kernel.program, thread))
        file = ProgramFile(op_table_version=OP_TABLE_VERSION, programs=tuple(programs))
        out.append(CompiledKernel(name, plan, file))
    return tuple(out)


def dump_ir(compilation: Compilation, directory: Path) -> None:
    """Readable TVMScript before the first and after every pass, numbered."""
    directory.mkdir(parents=True, exist_ok=True)
    stages = [("0_source", compilation.source)]
    stages += [(f"{i}_{r.name}", r.module) for i, r in enumerate(compilation.passes, 1)]
    for name, module in stages:
        (directory / f"{name}.py").write_text(module.script() + "\n", encoding="utf-8")
