"""Faults of numbers of 8 bits are told on two small kernels."""

import pytest

from harness.mutants import Budget, Pool, registry, try_mutant
from harness.mutants.families import eight
from harness.mutants.subjects.cases import Case


@pytest.fixture(scope="module")
def pool() -> Pool:
    """A block stored in int8, and halves of bytes beside other bits."""
    sizes = {"M": 64, "N": 64}
    return Pool.of([Case(name, sizes, {"grid": (2, 1)}) for name in ("narrowed", "nibbles")])


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", [mutant.name for mutant in eight.MUTANTS])
def test_a_fault_of_bytes_is_noticed_and_blamed_on_its_part(pool: Pool, name: str) -> None:
    """Signs, steps, amounts and masks, of the compiler, of golden and of the host."""
    outcome = try_mutant(registry()[name], pool, Budget())
    assert (outcome.status, outcome.blamed) == ("killed", outcome.where), outcome
