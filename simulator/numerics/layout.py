"""Rearrangements of tiles by the unpacker and the matrix unit: exact moves, no arithmetic."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats.tilize import from_faces, tilize, to_faces, untilize
from simulator.numerics.modes import Broadcast

Array = npt.NDArray[Any]


def transpose(tiles: Array) -> Array:
    """Each tile (..., height, width) transposed (a view)."""
    return tiles.swapaxes(-1, -2)


def broadcast(tiles: Array, kind: Broadcast) -> Array:
    """Tiles with their first row, first column or first element repeated (a view).

    ROW repeats row 0 downwards, COL column 0 to the right, SCALAR element [0, 0] everywhere
    (measured: tests/vectors/eltwise.npz).
    """
    return np.broadcast_to(tiles[_SOURCES[kind]], tiles.shape)


def tilize_block(pages: Array) -> Array:
    """Tiles (..., n, height, width) of pages that hold ``height`` rows of n * width datums.

    The pages come in as tiles, as if their bytes were in face order; the unpacker reads the same
    bytes row by row (measured: tests/vectors/packer.npz, device_tilize2).
    """
    count, height, width = pages.shape[-3:]
    rows = to_faces(pages).reshape(*pages.shape[:-3], height, count * width)
    return tilize(rows, (height, width))


def untilize_block(tiles: Array) -> Array:
    """Inverse of tilize_block: pages (..., n, height, width) whose bytes are the matrix by rows.

    Measured: tests/vectors/packer.npz, device_packuntilize2.
    """
    count, height, width = tiles.shape[-3:]
    rows = untilize(tiles, height, count * width, (height, width))
    flat = rows.reshape(*tiles.shape[:-3], count, height * width)
    return from_faces(flat, (height, width))


_SOURCES: MappingProxyType[Broadcast, tuple[Any, ...]] = MappingProxyType(
    {
        Broadcast.NONE: (...,),
        Broadcast.ROW: (..., slice(0, 1), slice(None)),
        Broadcast.COL: (..., slice(None), slice(0, 1)),
        Broadcast.SCALAR: (..., slice(0, 1), slice(0, 1)),
    }
)
