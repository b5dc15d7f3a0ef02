"""What a user may attach to a kernel before the pipeline runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tvm import tirx

from harness.compiler import attrs, ir_sugar
from harness.compiler.attrs import CoreRange, WorkItem
from harness.compiler.retensor import like, with_tensors
from harness.errors import OptionError
from harness.language.blockformats import BLOCK_FORMATS, VALUES, carried, dtype_of

_ELSEWHERE: Final = (
    ("grid_tiles", "the tile grid follows from T.Kernel and the tensors' shapes"),
    ("shard_grid", "shards are part of a tensor's layout, see annotate_tt_layout"),
    ("local_shape_tiles", "shards are part of a tensor's layout, see annotate_tt_layout"),
    ("runtime_args", "runtime arguments follow from the partition, see the plan's kernels"),
)
_STATED: Final = (attrs.TT_LAYOUT_DESC, attrs.TT_USER_LAYOUT, attrs.TT_KERNEL_LAYOUT)
_PLACED: Final = (*_STATED, attrs.TT_CORE_RANGES, attrs.TT_WORK_PARTITION, attrs.TT_PARTITION_MODE)


def annotate_tt_layout(
    func: tirx.PrimFunc, layouts: Mapping[str, Mapping[str, Any]]
) -> tirx.PrimFunc:
    """A copy of ``func`` with layouts for some of its tensors (``tt.user_layout``).

    InferTTLayout merges them over the defaults, and refuses what it cannot place or what
    contradicts the kernel. ``"dtype": "bfloat8_b"`` (or ``bfloat4_b``) makes a bfloat16 tensor one
    that the host stores so: part of the kernel's meaning, as if its parameter had been declared so.

    Raises:
        TypeError: not a PrimFunc.
    """
    _check(func, "annotate_tt_layout")
    func = _stored(func, layouts)
    return func.with_attr(attrs.TT_USER_LAYOUT, {k: dict(v) for k, v in layouts.items()})


def _stored(func: tirx.PrimFunc, layouts: Mapping[str, Mapping[str, Any]]) -> tirx.PrimFunc:
    """The kernel whose tensors have the block formats the layouts name."""
    new = {}
    for param in func.params:
        dtype = layouts.get(param.name, {}).get("dtype")
        if dtype in BLOCK_FORMATS and dtype_of(param) == VALUES:
            new[param] = like(param, param.ty.shape, carried(dtype))
    return with_tensors(func, new) if new else func


def annotate_tt_schedule(func: tirx.PrimFunc, schedule: Mapping[str, Any]) -> tirx.PrimFunc:
    """A copy of ``func`` whose blocks go to the cores the schedule names.

    Args:
        func: the kernel.
        schedule: ``core_ranges`` (:class:`CoreRange` or its JSON) and ``work_partition``
            ({"(x,y)": [:class:`WorkItem` or its JSON, …]}), which TTTilesToCoreMap honours or
            refuses. ``partition_mode`` is ``global``, or ``local_shard``: every core works on the
            shard it holds, as strategy match_shard has it, and some operand is used in place.

    Raises:
        TypeError: not a PrimFunc.
        OptionError: a key that would have no effect.
    """
    _check(func, "annotate_tt_schedule")
    for key, value in schedule.items():
        if key == "core_ranges":
            ranges = [r if isinstance(r, CoreRange) else CoreRange.from_json(r) for r in value]
            func = ir_sugar.with_core_ranges(func, ranges)
        elif key == "work_partition":
            func = ir_sugar.with_work_partition(
                func,
                {
                    core: [i if isinstance(i, WorkItem) else WorkItem.from_json(i) for i in items]
                    for core, items in value.items()
                },
            )
        elif key == "partition_mode" and value in ("global", "local_shard"):
            func = func.with_attr(attrs.TT_PARTITION_MODE, value)
        else:
            reason = dict(_ELSEWHERE).get(key, "use core_ranges or work_partition")
            raise OptionError(f"schedule key {key!r} = {value!r} would have no effect",
                              location="annotate_tt_schedule", next_step=reason)  # fmt: skip
    return func


def annotations_of(func: tirx.PrimFunc, name: str) -> dict[str, Mapping[str, Any]]:
    """What is attached to one tensor, by attribute; empty where its place is left open."""
    said = {key: attrs.get(func, key, {}) for key in _STATED}
    return {key: layouts[name] for key, layouts in said.items() if name in layouts}


def without_annotations(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """A copy of ``func`` whose tensors and blocks lie where they do by default."""
    for name in _PLACED:
        func = func.without_attr(name)
    return func


def _check(func: object, name: str) -> None:
    if not isinstance(func, tirx.PrimFunc):
        raise TypeError(f"{name} takes a PrimFunc, not a {type(func).__name__}")
