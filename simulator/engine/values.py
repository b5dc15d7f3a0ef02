"""Scalars of a group: a Python int while all lanes agree, else an int64 vector over the lanes."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.int64]
Value: TypeAlias = "int | Vector"

FEW: Final = 64
"""Entries up to which Python compares them sooner than NumPy does."""


def squeeze(vector: Vector) -> Value:
    """The int all entries agree on, else the vector."""
    if len(vector) <= FEW:
        entries = vector.tolist()
        first = entries[0]
        return first if entries.count(first) == len(entries) else vector
    first = int(vector[0])
    return first if (vector == first).all() else vector


def take(value: Value, rows: Vector) -> Value:
    """The value on some of its lanes."""
    return value if isinstance(value, int) else squeeze(value[rows])


def spread(value: Value, lanes: int) -> Vector:
    """The value as a vector of ``lanes`` entries."""
    return value if isinstance(value, np.ndarray) else np.full(lanes, value, np.int64)


def join(parts: list[tuple[Value, Vector]], lanes: int) -> Value:
    """Put values of disjoint rows together."""
    first = parts[0][0]
    if isinstance(first, int) and all(isinstance(v, int) and v == first for v, _ in parts):
        return first
    out = np.empty(lanes, np.int64)
    for value, rows in parts:
        out[rows] = value
    return squeeze(out)


def lowest(value: Value) -> int:
    """Smallest entry."""
    return value if isinstance(value, int) else int(value.min())


def highest(value: Value) -> int:
    """Largest entry."""
    return value if isinstance(value, int) else int(value.max())
