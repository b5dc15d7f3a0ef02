"""The order in which a tensor's dimensions are stored, where it is not the host's own.

``Layout.view`` names the host's dimensions in stored order; -1 is a dimension of one element that
the host does not have. Pages, padding, shards and block maps are those of the stored shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.plan.schema import Layout

Array = npt.NDArray[Any]
UNIT = -1
"""A stored dimension that the host's array does not have."""


def viewed(shape: Sequence[int], view: Sequence[int]) -> tuple[int, ...]:
    """A host shape in stored order; the shape itself without a view."""
    return tuple(1 if d == UNIT else shape[d] for d in view) if view else tuple(shape)


def stored_shape(layout: Layout) -> tuple[int, ...]:
    """The logical shape in stored order."""
    return viewed(layout.logical_shape, layout.view)


def stored(array: Array, view: Sequence[int]) -> Array:
    """A host array in stored order."""
    if not view:
        return array
    turned = array.transpose([d for d in view if d != UNIT])
    return np.ascontiguousarray(turned.reshape(viewed(array.shape, view)))


def restored(array: Array, view: Sequence[int]) -> Array:
    """The host array that is stored so."""
    if not view:
        return array
    order = [d for d in view if d != UNIT]
    shape = [n for n, d in zip(array.shape, view, strict=True) if d != UNIT]
    return np.ascontiguousarray(array.reshape(shape).transpose(np.argsort(order)))


def restored_shape(shape: Sequence[int], view: Sequence[int]) -> tuple[int, ...]:
    """The host shape that is stored so."""
    pairs = zip(view, shape, strict=True)
    return tuple(n for d, n in sorted(pairs) if d != UNIT) if view else tuple(shape)


def stored_place(place: Sequence[int], view: Sequence[int]) -> tuple[int, ...]:
    """An element's host index in stored order."""
    return tuple(0 if d == UNIT else place[d] for d in view) if view else tuple(place)


def is_view(view: Sequence[int], rank: int) -> bool:
    """Whether a view names every one of ``rank`` dimensions once, and changes something."""
    named = [d for d in view if d != UNIT]
    return sorted(named) == list(range(rank)) and list(view) != list(range(rank))
