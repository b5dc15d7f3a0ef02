"""Races between cores are told on one product whose operands are multicast."""

import pytest

from harness.mutants import Budget, Pool, registry, try_mutant
from harness.mutants.families import races
from harness.mutants.subjects.cases import Case


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Four cores, each sending to one and receiving from another, twice."""
    sizes = {"M": 64, "N": 64, "K": 64, "block_M": 32, "block_N": 32}
    return Pool.of([Case("gemm", sizes, {"grid": (2, 2), "multicast": True})])


@pytest.mark.parametrize("name", [mutant.name for mutant in races.MUTANTS])
def test_a_race_is_noticed_and_blamed_on_its_part(pool: Pool, name: str) -> None:
    """Handshakes left out of the program, and judges of races that let all pass or none."""
    outcome = try_mutant(registry()[name], pool, Budget())
    assert (outcome.status, outcome.blamed) == ("killed", outcome.where), outcome
