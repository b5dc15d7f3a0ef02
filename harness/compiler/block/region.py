"""Rectangles of tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.compiler.facts.affine import mentions


@dataclass(eq=False)
class Region:
    """A rectangle of a tensor: start expressions and constant extents per dimension.

    ``indices`` are variables loaded from tensors of indices. They place it inside the tensor,
    except along ``open`` dimensions, where it may go beyond.
    """

    tensor: Any
    starts: list[Any]
    extents: list[int]
    indices: tuple[Any, ...] = ()
    open: tuple[int, ...] = ()

    def gathered(self, start: Any) -> bool:
        """Whether a tensor of indices places it there, which is inside the tensor."""
        beyond = any(start is self.starts[dim] for dim in self.open)
        return not beyond and mentions(start, self.indices)
