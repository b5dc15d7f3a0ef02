"""Comparisons with maxima that the matrix unit cut, as golden decides them."""

from __future__ import annotations

import numpy as np
import pytest

from golden import evaluate, judge
from tests.e2e.test_carried_maximum import CHUNK, NONE, ROWS, kernel

CUT = 2.0**-12
"""Less than TF32 keeps of numbers from 1 to 2, and more than float32 does."""


@pytest.mark.parametrize("form", ["carried", "joined", "repeated", "difference", "started"])
def test_the_largest_has_to_be_found(form: str) -> None:
    """A device that finds no maximum is wrong; of two that TF32 takes for one, either is right."""
    x = np.random.default_rng(2).uniform(-1, 0.9, (ROWS, 2 * CHUNK)).astype(np.float32)
    x[:, 40] = 1.5 + CUT
    x[3, 9] = 1.5
    golden = evaluate(kernel(form, "float32"), {"X": x})
    right = np.full(ROWS, 40)
    assert judge({"Y": right}, golden).passed
    assert judge({"Y": np.where(np.arange(ROWS) == 3, 9, right)}, golden).passed
    assert judge({"Y": np.where(np.arange(ROWS) == 4, NONE, right)}, golden).wrong == 1
    assert judge({"Y": np.full(ROWS, NONE)}, golden).wrong >= ROWS - 1


def test_differences_too_small_to_tell() -> None:
    """The device flushes a difference below the least normal number: both elements are right."""
    x = np.random.default_rng(2).uniform(-1, -0.1, (ROWS, 2 * CHUNK)).astype(np.float32)
    x[:, 40] = 1.5 * 2.0**-126
    x[3, 9] = 1.25 * 2.0**-126
    golden = evaluate(kernel("carried", "float32"), {"X": x})
    right = np.full(ROWS, 40)
    assert judge({"Y": right}, golden).passed
    assert judge({"Y": np.where(np.arange(ROWS) == 3, 9, right)}, golden).passed
    assert judge({"Y": np.full(ROWS, 9)}, golden).wrong == ROWS - 1


def test_what_bounds_leave_open_is_counted() -> None:
    """A verdict says how many elements no comparison decided."""
    x = np.full((ROWS, 2 * CHUNK), 1.5, np.float32)
    x[:, 3] += CUT
    judgement = judge({"Y": np.zeros(ROWS)}, evaluate(kernel("carried", "float32"), {"X": x}))
    assert judgement.oracle == "bound-partial"
    assert f"{ROWS} of them whatever comparisons decide" in judgement.reason
