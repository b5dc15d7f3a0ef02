"""The pipeline: five passes in order, run by TVM's Sequential under the caller's PassContext."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import tvm
from tvm import tirx

from harness.compiler import attrs
from harness.compiler.diagnostics import TTPass, as_module, delivering, module_pass, refuse
from harness.compiler.options import CompileOptions
from harness.compiler.passes.core_map import TTTilesToCoreMap
from harness.compiler.passes.infer_layout import InferTTLayout
from harness.compiler.passes.lower_tiles import LowerTTTileIntrinsics
from harness.compiler.passes.persistent import GridToPersistentTT
from harness.compiler.passes.propagate_layout import PropagateTTLayout
from harness.compiler.split.translate import translate
from harness.errors import OptionError
from simulator.isa import OP_TABLE_VERSION
from simulator.plan.load import load_plan
from simulator.plan.schema import Plan
from simulator.program import Program, ProgramFile

PassLike: TypeAlias = TTPass | Callable[[tvm.IRModule], tvm.IRModule]
"""One of our passes, a TVM pass, or a function from module to module."""


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
        TTTilesToCoreMap(options=options),
        LowerTTTileIntrinsics(options=options),
        GridToPersistentTT(options=options),
    ]


class TTPipeline(tvm.transform.Sequential):
    """Several passes as one TVM pass; called directly, it raises what a pass refused as itself."""

    def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
        """Run the passes; the module given is not changed.

        Raises:
            HarnessError: whatever a pass refuses, with code and source location.
        """
        with delivering():
            return super().__call__(mod)


def as_tvm_pass(given: PassLike) -> tvm.transform.Pass:
    """A pass of ours, a TVM pass, or a function from module to module, as a TVM pass.

    Raises:
        OptionError: something else.
    """
    if isinstance(given, TTPass):
        return given.as_pass()
    if isinstance(given, tvm.transform.Pass):
        return given
    if not callable(given):
        raise OptionError(f"{given!r} is no pass", location="custom_passes",
                          next_step="give passes, or functions from module to module")  # fmt: skip
    return module_pass(getattr(given, "__name__", type(given).__name__), given)


def sequential(passes: Sequence[PassLike]) -> TTPipeline:
    """One TVM pass that runs several."""
    return TTPipeline([as_tvm_pass(p) for p in passes], name="TTPipeline")


def lower(
    mod_or_func: Any, options: CompileOptions | None = None, *, extra: Sequence[PassLike] = (),
    **keywords: Any,
) -> Compilation:  # fmt: skip
    """Compile a kernel, or every kernel of a module.

    ``keywords`` are fields of :class:`CompileOptions`; ``extra`` passes run before the last one.
    The caller's PassContext applies, its instruments included.

    Raises:
        HarnessError: what a pass refused, with code, source location and what would be accepted.
    """
    if options is None:
        options = CompileOptions(**keywords)
    elif keywords:
        raise TypeError("give options or keywords, not both")
    source = as_module(mod_or_func)
    *front, last = tt_passes(options)
    passes: list[PassLike] = [*front, *extra, last]
    records, module = [], source
    with delivering():
        # One Sequential per pass: a PassContext of our own would end the caller's instruments.
        for one in passes:
            step = as_tvm_pass(one)
            started = time.perf_counter()
            module = sequential([step])(module)
            records.append(PassRecord(str(step.info.name), time.perf_counter() - started, module))
    known = last.translated if isinstance(last, GridToPersistentTT) else ()
    return Compilation(kernels_of(module, known), tuple(records), source, module)


def kernels_of(
    module: tvm.IRModule, known: Sequence[tuple[tirx.PrimFunc, Program]] = ()
) -> tuple[CompiledKernel, ...]:
    """Plan and programs of every kernel of a lowered module, in name order.

    ``known`` are programs that functions were translated to already; only the very same function
    is taken for one of them.

    Raises:
        CompileError: a function that did not go through the pipeline.
    """
    grouped: dict[str, list[Any]] = {}
    plans: dict[str, str] = {}
    for func in module.functions.values():
        if not isinstance(func, tvm.tirx.PrimFunc):
            continue
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
            func = by_thread[thread]
            same = (p for f, p in known if p.name == kernel.program and f.same_as(func))
            programs.append(next(same, None) or translate(func, kernel.program, thread))
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
