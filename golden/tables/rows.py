"""Tables that say which row each goes to: rows that differ, and whole blocks of them apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.source import COPY, Kernel, calls, constant
from golden.tables.told import tried

Array = npt.NDArray[Any]
Interval = tuple[int, int]


def apart(
    within: Interval, shape: tuple[int, ...], rng: np.random.Generator, step: int = 1
) -> Array:  # fmt: skip
    """Values that differ by ``step`` at least, as many as there are, -1 for the others."""
    low, high = within
    count, there = int(np.prod(shape, dtype=np.int64)), (high - low) // step + 1
    values = np.full(count, -1, np.int64)
    kept = rng.permutation(count)[: min(count, there)]
    low += int(rng.integers((high - low) % step + 1))
    values[kept] = low + rng.permutation(there)[: len(kept)] * step
    return values.reshape(shape)


def by_steps(
    kernel: Kernel, drawn: Mapping[str, Array], ranges: Mapping[str, Interval], seed: int
) -> dict[str, Array] | None:  # fmt: skip
    """Tables whose rows are so far apart that what is copied there shares none.

    None where what is ``drawn`` fits, or nothing does. ``ranges`` are of what places stores.
    """
    if not ranges or tried(kernel, drawn) is not None:
        return None
    extents = {constant(part.extent) or 1 for call in calls(kernel.body, COPY)
               for part in call.args[1].region}  # fmt: skip
    for step in sorted(extents | {1}):
        rng = np.random.default_rng([seed, 17, step])
        changed = dict(drawn)
        for name, within in ranges.items():
            info = kernel.tensor(name)
            changed[name] = apart(within, info.shape, rng, step).astype(info.dtype)
        if tried(kernel, changed) is not None:
            return changed
    return None


def with_none(
    kernel: Kernel, drawn: Mapping[str, Array], names: Iterable[str], seed: int
) -> dict[str, Array]:  # fmt: skip
    """The tables, with -1 for an eighth of what they place where the kernel allows that."""
    rng, out = np.random.default_rng([seed, 11]), dict(drawn)
    for name in names:
        values = np.where(rng.random(out[name].shape) < 1 / 8, -1, out[name])
        changed = {**out, name: values.astype(out[name].dtype)}
        if tried(kernel, changed) is not None:
            out = changed
    return out
