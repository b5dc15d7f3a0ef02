"""Unmutated cases, prepared once for all tests of this folder."""

import pytest

from harness.mutants import Pool
from harness.mutants.subjects.cases import FIXED

SHAPES = (0, 1, 2, 3, 5, 8, 10, 22, 25, 26, 27, 29, 30, 31, 39, 59, 60)
"""Positions of packaged cases among which every mutant tried in the tests meets its match."""


@pytest.fixture(scope="session")
def small_pool() -> Pool:
    """A few packaged cases, smallest first."""
    return Pool.of([FIXED[i] for i in SHAPES])
