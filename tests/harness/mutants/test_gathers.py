"""Faults of gathers are told on one small kernel each."""

import pytest

from harness.mutants import Budget, Pool, registry, try_mutant
from harness.mutants.families import gathers
from harness.mutants.subjects.cases import Case


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Blocks by a table of one dimension, and pages by a table of two in a pipeline."""
    cores = {"grid": (2, 1)}
    paged = {"batch": 2, "heads": 1, "pages": 5, "blocks": 3, "page_size": 32, "dim": 32}
    experts = {"M": 128, "N": 32, "K": 64, "experts": 4}
    return Pool.of([Case("expert_gemm", experts, cores), Case("paged_attention", paged, cores)])


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", [mutant.name for mutant in gathers.MUTANTS])
def test_a_fault_of_a_gather_is_noticed_and_blamed_on_its_part(pool: Pool, name: str) -> None:
    """Indices ignored, stale, of another row or core, or loaded before they are there."""
    outcome = try_mutant(registry()[name], pool, Budget())
    assert (outcome.status, outcome.blamed) == ("killed", outcome.where), outcome
