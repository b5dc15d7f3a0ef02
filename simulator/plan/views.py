"""The order in which a tensor's dimensions are stored, where it is not the host's own.

``Layout.view`` names the host's dimensions in stored order; -1 is a dimension of one element that
the host does not have. A vector's ``(0, 0)`` is its one dimension in rows of 32, the last filled up
with zeros: so 1024 numbers are a tile. Pages, padding, shards and block maps are those of the
stored shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulator.arch import TILE
from simulator.plan.schema import Layout

Array = npt.NDArray[Any]
UNIT = -1
"""A stored dimension that the host's array does not have."""
ROWS: Final = (0, 0)
"""The view of a vector whose elements lie in rows of 32."""


def viewed(shape: Sequence[int], view: Sequence[int]) -> tuple[int, ...]:
    """A host shape in stored order; the shape itself without a view."""
    if tuple(view) == ROWS:
        return (-(-shape[0] // TILE), TILE)
    return tuple(1 if d == UNIT else shape[d] for d in view) if view else tuple(shape)


def stored_shape(layout: Layout) -> tuple[int, ...]:
    """The logical shape in stored order."""
    return viewed(layout.logical_shape, layout.view)


def stored(array: Array, view: Sequence[int]) -> Array:
    """A host array in stored order."""
    if not view:
        return array
    shape = viewed(array.shape, view)
    if tuple(view) == ROWS:
        return np.pad(array, (0, shape[0] * TILE - array.size)).reshape(shape)
    turned = array.transpose([d for d in view if d != UNIT])
    return np.ascontiguousarray(turned.reshape(shape))


def restored(array: Array, view: Sequence[int], host: Sequence[int]) -> Array:
    """The array of shape ``host`` that is stored so."""
    if not view:
        return array
    if tuple(view) == ROWS:
        return array.reshape(-1)[: host[0]]
    order = [d for d in view if d != UNIT]
    shape = [n for n, d in zip(array.shape, view, strict=True) if d != UNIT]
    return np.ascontiguousarray(array.reshape(shape).transpose(np.argsort(order)))


def restored_shape(shape: Sequence[int], view: Sequence[int]) -> tuple[int, ...]:
    """The host shape that is stored so; of rows, the longest that is."""
    if tuple(view) == ROWS:
        return (shape[0] * shape[1],)
    pairs = zip(view, shape, strict=True)
    return tuple(n for d, n in sorted(pairs) if d != UNIT) if view else tuple(shape)


def stored_place(place: Sequence[int], view: Sequence[int]) -> tuple[int, ...]:
    """An element's host index in stored order."""
    if tuple(view) == ROWS:
        return divmod(place[0], TILE)
    return tuple(0 if d == UNIT else place[d] for d in view) if view else tuple(place)


def is_view(view: Sequence[int], rank: int) -> bool:
    """Whether a view names every one of ``rank`` dimensions once, and changes something."""
    if tuple(view) == ROWS:
        return rank == 1
    named = [d for d in view if d != UNIT]
    return sorted(named) == list(range(rank)) and list(view) != list(range(rank))
