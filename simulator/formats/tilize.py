"""Between logical matrices, tiles and the face order tiles are stored in.

A *tile array* has shape (..., tiles, height, width): tiles in row-major order over the tile grid,
each a plain matrix. *Face order* is how a tile lies in memory: faces of at most 16x16 in row-major
order, each row-major (tt-metal tech_reports/tensor_layouts).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats.dataformat import check_tile, face_shape
from simulator.formats.errors import TileShapeError

Array = npt.NDArray[Any]
Tile = tuple[int, int]


def grid_of(rows: int, columns: int, tile: Tile = (32, 32)) -> tuple[int, int]:
    """(tile rows, tile columns) that cover a matrix, the last ones perhaps in part."""
    check_tile(tile)
    return -(-rows // tile[0]), -(-columns // tile[1])


def tilize(matrix: Array, tile: Tile = (32, 32), pad: Any = 0, out: Array | None = None) -> Array:
    """Cut (..., rows, columns) into tiles (..., tiles, height, width), padding with ``pad``.

    One pass over the data. ``out`` receives the result when given.
    Raises TileShapeError for illegal tiles, matrices of fewer than two axes, or an ``out`` of
    another shape.
    """
    rows, columns = _matrix_shape(matrix)
    height, width = grid_of(rows, columns, tile)
    shape = (*matrix.shape[:-2], height * width, *tile)
    if out is None:
        out = np.empty(shape, matrix.dtype)
    elif out.shape != shape or not out.flags.c_contiguous:
        raise TileShapeError(f"out has shape {out.shape}, contiguous {shape} was expected")
    grid = out.reshape(*matrix.shape[:-2], height, width, *tile)
    full_rows, full_columns = rows // tile[0], columns // tile[1]
    source = matrix[..., : full_rows * tile[0], : full_columns * tile[1]]
    split = source.reshape(*matrix.shape[:-2], full_rows, tile[0], full_columns, tile[1])
    grid[..., :full_rows, :full_columns, :, :] = split.swapaxes(-3, -2)
    if full_columns < width:
        _fill_edge(grid[..., :, full_columns, :, :], matrix, tile, full_columns, pad)
    if full_rows < height:
        edge = np.full((*matrix.shape[:-2], tile[0], width * tile[1]), pad, matrix.dtype)
        edge[..., : rows - full_rows * tile[0], :columns] = matrix[..., full_rows * tile[0] :, :]
        cut = edge.reshape(*matrix.shape[:-2], tile[0], width, tile[1])
        grid[..., full_rows, :, :, :] = cut.swapaxes(-3, -2)
    return out


def untilize(
    tiles: Array, rows: int, columns: int, tile: Tile = (32, 32), out: Array | None = None
) -> Array:
    """Put tiles (..., tiles, height, width) together to (..., rows, columns), padding dropped.

    Raises TileShapeError when the number or shape of the tiles does not match.
    """
    height, width = grid_of(rows, columns, tile)
    if tiles.ndim < 3 or tiles.shape[-3:] != (height * width, *tile):
        raise TileShapeError(
            f"{rows}x{columns} needs tiles (..., {height * width}, {tile[0]}, {tile[1]}), "
            f"got {tiles.shape}"
        )
    lead = tiles.shape[:-3]
    if out is None:
        out = np.empty((*lead, rows, columns), tiles.dtype)
    grid = tiles.reshape(*lead, height, width, *tile)
    if rows % tile[0] == 0 and columns % tile[1] == 0:
        target = out.reshape(*lead, height, tile[0], width, tile[1])
        target.swapaxes(-3, -2)[...] = grid
        return out
    whole = grid.swapaxes(-3, -2).reshape(*lead, height * tile[0], width * tile[1])
    out[...] = whole[..., :rows, :columns]
    return out


def to_faces(tiles: Array) -> Array:
    """Tiles (..., height, width) in storage order (..., height * width): face after face."""
    height, width = _matrix_shape(tiles)
    face_h, face_w = face_shape((height, width))
    split = tiles.reshape(*tiles.shape[:-2], height // face_h, face_h, width // face_w, face_w)
    return split.swapaxes(-3, -2).reshape(*tiles.shape[:-2], height * width)


def from_faces(stored: Array, tile: Tile = (32, 32), out: Array | None = None) -> Array:
    """Inverse of to_faces: storage order (..., height * width) to tiles (..., height, width).

    ``out`` receives the result when given.
    """
    face_h, face_w = face_shape(tile)
    if stored.shape[-1] != tile[0] * tile[1]:
        raise TileShapeError(f"{stored.shape[-1]} datums are not one {tile[0]}x{tile[1]} tile")
    lead = stored.shape[:-1]
    split = stored.reshape(*lead, tile[0] // face_h, tile[1] // face_w, face_h, face_w)
    rows = split.swapaxes(-3, -2)
    if out is None:
        return rows.reshape(*lead, *tile)
    out.reshape(rows.shape)[...] = rows
    return out


def _matrix_shape(array: Array) -> tuple[int, int]:
    if array.ndim < 2:
        raise TileShapeError(f"a matrix is needed, got shape {array.shape}")
    return int(array.shape[-2]), int(array.shape[-1])


def _fill_edge(target: Array, matrix: Array, tile: Tile, column: int, pad: Any) -> None:
    """Fill the last, ragged tile column of all whole tile rows."""
    rows = matrix.shape[-2] // tile[0]
    rest = matrix.shape[-1] - column * tile[1]
    target[..., :rows, :, rest:] = pad
    piece = matrix[..., : rows * tile[0], column * tile[1] :]
    target[..., :rows, :, :rest] = piece.reshape(*matrix.shape[:-2], rows, tile[0], rest)
