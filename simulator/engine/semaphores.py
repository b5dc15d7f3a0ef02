"""L1 semaphores of all cores."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.arch import Arch
from simulator.engine.lanes import Vector, ids_of

Flags = npt.NDArray[np.bool_]

MOST: Final = (1 << 32) - 1
"""What a semaphore counts to."""

SEMAPHORE_BYTES: Final = 16
"""Bytes from one semaphore to the next: an L1 alignment unit."""


def semaphore_address(arch: Arch, number: int) -> int:
    """L1 address of a semaphore, below the circular buffers."""
    return arch.l1_base - SEMAPHORE_BYTES * (arch.num_semaphores - number)


class Semaphores:
    """Values of every semaphore on every core: 32-bit counters.

    ``values`` maps an id to a vector over all cores; ``present`` to a flag per core that has it.
    """

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self.values: dict[int, Vector] = {}
        self.present: dict[int, Flags] = {}

    def add(self, number: int, mask: int, initial: int) -> None:
        """Create a semaphore on the cores of a mask."""
        cores = ids_of(mask)
        self.values.setdefault(number, np.zeros(self._cores, np.int64))[cores] = initial
        self.present.setdefault(number, np.zeros(self._cores, np.bool_))[cores] = True

    def increment(self, number: int, targets: Vector, amounts: Vector) -> None:
        """Add atomically; several increments of one core are all counted."""
        vector = self.values[number]
        np.add.at(vector, targets, amounts)
