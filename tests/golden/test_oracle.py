"""The judge: what passes, what fails, and what a failure says."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pytest

import harness.language as T
from golden import GoldenError, evaluate, judge
from golden.formats import round_even
from golden.result import GoldenResult
from harness.kernels.gemm import matmul
from tests.golden.kernels import copy

Doubles = npt.NDArray[np.float64]


def gemm_case(kind: str = "random") -> tuple[GoldenResult, Doubles]:
    """Golden and a right answer of a 128 x 96 x 64 product."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((128, 64)), rng.standard_normal((64, 96))
    if kind == "exact":
        a, b = np.sign(a), np.sign(b)
    golden = evaluate(matmul(128, 96, 64, 64, 32, 32), {"A": a, "B": b})
    return golden, round_even(golden.outputs["C"].answer.value, "bfloat16")


def test_right_answers_pass() -> None:
    """Protects against false alarms on the plainest case, and names the oracle used."""
    golden, right = gemm_case()
    judgement = judge({"C": right}, golden)
    assert judgement.passed
    assert judgement.oracle == "bound"
    assert 0 < (judgement.bound_ratio or 0) <= 1
    golden, right = gemm_case("exact")
    judgement = judge({"C": right}, golden)
    assert (judgement.verdict, judgement.oracle, judgement.max_error) == ("pass", "exact", 0.0)


def test_one_wrong_tile_fails_and_is_named() -> None:
    """Catches what PCC and loose tolerances let pass: one tile replaced by its neighbour."""
    golden, right = gemm_case()
    right[32:64, 64:96] = right[0:32, 64:96]
    judgement = judge({"C": right}, golden)
    assert not judgement.passed
    assert judgement.worst[0].tile == (1, 2)
    assert judgement.worst[0].wrong > 1000
    assert "tile (1,2)" in str(judgement.worst[0])
    json.dumps(judgement.to_json(), allow_nan=False)


def test_one_unit_in_the_last_place_fails_on_exact_inputs() -> None:
    """Protects the strongest oracle: equality, not closeness."""
    golden, right = gemm_case("exact")
    right[5, 7] += 1
    judgement = judge({"C": right}, golden)
    assert judgement.wrong == 1
    assert judgement.bound_ratio == np.inf
    assert judgement.worst[0].element == (5, 7)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_fail(value: float) -> None:
    """Keeps NaN from slipping through a comparison."""
    golden, right = gemm_case()
    right[0, 0] = value
    judgement = judge({"C": right}, golden)
    assert judgement.wrong == 1
    json.dumps(judgement.to_json(), allow_nan=False)


def test_constant_outputs_are_judged() -> None:
    """Protects kernels whose output is constant, where PCC is undefined."""
    golden = evaluate(copy((32, 32), (32, 32)), {"A": np.zeros((32, 32))})
    judgement = judge({"C": np.zeros((32, 32))}, golden)
    assert judgement.passed
    assert judgement.pcc is None
    assert not judge({"C": np.full((32, 32), 1e-30)}, golden).passed
    assert judge({"C": np.full((32, 32), -0.0)}, golden).passed


def test_infinite_inputs_match_anything_not_finite() -> None:
    """Protects the tolerance for special values from becoming a tolerance for numbers."""
    a = np.ones((32, 32))
    a[3, 4] = np.inf
    golden = evaluate(copy((32, 32), (32, 32)), {"A": a})
    assert judge({"C": a}, golden).passed
    bad = a.copy()
    bad[3, 4] = 1.0
    assert judge({"C": bad}, golden).wrong == 1


def test_nothing_compared_is_a_failure() -> None:
    """Keeps an empty comparison from passing."""
    golden = evaluate(matmul(32, 32, 32, 32, 32, 32), {
        "A": np.full((32, 32), np.inf), "B": np.zeros((32, 32))})  # fmt: skip
    judgement = judge({"C": np.zeros((32, 32))}, golden)
    assert not judgement.passed
    assert "nothing" in judgement.reason
    assert judgement.oracle == "none"


def test_a_wrong_output_is_not_excused_by_one_nobody_can_judge() -> None:
    """What golden knows nothing of does not hide what is wrong beside it."""

    @T.prim_func
    def main(
        A: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32"),
        S: T.Tensor((32,), "float32"),
    ):  # fmt: skip
        with T.Kernel(1):
            a = T.alloc_fragment((32, 32), "float32")
            s = T.alloc_fragment((32,), "float32")
            T.copy(A, a)
            T.copy(a, C)
            T.reduce_sum(a, s, dim=1)
            T.copy(s, S)

    a = np.zeros((32, 32))
    a[:, 0], a[:, 1] = np.inf, -np.inf
    golden = evaluate(main, {"A": a})
    right = {"C": a, "S": np.full(32, np.nan)}
    assert judge(right, golden).reason == "nothing of S could be compared"
    judgement = judge(right | {"C": a + 1}, golden)
    assert judgement.wrong
    assert "are wrong" in judgement.reason
    a[16:, :2] = 0
    partial = judge({"C": a, "S": np.where(a[:, 0], np.nan, 0)}, evaluate(main, {"A": a}))
    assert (partial.passed, partial.oracle, partial.free) == (True, "bound-partial", 16)
    assert "nothing is known of 16 others" in partial.reason


def test_written_masks_are_compared() -> None:
    """Catches an output tile nobody wrote although its old contents look right."""
    golden, right = gemm_case("exact")
    mask = np.ones(right.shape, np.bool_)
    assert judge({"C": right}, golden, written={"C": mask}).passed
    mask[64:96, 0:32] = False
    judgement = judge({"C": right}, golden, written={"C": mask})
    assert judgement.wrong == 1024
    assert judgement.worst[0].kind == "unwritten"


def test_requests_that_cannot_be_met_are_refused() -> None:
    """Keeps a weaker oracle from standing in for the one asked for."""
    golden, right = gemm_case()
    with pytest.raises(GoldenError, match="exact"):
        judge({"C": right}, golden, oracle="exact")
    with pytest.raises(GoldenError, match="oracle"):
        judge({"C": right}, golden, oracle="allclose")
    with pytest.raises(GoldenError, match="shape"):
        judge({"C": right.T}, golden)
    with pytest.raises(GoldenError, match="missing"):
        judge({}, golden)
