"""Preallocated blocks of tiles.

A fresh array of a megabyte costs its page faults (0.5 ms), a used one nothing. An array of the
pool is free when the pool's own list is all that refers to it: views count as references to the
array they look into, so nobody has to hand a block back.
"""

from __future__ import annotations

import sys
import weakref
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulator.engine.violation import Violation

Block = npt.NDArray[Any]
"""Tiles of all lanes: (lane rows, lane columns, tile rows, tile columns, height, width)."""

ALIGNMENT: Final = 64
"""Bytes blocks start at a multiple of: a cache line, a vector register. NumPy's own large arrays
start 16 bytes into a page, where every vector straddles two lines; products then take an eighth
longer, sums a quarter."""

RING: Final = 48
"""Blocks kept per shape; more than any program of this project holds at a time."""

KEPT_BYTES: Final = 1 << 28
"""Bytes the pool keeps in all; beyond it blocks are ordinary arrays."""


class Pool:
    """Blocks by shape and dtype, reused when nobody looks at them any more.

    ``limit`` bounds the bytes of all its blocks. With ``arithmetic`` off every block is one shared
    zero, viewed with strides of zero.
    """

    def __init__(self, *, arithmetic: bool = True) -> None:
        self.arithmetic = arithmetic
        self._rings: dict[tuple[Any, ...], list[Block]] = {}
        self._dummies: dict[tuple[Any, ...], Block] = {}
        self._bytes = 0
        self._loose = 0
        self.limit: int | None = None
        probe = [np.empty(1)]
        self._idle = sys.getrefcount(probe[0])

    def take(self, shape: tuple[int, ...], dtype: Any = np.float32) -> Block:
        """A block nobody else refers to; its content is arbitrary."""
        key = (shape, dtype)
        ring = self._rings.get(key)
        if ring is None:
            ring = self._rings[key] = []
        idle, count = self._idle, sys.getrefcount
        for i in range(len(ring)):
            if count(ring[i]) == idle:
                return ring[i]
        size = prod(shape) * np.dtype(dtype).itemsize
        if self.limit is not None and self.bytes + size > self.limit:
            raise Violation("BudgetSpent", f"blocks of tiles take more than the {self.limit} bytes"
                            " that the tensors leave of the budget")  # fmt: skip
        block = _aligned(shape, dtype, size)
        if len(ring) < RING and self._bytes + block.nbytes <= KEPT_BYTES:
            ring.append(block)
            self._bytes += block.nbytes
        else:
            self._loose += size
            weakref.finalize(block, self._gone, size)
        return block

    @property
    def bytes(self) -> int:
        """Bytes of all its blocks."""
        return self._bytes + self._loose

    def _gone(self, size: int) -> None:
        self._loose -= size

    def dummy(self, shape: tuple[int, ...], dtype: Any = np.float32) -> Block:
        """A read-only block of zeros that takes no memory."""
        key = (shape, dtype)
        block = self._dummies.get(key)
        if block is None:
            block = self._dummies[key] = np.broadcast_to(np.zeros((), dtype), shape)
        return block


class _Memory(np.ndarray[tuple[int], np.dtype[np.uint8]]):
    """What aligned arrays lie in.

    Views refer to the last array of one type that they look into, so a type of its own makes them
    refer to the aligned array.
    """


def _aligned(shape: tuple[int, ...], dtype: Any, size: int) -> Block:
    """A fresh array at a multiple of ALIGNMENT."""
    memory = _Memory((size + ALIGNMENT,), np.uint8)
    return np.ndarray(shape, dtype, memory, -memory.ctypes.data % ALIGNMENT)
