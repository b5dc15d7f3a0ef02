"""Faults of decisions by data are told on one small kernel each."""

import pytest

from harness.mutants import Budget, Pool, registry, try_mutant
from harness.mutants.families import decided
from harness.mutants.subjects.cases import Case


@pytest.fixture(scope="module")
def pool() -> Pool:
    """A masked product, loops that tables bound, and a list on chip that the writer decides by."""
    cores = {"grid": (2, 1)}
    sizes = {"M": 96, "N": 32}
    return Pool.of([Case("block_sparse_gemm", {"M": 64, "N": 32, "K": 64}, cores),
                    Case("counted", sizes, cores), Case("listed", sizes, cores)])  # fmt: skip


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", [mutant.name for mutant in decided.MUTANTS])
def test_a_fault_of_a_decision_is_noticed_and_blamed_on_its_part(pool: Pool, name: str) -> None:
    """Taken otherwise by all, by one thread, of another row or datum, once more or less."""
    outcome = try_mutant(registry()[name], pool, Budget())
    assert (outcome.status, outcome.blamed) == ("killed", outcome.where), outcome
