"""Differential runs: placement and buffering change no bit, and a change would be seen."""

from typing import Any

import pytest
from hypothesis import given

from harness.errors import HarnessError
from harness.fuzz import differential
from harness.fuzz.case import Case
from harness.fuzz.judge import compile_options, source_of
from harness.fuzz.options import cases
from harness.fuzz.text import parse_kernel, plainly
from harness.kernels.table import KERNELS


@given(cases())
def test_placement_changes_no_bit(case: Case) -> None:
    """The same kernel on other cores gives the same bits, on reals."""
    try:
        bare = parse_kernel(plainly(case.kernel))
        reason = differential.differs(source_of(case), bare, compile_options(case.options), 1)
    except HarnessError:  # refused: for one core the buffers may not fit either
        return
    assert not reason, f"{reason}\n{case.text()}"


def test_a_difference_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another fidelity is another number, and is told from the same one."""
    kernel = KERNELS["gemm"].factory(M=64, N=64, K=64)
    options: dict[str, Any] = {"device": "wormhole_n150", "fidelity": "HiFi3"}
    assert not differential.differs(kernel, kernel, options, 0)
    monkeypatch.setattr(differential, "KEPT", ("device",))
    monkeypatch.setattr(differential, "PLAIN", {"fidelity": "LoFi"})
    assert "other elements" in differential.differs(kernel, kernel, options, 0)
