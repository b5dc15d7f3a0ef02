"""The boxes of an output that the writes of one block fill, apart from one another.

A block may write an output at several places, as the two halves of a row. What lies between them is
other blocks', or nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

Box = tuple[tuple[int, ...], tuple[int, ...]]
"""First index per dimension, and past the last."""
_MOST: Final = 64
"""Boxes that are told apart; of more only the hull is known."""


def hull_of(boxes: Iterable[Box]) -> Box:
    """The least box that holds them all."""
    lows, highs = zip(*boxes, strict=True)
    return tuple(map(min, *lows, *lows[:1])), tuple(map(max, *highs, *highs[:1]))


def meet(one: Box, two: Box) -> bool:
    """Whether two boxes share an element."""
    return all(a < d and c < b for a, b, c, d in zip(*one, *two, strict=True))


def disjoint(boxes: Iterable[Box]) -> list[Box]:
    """Boxes that share no element, which hold all that are given."""
    found: list[Box] = []
    for box in boxes:
        while touching := [b for b in found if meet(b, box)]:
            found = [b for b in found if b not in touching]
            box = hull_of([box, *touching])  # noqa: PLW2901
        found.append(box)
    return found if len(found) <= _MOST else [hull_of(found)]


def apart(boxes: Sequence[Box], move: Sequence[int], blocks: int) -> bool:
    """Whether blocks one after another, which move by ``move``, share no element."""
    low, high = hull_of(boxes)
    for steps in range(1, blocks):
        if any(steps * abs(m) >= h - lo for m, lo, h in zip(move, low, high, strict=True)):
            return True
        moved = [tuple(i + steps * m for i, m in zip(side, move, strict=True))
                 for box in boxes for side in box]  # fmt: skip
        later = list(zip(moved[::2], moved[1::2], strict=True))
        if any(meet(one, two) for one in boxes for two in later):
            return False
    return True


def fill(boxes: Sequence[Box]) -> bool:
    """Whether boxes leave nothing of their hull out."""
    sides = list(zip(*(low + high for low, high in boxes), strict=True))
    rank = len(boxes[0][0])
    edges = [np.unique(sides[d] + sides[d + rank]) for d in range(rank)]
    filled = np.zeros([len(e) - 1 for e in edges], bool)
    for low, high in boxes:
        at = [np.searchsorted(e, (a, b)) for e, a, b in zip(edges, low, high, strict=True)]
        filled[tuple(slice(*pair) for pair in at)] = True
    return bool(filled.all())
