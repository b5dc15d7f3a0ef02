"""Rearrangements of tiles by the unpacker and the matrix unit: exact moves, no arithmetic."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

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


_SOURCES: MappingProxyType[Broadcast, tuple[Any, ...]] = MappingProxyType(
    {
        Broadcast.NONE: (...,),
        Broadcast.ROW: (..., slice(0, 1), slice(None)),
        Broadcast.COL: (..., slice(None), slice(0, 1)),
        Broadcast.SCALAR: (..., slice(0, 1), slice(0, 1)),
    }
)
