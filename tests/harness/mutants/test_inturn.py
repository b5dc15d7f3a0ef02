"""Faults of kernels in turn: in either of them, in what lies between, and in what runs them."""

import pytest

from harness.mutants import Budget, Pool, registry, try_mutant
from harness.mutants.families import inturn
from harness.mutants.inturn import wholes
from harness.mutants.subjects.cases import FIXED

STEPS = (
    "missing-wait-compute", "missing-write-barrier", "constant-tile-id-read", "stale-block-index",
    "accumulator-not-cleared", "missing-commit", "padding-row-too-few", "copy-init-dropped",
    "fidelity-lofi", "format-narrowed", "tensor-addresses-rotated",
    "reader-works-for-the-other-core", "grid-transposed", "onchip-format-narrowed",
    "dealt-remainder-lost", "block-read-barrier-dropped", "skipped-PropagateTTLayout",
    "grid-dropped", "fidelity-lowered", "prefetch-dropped", "parsed-clear-dropped",
    "golden-region-shifted", "machine-reads-previous-page", "tensors-in-l1",
)  # fmt: skip
"""Faults of one kernel, of every part."""


@pytest.fixture(scope="module")
def steps() -> Pool:
    """Kernels of sequences, each on what those before it answer."""
    return Pool.of([case for case in FIXED if case.step])


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", [mutant.name for mutant in inturn.MUTANTS])
def test_a_fault_between_kernels_is_noticed_and_blamed_on_its_part(name: str) -> None:
    """Order, who reads what, where it lies, what is skipped, run twice or handed on stale."""
    outcome = try_mutant(registry()[name], Pool.of([]), Budget())
    assert (outcome.status, outcome.blamed) == ("killed", outcome.where), outcome


def test_every_kernel_of_a_sequence_is_a_case(steps: Pool) -> None:
    """Second kernels too, and none is refused or fails without a fault."""
    ready = [base.case for base, _ in steps]
    assert {(case.kernel, case.step) for case in ready} == {
        ("handed", 1), ("handed", 2), ("split_k", 1), ("split_k", 2)
    }  # fmt: skip
    assert (steps.refused, steps.failed) == ([], [])


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("name", STEPS)
def test_faults_of_one_kernel_are_noticed_in_either(steps: Pool, step: int, name: str) -> None:
    """A kernel on another's answers is judged no less than one alone."""
    mine = Pool(ready=[one for one in steps if one[0].case.step == step])
    outcome = try_mutant(registry()[name], mine, Budget())
    assert (outcome.status, outcome.blamed) == ("killed", outcome.where), outcome


def test_second_kernels_are_fed_by_the_first(steps: Pool) -> None:
    """Their inputs are the first kernel's answers, and not drawn."""
    base, rounds = next(one for one in steps if one[0].case.name.startswith("handed step 2"))
    for one, seed in rounds:
        first = base.before[0]
        drawn = first.round(one.kind, seed)
        assert drawn is not None
        assert (one.inputs["P"] == first.outputs[one.kind, seed].outputs["P"]).all()
        if one.kind == "exact":
            assert (one.inputs["P"] == 2 * drawn.inputs["A"]).all()


def test_sequences_pass_without_a_fault() -> None:
    """What notices faults is silent on the kernels as they are."""
    assert [whole.tiles for whole in wholes()] == [2, 3]
