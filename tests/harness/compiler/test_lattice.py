"""Places grouped by even steps: every wanted one once, where it belongs, in few groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compiler.block.lattice import MOST, lattices


def filled(row: Any, col: Any, wanted: Any) -> tuple[Any, int]:
    """(row, column, times) of every place, as the lattices give them, and how many there are."""
    found = lattices(row, col, wanted)
    assert found is not None
    out = np.zeros((*row.shape, 3), np.int64)
    for one in found:
        at = np.ix_(one.rows.numbers(), one.cols.numbers())
        m, n = np.mgrid[: one.rows.count, : one.cols.count]
        out[at] += np.stack([one.row + m * one.row_down,
                             one.col + m * one.col_down + n * one.col_right,
                             np.ones_like(m)], axis=-1)  # fmt: skip
    return out, len(found)


MAPS: dict[str, tuple[Any, int]] = {
    "as it is": (lambda i, j: (i, j), 1),
    "every other": (lambda i, j: (2 * i, 2 * j + 1), 1),
    "backwards": (lambda i, j: (i, 63 - j), 1),
    "one for all": (lambda i, j: (0 * i, 0 * j + 3), 1),
    "pairs exchanged": (lambda i, j: (i, j + 1 - 2 * (j % 2)), 2),
    "halves exchanged": (lambda i, j: (i, (j + 32) % 64), 2),
    "each twice": (lambda i, j: (i, j // 2), 2),
    "a group's": (lambda i, j: (i, j // 32), 2),
    "rows in two": (lambda i, j: (i // 2, i % 2 * 64 + j), 2),
    "a vector in rows": (lambda i, j: (0 * i, i * 64 + j), 1),
    "a diagonal": (lambda i, j: (i, i + j), 1),
}


@pytest.mark.parametrize("name", MAPS)
def test_maps_of_kernels(name: str) -> None:
    """What kernels write is few groups, and they hold every place once."""
    make, most = MAPS[name]
    i, j = np.mgrid[:32, :64]
    row, col = make(i, j)
    found, groups = filled(row, col, np.ones(row.shape, np.bool_))
    assert groups <= most
    np.testing.assert_array_equal(found, np.stack([row, col, np.ones_like(row)], axis=-1))


def test_places_that_are_not_wanted_are_left_out() -> None:
    """What lies outside of the other block is in no group."""
    i, j = np.mgrid[:8, :16]
    wanted = (j < 12) & (i > 1)
    found, groups = filled(i, j + 4, wanted)
    assert groups == 1
    assert (found[..., 2] == wanted).all()


def test_too_many_groups_are_none() -> None:
    """An arbitrary permutation is no lattice."""
    rng = np.random.default_rng(0)
    col = np.broadcast_to(rng.permutation(256), (4, 256))
    assert len(col[0]) > MOST
    assert lattices(np.zeros_like(col), col, np.ones(col.shape, np.bool_)) is None


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12),
       st.lists(st.integers(0, 9), min_size=1, max_size=5), st.randoms())  # fmt: skip
def test_any_map_is_kept(columns: list[int], rows: list[int], random: Any) -> None:
    """Whatever is asked of rows and columns, and wherever, comes back place by place."""
    col = np.array(columns)[None, :] + 10 * np.array(rows)[:, None]
    row = np.broadcast_to(np.array(rows)[:, None], col.shape)
    wanted = np.ones(col.shape, np.bool_)
    wanted[:, random.randrange(len(columns))] = bool(random.getrandbits(1))
    if not wanted.any() or lattices(row, col, wanted) is None:
        return
    found, _ = filled(row, col, wanted)
    assert (found[..., 2] == wanted).all()
    assert (found[wanted][:, :2] == np.stack([row, col], axis=-1)[wanted]).all()
