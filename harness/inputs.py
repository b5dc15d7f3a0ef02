"""Inputs a check draws for itself, by kind; the golden draws them and proves the exact ones."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, Final

import numpy.typing as npt

from harness.errors import OptionError

if TYPE_CHECKING:
    from golden import GoldenResult, NumericContract

Arrays = dict[str, npt.NDArray[Any]]

KINDS: Final = ("exact", "tagged", "random", "uniform", "wide", "scaled", "cancel", "tiny", "huge",
                "one_hot", "special", "ties")  # fmt: skip
"""Kinds of drawn inputs: exact and tagged ones leave nothing to round; the others are the
golden's adversarial families (``golden/inputs.py``)."""
EXACT: Final = ("exact", "tagged")


def draw(
    func: Any, kind: str, contract: NumericContract, seed: int
) -> tuple[Arrays, GoldenResult | None]:
    """Inputs of one kind for a source kernel, and the answer where drawing it told.

    Raises:
        OptionError: no such kind, or no such seed.
        golden.GoldenError: ``NoExactRange`` where the kernel has no exact (or tagged) inputs.
    """
    from golden.exact_inputs import exact_inputs
    from golden.inputs import draw_inputs
    from golden.tagged import tagged_inputs

    if kind not in KINDS:
        raise OptionError(f"unknown input kind {kind!r}", location="input_kind",
                          next_step=f"use one of {', '.join(KINDS)}")  # fmt: skip
    given: Any = seed
    if isinstance(given, bool) or not isinstance(given, Integral) or given < 0:
        raise OptionError(f"seed {seed!r} is no whole number from 0 on", location="seed",
                          next_step="give one, e.g. 0")  # fmt: skip
    if kind == "exact":
        found = exact_inputs(func, contract, seed)
        return found.inputs, found.golden
    if kind == "tagged":
        found = tagged_inputs(func, contract)
        return found.inputs, found.golden
    return draw_inputs(func, kind, seed), None
