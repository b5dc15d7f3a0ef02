"""Legacy functions that change a kernel: padding, intrinsics, buffers, persistent loop, checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tvm
from tvm import tirx

from harness.compiler import attrs
from harness.compiler.compat.common import DEVICE, each, kernels, legacy, staged
from harness.compiler.compat.metadata import core_map, shapes, tile_facts
from harness.compiler.diagnostics import as_module
from harness.compiler.facts.affine import block_ranges
from harness.compiler.facts.kernel import read_kernel
from harness.compiler.passes.persistent import GridToPersistentTT, circular_buffers
from harness.compiler.pipeline import kernels_of
from harness.compiler.runtime_plan import emit_tt_plan
from harness.compiler.split.answers import answered
from harness.compiler.split.tree import parse
from harness.errors import CompileError, HarnessError
from harness.language.regions import is_buffer
from simulator.findings import Finding
from simulator.plan.tensors import padded_shape
from simulator.plan.validate import validate_artifact

Facts = dict[str, Any]


@legacy
def tile_pad_tt(mod: tvm.IRModule, device: str = DEVICE) -> tvm.IRModule:
    """Shapes rounded up to tiles: ``tt_padding_info`` of the tensors that need it."""
    return each(staged(mod, 1, device), padding)


@legacy
def lower_gemm_to_tt_intrinsics(mod: tvm.IRModule, device: str = DEVICE) -> tvm.IRModule:
    """Tile ops as device ops: the first four passes."""
    return staged(mod, 4, device)


@legacy
def memory_space_lower_tt(mod: tvm.IRModule, device: str = DEVICE) -> tvm.IRModule:
    """The circular buffers the kernel will have, as ``tt_circular_buffers``."""
    return each(staged(mod, 4, device), circular)


@legacy
def grid_to_persistent_tt(mod: tvm.IRModule, device: str = DEVICE) -> tvm.IRModule:
    """Reader, compute and writer with a persistent loop, and the plan: all five passes."""
    before = staged(mod, 4, device)
    facts = {name: tile_facts(func) for name, func in kernels(before).items()}
    grids = {name: attrs.get(func, attrs.TT_KERNEL_GRID) for name, func in kernels(before).items()}
    after = staged(before, 5, device)
    return each(after, lambda func: persistent(func, grids, facts))


@legacy
def apply_tt_transform_passes(
    mod: tvm.IRModule, plan_path: Path | str | None = None, device: str = DEVICE
) -> tvm.IRModule:
    """All legacy transforms in one: core map, buffers, padding, persistent loop, checks."""
    before = staged(mod, 4, device)
    facts, grids, more = {}, {}, {}
    for name, func in kernels(before).items():
        facts[name] = tile_facts(func)
        grids[name] = attrs.get(func, attrs.TT_KERNEL_GRID)
        more[name] = core_map(func) | circular(func) | padding(func)
    after = staged(before, 5, device)
    if plan_path is not None:
        emit_tt_plan(after, plan_path)
    after = each(
        after,
        lambda func: persistent(func, grids, facts) | more[attrs.get(func, attrs.TT_KERNEL)],
    )
    return _verified(after, device, strict=True)


@legacy
def verify_tt_ir(mod: tvm.IRModule, device: str = DEVICE, *, strict: bool = False) -> tvm.IRModule:
    """Run what is left of the pipeline and validate plan and programs; count what they find.

    Raises:
        CompileError: something was found and ``strict`` asks for an error.
    """
    return _verified(as_module(mod), device, strict=strict)


def padding(func: tirx.PrimFunc) -> Facts:
    """The attribute of tile_pad_tt; tensors of whole tiles are left out."""
    out = {}
    for name, shape in shapes(func).items():
        full = list(padded_shape(shape))
        if full != shape:
            out[name] = {
                "needs_padding": True,
                "original_shape": shape,
                "padded_shape": full,
                "padding_amount": [f - s for f, s in zip(full, shape, strict=True)],
            }
    return {"tt_padding_info": out}


def circular(func: tirx.PrimFunc) -> Facts:
    """The attributes of memory_space_lower_tt, from the plan's own allocation."""
    kernel = read_kernel(func)
    options = GridToPersistentTT().options_for(func)
    found = circular_buffers(
        func, kernel, answered(parse(kernel.body, block_ranges(kernel))), options
    )
    return {
        "tt_circular_buffers": [
            {
                "cb_id": c.id,
                "name": c.name,
                "num_pages": c.depth,
                "tile_size": c.page_bytes,
                "data_format": c.format.value,
            }
            for c in found
        ],
        "tt_num_cbs": len(found),
    }


def persistent(func: tirx.PrimFunc, grids: dict[str, list[int]], facts: dict[str, Facts]) -> Facts:
    """The attributes of grid_to_persistent_tt, for one function of a kernel."""
    kernel = attrs.get(func, attrs.TT_KERNEL)
    grid = grids[kernel]
    symbols = ["bx", *(s for s, extent in zip(("by", "bz"), grid[1:], strict=True) if extent > 1)]
    arguments = [str(p.name) for p in func.params if not is_buffer(p)]
    named = {"start": ("start_tile", "tile_start"), "count": ("tile_count", "tile_count")}
    described = {}
    for argument in arguments:
        key, semantic = named.get(argument.removeprefix("work_"), (argument, argument))
        described[key] = {"name": argument, "dtype": "int32", "semantic": semantic}
    return {
        **facts[kernel],
        "tt_runtime_args": {
            **described,
            **{key.removeprefix("tt."): value for key, value in facts[kernel].items()},
            "grid_shape": grid,
            "iteration_ndims": len(symbols),
            "iteration_order": "row_major_xyz",
            "iteration_symbols": symbols,
            "param_order": arguments,
            "arg_names": arguments,
        },
        "tt_persistent_loop": True,
        "tt_persistent_iteration_ndims": len(symbols),
    }  # fmt: skip


def _verified(mod: tvm.IRModule, device: str, *, strict: bool) -> tvm.IRModule:
    found: dict[str, tuple[Finding, ...] | HarnessError] = {}
    whole = {n: f for n, f in kernels(mod).items() if attrs.get(f, attrs.TT_PLAN) is None}
    for name, func in whole.items():
        found[name] = _trial(name, func, device)
    split = {n: f for n, f in kernels(mod).items() if n not in whole}
    if split:
        for kernel in kernels_of(tvm.IRModule(split)):
            found[kernel.name] = validate_artifact(kernel.plan, kernel.programs)
    out = {}
    for var, func in mod.functions_items():
        key = attrs.get(func, attrs.TT_KERNEL, var.name_hint) if var.name_hint in split else (
            var.name_hint)  # fmt: skip
        if key not in found:
            out[var] = func
            continue
        verdict = found[key]
        errors, warned = _count(verdict)
        if strict and errors:
            raise _first(verdict)
        out[var] = func.with_attrs(
            {
                "tt_ir_validated": errors == 0,
                "tt_validation_error_count": errors,
                "tt_validation_warning_count": warned,
            }
        )
    return tvm.IRModule(out, attrs=mod.attrs)


def _trial(name: str, func: tirx.PrimFunc, device: str) -> tuple[Finding, ...] | HarnessError:
    """What is left of the pipeline on one kernel, and what validation finds in the result."""
    try:
        (result,) = kernels_of(staged(tvm.IRModule({name: func}), 5, device))
    except HarnessError as error:
        return error
    return validate_artifact(result.plan, result.programs)


def _count(verdict: tuple[Finding, ...] | HarnessError) -> tuple[int, int]:
    if isinstance(verdict, HarnessError):
        return 1, 0
    errors = sum(item.severity == "error" for item in verdict)
    return errors, len(verdict) - errors


def _first(verdict: tuple[Finding, ...] | HarnessError) -> HarnessError:
    if isinstance(verdict, HarnessError):
        return verdict
    item = next(f for f in verdict if f.severity == "error")
    return CompileError(item.message, code=item.code, location=item.location,
                        next_step=item.next_step)  # fmt: skip


__all__ = [
    "apply_tt_transform_passes",
    "grid_to_persistent_tt",
    "lower_gemm_to_tt_intrinsics",
    "memory_space_lower_tt",
    "tile_pad_tt",
    "verify_tt_ir",
]
