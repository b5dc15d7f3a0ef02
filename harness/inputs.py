"""Inputs a check draws for itself: integers the golden proves exact, or reals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from golden import GoldenResult, NumericContract
    from simulator.plan.schema import Layout

Arrays = dict[str, npt.NDArray[Any]]

RANGES: Final = (31, 7, 3, 1)
"""Largest magnitudes tried for exact integers, strongest first (31: any K up to 16384 with 32-bit
DST keeps the matrix unit exact, see docs/oracles.md)."""
KINDS: Final = ("exact", "random")


def _needed(layouts: Mapping[str, Layout]) -> list[tuple[str, Layout]]:
    return [(n, d) for n, d in layouts.items() if d.role in ("input", "inout")]


def integers(layouts: Mapping[str, Layout], limit: int, seed: int) -> Arrays:
    """Integers in [-limit, limit] for every tensor a kernel reads."""
    rng = np.random.default_rng(seed)
    return {
        name: _typed(rng.integers(-limit, limit + 1, layout.logical_shape), layout.dtype)
        for name, layout in _needed(layouts)
    }


def reals(layouts: Mapping[str, Layout], seed: int) -> Arrays:
    """Standard normal reals (integers in [-100, 100] for integer tensors)."""
    rng = np.random.default_rng(seed)
    return {
        name: _typed(rng.standard_normal(layout.logical_shape), layout.dtype)
        if "float" in layout.dtype
        else _typed(rng.integers(-100, 101, layout.logical_shape), layout.dtype)
        for name, layout in _needed(layouts)
    }


def _typed(values: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    if "float" in dtype:
        return values.astype(np.float32)
    if dtype.startswith("uint"):
        values = np.abs(values)
    return values.astype(dtype)


def exact(
    func: Any, layouts: Mapping[str, Layout], contract: NumericContract, seed: int
) -> tuple[Arrays, GoldenResult] | None:
    """Integers for which every rounding on the way is exact, and what they must give.

    The golden decides: it carries a bound for every element, and a bound of zero everywhere is the
    proof (elements about which it knows nothing, such as inf - inf, do not count as exact).
    None where no range of :data:`RANGES` is exact.
    """
    from golden import evaluate

    for limit in RANGES:
        arrays = integers(layouts, limit, seed)
        result = evaluate(func, arrays, contract)
        known = not any(t.free.any() for t in result.outputs.values())
        if result.is_exact and known:
            return arrays, result
    return None
