"""Page ids of all lanes, and the blocks they name: strided views where ids are affine.

A page expression is a part that varies by lane plus a part that does not. The first is the same
over an inner loop, so what depends on it (bounds, strides over the lane grid) is found once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simulator.engine.lanes import Lanes, Vector
from simulator.engine.pool import Block, Pool
from simulator.engine.values import Value
from simulator.memory.dram import Tensor


class Pattern:
    """Lane-varying parts of page ids.

    Attributes:
        ids: one per lane; key: as bytes. low, high: their bounds. first: of lane 0.
        width: lanes per row of the grid they are affine on, 0 where there is none.
        down, right: steps between rows and columns of that grid.
    """

    __slots__ = ("down", "first", "high", "ids", "key", "low", "right", "width")

    def __init__(self, ids: Vector, grid: tuple[int, int, int]) -> None:
        self.ids = ids
        self.key = ids.tobytes()
        self.first = int(ids[0])
        self.width, self.down, self.right = grid
        if self.width:
            reach = self.down * (len(ids) // self.width - 1), self.right * (self.width - 1)
            self.low = self.first + min(reach[0], 0) + min(reach[1], 0)
            self.high = self.first + max(reach[0], 0) + max(reach[1], 0)
        else:
            self.low, self.high = int(ids.min()), int(ids.max())


class Patterns:
    """Patterns seen, by the differences of their ids."""

    def __init__(self) -> None:
        self._grids: dict[tuple[int, int, bytes], tuple[int, int, int]] = {}

    def of(self, ids: Value, lanes: Lanes) -> Pattern:
        """The pattern of ids; prefers the grid that fitted these lanes last."""
        n = lanes.n
        if not isinstance(ids, np.ndarray):
            return Pattern(np.full(n, ids, np.int64), (lanes.width, 0, 0))
        delta = ids - ids[0]
        key = (n, lanes.width, delta.tobytes())
        grid = self._grids.get(key)
        if grid is None:
            grid = self._grids[key] = _fit(delta, lanes.width) or _search(delta)
        if grid[0]:
            lanes.width = grid[0]
        return Pattern(ids, grid)


def _fit(delta: Vector, width: int) -> tuple[int, int, int] | None:
    n = len(delta)
    grid = delta.reshape(n // width, width)
    down = int(grid[1, 0]) if n > width else 0
    right = int(grid[0, 1]) if width > 1 else 0
    expected = np.arange(n // width)[:, None] * down + np.arange(width) * right
    return (width, down, right) if (grid == expected).all() else None


def _search(delta: Vector) -> tuple[int, int, int]:
    n = len(delta)
    for width in range(2, n + 1):
        if n % width == 0:
            grid = _fit(delta, width)
            if grid is not None:
                return grid
    return (0, 0, 0)


def page_ids(pattern: Pattern, start: int, n1: int, s1: int, n2: int, s2: int) -> Vector:
    """Page ids (lanes, n1*n2)."""
    if n1 == n2 == 1:
        return pattern.ids[:, None] + start
    offsets = (start + s1 * np.arange(n1)[:, None] + s2 * np.arange(n2)).reshape(-1)
    return pattern.ids[:, None] + offsets


class View(NamedTuple):
    """Everything about a strided view of pages but its start: array shape, strides, first page."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    first: int
    size: int

    def at(self, values: Block, start: int) -> Block:
        """The view of pages ``first + start`` and on."""
        offset = (self.first + start) * self.size
        return np.ndarray(self.shape, values.dtype, values, offset, self.strides)


def view_of(tensor: Tensor, pattern: Pattern, shape: tuple[int, ...]) -> View | None:
    """The view of pages of shape (n1, s1, n2, s2), or None where ids are not affine."""
    width = pattern.width
    if not width:
        return None
    n1, s1, n2, s2 = shape
    height, columns = tensor.tile
    item = tensor.values.itemsize
    size = height * columns * item
    return View(
        (len(pattern.ids) // width, width, n1, n2, height, columns),
        (pattern.down * size, pattern.right * size, s1 * size, s2 * size, columns * item, item),
        pattern.first,
        size,
    )


def fetch(
    tensor: Tensor, pattern: Pattern, start: int, shape: tuple[int, ...], lanes: Lanes, pool: Pool
) -> Block:
    """Values of pages as a block (lane rows, lane columns, n1, n2, height, width)."""
    n1, s1, n2, s2 = shape
    if not pool.arithmetic:
        width = pattern.width or lanes.width
        return pool.dummy((lanes.n // width, width, n1, n2, *tensor.tile), tensor.values.dtype)
    view = view_of(tensor, pattern, shape)
    if view is not None:
        seen = view.at(tensor.values, start)
        if not tensor.writable:
            return seen
        block = pool.take(seen.shape, seen.dtype)
        np.copyto(block, seen)
        return block
    ids = page_ids(pattern, start, n1, s1, n2, s2)
    block = pool.take((lanes.n // lanes.width, lanes.width, n1, n2, *tensor.tile),
                      tensor.values.dtype)  # fmt: skip
    flat: Any = block.reshape(lanes.n, n1 * n2, *tensor.tile)
    np.take(tensor.values, ids, axis=0, mode="clip", out=flat)
    return block


def store(
    tensor: Tensor, pattern: Pattern, start: int, shape: tuple[int, ...], block: Block, lanes: Lanes
) -> None:
    """Write a block to pages."""
    n1, s1, n2, s2 = shape
    view = view_of(tensor, pattern, shape)
    if view is not None:
        seen = view.at(tensor.values, start)
        if block.shape[1] != seen.shape[1]:
            block = block.reshape(*seen.shape)
        seen[...] = block.reshape(seen.shape) if block.shape != seen.shape else block
        return
    ids = page_ids(pattern, start, n1, s1, n2, s2)
    tensor.values[ids] = block.reshape(lanes.n, n1 * n2, *tensor.tile)
