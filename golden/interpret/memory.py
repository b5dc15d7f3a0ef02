"""Memory of the reference interpreter: arrays of Approx planes, and on-chip buffers.

``Planes`` holds the arrays of one buffer. An on-chip buffer has one copy per block, along a
leading axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from golden.approx import FREE, PLANES, Approx, Bools
from golden.formats import F64

Index = tuple[Any, ...]
Lanes = slice | npt.NDArray[np.intp]


def lowest(start: Any) -> int:
    """The least of a number or numbers."""
    return start if type(start) is int else int(np.min(start))


def highest(start: Any) -> int:
    """The greatest of a number or numbers."""
    return start if type(start) is int else int(np.max(start))


def _neutral(name: str, planes: Planes) -> Any:
    """What an absent plane stands for."""
    if name == "value2":
        return planes.value
    if name == "bound2":
        return 0.0 if planes.extra.get("bound") is None else planes.extra["bound"]
    return {"bound": 0.0, "taint": 0, "jumped": False, "cut": False}[name]


def part_of(new: Approx, name: str) -> Any:
    """A plane of new content, or what its absence stands for."""
    part = getattr(new, name)
    return {"value2": new.value, "bound2": new.error}.get(name, 0) if part is None else part


_DTYPES: Final = MappingProxyType(
    {
        "bound": np.float64,
        "taint": np.uint8,
        "jumped": np.bool_,
        "cut": np.bool_,
        "value2": np.float64,
        "bound2": np.float64,
    }
)


class Planes:
    """The arrays of one buffer; optional ones are allocated when first needed."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """All zero and exact."""
        self.value: F64 = np.zeros(shape)
        self.extra: dict[str, Any] = {}
        self.grain = float("inf")
        self.peak = 0.0

    def load(self, index: Index) -> Approx:
        """Elements at an index; views where the index is basic."""
        parts = {name: plane[index] for name, plane in self.extra.items()}
        for name in ("taint", "bound"):
            # What only other blocks are unsure of would keep these from being known as exact.
            part = parts.get(name)
            free = name == "taint" or "value2" not in parts
            if free and part is not None and len(part) < len(self.value) and not part.any():
                del parts[name]
        return Approx(self.value[index], grain=self.grain, peak=self.peak, **parts)

    def store(
        self, index: Index, new: Approx, mask: Bools | None = None, whole: bool = False
    ) -> None:
        """Put elements at an index (where ``mask`` holds); ``whole`` says all are replaced."""
        present = [p for p in PLANES if getattr(new, p) is not None]
        if whole:
            self.extra = {k: v for k, v in self.extra.items() if k in present}
            self.grain, self.peak = new.grain, new.peak
        else:
            self.grain, self.peak = min(self.grain, new.grain), max(self.peak, new.peak)
        self.ensure(present)
        self._put(self.value, index, new.value, mask)
        for name, plane in self.extra.items():
            self._put(plane, index, part_of(new, name), mask)

    def ensure(self, names: Sequence[str]) -> None:
        """Allocate optional planes with what their absence stood for."""
        for name in PLANES:  # value2 and bound2 last: their neutral value is value and bound
            if name in names and name not in self.extra:
                plane: Any = np.empty(self.value.shape, _DTYPES[name])
                plane[...] = _neutral(name, self)
                self.extra[name] = plane

    @staticmethod
    def _put(plane: Any, index: Index, part: Any, mask: Bools | None) -> None:
        if mask is None:
            plane[index] = part
        else:
            plane[index] = np.where(mask, part, plane[index])

    def mark_free(self) -> None:
        """Memory nobody wrote: any answer is right."""
        self.extra["taint"] = np.full(self.value.shape, FREE, np.uint8)

    def clean_taint(self) -> None:
        """Drop a taint plane that says nothing."""
        taint = self.extra.get("taint")
        if taint is not None and not taint.any():
            del self.extra["taint"]


class OnChip:
    """A buffer every block has for itself: shape (blocks, *shape)."""

    def __init__(self, blocks: int, shape: tuple[int, ...], dtype: str) -> None:
        """Unwritten memory."""
        self.shape = shape
        self.dtype = dtype
        self.blocks = blocks
        self.planes = Planes((blocks, *shape))
        self.planes.mark_free()

    def _is_whole(self, starts: Sequence[Any], extents: Sequence[int]) -> bool:
        return tuple(extents) == self.shape and all(isinstance(s, int) and s == 0 for s in starts)

    def _index(self, lanes: Lanes, starts: Sequence[Any], extents: Sequence[int]) -> Index | None:
        """A basic index of a region, None where blocks differ."""
        if all(isinstance(s, int) for s in starts):
            return (lanes, *(slice(s, s + e) for s, e in zip(starts, extents, strict=True)))
        return None

    def _points(self, lanes: Lanes, starts: Sequence[Any], extents: Sequence[int]) -> Index:
        numbers = np.arange(self.blocks)[lanes]
        rank = len(extents)
        parts = [numbers.reshape(-1, *(1,) * rank)]
        for axis, (start, extent) in enumerate(zip(starts, extents, strict=True)):
            line = np.arange(extent).reshape(*(1,) * (axis + 1), -1, *(1,) * (rank - axis - 1))
            parts.append(line + np.asarray(start).reshape(-1, *(1,) * rank))
        return tuple(parts)

    def read(self, lanes: Lanes, starts: Sequence[Any], extents: Sequence[int]) -> Approx:
        """A region of every lane: (lanes, *extents)."""
        index = self._index(lanes, starts, extents) or self._points(lanes, starts, extents)
        return self.planes.load(index)

    def write(
        self, lanes: Lanes, starts: Sequence[Any], extents: Sequence[int], new: Approx
    ) -> None:
        """Set a region of every lane."""
        whole = (
            self._is_whole(starts, extents) and isinstance(lanes, slice) and (lanes == slice(None))
        )
        index = self._index(lanes, starts, extents) or self._points(lanes, starts, extents)
        self.planes.store(index, new, whole=whole)
        if not whole:
            self.planes.clean_taint()
