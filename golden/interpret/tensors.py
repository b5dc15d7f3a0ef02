"""Tensors in device memory: zero margins around them, and who wrote which element.

What a block reads beyond a tensor's edge is zero and what it writes there is dropped; margins of
zeros make both plain indexing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from golden.approx import PLANES, Approx, Bools
from golden.errors import GoldenError
from golden.interpret.memory import Index, Planes, highest, lowest, part_of

NOBODY = -1
"""Owner of an element no block has written."""

Blocks = npt.NDArray[np.int32]


class Tensor:
    """A tensor, its margins and the block that wrote each element."""

    def __init__(self, name: str, value: Approx, dtype: str) -> None:
        """``value`` is the initial content; nothing is written yet."""
        self.name = name
        self.shape = value.value.shape
        self.dtype = dtype
        self.low = self.high = (0,) * len(self.shape)
        self.planes = Planes(self.shape)
        self.planes.store((...,), value, whole=True)
        self.owner: Blocks | None = None

    @property
    def interior(self) -> Index:
        """Index of the tensor inside its margins."""
        return tuple(slice(lo, lo + n) for lo, n in zip(self.low, self.shape, strict=True))

    def result(self) -> tuple[Approx, Bools]:
        """Final contents, and which elements some block wrote."""
        inside = self.interior
        written = np.zeros(self.shape, np.bool_)
        if self.owner is not None:
            written = self.owner[inside] != NOBODY
        return self.planes.load(inside), written

    def _reserve(self, least: Sequence[int], most: Sequence[int]) -> bool:
        """Grow the margins to hold coordinates; whether any lies outside the tensor."""
        low = tuple(max(lo, -a) for lo, a in zip(self.low, least, strict=True))
        high = tuple(max(hi, b - n) for hi, b, n in zip(self.high, most, self.shape, strict=True))
        if (low, high) != (self.low, self.high):
            widths = [
                (a - b, c - d) for a, b, c, d in zip(low, self.low, high, self.high, strict=True)
            ]
            self.planes.value = np.pad(self.planes.value, widths)
            self.planes.extra = {k: np.pad(v, widths) for k, v in self.planes.extra.items()}
            if self.owner is not None:
                self.owner = np.pad(self.owner, widths, constant_values=NOBODY)
            self.low, self.high = low, high
        return any(a < 0 or b > n for a, b, n in zip(least, most, self.shape, strict=True))

    def _reach(self, starts: Sequence[Any], extents: Sequence[int]) -> bool:
        least = [lowest(s) for s in starts]
        most = [highest(s) + e for s, e in zip(starts, extents, strict=True)]
        return self._reserve(least, most)

    def _window_index(self, starts: Sequence[Any]) -> Index:
        parts = [np.asarray(s) + lo for s, lo in zip(starts, self.low, strict=True)]
        return tuple(np.atleast_1d(p) for p in np.broadcast_arrays(*parts))

    @staticmethod
    def _windows(plane: Any, extents: Sequence[int]) -> Any:
        return sliding_window_view(plane, tuple(extents), writeable=True)

    def read(self, starts: Sequence[Any], extents: Sequence[int], reader: Blocks) -> Approx:
        """A region per block, (blocks or 1, *extents); zero beyond the edge."""
        self._reach(starts, extents)
        index = self._window_index(starts)
        if self.owner is not None:
            owner = self._windows(self.owner, extents)[index]
            self._check_reader(owner, reader.reshape(-1, *(1,) * len(extents)))
        parts = {k: self._windows(v, extents)[index] for k, v in self.planes.extra.items()}
        value = self._windows(self.planes.value, extents)[index]
        return Approx(value, grain=self.planes.grain, peak=self.planes.peak, **parts)

    def write(
        self, starts: Sequence[Any], extents: Sequence[int], new: Approx, writer: Blocks
    ) -> None:
        """Set a region per block; what lies beyond the edge is dropped.

        Raises:
            GoldenError: ``SourceRace``, blocks write one element with different values.
        """
        outside = self._reach(starts, extents)
        index = self._window_index(starts)
        if len(index[0]) != len(writer):
            index = tuple(np.broadcast_to(i, (len(writer),)) for i in index)
        shape = (len(writer), *extents)
        new = new.map(lambda a: np.broadcast_to(a, shape))
        blocks = np.broadcast_to(writer.reshape(-1, *(1,) * len(extents)), shape)
        self._put(new, blocks, lambda plane: (self._windows(plane, extents), index))
        if outside:
            self._clear_margins()

    def read_points(
        self, indices: Sequence[Any], reader: Blocks, mask: Bools | None = None
    ) -> Approx:
        """Single elements, of the indices' broadcast shape; zero beyond the edge.

        Where ``mask`` does not hold nothing is asked, whoever wrote what the indices name there.
        """
        self._reach(indices, (1,) * len(self.shape))
        index = self._point_index(indices)
        if self.owner is not None:
            owner = self.owner[index]
            self._check_reader(owner if mask is None else np.where(mask, owner, NOBODY), reader)
        return self.planes.load(index)

    def write_points(
        self, indices: Sequence[Any], new: Approx, mask: Bools | None, writer: Blocks
    ) -> None:
        """Set single elements where ``mask`` holds; what lies beyond the edge is dropped.

        Raises:
            GoldenError: ``SourceRace``, blocks write one element with different values.
        """
        outside = self._reach(indices, (1,) * len(self.shape))
        index = np.broadcast_arrays(*self._point_index(indices), writer, new.value)
        shape = index[0].shape
        new = new.map(lambda a: np.broadcast_to(a, shape))
        blocks, index = index[-2], index[:-2]
        if mask is not None:
            chosen = np.broadcast_to(mask, shape)
            index = tuple(i[chosen] for i in index)
            blocks = blocks[chosen]
            new = new.map(lambda a: a[chosen])
        self._put(new, blocks, lambda plane: (plane, tuple(index)))
        if outside:
            self._clear_margins()

    def _point_index(self, indices: Sequence[Any]) -> Index:
        return tuple(np.asarray(i) + lo for i, lo in zip(indices, self.low, strict=True))

    def _put(self, new: Approx, blocks: Any, place: Any) -> None:
        if self.owner is None:
            self.owner = np.full(self.planes.value.shape, NOBODY, np.int32)
        view, index = place(self.owner)
        before = view[index]
        foreign = (before != NOBODY) & (before != blocks)
        if foreign.any():
            old_view, _ = place(self.planes.value)
            self._check_equal(old_view[index], new.value, foreign)
        view[index] = blocks
        planes = self.planes
        planes.grain = min(planes.grain, new.grain)
        planes.peak = max(planes.peak, new.peak)
        present = [p for p in PLANES if getattr(new, p) is not None]
        planes.ensure(present)
        value_view, _ = place(planes.value)
        value_view[index] = new.value
        for name, plane in planes.extra.items():
            plane_view, _ = place(plane)
            plane_view[index] = part_of(new, name)
        overlap = view[index] != blocks
        if overlap.any():
            self._check_equal(value_view[index], new.value, overlap)

    def _check_equal(self, old: Any, new: Any, where: Any) -> None:
        differs = where & (old != new) & ~(np.isnan(old) & np.isnan(new))
        if differs.any():
            raise GoldenError(
                f"{int(differs.sum())} elements of {self.name} are written by two blocks with"
                " different values",
                code="SourceRace",
                next_step="let every element be written by one block",
            )

    def _check_reader(self, owner: Any, reader: Any) -> None:
        if ((owner != NOBODY) & (owner != reader)).any():
            raise GoldenError(
                f"{self.name} is read where another block writes it: blocks have no order",
                code="SourceRace",
                next_step="use a second kernel, or another tensor",
            )

    def _clear_margins(self) -> None:
        """Make what was written outside the tensor unwritten again."""
        inside = self.interior
        for plane in (self.planes.value, *self.planes.extra.values(), self.owner):
            if plane is None:
                continue
            kept = plane[inside].copy()
            plane[...] = NOBODY if plane is self.owner else 0
            plane[inside] = kept
