"""Faults of computed and chosen places are told on one small kernel each."""

import pytest

from harness.mutants import Budget, Pool, registry, try_mutant
from harness.mutants.families import places
from harness.mutants.subjects.cases import Case


@pytest.fixture(scope="module")
def pool() -> Pool:
    """A convolution, rows of planes, picks by loops and blocks, and tiles beside a tensor."""
    one, two = {"grid": (1, 1)}, {"grid": (2, 1)}
    return Pool.of([
        Case("patches", {"N": 32}, one),
        Case("patches", {"N": 40, "images": 3, "H": 7, "C": 32, "side": 2, "dtype": "float32"},
             two),
        Case("scattered", {"M": 64, "N": 32}, one),
        Case("picks", {"M": 64, "N": 32}, one),
        Case("around", {"M": 50, "N": 40}, one),
        Case("interleaved", {"M": 64, "N": 64}, two),
    ])  # fmt: skip


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", [mutant.name for mutant in places.MUTANTS])
def test_a_fault_of_a_place_is_noticed_and_blamed_on_its_part(pool: Pool, name: str) -> None:
    """Rows, planes, faces, picks and edges off by one, conditions ignored, parts of pages lost."""
    outcome = try_mutant(registry()[name], pool, Budget())
    assert (outcome.status, outcome.blamed) == ("killed", outcome.where), outcome
