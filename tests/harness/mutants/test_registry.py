"""The registry: enough mutants, named and explained, each with something to act on."""

import re

import pytest

from harness.mutants import Kind, Mutant, Registry, Where, registry

ASKED_FOR = (
    "remainder-block-lost", "swapped-grid-axes-read", "constant-tile-id-read",
    "one-buffer-for-two-operands", "accumulator-not-cleared", "accumulator-overwritten",
    "transpose-flag-flipped", "pack-per-k-step", "missing-wait-compute", "push-before-barrier",
    "depth-minus-one", "tensor-addresses-collide", "runtime-args-reversed", "tensor-dtype-label",
    "padding-not-zeroed", "stale-block-index", "strategy-dropped", "skipped-PropagateTTLayout",
    "twice-LowerTTTileIntrinsics", "late-InferTTLayout", "back-edge-without-reserve",
    "credit-lost-second-wave", "pop-lost-at-k-multiple", "padding-filled-with-one",
    "reduce-first-tile-replicated", "only-core-zero-contributes", "machine-packed-neighbours",
    "golden-region-shifted", "semaphore-value", "two-cores-same-tile",
)  # fmt: skip


def test_there_are_at_least_120_mutants_in_every_part() -> None:
    """The registry holds what the bar asks for, and no part is left out."""
    known = registry()
    assert len(known) >= 120
    assert {m.where for m in known} == set(Where)
    assert {m.kind for m in known} == set(Kind)


@pytest.mark.parametrize("name", ASKED_FOR)
def test_the_families_of_faults_asked_for_have_a_mutant(name: str) -> None:
    """Faults seen in the field, and those of real tile compilers, are each seeded."""
    assert registry()[name].name == name


def test_every_mutant_is_named_and_explained() -> None:
    """Names are words joined by dashes, and one sentence says what is broken."""
    for mutant in registry():
        assert re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", mutant.name), mutant.name
        assert mutant.breaks.endswith("."), mutant.name


def test_every_substitution_finds_what_it_replaces() -> None:
    """A substitution names objects that exist, so a renamed function cannot disarm a mutant."""
    for mutant in registry():
        if mutant.kind is Kind.SUBSTITUTE:
            for owner, name, new in mutant.apply(None):
                assert getattr(owner, name) is not new, mutant.name


def test_two_mutants_of_one_name_are_refused() -> None:
    """A name means one mutant."""
    one = Mutant("a", "f", Where.PASS5, Kind.BUILT, "Breaks.", lambda built: built)
    with pytest.raises(ValueError, match="'a'"):
        Registry([one, one])
