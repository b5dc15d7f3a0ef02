"""Faults of stores whose places data say are told on one small kernel each."""

import pytest

from harness.mutants import Budget, Pool, registry, try_mutant
from harness.mutants.families import scatters
from harness.mutants.subjects.cases import Case


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Rows put back, or left out, rows of groups, and pages by an index of an index."""
    cores = {"grid": (2, 1)}
    sizes = {"total": 77, "groups": 3, "N": 32, "K": 32}
    return Pool.of([Case("unpermute", {"tokens": 50, "dim": 32}, cores),
                    Case("grouped_gemm", sizes, cores),
                    Case("paged", {"M": 64, "N": 32}, cores),
                    Case("routed", {"M": 50, "N": 32}, cores)])  # fmt: skip


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", [mutant.name for mutant in scatters.MUTANTS])
def test_a_fault_of_a_store_by_data_is_noticed_and_blamed_on_its_part(
    pool: Pool, name: str
) -> None:  # fmt: skip
    """To other rows, of other rows, more, fewer, under no condition, before indices are there."""
    outcome = try_mutant(registry()[name], pool, Budget())
    assert (outcome.status, outcome.blamed) == ("killed", outcome.where), outcome
