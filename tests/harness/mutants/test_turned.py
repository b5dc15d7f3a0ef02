"""Faults of blocks in turn are told on one small kernel each."""

import pytest

from harness.mutants import Budget, Pool, registry, try_mutant
from harness.mutants.families import turned
from harness.mutants.subjects.cases import Case


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Pieces, turns of two blocks, a block that writes for all, rows that choose, and planes."""
    one, two = {"grid": (1, 1)}, {"grid": (2, 1)}
    return Pool.of([
        Case("shifted", {"M": 64, "N": 64}, one),
        Case("halves", {"M": 32, "N": 64}, one),
        Case("halves", {"M": 32, "N": 96}, two),
        Case("leaders", {"M": 96, "N": 32}, two),
        Case("chosen", {"M": 40, "N": 64}, two),
        Case("pooled", {"M": 64, "N": 32}, one),
    ])  # fmt: skip


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", [mutant.name for mutant in turned.MUTANTS])
def test_a_fault_of_blocks_in_turn_is_noticed_and_blamed_on_its_part(pool: Pool, name: str) -> None:
    """Pieces of other tiles, turns left out, rows of other choices, planes lost."""
    outcome = try_mutant(registry()[name], pool, Budget())
    assert (outcome.status, outcome.blamed) == ("killed", outcome.where), outcome
