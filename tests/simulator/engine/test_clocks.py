"""Clocks of sets of cores, whatever their pattern: the same as core by core."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.engine.clocks import BRISC, NCRISC, UNPACK, Clocks
from simulator.engine.lanes import LaneTable

CORES = 12
SHORT_OF_A_ROW = 0b1110_1110_1110
"""All but the first column of three rows of four cores."""


@given(st.integers(1, (1 << CORES) - 1), st.integers(0, 99))
@example(SHORT_OF_A_ROW, 0)
@example(0b0111_0111_0110, 0)  # nearly so: the first run is shorter
@example(0b1100_0110_0011, 0)  # runs of two, evenly spaced, the last up to the last core
@example(0b0011_0011_0110, 0)  # runs of two, unevenly spaced
def test_what_a_set_of_cores_learns_goes_to_each_of_them(mask: int, seed: int) -> None:
    """Every core of a set learns its own row, and no other core learns anything."""
    clocks, rng = (
        Clocks(CORES, LaneTable(), (BRISC, NCRISC), wide=True),
        np.random.default_rng(seed),
    )
    clocks.known[UNPACK][:] = rng.integers(0, 9, clocks.known[UNPACK].shape)
    lanes = clocks.table.of_mask(mask)
    told = rng.integers(0, 9, (lanes.n, clocks.width)).astype(np.int32)
    wanted = clocks.known[UNPACK].copy()
    for row, core in enumerate(lanes.ids):
        wanted[core] = np.maximum(wanted[core], told[row])
    clocks.learn(UNPACK, lanes, told)
    np.testing.assert_array_equal(clocks.known[UNPACK], wanted)


@given(st.integers(1, (1 << CORES) - 1))
def test_only_cores_that_release_get_on(mask: int) -> None:
    """A release moves the time of its own cores by one, each time, and of no others."""
    clocks = Clocks(CORES, LaneTable(), (BRISC,), wide=True)
    lanes = clocks.table.of_mask(mask)
    clocks.advance(BRISC, lanes)
    clocks.advance(BRISC, lanes)
    assert clocks.time[BRISC].tolist() == [1 + 2 * (mask >> core & 1) for core in range(CORES)]
