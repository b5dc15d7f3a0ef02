"""Conditions, parts, running sums, scalars and waves, on both chips and against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from golden import evaluate
from golden.formats import round_even
from golden.inputs import draw_inputs
from harness.errors import CompileError
from tests.e2e import control_kernels as k
from tests.e2e import control_loops as loops

SIZES = {"aligned": (64, 96), "ragged": (50, 70)}
KERNELS = (*k.CONDITIONS, *k.PARTS, *loops.RUNNING, *loops.SCALARS, *loops.WAVES, *loops.SMALL_K)


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", KERNELS, ids=[f.__name__ for f in KERNELS])
def test_answers_as_the_source_says(make: Any, size: str, device: str) -> None:
    """What compiles computes what the source says, whole tiles and ragged ones, on both chips."""
    verdict = harness.check(make(*SIZES[size])[0], device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


def test_kept_elements_are_not_rounded() -> None:
    """What a store leaves alone in a float32 tensor never passes a 16-bit destination."""
    with pytest.raises(CompileError) as caught:
        harness.check(k.kept_in_memory(64, 64)[0], fp32_dest=False)
    assert caught.value.code == "NeedsFp32Dest"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", KERNELS, ids=[f.__name__ for f in KERNELS])
def test_the_reading_is_what_numpy_says(make: Any, size: str) -> None:
    """Golden and NumPy, written apart, read the same meaning in a kernel."""
    func, reference = make(*SIZES[size])
    dtypes = {p.name: p.ty.dtype for p in func.params}
    inputs = draw_inputs(func, "random", 3)
    inputs = {n: round_even(a, str(dtypes[n])) for n, a in inputs.items()}
    results = evaluate(func, inputs, bounded=False).outputs.values()
    wanted = reference(*inputs.values())
    for result, value in zip(results, wanted if len(results) > 1 else [wanted], strict=True):
        np.testing.assert_allclose(result.answer.value, value, rtol=1e-5, atol=1e-5)
