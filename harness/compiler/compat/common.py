"""What the legacy functions share: their warning, their predecessors, writing attributes."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final, ParamSpec, TypeVar

import tvm
from tvm import tirx

from harness.compiler import attrs
from harness.compiler.compat.table import TABLE
from harness.compiler.diagnostics import as_module
from harness.compiler.options import CompileOptions
from harness.compiler.pipeline import tt_passes
from simulator.arch import DEFAULT_DEVICE

P = ParamSpec("P")
R = TypeVar("R")

DEVICE: Final = DEFAULT_DEVICE
"""Default device: 8 x 8 = 64 cores, the number the legacy schedule had written down."""

_EVIDENCE: Final = (attrs.TT_KERNEL_GRID, attrs.TT_ONCHIP_DESC, attrs.TT_WORK_DESCRIPTORS,
                    attrs.TT_COMPUTE_CONFIG, attrs.TT_PLAN)  # fmt: skip
"""Data each pass leaves that its successor reads."""


def legacy(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function of the table warn that it is deprecated, naming its successor."""
    name = function.__name__
    successor = TABLE[name].successor

    @functools.wraps(function)
    def warned(*args: P.args, **kwargs: P.kwargs) -> R:
        warnings.warn(f"{name} is deprecated: use {successor}", DeprecationWarning, stacklevel=2)
        return function(*args, **kwargs)

    return warned


def staged(mod: Any, last: int, device: str) -> tvm.IRModule:
    """The module after passes 1 to ``last``; a pass every kernel went through is not repeated.

    Raises:
        HarnessError: what a pass refuses.
    """
    out = _modern_layouts(as_module(mod))
    for key, one in zip(_EVIDENCE[:last], tt_passes(CompileOptions(device=device)), strict=False):
        if not all(_reached(func, key) for func in kernels(out).values()):
            out = one(out)
    return out


def kernels(mod: tvm.IRModule) -> dict[str, tirx.PrimFunc]:
    """The PrimFuncs of a module by name, in name order."""
    found = {v.name_hint: f for v, f in mod.functions_items() if isinstance(f, tirx.PrimFunc)}
    return {name: found[name] for name in sorted(found)}


def each(mod: tvm.IRModule, facts: Callable[[tirx.PrimFunc], Mapping[str, Any]]) -> tvm.IRModule:
    """A module whose PrimFuncs carry the attributes ``facts`` finds for them."""
    out = {}
    for var, func in mod.functions_items():
        out[var] = with_attrs(func, facts(func)) if isinstance(func, tirx.PrimFunc) else func
    return tvm.IRModule(out, attrs=mod.attrs)


def with_attrs(func: tirx.PrimFunc, values: Mapping[str, Any]) -> tirx.PrimFunc:
    """A copy of ``func`` with several attributes."""
    for key, value in values.items():
        func = func.with_attr(key, value)
    return func


def work_grid(func: tirx.PrimFunc) -> tuple[int, int, int]:
    """Blocks along x, y and z that cores are dealt, sub-tile blocks joined."""
    joined = attrs.get(func, attrs.TT_COALESCE, [1, 1, 1])
    x, y, z = (-(-g // c) for g, c in zip(attrs.get(func, attrs.TT_KERNEL_GRID), joined,
                                           strict=True))  # fmt: skip
    return x, y, z


def _reached(func: tirx.PrimFunc, key: str) -> bool:
    return func.attrs is not None and (key in func.attrs or attrs.TT_PLAN in func.attrs)


def _modern_layouts(mod: tvm.IRModule) -> tvm.IRModule:
    """``dram_interleaved``, the legacy spelling in annotations, as ``interleaved``."""

    def facts(func: tirx.PrimFunc) -> Mapping[str, Any]:
        user = attrs.get(func, attrs.TT_USER_LAYOUT)
        if not user or all(d.get("layout") != "dram_interleaved" for d in user.values()):
            return {}
        return {
            attrs.TT_USER_LAYOUT: {
                n: {**d, "layout": "interleaved"} if d.get("layout") == "dram_interleaved" else d
                for n, d in user.items()
            }
        }

    return each(mod, facts)
