"""Legacy attributes to those of the pipeline, and the attributes TT kernels started with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import tvm
from tvm import tirx

from harness.compiler import attrs, ir_sugar
from harness.compiler.attrs import WorkItem
from harness.compiler.compat.common import each, legacy
from harness.compiler.passes.infer_layout import InferTTLayout

_DEFAULTS: Final = (
    ("tt_schedule_policy", "contiguous"),
    ("tt_schedule_order", "row_major"),
    ("tt_layout_type", "dram_interleaved"),
    ("tt_tile_height", 32),
    ("tt_tile_width", 32),
)


@legacy
def legacy_to_new_attrs(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """``tt.grid`` and ``tt.runtime_args`` as core grid and work partition, and layouts for all.

    Raises:
        HarnessError: they contradict the kernel.
    """
    return _converted(func)


@legacy
def apply_compatibility_transforms(mod: tvm.IRModule) -> tvm.IRModule:
    """:func:`legacy_to_new_attrs` on every PrimFunc.

    Raises:
        HarnessError: attributes that contradict their kernel.
    """
    return tvm.IRModule(
        {v: _converted(f) if isinstance(f, tirx.PrimFunc) else f for v, f in mod.functions_items()},
        attrs=mod.attrs,
    )


@legacy
def apply_tt_defaults(mod: tvm.IRModule) -> tvm.IRModule:
    """The five defaults, on kernels that have no ``tt_`` attribute at all."""

    def facts(func: tirx.PrimFunc) -> Mapping[str, Any]:
        given = [] if func.attrs is None else [str(key) for key, _ in func.attrs.items()]
        return {} if any(key.startswith("tt_") for key in given) else dict(_DEFAULTS)

    return each(mod, facts)


def _converted(func: tirx.PrimFunc) -> tirx.PrimFunc:
    grid = attrs.get(func, attrs.TT_GRID)
    if grid is not None and attrs.get(func, attrs.TT_CORE_GRID) is None:
        func = ir_sugar.with_core_grid(func, *grid[:2])
    assigned = attrs.get(func, attrs.TT_RUNTIME_ARGS, {}).get("core_assignments")
    if assigned and attrs.get(func, attrs.TT_WORK_PARTITION) is None:
        partition = {core: [_item(a) for a in items] for core, items in assigned.items()}
        func = ir_sugar.with_work_partition(func, partition)
    name = str((func.attrs or {}).get("global_symbol", "main"))
    (inferred,) = InferTTLayout()(tvm.IRModule({name: func})).functions.values()
    return inferred


def _item(assignment: Mapping[str, Any]) -> WorkItem:
    return WorkItem(
        io=assignment.get("m_idx", 0),
        jo=assignment.get("n_idx", 0),
        len_k=assignment.get("k_len"),
    )
