"""The ladder by name: every rung judges, sees its fault, and refuses what it cannot judge."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from harness.artifact import Artifact
from harness.checking import ORACLES, check
from harness.checking.rungs import NoOracleError
from harness.compiler import annotate_tt_layout
from harness.errors import HarnessError, OptionError
from harness.fuzz.campaigns.units import ALONE
from harness.fuzz.judge import compile_options, source_of
from harness.fuzz.options import cases
from harness.kernels.table import KERNELS
from simulator.run import execute


def gemm(**more: Any) -> Any:
    """A product of several blocks."""
    return KERNELS["gemm"].factory(
        **{"M": 64, "N": 96, "K": 64, "block_M": 32, "block_N": 32} | more
    )


@pytest.mark.parametrize("oracle", [o for o in ORACLES if o != "auto"])
@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
def test_every_rung_judges_a_product_and_is_named(oracle: str, device: str) -> None:
    """Protects the ladder: asked for by name, a rung decides and the verdict says so."""
    verdict = check(gemm(), oracle=oracle, device=device, grid=(2, 2))
    assert verdict.passed, verdict.reason
    assert verdict.oracle == {"llvm": "exact+bound+llvm"}.get(oracle, oracle)


@pytest.mark.parametrize("oracle", ["exact", "tagged", "bound", "metamorphic"])
def test_rungs_that_judge_any_kernel(oracle: str) -> None:
    """Protects kernels that are no product."""
    verdict = check(KERNELS["add"].factory(), oracle=oracle)
    assert verdict.passed
    assert verdict.oracle == oracle


@pytest.mark.parametrize("oracle", ["replay", "freivalds"])
def test_a_rung_that_does_not_apply_says_so(oracle: str) -> None:
    """Nothing is passed over in silence."""
    with pytest.raises(NoOracleError):
        check(KERNELS["add"].factory(), oracle=oracle)
    with pytest.raises(OptionError):
        check(gemm(), oracle=oracle, input_kind="random")


def spoiled(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """The runs of what is judged give other outputs."""
    true = execute

    def wrong(*args: Any, **keywords: Any) -> Any:
        run = true(*args, **keywords)
        return replace(run, outputs={n: change(a) for n, a in run.outputs.items()})

    monkeypatch.setattr("harness.checking.rounds.execute", wrong)


def last_bit(array: np.ndarray) -> np.ndarray:
    """One element off by its last bfloat16 bit."""
    out = array.copy()
    out[3, 5] = np.float32(out[3, 5] * (1 + 2.0**-7))
    return out


@pytest.mark.parametrize("oracle", ["exact", "tagged", "replay", "freivalds", "metamorphic"])
def test_every_exact_rung_sees_the_last_bit(monkeypatch: pytest.MonkeyPatch, oracle: str) -> None:
    """Protects their teeth: one element, one bit."""
    spoiled(monkeypatch, last_bit)
    verdict = check(gemm(), oracle=oracle)
    assert not verdict.passed
    assert verdict.oracle == oracle


def test_a_tagged_answer_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tile in another's place is decoded to a sentence."""
    spoiled(monkeypatch, lambda a: np.roll(a, 32, axis=-1))
    verdict = check(KERNELS["add"].factory(), oracle="tagged")
    assert any("holds what belongs into" in note for note in verdict.notes), verdict.notes


@given(cases(ALONE))
def test_placement_changes_no_bit(case: Any) -> None:
    """Any kernel on other cores, with other buffering and layouts, gives the same bits on reals."""
    try:
        verdict = check(source_of(case), oracle="metamorphic", **compile_options(case.options))
    except HarnessError:  # refused: for one core the buffers may not fit either
        return
    assert verdict.passed, f"{verdict.reason} {verdict.findings}\n{case.text()}"


def test_another_placement_is_another_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The relation compares two compilations: what spoils only one of them is seen."""
    true = Artifact.run

    def wrong(self: Artifact, *args: Any) -> Any:
        run = true(self, *args)
        return replace(run, outputs={n: last_bit(a) for n, a in run.outputs.items()})

    placed = annotate_tt_layout(gemm(), {"A": {"memory": "L1"}})
    assert check(placed, oracle="metamorphic").passed
    monkeypatch.setattr(Artifact, "run", wrong)
    verdict = check(placed, oracle="metamorphic")
    assert not verdict.passed
    assert "on one core without buffering" in verdict.reason
