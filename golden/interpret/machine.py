"""State of one evaluation: tensors, and per chunk of blocks the on-chip buffers and variables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.contract import NumericContract
from golden.interpret.memory import Lanes, OnChip
from golden.interpret.tensors import Blocks, Tensor
from golden.source import BufferInfo, Kernel


@dataclass
class Machine:
    """What all blocks share.

    Attributes:
        kernel: the source.
        contract: precision.
        bounded: whether bounds are derived; otherwise only values mean anything.
        tensors: by what is known of them.
        sides: by choice between two real numbers, which sides were taken (golden.result).
    """

    kernel: Kernel
    contract: NumericContract
    bounded: bool
    tensors: dict[BufferInfo, Tensor]
    sides: dict[str, int] = field(default_factory=dict)

    def took(
        self, choice: str, second: npt.NDArray[np.bool_], first: npt.NDArray[np.bool_]
    ) -> None:
        """Which sides of a choice some elements took."""
        self.sides[choice] = self.sides.get(choice, 0) | bool(first.any()) | 2 * bool(second.any())


@dataclass
class Chunk:
    """A run of blocks evaluated together.

    Attributes:
        machine: what all blocks share.
        numbers: linear number of each block.
        buffers: on-chip buffers by what is known of them.
        env: scalar variables: an integer, an array over all blocks of the chunk, or a value bound
            by an assignment.
        lanes: which blocks of the chunk execute the current statement.
        given: buffers of which an element was stored.
    """

    machine: Machine
    numbers: Blocks
    buffers: dict[BufferInfo, OnChip] = field(default_factory=dict)
    env: dict[Any, Any] = field(default_factory=dict)
    lanes: Lanes = field(default_factory=lambda: slice(None))
    given: set[BufferInfo] = field(default_factory=set)

    @property
    def active(self) -> Blocks:
        """Numbers of the blocks that execute the current statement."""
        return self.numbers[self.lanes]

    def narrowed(self, mask: npt.NDArray[np.bool_]) -> Lanes:
        """The active lanes where ``mask`` (over active lanes) holds, as a slice where possible."""
        lanes = np.arange(len(self.numbers))[self.lanes][mask]
        if len(lanes) and lanes[-1] - lanes[0] == len(lanes) - 1:
            if len(lanes) == len(self.numbers):
                return slice(None)
            return slice(int(lanes[0]), int(lanes[-1]) + 1)
        return lanes
