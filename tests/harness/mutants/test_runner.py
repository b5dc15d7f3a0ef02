"""The runner: kills, survivors, crashes and proofs are told apart; the right part is blamed."""

from typing import Any

import pytest

from harness.mutants import Budget, Kind, Mutant, Pool, Where, registry, run_mutants, try_mutant
from harness.mutants.edit import Built
from harness.mutants.subjects.cases import FIXED, Case, drawn

QUICK = (
    "missing-wait-compute", "missing-push-reader", "missing-pop-writer", "push-before-barrier",
    "back-edge-without-reserve", "one-buffer-for-two-operands", "depth-minus-one",
    "missing-read-barrier", "constant-tile-id-read", "swapped-grid-axes-write", "page-without-k",
    "stale-block-index", "pack-per-k-step", "accumulator-overwritten", "one-operand-twice",
    "missing-release", "dst-off-by-one", "wrong-broadcast-dim", "broadcast-tile-constant",
    "reduce-scaler-wrong", "padding-not-zeroed", "padding-row-too-few", "copy-init-dropped",
    "broadcast-uninit-dropped", "fidelity-lofi", "full-sync", "format-narrowed",
    "tensor-addresses-collide", "two-cores-same-tile", "remainder-block-lost", "len-k-one-less",
    "layout-roles-inverted", "onchip-format-narrowed", "form-full", "dealt-remainder-lost",
    "output-map-transposed", "skipped-TTTilesToCoreMap", "twice-LowerTTTileIntrinsics",
    "strategy-dropped", "double-buffer-dropped", "block-read-page-constant",
    "block-product-dropped", "block-last-read-dropped", "parsed-clear-dropped",
    "parsed-subtract-reversed", "golden-k-one-short", "golden-judges-by-correlation",
    "golden-bounds-times-hundred", "machine-product-doubled", "machine-wait-one-short",
    "machine-read-barriers-not-needed", "machine-packed-neighbours",
)  # fmt: skip


def _mutant(apply: Any, equivalent: str | None = None) -> Mutant:
    return Mutant("made-up", "test", Where.PASS5, Kind.BUILT, "Breaks.", apply, equivalent)


@pytest.mark.parametrize("name", QUICK)
def test_a_seeded_fault_is_noticed_and_blamed_on_its_part(small_pool: Pool, name: str) -> None:
    """A fault of each family is killed on a small case, and its part is named."""
    outcome = try_mutant(registry()[name], small_pool, Budget())
    assert outcome.status == "killed", outcome
    assert outcome.blamed == outcome.where
    assert outcome.tiles <= 4
    assert outcome.cores <= 2


def test_nothing_stays_substituted_after_a_trial(small_pool: Pool) -> None:
    """After a mutant of the machine, the unmutated machine passes again."""
    try_mutant(registry()["machine-product-doubled"], small_pool, Budget())
    same = try_mutant(_mutant(lambda built: built, "changes nothing"), small_pool, Budget(5))
    assert same.status == "survived"


def test_an_equivalent_mutant_is_proved_by_small_shapes(small_pool: Pool) -> None:
    """A claim of equivalence counts once every shape of the proof survived as well."""
    mutant = registry()["control-barrier-twice"]
    outcome = try_mutant(mutant, small_pool, Budget(4), proof=small_pool)
    assert outcome.status == "equivalent"
    assert outcome.exhausted > 4


def test_a_wrong_claim_of_equivalence_is_told(small_pool: Pool) -> None:
    """A mutant that claims to change nothing and is killed is reported as such."""
    right = registry()["missing-push-reader"]
    outcome = try_mutant(_mutant(right.apply, "nobody will notice"), small_pool, Budget())
    assert outcome.status == "claim wrong"


def test_a_crash_is_no_kill(small_pool: Pool) -> None:
    """A mutant that makes something raise is reported with the exception, not counted as killed."""

    def crash(built: Built) -> Built:
        raise RuntimeError("boom")

    outcome = try_mutant(_mutant(crash), small_pool, Budget(3))
    assert outcome.status == "crashed"
    assert "boom" in outcome.crashes[0]


def test_a_mutant_without_a_site_is_not_counted(small_pool: Pool) -> None:
    """A mutant that changes no case is neither killed nor survived."""
    assert try_mutant(_mutant(lambda _: None), small_pool, Budget()).status == "not applied"


def test_examples_are_bounded(small_pool: Pool) -> None:
    """A survivor has cost no more examples than it may, but for the rounds of its last case."""
    outcome = try_mutant(_mutant(lambda built: built), small_pool, Budget(examples=6))
    assert outcome.status == "survived"
    assert outcome.examples <= 7


def test_a_case_that_fails_unmutated_is_set_aside() -> None:
    """Only cases that pass without a mutant judge mutants; refused ones are named."""
    pool = Pool.of([Case("gemm", {"M": 32, "N": 32, "K": 32, "block_M": 32}, {"grid": (40, 1)})])
    assert not list(pool)
    assert len(pool.refused) == 1


def test_drawn_cases_depend_on_the_seed_alone() -> None:
    """The same seed draws the same cases."""
    assert list(drawn(3, 20)) == list(drawn(3, 20))
    assert list(drawn(3, 20)) != list(drawn(4, 20))


@pytest.mark.nightly
def test_every_packaged_case_is_used() -> None:
    """No packaged case is refused or fails, so none silently drops out of the proof."""
    pool = Pool.of(FIXED)
    assert len(list(pool)) == len(FIXED)
    assert not pool.refused
    assert not pool.failed


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_every_mutant_is_killed() -> None:
    """The bars: all killed, four in five within a second, blame right, small cases."""
    report = run_mutants()
    figures = report.figures()
    assert figures["survived"] == figures["crashed"] == figures["claim_wrong"] == []
    assert figures["not_applied"] == []
    assert report.kill_rate == 1.0
    assert report.killed_within(1.0) >= 0.8
    assert report.blame_rate >= 0.95
    assert report.median_size[0] <= 2
    assert report.median_size[1] <= 2
