"""Faults of parser and dialect are told on drawn texts, by who reads or executes them otherwise."""

import pytest

from harness.mutants import Budget, Pool, registry, try_mutant
from harness.mutants.subjects.cases import from_texts
from harness.mutants.subjects.texts import texts

TOLD = {
    "dialect-branches": ("T.if_then_else(", "numpy"),
    "dialect-clear": ("T.clear(", "numpy"),
    "dialect-running-sum": ("reverse=True", "numpy"),
    "dialect-store-turned": ('((32, 32), "bool")', "text"),
}
"""Name to what a text must have, and who tells."""
FEW = 6
"""Texts tried."""


@pytest.mark.parametrize("name", TOLD)
def test_a_fault_of_the_dialect_is_told_from_the_text(name: str) -> None:
    """Golden and compiler believe the IR; the reading without the parser, and NumPy, do not."""
    mark, oracle = TOLD[name]
    cases = [case for case, text in zip(from_texts(), texts(), strict=True) if mark in text]
    outcome = try_mutant(registry()[name], Pool.of(cases[:FEW]), Budget())
    assert (outcome.status, outcome.oracle) == ("killed", oracle), outcome
    assert outcome.blamed == outcome.where == "language"


def test_texts_are_the_same_every_time() -> None:
    """A mutant's cases do not depend on who draws them."""
    assert texts() == texts.__wrapped__()
    assert len(texts()) == len(set(texts()))
