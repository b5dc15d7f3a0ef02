"""The plan as a file and as plain data: ``tt.plan.json`` of one kernel or of several.

A plan is made by GridToPersistentTT and by nothing else; these functions find it on what the
pipeline returned, write it, read it and judge it. Its schema and its meaning are
:mod:`simulator.plan`'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import tvm

from harness.compiler import attrs
from harness.compiler.diagnostics import refuse
from harness.errors import OptionError
from simulator.errors import ArtifactError
from simulator.files import write_atomic
from simulator.plan.load import dump_plan, load_plan
from simulator.plan.schema import Plan
from simulator.plan.validate import validate_plan as findings_of

PlanDict = dict[str, Any]


def plans_of(source: Any) -> dict[str, Plan]:
    """The plan of every kernel in ``source``, in name order.

    Args:
        source: what the pipeline returned: a lowered module or function, a ``Compilation``, a
            ``CompiledKernel``; or a plan itself.

    Raises:
        CompileError: nothing in it has a plan (``PassOrder``).
    """
    if isinstance(source, Plan):
        return {source.name: source}
    if isinstance(getattr(source, "plan", None), Plan):
        return {source.name: source.plan}
    if hasattr(source, "kernels"):
        return {kernel.name: kernel.plan for kernel in source.kernels}
    functions = source.functions.values() if isinstance(source, tvm.IRModule) else [source]
    texts: dict[str, str] = {}
    for func in functions:
        if isinstance(func, tvm.tirx.PrimFunc) and attrs.get(func, attrs.TT_PLAN) is not None:
            texts[attrs.get(func, attrs.TT_KERNEL)] = attrs.get(func, attrs.TT_PLAN)
    if not texts:
        refuse(f"no plan in this {type(source).__name__}", code="PassOrder",
               next_step="run the pipeline first: run_pipeline(mod) or lower(mod)")  # fmt: skip
    return {name: load_plan(texts[name].encode()) for name in sorted(texts)}


def plan_dict(source: Any) -> PlanDict:
    """The plan of the one kernel in ``source`` as plain data, as ``tt.plan.json`` holds it.

    Raises:
        CompileError: no plan in it (``PassOrder``), or several (``SeveralKernels``).
    """
    plans = plans_of(source)
    if len(plans) > 1:
        refuse(f"{len(plans)} kernels have a plan: {', '.join(plans)}", code="SeveralKernels",
               next_step="use plans_of for all of them, or give one function")  # fmt: skip
    (plan,) = plans.values()
    data: PlanDict = json.loads(dump_plan(plan))
    return data


def extract_runtime_plan(func: tvm.tirx.PrimFunc) -> PlanDict:
    """The plan a function of the lowered module carries, as plain data.

    Raises:
        CompileError: the function has none: it did not go through GridToPersistentTT.
    """
    return plan_dict(func)


def plan_paths(names: list[str], out_path: Path | str) -> dict[str, Path]:
    """Where the plan of each kernel goes.

    One kernel: ``out_path``. Several: one file each, the kernel's name before the last suffix
    (``tt.plan.json`` becomes ``tt.plan.<kernel>.json``).

    Raises:
        OptionError: a directory, or a kernel's name that is no file name.
    """
    path = Path(out_path)
    if path.is_dir():
        raise OptionError(f"plan path {path} is a directory", location="plan_path",
                          next_step="name a file, e.g. tt.plan.json")  # fmt: skip
    if len(names) == 1:
        return {names[0]: path}
    for name in names:
        if not re.fullmatch(r"[\w.-]+", name):
            raise OptionError(f"kernel name {name!r} is no file name", location="plan_path",
                              next_step="write the plans one by one")  # fmt: skip
    return {name: path.with_name(f"{path.stem}.{name}{path.suffix}") for name in names}


def emit_tt_plan(source: Any, out_path: Path | str) -> tuple[Path, ...]:
    """Write the plan of every kernel in ``source``; the paths written, in kernel-name order.

    Files are written under a temporary name and renamed. See :func:`plan_paths` for names.

    Raises:
        CompileError: no plan in it.
        OptionError: a path that cannot take the plans.
        UnreadableError: the place cannot be written to.
    """
    plans = plans_of(source)
    paths = plan_paths(list(plans), out_path)
    for name, plan in plans.items():
        write_atomic(paths[name], dump_plan(plan))
    return tuple(paths.values())


def load_tt_plan(path: Path | str) -> PlanDict:
    """The plan in a file, of the schema and within its limits, as plain data.

    Raises:
        UnreadableError: missing, too large, or not JSON.
        ArtifactError: JSON that breaks the schema, with the JSON path.
    """
    data: PlanDict = json.loads(dump_plan(load_plan(Path(path))))
    return data


def validate_plan(plan: Plan | Mapping[str, Any] | Path | str) -> list[str]:
    """What is wrong with a plan, form and meaning; empty for a sound one.

    Every problem names the JSON path, what was found and what was expected.

    Raises:
        UnreadableError: a file that is missing, too large, or not JSON.
    """
    try:
        if isinstance(plan, Mapping):
            plan = load_plan(msgspec.json.encode(plan))
        elif not isinstance(plan, Plan):
            plan = load_plan(Path(plan))
    except ArtifactError as error:
        found = error.findings
    except TypeError as error:  # not JSON data: an object no plan file could hold
        return [f"InvalidPlan: $: {error}"]
    else:
        found = findings_of(plan)
    return [f"{item.code}: {item.message}" for item in found if item.severity == "error"]
