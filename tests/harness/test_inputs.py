"""Inputs a check draws: kinds and seeds that do not exist are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

import golden
import harness
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
