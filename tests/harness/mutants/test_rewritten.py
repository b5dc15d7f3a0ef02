"""Faults of what the compiler rewrites are told on a small kernel each."""

import pytest

from harness.mutants import Budget, Pool, registry, try_mutant
from harness.mutants.families import regrouped, rewritten
from harness.mutants.subjects.cases import FIXED
from harness.mutants.subjects.regrouped import KERNELS as REGROUPED
from harness.mutants.subjects.rewritten import KERNELS as REWRITTEN

KERNELS = {**REWRITTEN, **REGROUPED}


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Planes, reducers, crowds, stores read back, numbers, lines, loops, views and shapes."""
    return Pool.of([case for case in FIXED if case.kernel in KERNELS])


def test_every_kernel_passes_without_a_fault(pool: Pool) -> None:
    """None is refused or fails, or its faults would be tried on nothing."""
    assert len(list(pool)) == len(KERNELS)
    assert not pool.refused + pool.failed


MUTANTS = (*rewritten.MUTANTS, *regrouped.MUTANTS)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", [mutant.name for mutant in MUTANTS])
def test_a_fault_of_a_rewrite_is_noticed_and_blamed_on_its_part(pool: Pool, name: str) -> None:
    """Planes left out, turns at once, stores of before, numbers mixed up, loops that reach on."""
    outcome = try_mutant(registry()[name], pool, Budget())
    assert (outcome.status, outcome.blamed) == ("killed", outcome.where), outcome
