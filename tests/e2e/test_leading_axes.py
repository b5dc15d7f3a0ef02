"""Blocks of several planes: every plane is computed in its own place."""

from __future__ import annotations

import numpy as np
import pytest

import harness
from golden.inputs import draw_inputs
from harness.mutants.subjects.planes import KERNELS


@pytest.mark.parametrize("name", KERNELS)
def test_planes_answer_as_the_source_says(name: str) -> None:
    """Planes, rows and columns that begin after the first are the ones that are used."""
    func, reference = KERNELS[name].factory(), KERNELS[name].reference
    verdict = harness.check(func)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)
    inputs = draw_inputs(func, "random", 3)
    outputs = list(harness.compile(func).run(inputs).outputs.values())
    wanted = reference(*inputs.values())
    for output, value in zip(outputs, wanted if len(outputs) > 1 else [wanted], strict=True):
        np.testing.assert_allclose(output, value, rtol=1e-2, atol=0.1)
