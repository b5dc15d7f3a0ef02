"""Groups of columns of a block: seen as a dimension of their own, reduced, and stored by one."""

from __future__ import annotations

from typing import Any

import pytest

import harness
from tests.e2e.test_moved_elements import DEVICES, kernel


def _passes(func: Any, device: str) -> None:
    for oracle in ("auto", "llvm"):
        verdict = harness.check(func, device=device, oracle=oracle)
        assert verdict.passed, (oracle, verdict.reason, verdict.findings)


def _tensors(size: int) -> str:
    return (f"X: T.Tensor((64, {3 * size}), 'float32'), S: T.Tensor((64, 3), 'float32'),"
            f" Y: T.Tensor((64, {3 * size}), 'float32')")  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [32, 48])
@pytest.mark.parametrize(("kind", "clear"), [("absmax", True), ("sum", False)])
def test_a_view_is_reduced_group_by_group(kind: str, clear: bool, size: int, device: str) -> None:
    """Scales per row and group, and what is divided by them, over one view of a block."""
    func = kernel(_tensors(size), f"""
with T.Kernel(2) as b:
    x = T.alloc_fragment((32, {3 * size}), "float32")
    groups = T.reshape(x, (32, 3, {size}))
    s = T.alloc_fragment((32, 3), "float32")
    T.copy(X[b * 32, 0], x)
    T.fill(s, 2.0)
    T.reduce_{kind}(groups, s, dim=-1, clear={clear})
    for i, g, j in T.Parallel(32, 3, {size}):
        groups[i, g, j] = groups[i, g, j] * s[i, g]
    T.copy(s, S[b * 32, 0])
    T.copy(x, Y[b * 32, 0])
""")  # fmt: skip
    _passes(func, device)


@pytest.mark.parametrize("device", DEVICES)
def test_a_vector_is_stored_as_a_column_or_a_row(device: str) -> None:
    """One loop over a line of a block, chosen by a loop around it, as it is read."""
    func = kernel(_tensors(48), """
with T.Kernel(2) as b:
    x = T.alloc_fragment((32, 144), "float32")
    s = T.alloc_fragment((32, 3), "float32")
    t = T.alloc_fragment((32,), "float32")
    T.copy(X[b * 32, 0], x)
    for g in T.serial(3):
        T.reduce_max(x[:, g * 48 : g * 48 + 48], t, dim=1)
        for i in T.Parallel(32):
            s[i, 2 - g] = t[i] + g
    for j in T.Parallel(144):
        x[5, j] = x[5, j] * 2.0
    T.copy(s, S[b * 32, 0])
    T.copy(x, Y[b * 32, 0])
""")  # fmt: skip
    _passes(func, device)
