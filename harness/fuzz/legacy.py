"""The functions of before the five passes against the pipeline: the same plan, the same programs.

They know a kernel, what is annotated to it, and a device; what else a case has is left out on both
sides. Each takes a kernel through passes of its own choosing, so this also says that a pass does
the same whether it runs alone, again, or behind what a legacy function has attached.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

from harness.errors import HarnessError
from simulator.plan.load import dump_plan, dump_programs

WHOLE: Final = "apply_tt_transform_passes"
STEPS: Final = (
    "apply_tt_defaults", "apply_compatibility_transforms", "tile_pad_tt",
    "infer_default_tt_schedule", "infer_default_tt_shard", "infer_tt_layout",
    "propagate_tt_layout", "apply_tt_metadata_passes", "tt_tiles_to_core_map",
    "layout_aware_work_partition_tt", "apply_layout_aware_metadata_passes",
    "lower_gemm_to_tt_intrinsics", "memory_space_lower_tt", "grid_to_persistent_tt",
    "verify_tt_ir",
)  # fmt: skip
"""Every other legacy function from module to module, in an order a user could call them."""
UNSAID: Final = "UnsupportedSchedule"
"""How a legacy function refuses what its attributes cannot express."""
Files = dict[str, bytes]


def difference(source: Any, device: str, steps: tuple[str, ...]) -> str | None:
    """How legacy functions and the pipeline differ about a kernel.

    Empty if they do not, None where the legacy functions cannot express the kernel.
    """
    from harness.artifact import compile as compile_kernel
    from harness.compiler.diagnostics import as_module

    try:
        made = compile_kernel(source, device=device)
        new: Files | str = _files(made.plan, made.programs)
    except HarnessError as error:
        new = error.code
    try:
        old: Files | str = _legacy(as_module(source), device, steps)
    except HarnessError as error:
        if error.code == UNSAID:
            return None
        old = error.code
    if old == new:
        return ""
    if isinstance(old, str) or isinstance(new, str):
        return f"legacy functions: {_said(old)}; the pipeline: {_said(new)}"
    name = next(name for name in new if old.get(name) != new[name])
    pairs = zip(old[name].splitlines(), new[name].splitlines(), strict=False)
    a, b = next((pair for pair in pairs if pair[0] != pair[1]), (b"less", b"more"))
    return f"{name}: legacy functions {a.strip().decode()!r}, the pipeline {b.strip().decode()!r}"


def _legacy(module: Any, device: str, steps: tuple[str, ...]) -> Files:
    from harness.compiler import compat
    from harness.compiler.pipeline import kernels_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for step in steps:
            takes = {} if step in ("apply_tt_defaults", "apply_compatibility_transforms") else {
                "device": device}  # fmt: skip
            module = getattr(compat, step)(module, **takes)
    (made,) = kernels_of(module)
    return _files(made.plan, made.programs)


def _files(plan: Any, programs: Any) -> Files:
    return {"tt.plan.json": dump_plan(plan), "programs.json": dump_programs(programs)}


def _said(what: Files | str) -> str:
    return what if isinstance(what, str) else "a plan"
