"""Element access inside T.Parallel: buffer[indices] over a space, read and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from golden.approx import CLEAN, FREE, Approx, Bools
from golden.errors import GoldenError
from golden.interpret.memory import Index, OnChip
from golden.interpret.space import Along, Space
from golden.interpret.tree import Expr, Store
from golden.source import BufferInfo

Exprs = Sequence[Expr]
"""Indices as the source has them, beside what they are."""


def load(
    space: Space, buffer: BufferInfo, indices: list[Any], exprs: Exprs, where: str | None
) -> Approx:
    """buffer[indices] at every point of the space, broadcastable to its shape."""
    tensors = space.chunk.machine.tensors
    if buffer in tensors:
        points = _points(space, indices)
        if space.mask is not None:  # elsewhere nothing is read
            points = [np.where(space.mask, p, 0) for p in points]
        reader = space.on_blocks(space.chunk.numbers)
        return tensors[buffer].read_points(points, reader, space.mask)
    cell = _cell(space, buffer, where)
    lines = _lines(space, cell.shape, exprs, indices)
    if lines is not None:
        return _load_lines(space, cell, lines)
    return _load_points(space, cell, indices)


def store(
    space: Space, buffer: BufferInfo, indices: list[Any], exprs: Exprs, new: Approx,
    where: str | None,
) -> None:  # fmt: skip
    """buffer[indices] = new where the space's mask holds.

    Raises:
        GoldenError: ``SourceRace`` where iterations write one element with different values, or an
            on-chip index out of range.
    """
    new = new.map(lambda a: a if a.ndim else a.reshape((1,) * (space.rank + 1)))
    tensors = space.chunk.machine.tensors
    if buffer in tensors:
        shape = space.shape
        points = [np.broadcast_to(p, shape) for p in _points(space, indices)]
        _check_injective(space, points, new, where)
        writer = space.on_blocks(space.chunk.numbers)
        tensors[buffer].write_points(points, new, space.mask, writer)
        return
    cell = _cell(space, buffer, where)
    lines = _lines(space, cell.shape, exprs, indices)
    used = [line for line in lines or () if isinstance(line, tuple)]
    if lines is not None and len(used) == space.rank:
        _store_lines(space, cell, lines, new)
        return
    _store_points(space, cell, indices, new, where)


def check_stored(index: Any, size: int, space: Space, stmt: Store) -> None:
    """A tensor of indices names only what there is: what it places elsewhere is lost.

    Raises:
        GoldenError: ``InvalidInputs``, at the store.
    """
    outside = (np.asarray(index) < 0) | (np.asarray(index) >= size)
    if space.mask is not None:
        outside = outside & space.mask
    if not outside.any():
        return
    place = int(np.broadcast_to(index, outside.shape)[outside][0])
    raise GoldenError(
        f"a tensor of indices places an element at {place} along a dimension of"
        f" {stmt.buffer.name}, which has {size}",
        code="InvalidInputs",
        location=stmt.where,
        next_step="give indices in range",
    )


def _cell(space: Space, buffer: BufferInfo, where: str | None) -> OnChip:
    if buffer not in space.chunk.buffers:
        raise GoldenError(f"buffer {buffer.name} is not allocated", location=where)
    return space.chunk.buffers[buffer]


def _points(space: Space, indices: list[Any]) -> list[Any]:
    return [
        np.asarray(i).reshape((1,) * (space.rank + 1)) if np.ndim(i) == 0 else i for i in indices
    ]


Line = int | tuple[int, int]
"""A fixed index, or (axis of the space, offset) for an index that follows one axis."""


def _lines(
    space: Space, shape: tuple[int, ...], exprs: Exprs, indices: list[Any]
) -> list[Line] | None:
    """Indices as fixed numbers and distinct axes within range; None where they are not so plain."""
    lines: list[Line] = []
    axes: set[int] = set()
    for expr, value, size in zip(exprs, indices, shape, strict=True):
        if np.ndim(value) == 0:
            if not 0 <= int(value) < size:
                return None
            lines.append(int(value))
            continue
        along = _along(space, expr)
        if along is None or along[0] in axes:
            return None
        axis, offset = along
        if offset < 0 or offset + space.extents[axis] > size:
            return None
        axes.add(axis)
        lines.append((axis, offset))
    return lines


def _along(space: Space, expr: Expr) -> tuple[int, int] | None:
    """(axis, offset) of ``variable`` or ``variable + constant``."""
    if expr.follows is None:
        return None
    var, offset = expr.follows
    known = space.chunk.env.get(var)
    if not isinstance(known, Along):
        return None
    return known.axis, offset + int(known.values[0])


def is_rearranged(space: Space, exprs: Exprs) -> bool:
    """Whether an access repeats elements along an axis of the space or swaps axes."""
    if not space.rank:
        return False
    axes = [along[0] for along in (_along(space, e) for e in exprs) if along is not None]
    needed = [axis for axis, extent in enumerate(space.extents) if extent > 1]
    return axes != sorted(axes) or not set(needed) <= set(axes)


def is_picked(space: Space, buffer: BufferInfo, indices: list[Any], exprs: Exprs) -> bool:
    """Whether numbers, not axes, choose a row, a column or an element of a block or a tensor.

    It has to be moved to where an operand begins; indices before the last two choose whole planes.
    Rows of tensors that are used as rows need not be moved, nor columns of one column.
    """
    if buffer not in space.chunk.buffers:
        last = list(zip(indices, buffer.shape, strict=True))[-2:]
        chosen = any(size > 1 and _is_fixed(index) for index, size in last)
        moved = _is_fixed(indices[-1]) or is_rearranged(space, exprs)
        return not space.rank or (chosen and moved)
    shape = space.chunk.buffers[buffer].shape
    line = space.rank == 1 and len(shape) > 1
    last = list(zip(indices, shape, strict=True))[-2:]
    return any((size > 1 or line) and _is_fixed(index) for index, size in last)


def _is_fixed(index: Any) -> bool:
    """Whether an index is one number per block."""
    return np.ndim(index) == 0 or np.shape(index)[1:] == (1,) * (np.ndim(index) - 1)


def _line_index(space: Space, lines: list[Line]) -> Index:
    return (
        space.chunk.lanes,
        *(
            line if isinstance(line, int) else slice(line[1], line[1] + space.extents[line[0]])
            for line in lines
        ),
    )


def _load_lines(space: Space, cell: OnChip, lines: list[Line]) -> Approx:
    axes = [line[0] for line in lines if isinstance(line, tuple)]
    order = [0, *(1 + axes.index(a) for a in sorted(axes))]
    spread = tuple(slice(None) if a in axes else None for a in range(space.rank))

    def arrange(array: Any) -> Any:
        return array.transpose(order)[(slice(None), *spread)]

    return cell.planes.load(_line_index(space, lines)).map(arrange)


def _store_lines(space: Space, cell: OnChip, lines: list[Line], new: Approx) -> None:
    axes = [line[0] for line in lines if isinstance(line, tuple)]
    order = [0, *(1 + a for a in axes)]
    shape = space.shape

    def arrange(array: Any) -> Any:
        return np.broadcast_to(array, shape).transpose(order)

    mask = None if space.mask is None else arrange(space.mask)
    lanes = space.chunk.lanes
    whole = (
        mask is None
        and isinstance(lanes, slice)
        and lanes == slice(None)
        and all(
            isinstance(line, tuple) and line[1] == 0 and space.extents[line[0]] == size
            for line, size in zip(lines, cell.shape, strict=True)
        )
    )
    cell.planes.store(_line_index(space, lines), new.map(arrange), mask, whole=whole)
    if not whole:
        cell.planes.clean_taint()


def _clipped(space: Space, cell: OnChip, indices: list[Any]) -> tuple[Index, Bools | None]:
    """Index of single elements, and where it had to be clipped into range."""
    points = _points(space, indices)
    outside: Bools | None = None
    parts = [space.on_blocks(np.arange(len(space.chunk.numbers)))]
    for index, size in zip(points, cell.shape, strict=True):
        bad = (index < 0) | (index >= size)
        if bad.any():
            outside = bad if outside is None else outside | bad
            index = np.clip(index, 0, size - 1)  # noqa: PLW2901  (the clipped index replaces it)
        parts.append(index)
    return tuple(parts), outside


def _load_points(space: Space, cell: OnChip, indices: list[Any]) -> Approx:
    index, outside = _clipped(space, cell, indices)
    value = cell.planes.load(tuple(np.broadcast_arrays(*index)))
    if outside is None:
        return value
    clean = np.full(value.value.shape, CLEAN, np.uint8) if value.taint is None else value.taint
    return replace(value, taint=np.where(outside, FREE, clean).astype(np.uint8))


def _store_points(
    space: Space, cell: OnChip, indices: list[Any], new: Approx, where: str | None
) -> None:
    index, outside = _clipped(space, cell, indices)
    if outside is not None:
        active = outside if space.mask is None else outside & space.mask
        if active.any():
            raise GoldenError(
                "an on-chip buffer is written beyond its shape",
                location=where,
                next_step="guard the store with if",
            )
    shape = space.shape
    points = [np.broadcast_to(i, shape) for i in index]
    _check_injective(space, points[1:], new, where)
    new = new.map(lambda a: np.broadcast_to(a, shape))
    if space.mask is not None:
        chosen = np.broadcast_to(space.mask, shape)
        points = [p[chosen] for p in points]
        new = new.map(lambda a: a[chosen])
    cell.planes.store(tuple(points), new)
    cell.planes.clean_taint()


def _check_injective(space: Space, points: list[Any], new: Approx, where: str | None) -> None:
    """Iterations of one block must not write one element with different values."""
    if not space.rank or not points:
        return
    shape = space.shape
    low = [int(p.min()) for p in points]
    sizes = [int(p.max()) - lo + 1 for p, lo in zip(points, low, strict=True)]
    flat = np.zeros(shape, np.int64)
    for p, lo, size in zip(points, low, sizes, strict=True):
        flat = flat * size + (p - lo)
    rows = flat.reshape(shape[0], -1)
    values = np.broadcast_to(new.value, shape).reshape(shape[0], -1)
    mask = None if space.mask is None else np.broadcast_to(space.mask, shape).reshape(shape[0], -1)
    if mask is None and _is_increasing(rows):
        return
    for lane in range(shape[0]):
        line, data = rows[lane], values[lane]
        if mask is not None:
            line, data = line[mask[lane]], data[mask[lane]]
        order = np.argsort(line, kind="stable")
        line, data = line[order], data[order]
        same = line[1:] == line[:-1]
        differ = same & (data[1:] != data[:-1]) & ~(np.isnan(data[1:]) & np.isnan(data[:-1]))
        if differ.any():
            raise GoldenError(
                "iterations of T.Parallel write one element with different values",
                code="SourceRace",
                location=where,
                next_step="use T.serial for a running value, or a reduction",
            )


def _is_increasing(rows: Any) -> bool:
    """Whether every row is strictly increasing, hence free of repeats: the common case."""
    return rows.shape[1] < 2 or bool((np.diff(rows, axis=1) > 0).all())
