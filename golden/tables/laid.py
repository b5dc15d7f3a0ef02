"""Tables that say together where rows are stored: lengths of groups, and where groups begin.

No table says by itself what it is. Each is taken for one thing after another: the lengths of some
groups, where they begin laid end to end, where they begin when each takes whole blocks. The kernel
is tried on every combination, and the one that stores most rows without storing one twice is how
tables are drawn.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tvm import tirx

from golden.source import Kernel, constant, statements
from golden.tables.told import tried

Array = npt.NDArray[Any]
Reading = tuple[str, int]
"""What a table is taken for, and the rows of a block."""

_TRIES: Final = 512
"""Most combinations tried."""
_DRAWS: Final = 8
"""Lengths drawn until some fit."""
_FEW: Final = 3
"""From as many groups on, one of them is empty."""


def laid(
    kernel: Kernel, known: Mapping[str, Array], names: Sequence[str], seed: int, *, empty: bool
) -> dict[str, Array]:  # fmt: skip
    """Values of tables that say together where rows go; none where there are not several.

    Args:
        kernel: the source.
        known: what is drawn for other tables, and for these by themselves.
        names: the tables.
        seed: of the draws.
        empty: whether a group may have no rows.
    """
    tables = tuple(n for n in names if len(kernel.tensor(n).shape) == 1)
    if len(tables) < 2 or len(tables) < len(names):
        return {}
    others = {n: v for n, v in known.items() if n not in tables}
    best = tried(kernel, known) if set(tables) <= known.keys() else None
    found = _readings(kernel, tables, _Known(others))
    if found is None or (best is not None and found[1] <= best):
        return {}
    for draw in range(_DRAWS):
        rng = np.random.default_rng([seed, 13, draw])
        made = _made(kernel, tables, found[0], found[2], rng, empty=empty)
        if tried(kernel, {**others, **made}):
            return made
    return {}


class _Known:
    """Arrays as part of a cache's key, all of which are alike to it."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = arrays

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known)


@functools.lru_cache(maxsize=4)
def _readings(
    kernel: Kernel, tables: tuple[str, ...], others: _Known
) -> tuple[tuple[Reading, ...], int, int] | None:  # fmt: skip
    """What the tables are best taken for, how many places that stores, and the rows there are."""
    sizes = {s for t in kernel.tensors if t.name in kernel.outputs for s in t.shape[:-1]}
    blocks = {constant(s.extent) or 1 for s in statements(kernel.body)
              if isinstance(s, tirx.For) and int(s.kind) in (1, 2)}  # fmt: skip
    groups = min(kernel.tensor(n).shape[0] for n in tables)
    ways: list[list[Reading]] = []
    for name in tables:
        more = kernel.tensor(name).shape[0] > groups
        ways.append([("ends", 1)] if more else [
            ("lengths", 1), ("starts", 1), *(("blocks", b) for b in sorted(blocks))])  # fmt: skip
    best: tuple[tuple[Reading, ...], int, int] | None = None
    for rows in sorted(sizes, reverse=True):
        seen: set[tuple[bytes, ...]] = set()  # other readings with the same values say no more
        for readings in itertools.islice(itertools.product(*ways), _TRIES):
            rng = np.random.default_rng([rows, groups])
            made = _made(kernel, tables, readings, rows, rng, empty=False)
            values = tuple(each.tobytes() for each in made.values())
            if values in seen:
                continue
            seen.add(values)
            count = tried(kernel, {**others.arrays, **made}) or 0
            if count > (best[1] if best else 0):
                best = readings, count, rows
    return best


def _made(
    kernel: Kernel, tables: Sequence[str], readings: Sequence[Reading], rows: int,
    rng: np.random.Generator, *, empty: bool,
) -> dict[str, Array]:  # fmt: skip
    """The tables of groups of uneven lengths that take all rows."""
    groups = min(kernel.tensor(n).shape[0] for n in tables)
    lengths = np.ones(groups, np.int64) if rows >= groups else np.zeros(groups, np.int64)
    lengths += rng.multinomial(rows - int(lengths.sum()), rng.dirichlet(np.full(groups, 2.0)))
    if empty and groups >= _FEW:
        into, gone = rng.permutation(groups)[:2]
        lengths[into] += lengths[gone]
        lengths[gone] = 0
    out = {}
    for name, (what, block) in zip(tables, readings, strict=True):
        info = kernel.tensor(name)
        taken = -(-lengths // block) * block
        ends = np.concatenate([[0], np.cumsum(taken)])
        values = lengths if what == "lengths" else ends if what == "ends" else ends[:-1]
        out[name] = values[: info.shape[0]].astype(info.dtype)
    return out
