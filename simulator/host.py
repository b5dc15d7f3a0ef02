"""The host's side of a run: tensors into pages with their padding, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.arch import find_arch
from simulator.engine.pool import Pool
from simulator.errors import ArtifactError, InputError
from simulator.findings import finding
from simulator.formats.bytemap import WHOLE
from simulator.formats.dataformat import SIGNED_BYTE, DataFormat
from simulator.formats.errors import FormatError
from simulator.formats.host import upload
from simulator.formats.tilize import untilize
from simulator.memory.dram import NOBODY, Tensor, placement_of
from simulator.plan.placement import place
from simulator.plan.schema import Layout, Plan
from simulator.plan.tensors import named_tensors, padded_shape, page_bytes
from simulator.plan.views import is_view, restored, stored, stored_shape

Array = npt.NDArray[Any]

GARBAGE = 0x5A
"""What integer padding holds; real padding holds NaN."""


def check_layouts(plan: Plan) -> None:
    """Raise unless every tensor has a format, and the shape its pages cover.

    Raises:
        ArtifactError: the first tensor that has not.
    """
    for name, layout in plan.layouts.items():
        where = f'$.layouts["{name}"]'
        try:
            page_bytes(layout)
        except FormatError as error:
            raise ArtifactError([finding("InvalidPlan", str(error), location=where)]) from error
        known = not layout.view or is_view(layout.view, len(layout.logical_shape))
        want = known and padded_shape(stored_shape(layout), layout.tile_shape)
        if layout.padded_shape != want:
            text = "padded_shape is not that of the logical shape, its view and its pages"
            raise ArtifactError([finding("PlanInconsistent", text, location=where)])


def check_inputs(plan: Plan, inputs: Mapping[str, Array]) -> None:
    """Raise unless the arrays are those the plan wants.

    A tensor that nothing of the plan names may be left out; it has no contents then.

    Raises:
        InputError: wrong names, shapes or dtypes; the message lists every problem.
    """
    problems: dict[str, str] = {}
    needed = named_tensors(plan)
    for name, layout in plan.layouts.items():
        if name not in inputs:
            if layout.role != "output" and name in needed:
                problems[name] = f"missing, {_wanted(layout)} is expected"
            continue
        array: Any = inputs[name]
        if not isinstance(array, np.ndarray):
            problems[name] = f"{type(array).__name__}, {_wanted(layout)} is expected"
        elif array.shape != layout.logical_shape or not _fits(array, layout):
            problems[name] = f"{array.dtype} {array.shape}, {_wanted(layout)} is expected"
    problems |= {n: "not a tensor of the plan" for n in inputs if n not in plan.layouts}
    if problems:
        first, *others = problems
        message = "; ".join([problems[first], *(f"{name}: {problems[name]}" for name in others)])
        raise InputError(message, location=first,
                         next_step="Pass one array per input, by parameter name.")  # fmt: skip


def _fits(array: Array, layout: Layout) -> bool:
    if DataFormat.from_ir(layout.dtype).is_float:
        return array.dtype == np.float32
    return array.dtype.kind in ("iub" if layout.dtype in ("uint8", "int32") else "iu")


def _wanted(layout: Layout) -> str:
    fmt = DataFormat.from_ir(layout.dtype)
    named = "int8" if layout.dtype == SIGNED_BYTE else layout.dtype
    kind = "float32" if fmt.is_float else f"integers ({named})"
    return f"{kind} {layout.logical_shape}"


def make_tensors(plan: Plan) -> dict[str, Tensor]:
    """Every buffer of the plan, without contents."""
    arch = find_arch(plan.device.name)
    bases = place(plan, arch).tensors
    return {
        name: Tensor(name, layout, placement_of(layout, bases[name], arch))
        for name, layout in plan.layouts.items()
    }


def load_tensors(tensors: Mapping[str, Tensor], inputs: Mapping[str, Array], pool: Pool) -> None:
    """Fill the buffers of a plan.

    Inputs are rounded by the host to their dtype (nearest even); padding is garbage and invalid,
    except in block formats and where the layout says zero. Buffers without initial contents are
    invalid throughout.

    Raises:
        InputError: a value does not fit its dtype.
    """
    for name, tensor in tensors.items():
        array = inputs.get(name)
        shape = (tensor.pages, *tensor.tile)
        if not pool.arithmetic:
            tensor.values = np.broadcast_to(np.zeros((), tensor.fmt.value_dtype), shape)
        if array is None:
            if pool.arithmetic:
                tensor.values = pool.take(shape, tensor.fmt.value_dtype)
            tensor.valid = np.zeros((tensor.pages, 2), np.int16)
        else:
            zero = tensor.layout.padding == "zero" or tensor.fmt.is_bfp
            if pool.arithmetic:
                if tensor.layout.dtype == SIGNED_BYTE:
                    array = _as_bytes(array, name)
                tensor.values = _pages(tensor, stored(array, tensor.layout.view), pool, zero=zero)
            tensor.valid = None if zero else tensor.logical_extents()


def _pages(tensor: Tensor, array: Array, pool: Pool, *, zero: bool) -> Array:
    pad = 0 if zero else np.nan if tensor.fmt.is_float else GARBAGE
    if not tensor.fmt.is_float and array.dtype.kind == "u" and array.size == 0:
        return np.empty((0, *tensor.tile), tensor.fmt.value_dtype)
    try:
        room = None
        if array.ndim == 2 and tensor.fmt is DataFormat.Float16_b:
            room = pool.take((tensor.pages, *tensor.tile))
        tiles = upload(array, tensor.fmt, tensor.tile, pad, out=room)
    except FormatError as error:
        raise InputError(str(error), location=tensor.name) from error
    return np.ascontiguousarray(tiles.reshape(-1, *tensor.tile))


def _as_bytes(array: Array, name: str) -> Array:
    """The bytes of int8 numbers.

    Raises:
        InputError: a number that int8 does not hold.
    """
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if low < -128 or high > 127:
        bad = low if low < -128 else high
        raise InputError(f"{bad} is outside int8, which holds -128 to 127", location=name)
    return array.astype(np.int8).view(np.uint8)


def download(tensor: Tensor, pool: Pool) -> Array:
    """The logical tensor; elements nobody wrote are NaN, or 0 in integer buffers."""
    out = _logical(tensor.values, tensor, pool)
    if tensor.fmt.spec.bits == 8 and not tensor.fmt.is_bfp:
        out = out.astype(np.int8 if tensor.layout.dtype != "uint8" else np.uint8)
    if not _whole(tensor):
        out[~written(tensor)] = np.nan if tensor.fmt.is_float else 0
    return out


def _whole(tensor: Tensor) -> bool:
    """Whether every page holds nothing but data."""
    return tensor.valid is None or bool((tensor.valid >= WHOLE).all())


def written(tensor: Tensor) -> npt.NDArray[np.bool_]:
    """Which elements of the logical tensor the run wrote; what they held before is not."""
    shape, owner = tensor.layout.logical_shape, tensor.owner
    if owner is None:
        return np.broadcast_to(np.False_, shape)
    mine, height, width = owner != NOBODY, *tensor.tile
    if len(mine) != tensor.pages:
        return _logical(tensor.datums(mine), tensor)
    if tensor.valid is None or (tensor.valid[mine] >= WHOLE).all():
        if mine.all():
            return np.broadcast_to(np.True_, shape)
        return _logical(np.broadcast_to(mine[:, None, None], (len(mine), height, width)), tensor)
    rows = np.arange(height)[:, None] < tensor.valid[:, 0, None, None]
    columns = np.arange(width) < tensor.valid[:, 1, None, None]
    return _logical(rows & columns & mine[:, None, None], tensor)


def _logical(values: Array, tensor: Tensor, pool: Pool | None = None) -> Array:
    """Pages (pages, height, width) as an array of the logical shape."""
    shape = stored_shape(tensor.layout)
    rows, columns = (1, *shape)[-2:]
    lead = tensor.grid[:-2]
    tiles = values.reshape(*lead, -1, *tensor.tile)
    room = None
    if pool is not None and pool.arithmetic and len(shape) == 2:
        room = pool.take(shape, values.dtype)
    whole = untilize(tiles, rows, columns, tensor.tile, room).reshape(shape)
    return restored(whole, tensor.layout.view, tensor.layout.logical_shape)
