"""Helpers that attach the pipeline's attributes to a function, in one spelling each."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from tvm import tirx

from harness.compiler import attrs
from harness.compiler.attrs import CoreRange, WorkItem
from harness.errors import OptionError


def with_attr(func: tirx.PrimFunc, key: str, value: Any) -> tirx.PrimFunc:
    """A copy of ``func`` with attribute ``key``."""
    return func.with_attr(key, value)


def with_core_grid(func: tirx.PrimFunc, gx: int, gy: int) -> tirx.PrimFunc:
    """T.Kernel's grid, ``tt.core_grid`` = [gx, gy].

    Raises:
        ValueError: an extent below 1.
    """
    if gx < 1 or gy < 1:
        raise ValueError(f"core grid {gx}x{gy} is empty")
    return func.with_attr(attrs.TT_CORE_GRID, [int(gx), int(gy)])


def with_core_ranges(func: tirx.PrimFunc, ranges: Sequence[CoreRange]) -> tirx.PrimFunc:
    """``tt.core_ranges``, and ``tt.core_range`` where there is exactly one.

    Raises:
        ValueError: no range.
    """
    if not ranges:
        raise ValueError("no core range")
    func = func.with_attr(attrs.TT_CORE_RANGES, [r.to_json() for r in ranges])
    if len(ranges) == 1:
        func = func.with_attr(attrs.TT_CORE_RANGE, ranges[0].to_json())
    return func


def with_work_partition(
    func: tirx.PrimFunc, partition: Mapping[str, Sequence[WorkItem]]
) -> tirx.PrimFunc:
    """``tt.work_partition``: {"(x,y)": [WorkItem, …]}; an idle core has an empty list."""
    return func.with_attr(
        attrs.TT_WORK_PARTITION,
        {core: [item.to_json() for item in items] for core, items in partition.items()},
    )


def with_layout_desc(
    func: tirx.PrimFunc, layouts: Mapping[str, Mapping[str, Any]]
) -> tirx.PrimFunc:
    """``tt.layout_desc``: {tensor: {shard, interleave, …}}."""
    return func.with_attr(attrs.TT_LAYOUT_DESC, {k: dict(v) for k, v in layouts.items()})


def work_partition(func: tirx.PrimFunc) -> dict[str, list[WorkItem]]:
    """The inverse of :func:`with_work_partition`; empty where the attribute is absent."""
    data = attrs.get(func, attrs.TT_WORK_PARTITION, {})
    return {core: [WorkItem.from_json(i) for i in items] for core, items in data.items()}


def core_ranges(func: tirx.PrimFunc) -> list[CoreRange]:
    """The inverse of :func:`with_core_ranges`; empty where the attribute is absent."""
    return [CoreRange.from_json(r) for r in attrs.get(func, attrs.TT_CORE_RANGES, [])]


# Spellings from before ``tt.core_grid`` --------------------------------------------------------


def with_tt_grid(func: tirx.PrimFunc, grid: Sequence[int]) -> tirx.PrimFunc:
    """``tt.grid``, which ``compat.legacy_to_new_attrs`` turns into ``tt.core_grid``."""
    _deprecated("with_tt_grid", "with_core_grid(func, gx, gy)")
    return func.with_attr(attrs.TT_GRID, [int(extent) for extent in grid])


def with_tt_runtime_args(func: tirx.PrimFunc, args: Mapping[str, Any]) -> tirx.PrimFunc:
    """``tt.runtime_args``, whose ``core_assignments`` become ``tt.work_partition``.

    ``compat.legacy_to_new_attrs`` converts them.
    """
    _deprecated("with_tt_runtime_args", "with_work_partition(func, {...})")
    return func.with_attr(attrs.TT_RUNTIME_ARGS, dict(args))


def with_tt_block_shape(func: tirx.PrimFunc, shape: Sequence[int]) -> NoReturn:
    """Refused: nothing ever read ``tt.block_shape``.

    Raises:
        OptionError: always.
    """
    del func
    raise OptionError(f"block shape {tuple(shape)} would have no effect",
                      location="with_tt_block_shape",
                      next_step="T.alloc_shared extents are the blocks")  # fmt: skip


def with_tt_start_tile(func: tirx.PrimFunc, tile: Sequence[int]) -> NoReturn:
    """Refused: nothing ever read ``tt.start_tile``.

    Raises:
        OptionError: always.
    """
    del func
    raise OptionError(f"start tile {tuple(tile)} would have no effect",
                      location="with_tt_start_tile",
                      next_step="say which core runs which block: with_work_partition")  # fmt: skip


def make_core_var(name: str = "coreIdx.x", dtype: str = "int32") -> tirx.Var:
    """A variable for a core index in hand-written IR."""
    return tirx.Var(name, dtype)


def _deprecated(name: str, successor: str) -> None:
    warnings.warn(f"{name} is deprecated: use {successor}", DeprecationWarning, stacklevel=3)
