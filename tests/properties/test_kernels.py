"""Properties of everything the grammar draws, by focus: right, or refused with a place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.fuzz.campaigns.units import FOCI
from harness.fuzz.direct.plans import run_plan
from harness.fuzz.direct.recipes import recipes
from harness.fuzz.judge import run_case
from harness.fuzz.options import cases


@pytest.mark.parametrize("focus", [None, *(f for f in FOCI if f != "plan")])
@given(data=st.data())
def test_kernels_compute_what_they_say(focus: str | None, data: st.DataObject) -> None:
    """Compiled, simulated and judged, a kernel is right on every kind of input."""
    case = data.draw(cases(focus))
    found = run_case(case)
    assert not found.failed, f"{found.key}: {found.message}\n{case.text()}"


@given(recipes())
def test_plans_stream_what_they_are_given(recipe: dict[str, object]) -> None:
    """A valid plan copies its input without a finding; a damaged one ends in a verdict."""
    found = run_plan(recipe)
    assert not found.failed, f"{found.key}: {found.message}"
