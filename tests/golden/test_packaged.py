"""The interpreter against the NumPy reference of every packaged kernel."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from golden import evaluate
from golden.approx import FREE
from golden.blocks import stored_by_host
from golden.inputs import draw_inputs
from golden.source import read_kernel
from harness.kernels.table import KERNELS

CASES = [
    pytest.param(name, ragged, dtype, id=f"{name}-{'ragged' if ragged else 'even'}-{dtype}")
    for name, packaged in KERNELS.items()
    for ragged in (False, True)
    for dtype in packaged.dtypes
]


@pytest.mark.parametrize(("name", "ragged", "dtype"), CASES)
def test_reference(name: str, ragged: bool, dtype: str) -> None:
    """Protects golden itself: a second opinion on each kernel, written by hand, not parsed."""
    packaged = KERNELS[name]
    params = dict(packaged.ragged) if ragged else {}
    if "dtype" in inspect.signature(packaged.factory).parameters:
        params["dtype"] = dtype
    func = packaged.factory(**params)
    kernel = read_kernel(func)
    inputs = draw_inputs(func, "random", 7)
    stored = [stored_by_host(inputs[t.name], t.stored) for t in kernel.tensors if t.name in inputs]
    expected = packaged.reference(*stored)
    (result,) = evaluate(func, inputs).outputs.values()
    np.testing.assert_allclose(result.answer.value, expected, rtol=1e-9, atol=1e-9)
    assert result.written.all()
    assert result.answer.taint is None or (result.answer.taint != FREE).all()
    value_only = evaluate(func, inputs, bounded=False)
    np.testing.assert_allclose(
        next(iter(value_only.outputs.values())).answer.value, expected, rtol=1e-9, atol=1e-9
    )
