"""Every packaged kernel, judged by the golden and compared with its own NumPy reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from golden import contract_for, evaluate
from golden.blocks import stored_by_host
from golden.inputs import draw_inputs
from harness.kernels.table import KERNELS

CASES = [
    (name, dtype, ragged)
    for name, kernel in KERNELS.items()
    for dtype in kernel.dtypes
    for ragged in ((False, True) if kernel.ragged else (False,))
]


def _made(name: str, dtype: str, ragged: bool) -> Any:
    kernel = KERNELS[name]
    return kernel.factory(dtype=dtype, **(kernel.ragged if ragged else {}))


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize(("name", "dtype", "ragged"), CASES)
def test_kernel_passes_its_check(name: str, dtype: str, ragged: bool, device: str) -> None:
    """A packaged kernel answers as its source says, aligned and ragged, on both chips."""
    verdict = harness.check(_made(name, dtype, ragged), device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


@pytest.mark.parametrize(("name", "dtype", "ragged"), CASES)
def test_golden_agrees_with_the_reference(name: str, dtype: str, ragged: bool) -> None:
    """The golden interpreter gives what a hand-written NumPy reference gives, within its bound."""
    artifact = harness.compile(_made(name, dtype, ragged))
    arrays = draw_inputs(artifact.source, seed=3)
    result = evaluate(artifact.source, arrays, contract_for(artifact.source))
    rounded = evaluate_inputs(arrays, artifact.plan.layouts)
    want = KERNELS[name].reference(*rounded.values())
    (output,) = result.outputs.values()
    bound = 0.0 if output.answer.bound is None else output.answer.bound
    error = np.abs(output.answer.value - want)
    jumped = output.answer.jumped if output.answer.jumped is not None else np.False_
    assert ((error <= bound + 1e-6 * (1 + np.abs(want))) | jumped).all(), error.max()


def evaluate_inputs(arrays: dict[str, Any], layouts: Any) -> dict[str, Any]:
    """The inputs as the device stores them, in float64."""
    return {n: stored_by_host(a, layouts[n].dtype) for n, a in arrays.items()}
