"""Interned sets of cores, compared by identity.

A *lane* is a core taking part in a step. Every set exists once per machine, so "the same lanes as
last time" is one pointer comparison, and set algebra is done once per pair and remembered.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.int64]
FEW: Final = 24
"""Cores from which on a mask is made of an array of flags, not core by core."""


class Lanes:
    """A non-empty set of cores in ascending order; made by :class:`LaneTable` only.

    Attributes:
        ids: core numbers.
        mask: the same set as a Python integer of bits.
        n: how many.
        index: the core numbers as an index: a slice where they are evenly spaced.
        width: columns the lanes are arranged in when a block is viewed as (n / width, width);
            a hint that a strided view of a tensor fitted last time.
    """

    __slots__ = ("ids", "index", "mask", "n", "width")

    def __init__(self, mask: int) -> None:
        self.mask = mask
        self.ids = ids_of(mask)
        self.n = len(self.ids)
        self.index = _index(self.ids)
        self.width = self.n


class Cut(NamedTuple):
    """A set cut in two by another: the common part, the rest, and both as positions in the set."""

    common: Lanes | None
    rest: Lanes | None
    common_rows: Vector
    rest_rows: Vector

    def proper(self) -> tuple[Lanes, Lanes]:
        """Both parts of a cut known to have two."""
        if self.common is None or self.rest is None:
            raise ValueError("the sets do not cut each other")
        return self.common, self.rest


def _index(ids: Vector) -> slice | Vector:
    """Evenly spaced numbers as a slice, others as they are."""
    first, step = int(ids[0]), int(ids[1] - ids[0]) if len(ids) > 1 else 1
    even = slice(first, int(ids[-1]) + 1, step)
    return even if np.array_equal(ids, np.arange(first, even.stop, step)) else ids


def ids_of(mask: int) -> Vector:
    """Bit numbers of a mask, ascending."""
    raw = np.frombuffer(mask.to_bytes((mask.bit_length() + 7) // 8, "little"), np.uint8)
    return np.flatnonzero(np.unpackbits(raw, bitorder="little")).astype(np.int64)


def mask_of(ids: Vector) -> int:
    """Mask with the bits of ``ids`` set."""
    if len(ids) < FEW:
        mask = 0
        for core in ids.tolist():
            mask |= 1 << core
        return mask
    flags = np.zeros(int(ids.max()) + 1, np.bool_)
    flags[ids] = True
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


class LaneTable:
    """All lane sets of one machine."""

    def __init__(self) -> None:
        self._sets: dict[int, Lanes] = {}
        self._cuts: dict[tuple[Lanes, Lanes], Cut] = {}

    def of_mask(self, mask: int) -> Lanes:
        """The set of a non-zero mask."""
        lanes = self._sets.get(mask)
        if lanes is None:
            lanes = self._sets[mask] = Lanes(mask)
        return lanes

    def maybe(self, mask: int) -> Lanes | None:
        """The set of a mask, None for the empty one."""
        return self.of_mask(mask) if mask else None

    def of_ids(self, ids: Vector) -> Lanes:
        """The set of some core numbers, at least one."""
        return self.of_mask(mask_of(ids))

    def cut(self, whole: Lanes, by: Lanes) -> Cut:
        """Cut ``whole`` by ``by``."""
        key = (whole, by)
        cut = self._cuts.get(key)
        if cut is None:
            among = np.zeros(max(whole.mask, by.mask).bit_length(), np.bool_)
            among[by.ids] = True
            inside = among[whole.ids]
            cut = self._cuts[key] = Cut(
                self.maybe(whole.mask & by.mask),
                self.maybe(whole.mask & ~by.mask),
                np.flatnonzero(inside),
                np.flatnonzero(~inside),
            )
        return cut

    def rows(self, part: Lanes, whole: Lanes) -> Vector:
        """Positions of ``part`` inside ``whole``, of which it is a subset."""
        return self.cut(whole, part).common_rows
