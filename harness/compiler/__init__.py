"""The compiler: five passes from TileLang source to a plan and programs.

:func:`lower` compiles and returns plans and programs; :func:`run_pipeline` and
:func:`build_tt_pipeline` do the same work under the names of the project this one succeeds, whose
older functions are in :mod:`harness.compiler.compat`.
"""

from harness.compiler import attrs, ir_sugar
from harness.compiler.annotations import annotate_tt_layout, annotate_tt_schedule
from harness.compiler.attrs import CoreRange, WorkItem
from harness.compiler.options import CompileOptions
from harness.compiler.passes.core_map import TTTilesToCoreMap
from harness.compiler.passes.infer_layout import InferTTLayout
from harness.compiler.passes.lower_tiles import LowerTTTileIntrinsics
from harness.compiler.passes.persistent import GridToPersistentTT
from harness.compiler.passes.propagate_layout import PropagateTTLayout
from harness.compiler.pipeline import Compilation, CompiledKernel, dump_ir, lower
from harness.compiler.run import build_tt_pipeline, run_pipeline, validate_module_for_tt
from harness.compiler.runtime_plan import (
    emit_tt_plan,
    extract_runtime_plan,
    load_tt_plan,
    plan_dict,
    plan_paths,
    plans_of,
    validate_plan,
)

__all__ = [
    "Compilation",
    "CompileOptions",
    "CompiledKernel",
    "CoreRange",
    "GridToPersistentTT",
    "InferTTLayout",
    "LowerTTTileIntrinsics",
    "PropagateTTLayout",
    "TTTilesToCoreMap",
    "WorkItem",
    "annotate_tt_layout",
    "annotate_tt_schedule",
    "attrs",
    "build_tt_pipeline",
    "dump_ir",
    "emit_tt_plan",
    "extract_runtime_plan",
    "ir_sugar",
    "load_tt_plan",
    "lower",
    "plan_dict",
    "plan_paths",
    "plans_of",
    "run_pipeline",
    "validate_module_for_tt",
    "validate_plan",
]
