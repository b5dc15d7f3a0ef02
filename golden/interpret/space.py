"""Iteration space of a statement: active blocks times the axes of enclosing T.Parallel loops."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.approx import Bools
from golden.interpret.machine import Chunk
from golden.truth import Truth

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Along:
    """A loop variable of T.Parallel: one axis of the space and its values."""

    axis: int
    values: Ints


@dataclass(frozen=True)
class Bound:
    """A value bound to a name: arrays over all blocks of the chunk (or 1) and some axes.

    ``asked`` says whether it comes of integers read from a tensor.
    """

    value: Any
    asked: bool = False


@dataclass(frozen=True)
class Space:
    """Where a statement executes.

    Attributes:
        chunk: the blocks.
        extents: sizes of the parallel axes, outer first.
        mask: which points execute, broadcastable to (lanes, *extents); None for all.
        perhaps: where stores happen, if that is not certain everywhere; None where it is.
    """

    chunk: Chunk
    extents: tuple[int, ...] = ()
    mask: Bools | None = None
    perhaps: Truth | None = None

    @property
    def lanes(self) -> int:
        """Number of active blocks."""
        return len(self.chunk.active)

    @property
    def shape(self) -> tuple[int, ...]:
        """(lanes, *extents)."""
        return (self.lanes, *self.extents)

    @property
    def rank(self) -> int:
        """Number of parallel axes."""
        return len(self.extents)

    def extended(self, extent: int) -> Space:
        """With one more axis, innermost."""
        mask = None if self.mask is None else self.mask[..., None]
        perhaps = None if self.perhaps is None else self.perhaps.along()
        return Space(self.chunk, (*self.extents, extent), mask, perhaps)

    def where(self, condition: Bools) -> Space:
        """Restricted to the points where a condition holds."""
        mask = condition if self.mask is None else self.mask & condition
        return replace(self, mask=mask)

    def maybe(self, condition: Truth) -> Space:
        """Restricted to where a condition holds that may be unsure at some points."""
        return replace(self, perhaps=condition if self.perhaps is None
                       else self.perhaps & condition)  # fmt: skip

    def on_blocks(self, per_block: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An array over all blocks of the chunk as an array over this space."""
        active = per_block[self.chunk.lanes]
        return active.reshape(-1, *(1,) * self.rank)

    def along(self, line: Along) -> Ints:
        """A loop variable as an array over this space."""
        shape = [1] * (self.rank + 1)
        shape[line.axis + 1] = len(line.values)
        return line.values.reshape(shape)

    def lifted(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A bound array (blocks or 1, *fewer axes) as an array over this space."""
        if array.ndim == 0:
            return array
        if len(array) == len(self.chunk.numbers) and len(array) > 1:
            array = array[self.chunk.lanes]
        return array.reshape(*array.shape, *(1,) * (self.rank + 1 - array.ndim))
