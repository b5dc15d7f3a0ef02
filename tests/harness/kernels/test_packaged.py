"""Every packaged kernel, judged by the golden; tests/golden holds golden to NumPy references."""

from __future__ import annotations

import pytest

import harness
from harness.kernels.table import KERNELS

CASES = [
    (name, dtype, ragged)
    for name, kernel in KERNELS.items()
    for dtype in kernel.dtypes
    for ragged in ((False, True) if kernel.ragged else (False,))
]
DEVICES = ("wormhole_n150", "blackhole_p150")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("name", "dtype", "ragged"), CASES)
def test_kernel_passes_its_check(name: str, dtype: str, ragged: bool, device: str) -> None:
    """A packaged kernel answers as its source says, aligned and ragged, on both chips."""
    kernel = KERNELS[name]
    made = kernel.factory(dtype=dtype, **(kernel.ragged if ragged else {}))
    verdict = harness.check(made, device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)
