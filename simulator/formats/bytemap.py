"""Which bytes of a tile belong to which datums: from valid extents to valid bytes and back."""

from __future__ import annotations

from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulator.formats.dataformat import BFP_GROUP, DataFormat
from simulator.formats.tilize import from_faces, to_faces

Flags = npt.NDArray[np.bool_]
Extents = npt.NDArray[np.int16]
Places = npt.NDArray[np.int64]

KEPT: Final = 64
"""Sets of bytes whose extents are remembered: pages are filled piece by piece, one like another."""
WHOLE: Final = 2**15 - 1
"""Extent that means all rows or columns, in pages of any shape."""


_ALL: Final = MappingProxyType({1: 1, 2: 0x0101, 4: 0x01010101})
"""A datum of so many bytes, each of them True, as one number."""


class ByteMap:
    """The bytes of one kind of tile.

    A datum is valid when all bytes it takes part in are: of block formats the shared exponent too.
    """

    def __init__(self, fmt: DataFormat, tile: tuple[int, int]) -> None:
        self.tile = tile
        self.size = fmt.tile_bytes(tile)
        self.datums = tile[0] * tile[1]
        self.block = fmt.is_bfp
        self.per_byte = 8 // fmt.spec.bits if fmt.is_bfp else 1
        self.section = self.size - self.datums // self.per_byte if fmt.is_bfp else 0
        self._known: dict[tuple[tuple[int, ...], bytes], Extents] = {}

    def places(self, first: int, count: int) -> tuple[Places, Places]:
        """Rows and columns of ``count`` datums in memory from the ``first`` on."""
        rows, columns = self._places
        return rows[first : first + count], columns[first : first + count]

    @cached_property
    def _places(self) -> tuple[Places, Places]:
        height, width = self.tile
        stored = to_faces(np.arange(height * width).reshape(height, width))
        return stored // width, stored % width

    def bytes_of(self, valid: Extents) -> Flags:
        """Valid bytes (..., size) of tiles whose valid rows and columns are ``valid`` (..., 2)."""
        height, width = self.tile
        rows = np.arange(height) < valid[..., :1]
        columns = np.arange(width) < valid[..., 1:]
        stored: Flags = to_faces(rows[..., :, None] & columns[..., None, :])
        lead = stored.shape[:-1]
        if not self.block:
            return np.repeat(stored, self.size // self.datums, axis=-1)
        out = np.ones((*lead, self.size), np.bool_)
        groups = stored.reshape(*lead, -1, BFP_GROUP).any(axis=-1)
        out[..., : groups.shape[-1]] = groups
        out[..., self.section :] = stored.reshape(*lead, -1, self.per_byte).all(axis=-1)
        return out

    def datums_of(self, held: Flags) -> Flags:
        """Valid datums (..., height, width) of valid bytes (..., size)."""
        if self.block:
            groups = held[..., : self.datums // BFP_GROUP]
            stored: Any = np.repeat(held[..., self.section :], self.per_byte, axis=-1)
            stored &= np.repeat(groups, BFP_GROUP, axis=-1)
        else:
            size = self.size // self.datums  # all bytes of a datum at once
            stored = np.ascontiguousarray(held).view(f"u{size}") == _ALL[size]
        datums: Flags = from_faces(stored, self.tile)
        return datums

    def extents_of(self, held: Flags) -> Extents:
        """The largest valid rectangle from the top left, (..., 2), of valid bytes (..., size)."""
        key = held.shape, np.packbits(held).tobytes()
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= KEPT:
                self._known.clear()
            found = self._known[key] = self._extents(held)
        return found.copy()

    def _extents(self, held: Flags) -> Extents:
        datums = self.datums_of(held)
        height, width = self.tile
        runs: Any = np.minimum.accumulate(np.cumprod(datums, axis=-1).sum(axis=-1), axis=-1)
        rows = (runs * np.arange(1, height + 1)).argmax(axis=-1)
        columns = np.take_along_axis(runs, rows[..., None], axis=-1)[..., 0]
        rows = np.where(columns > 0, rows + 1, 0)
        out = np.stack([np.where(rows == height, WHOLE, rows),
                        np.where(columns == width, WHOLE, columns)], axis=-1)  # fmt: skip
        return out.astype(np.int16)
