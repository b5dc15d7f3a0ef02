"""Packaged kernels of quantised numbers with several outputs, or of int8 products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from golden import contract_for, evaluate
from golden.inputs import draw_inputs
from harness.kernels import quantised

DEVICES = ["wormhole_n150", "blackhole_p150"]
RAGGED: dict[str, Any] = {"M": 70, "N": 50}


@pytest.mark.parametrize("params", [{}, RAGGED, {"block_M": 8, **RAGGED}])
@pytest.mark.parametrize("device", DEVICES)
def test_rows_are_quantised(params: dict[str, Any], device: str) -> None:
    """Within a step of the rounded quotient, the largest of every row at 127, scales exact."""
    kernel = quantised.per_token_quantise(**params)
    verdict = harness.check(kernel, device=device)
    assert verdict.passed, verdict.reason
    inputs = draw_inputs(kernel, seed=1)
    outputs = harness.compile(kernel, device=device).run(inputs).outputs
    rows, scale = quantised.per_token_quantise_reference(outputs_of(kernel, inputs))
    assert outputs["X_q"].dtype == np.int8
    assert np.abs(outputs["X_q"] - rows).max() <= 1
    assert np.mean(outputs["X_q"] != rows) < 0.05
    assert (np.abs(outputs["X_q"].astype(int)).max(axis=1) == 127).all()
    np.testing.assert_allclose(outputs["X_scale"], scale, rtol=2.0**-22)


def outputs_of(kernel: Any, inputs: dict[str, Any]) -> Any:
    """X as the device stores it."""
    from golden.blocks import stored_by_host

    return stored_by_host(inputs["X"], "bfloat16")


@pytest.mark.parametrize("params", [{}, {**RAGGED, "K": 40}])
@pytest.mark.parametrize("device", DEVICES)
def test_int8_products_are_scaled(params: dict[str, Any], device: str) -> None:
    """Integer sums times a scale per row and per column, as the NumPy reference has them."""
    kernel = quantised.scaled_int8_gemm(**params)
    assert harness.check(kernel, device=device).passed
    inputs = draw_inputs(kernel, seed=2)
    assert max(abs(int(inputs["A"].min())), int(inputs["A"].max())) > 100
    (found,) = evaluate(kernel, inputs, contract_for(kernel)).outputs.values()
    want = quantised.scaled_int8_gemm_reference(*(a.astype(np.float64) for a in inputs.values()))
    np.testing.assert_allclose(found.answer.value, want, rtol=1e-12)
