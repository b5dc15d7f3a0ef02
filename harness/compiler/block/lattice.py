"""Computed places of a block as lattices: rows and columns at even steps, to places at even steps.

Which element goes where is counted: both numbers of every place are worked out, and rows and
columns are grouped, by what is left after a division or by stretches, until the other end of every
group lies at even steps too. ``2 * j`` is one group, ``j + 1 - 2 * (j % 2)`` are two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

MOST: Final = 64
"""Groups a block is moved in at most."""
_REMAINDERS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64)


@dataclass(frozen=True)
class Run:
    """Numbers of one axis: ``start``, ``start + step`` and so on, ``count`` of them."""

    start: int
    step: int
    count: int

    def one(self, number: int) -> Run:
        """One of them alone."""
        return Run(self.start + self.step * number, 1, 1)

    def numbers(self) -> Numbers:
        """All of them."""
        return self.start + self.step * np.arange(self.count)


@dataclass(frozen=True)
class Lattice:
    """Places of a block, and where element (m, n) of them is at the other end.

    It is at ``row + m * row_down``, ``col + m * col_down + n * col_right``.
    """

    rows: Run
    cols: Run
    row: int
    col: int
    row_down: int
    col_down: int
    col_right: int

    def straight(self) -> list[Lattice]:
        """The same with the columns of all rows alike: as it is, or row by row."""
        if not self.col_down:
            return [self]
        return [Lattice(self.rows.one(m), self.cols, self.row + m * self.row_down,
                        self.col + m * self.col_down, 0, 0, self.col_right)
                for m in range(self.rows.count)]  # fmt: skip


def lattices(row: Numbers, col: Numbers, wanted: npt.NDArray[np.bool_]) -> list[Lattice] | None:
    """The lattices that hold every ``wanted`` place of a block, (rows, columns) each.

    ``row`` and ``col`` are where each place is at the other end. None where they are too many.
    """
    found: list[Lattice] = []
    for across in _runs(row.T, col.T, wanted.T, along=False):
        js = across.numbers()
        part = row[:, js], col[:, js], wanted[:, js]
        if not part[2].any():
            continue
        for down in _runs(*part, along=True):
            chosen = down.numbers()
            r, c = row[chosen][:, js], col[chosen][:, js]
            if not wanted[chosen[0], js[0]]:  # as all places of a group
                continue
            if len(found) == MOST:
                return None
            found.append(Lattice(down, across, int(r[0, 0]), int(c[0, 0]), _step(r[:, 0]),
                                 _step(c[:, 0]), _step(c[0])))  # fmt: skip
    return found


def _step(numbers: Numbers) -> int:
    return int(numbers[1] - numbers[0]) if len(numbers) > 1 else 0


def _runs(row: Numbers, col: Numbers, wanted: Any, *, along: bool) -> list[Run]:
    """Lines grouped so that the other end of each group lies at even steps.

    ``along`` lines the row there may change from one to the next, across them only the column.
    """
    best: list[Run] | None = None
    for modulus in _REMAINDERS:
        if modulus > max(1, len(row) // 2) or (best and len(best) <= modulus):
            break  # every remainder has a run at least
        found = [run for first in range(modulus) for run in _stretches(
            row[first::modulus], col[first::modulus], wanted[first::modulus], first, modulus,
            along=along)]  # fmt: skip
        if best is None or len(found) < len(best):
            best = found
    return best or []


def _stretches(
    row: Numbers, col: Numbers, wanted: Any, first: int, modulus: int, *, along: bool
) -> Iterator[Run]:  # fmt: skip
    down, right = np.diff(row, axis=0), np.diff(col, axis=0)
    joined = (down == down[:, :1]).all(1) & (right == right[:, :1]).all(1)
    joined &= (wanted[1:] == wanted[:-1]).all(1)
    if not along:
        joined &= down[:, 0] == 0
    joins = joined.tolist()
    steps = list(zip(down[:, 0].tolist(), right[:, 0].tolist(), strict=True))
    begin = 0
    while begin < len(row):
        end = begin + 1
        while end < len(row) and joins[end - 1] and steps[end - 1] == steps[begin]:
            end += 1
        yield Run(first + begin * modulus, modulus, end - begin)
        begin = end
