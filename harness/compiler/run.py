"""The pipeline under its older names: run it, build it as a pass, ask whether it would run."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import tvm

from harness.compiler.diagnostics import as_module, delivering
from harness.compiler.options import CompileOptions
from harness.compiler.passes.persistent import GridToPersistentTT
from harness.compiler.pipeline import PassLike, TTPipeline, as_tvm_pass, sequential, tt_passes
from harness.compiler.runtime_plan import plan_paths, plans_of
from harness.errors import HarnessError
from simulator.arch import DEFAULT_DEVICE


def build_tt_pipeline(
    plan_path: Path | str | None = None,
    target_device: str = DEFAULT_DEVICE,
    partition_strategy: str = "row_major",
    enable_double_buffer: bool = True,
    enable_prefetch: bool = True,
    custom_passes: Sequence[PassLike] | None = None,
) -> TTPipeline:
    """The five passes as one TVM pass: call it on a module, or put it into a ``Sequential``.

    Args:
        plan_path: where the plan goes, see :class:`GridToPersistentTT`; None writes nothing.
        target_device: a name of the architecture table, or a family.
        partition_strategy: how blocks are dealt to cores.
        enable_double_buffer: two blocks in flight per circular buffer of a loop and per output.
        enable_prefetch: what is read once per work item is read one item ahead.
        custom_passes: passes to run before the last one: ours, TVM's, or functions from module to
            module.

    Raises:
        OptionError: an option that does not exist or does not fit.
    """
    return sequential(
        _passes(
            plan_path,
            CompileOptions(
                device=target_device,
                strategy=partition_strategy,
                double_buffer=enable_double_buffer,
                prefetch=enable_prefetch,
            ),
            custom_passes,
        )
    )


def run_pipeline(
    mod: tvm.IRModule | tvm.tirx.PrimFunc,
    plan_path: Path | str | None = None,
    target_device: str = DEFAULT_DEVICE,
    partition_strategy: str = "row_major",
    enable_double_buffer: bool = True,
    enable_prefetch: bool = True,
    verbose: bool = False,
    custom_passes: Sequence[PassLike] | None = None,
) -> tvm.IRModule:
    """Lower every kernel of a module, and write its plan where a path is given.

    Arguments are those of :func:`build_tt_pipeline`. Several kernels have a plan file each:
    ``tt.plan.json`` becomes ``tt.plan.<kernel>.json``. ``verbose`` tells on stderr what each pass
    took and where the plans are.

    Returns:
        The module of reader, compute and writer functions; :func:`plan_dict` finds their plan.

    Raises:
        HarnessError: what a pass refused, with code, source location and what would be accepted.
        UnreadableError: the plan's place cannot be written to.
    """
    pipeline = build_tt_pipeline(
        plan_path,
        target_device,
        partition_strategy,
        enable_double_buffer,
        enable_prefetch,
        custom_passes,
    )
    source = as_module(mod)
    if not verbose:
        return pipeline(source)
    out = source
    with delivering():
        for step in pipeline.passes:
            started = time.perf_counter()
            out = sequential([step])(out)
            _say(f"{step.info.name:24} {(time.perf_counter() - started) * 1e3:8.1f} ms")
    if plan_path is not None:
        for name, path in plan_paths(list(plans_of(out)), plan_path).items():
            _say(f"plan of {name}: {path}")
    return out


def validate_module_for_tt(
    mod: tvm.IRModule | tvm.tirx.PrimFunc, target_device: str = DEFAULT_DEVICE
) -> list[str]:
    """Why the pipeline would refuse kernels of a module, one line each; empty if it takes them all.

    Every kernel goes through the whole pipeline on its own, so the answer is the pipeline's.

    Raises:
        OptionError: an unknown device.
    """
    options = CompileOptions(device=target_device)
    if isinstance(mod, tvm.IRModule) and not mod.functions:
        return ["NoKernel: the module is empty"]
    try:
        source = as_module(mod)
    except HarnessError as error:
        return [str(error)]
    problems = []
    for var in sorted(source.functions, key=lambda v: v.name_hint):
        func = source.functions[var]
        if not isinstance(func, tvm.tirx.PrimFunc):
            continue
        try:
            sequential(_passes(None, options, None))(tvm.IRModule({var: func}))
        except HarnessError as error:
            problems.append(f"{var.name_hint}: {error}")
    return problems


def _passes(
    plan_path: Path | str | None, options: CompileOptions, custom: Sequence[PassLike] | None
) -> list[PassLike]:
    *front, last = tt_passes(options)
    if plan_path is not None:
        last = GridToPersistentTT(plan_path, options=options)
    return [*front, *(as_tvm_pass(p) for p in custom or ()), last]


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201  (asked for by verbose; results go to the caller)


__all__ = ["build_tt_pipeline", "run_pipeline", "validate_module_for_tt"]
