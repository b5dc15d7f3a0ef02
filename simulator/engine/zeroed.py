"""What zeroing beyond the kept part of a page writes: the bytes of the datums zeroed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.engine.actors import Reach
from simulator.engine.ledger import Ledger, Spot
from simulator.engine.values import Value, spread

if TYPE_CHECKING:
    from simulator.engine.cb import CircularBuffer

Kept = tuple[Callable[[list[Any]], Value], Callable[[list[Any]], Value]]
"""Rows and columns that are kept, of a group's registers."""


def zeroed(
    cb: CircularBuffer, ledger: Ledger, reach: Reach, first: Value, rows: Value, columns: Value
) -> tuple[Spot, ...]:
    """Where the page at byte ``first`` is written; all may differ by core."""
    count = len(reach.cores)
    each = np.stack([spread(one, count) for one in (first, rows, columns)], axis=1)
    ways, of = np.unique(each, axis=0, return_inverse=True)
    pieces = []
    for number, (begin, keep_rows, keep_columns) in enumerate(ways.tolist()):
        cores = reach if len(ways) == 1 else Reach(reach.cores[of.reshape(-1) == number])
        pieces += [(cores, begin + byte, size) for byte, size in runs(cb, keep_rows, keep_columns)]
    for piece in pieces:
        ledger.at(*piece)  # a later one may divide the cells of an earlier one
    return tuple(spot for piece in pieces for spot in ledger.at(*piece))


def runs(cb: CircularBuffer, rows: int, columns: int) -> list[tuple[int, int]]:
    """(first byte, size) of what is zeroed, in whole pieces whose accesses are told apart.

    Every transfer takes a piece wholly or not at all, so a piece of which some bytes are zeroed is
    one that a transfer of it clashes in.
    """
    kept = cb.map.bytes_of(np.array([rows, columns], np.int16))
    touched = np.zeros(cb.page_bytes, np.bool_)
    touched[: len(kept)] = ~kept
    pieces = touched.reshape(-1, cb.grain).any(axis=1)
    edges = np.flatnonzero(np.diff(pieces, prepend=False, append=False)).tolist()
    return [
        (first * cb.grain, (end - first) * cb.grain)
        for first, end in zip(edges[::2], edges[1::2], strict=True)
    ]
