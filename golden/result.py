"""What a kernel must answer: values, bounds and masks of every output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from golden.approx import CLEAN, FREE, Approx, Bools
from golden.contract import NumericContract

BOTH: Final = 3
"""Both sides of a choice were taken."""


@dataclass(frozen=True)
class TensorResult:
    """One output tensor, in its logical shape.

    Attributes:
        name: the parameter's name.
        dtype: its element type.
        answer: values with bounds, alternatives and taint; initial contents where not written.
        written: elements some block writes.
        given: whether the caller gave the initial contents. Then a machine may write back what an
            element held, as where a store under a condition keeps parts of a tile.
    """

    name: str
    dtype: str
    answer: Approx
    written: Bools
    given: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether every written element has one right answer."""
        return self.answer.is_exact and self.answer.taint is None

    @property
    def free(self) -> Bools:
        """Elements about which nothing is known: free ones, and those of a bound without end."""
        answer = self.answer
        found = np.zeros(self.written.shape, np.bool_)
        if answer.taint is not None:
            found |= answer.taint == FREE
        for bound in (answer.bound, answer.bound2):
            if bound is not None:  # one without end allows everything
                found |= ~np.isfinite(bound)
        return found

    @property
    def tainted_share(self) -> float:
        """Share of written elements that are not plainly finite numbers."""
        taint = self.answer.taint
        if taint is None or not self.written.any():
            return 0.0
        return float((taint[self.written] != CLEAN).mean())

    @property
    def jumped_share(self) -> float:
        """Share of written elements that depend on an uncertain jump."""
        jumped = self.answer.jumped
        if jumped is None or not self.written.any():
            return 0.0
        return float(jumped[self.written].mean())


@dataclass(frozen=True)
class GoldenResult:
    """All outputs of one evaluation.

    Attributes:
        outputs: by name, in parameter order.
        contract: the precision they assume.
        bounded: whether bounds were derived; a value-only result judges exact inputs only.
        sides: of every maximum, minimum and order of two real numbers in the source, which sides
            some element took: 1, 2, or 3 for both.
    """

    outputs: Mapping[str, TensorResult]
    contract: NumericContract
    bounded: bool
    sides: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_exact(self) -> bool:
        """Whether every output has one right answer, so that judging is plain equality."""
        return self.bounded and all(t.is_exact for t in self.outputs.values())

    @property
    def silent(self) -> tuple[str, ...]:
        """Outputs with no written element about which anything is known."""
        return tuple(n for n, t in self.outputs.items() if not (t.written & ~t.free).any())
