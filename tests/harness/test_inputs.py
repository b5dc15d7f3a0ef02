"""Inputs a check draws: kinds and seeds that do not exist are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

import golden
import harness
import harness.language as T
from harness.errors import OptionError
from harness.inputs import Draws
from harness.kernels.elementwise import add
from harness.kernels.norm import rms_norm


@pytest.mark.parametrize(
    ("given", "place"),
    [({"seed": -1}, "seed"), ({"seed": 1.5}, "seed"), ({"seed": "3"}, "seed"),
     ({"input_kind": "nonsense"}, "input_kind")],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(given: dict[str, Any], place: str) -> None:
    """A seed NumPy would choke on is an error that names it, and no traceback."""
    with pytest.raises(OptionError) as caught:
        harness.check(add(M=32, N=32, block_M=32, block_N=32), **given)
    assert caught.value.location == place


def test_what_was_drawn_before_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several oracles ask for the same inputs: one draw and one evaluation serve all of them."""
    made = harness.compile(add(M=32, N=32, block_M=32, block_N=32))
    draws = Draws(made.source, made.contract)
    assert harness.check(made, draws=draws).passed
    first = draws.answer("random", 0), draws.draw("exact", 0)
    monkeypatch.setattr(golden, "evaluate", None)
    monkeypatch.setattr("harness.inputs.draw", None)
    assert draws.answer("random", 0) is first[0]
    again = draws.draw("exact", 0)
    assert again[1] is first[1][1]
    again[0].clear()  # a caller's own dictionary
    assert draws.draw("exact", 0)[0].keys() == {"A", "B"}


def test_no_exact_range_is_found_once() -> None:
    """A kernel without exact inputs is refused alike whoever asks, and searched only once."""
    made = harness.compile(rms_norm(M=32, N=64, dtype="bfloat16"))
    draws = Draws(made.source, made.contract)
    seen = []
    for _ in range(2):
        with pytest.raises(golden.GoldenError) as caught:
            draws.draw("exact", 0)
        seen.append(caught.value)
    assert seen[0].code == "NoExactRange"
    assert seen[0] is seen[1]


def _divergence(sign: float) -> Any:
    """The sum of logarithms of every element, or of their negatives: one number."""

    @T.prim_func
    def main(Q: T.Tensor((32, 64), "float32"), Y: T.Tensor((1,), "float32")):
        with T.Kernel(1) as _:
            q = T.alloc_fragment((32, 64), "float32")
            rows = T.alloc_fragment((32,), "float32")
            total = T.alloc_fragment((1,), "float32")
            T.copy(Q, q)
            for i, j in T.Parallel(32, 64):
                q[i, j] = q[i, j] * T.log(q[i, j] * sign)
            T.reduce_sum(q, rows, dim=1)
            T.reduce_sum(rows, total, dim=0)
            T.copy(total, Y)

    return main


def test_sums_of_logarithms_are_judged_on_numbers_above_zero() -> None:
    """Where numbers of both signs leave nothing to compare, those from 0 to 1 are drawn instead."""
    verdict = harness.check(_divergence(1.0))
    assert verdict.passed
    assert "uniform" in verdict.to_json()["input_kind"]
    asked = harness.check(_divergence(1.0), input_kind="random")
    assert not asked.passed
    assert "nothing of Y" in str(asked.reason)


def test_a_kernel_that_answers_nothing_known_does_not_pass() -> None:
    """Logarithms of what is never above zero are compared on no inputs, and the verdict says so."""
    verdict = harness.check(_divergence(-1.0))
    assert not verdict.passed
    assert "nothing of Y" in str(verdict.reason)
