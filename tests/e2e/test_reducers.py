"""T.alloc_reducer: what T.Parallel gives to a block that sums, or keeps the largest or least."""

from __future__ import annotations

import numpy as np
import pytest

import harness
from harness.errors import LanguageError
from tests.e2e.test_moved_elements import DEVICES, kernel, numbers, right

TENSORS = "X: T.Tensor((64, 96), 'float32'), P: T.Tensor((3, 64, 96), 'float32'), "
TENSORS += "Y: T.Tensor((64,), 'float32'), C: T.Tensor((2, 96), 'float32')"

BODY = """
with T.Kernel(2) as b:
    x = T.alloc_fragment((32, 96), "float32")
    y = T.alloc_reducer(32, "float32", op="{op}")
    c = T.alloc_reducer((96,), "float32", op="{op}")
    ys = T.alloc_fragment((32,), "float32")
    cs = T.alloc_fragment((96,), "float32")
    T.copy(X[b * 32, 0], x)
    T.reducer_init(y)
    T.reducer_init(c, {first})
    {given}
    T.finalize_reducer(y, ys)
    T.finalize_reducer(c, cs)
    T.copy(ys, Y[b * 32])
    T.copy(cs, C[b, 0])
"""

GIVEN = {
    "elements": """for i, j in T.Parallel(32, 96):
        T.reducer_update(y[i], x[i, j] * 2.0)
        T.reducer_update(c[j], x[i, j])""",
    "steps of a loop": """for k in T.serial(3):
        for i, j in T.Parallel(32, 32):
            T.reducer_update(y[i], x[i, k * 32 + j])
        for i, j in T.Parallel(32, 96):
            T.reducer_update(c[j], x[i, j] * k)""",
    "a loop inside": """for i, j in T.Parallel(32, 96):
        for k in T.serial(3):
            T.reducer_update(y[i], P[k, b * 32 + i, j])
            T.reducer_update(c[j], P[k, b * 32 + i, j])""",
    "some of them": """for i, j in T.Parallel(32, 96):
        if j < i + b:
            T.reducer_update(y[i], x[i, j])
            x[i, j] = 1.0
        else:
            T.reducer_update(y[i], 2.0)
        T.reducer_update(c[j], x[i, j])""",
    "planes": """for k, i, j in T.Parallel(3, 32, 96):
        T.reducer_update(y[i], P[k, b * 32 + i, j])
        T.reducer_update(c[j], P[k, b * 32 + i, j])""",
    "one to each": """for i in T.Parallel(32):
        T.reducer_update(y[i], x[i, 0])
    for j in T.Parallel(96):
        T.reducer_update(c[j], x[0, j])""",
}


OPS = ["sum", "max", "min"]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("given", "op"), [
    *zip(GIVEN, OPS * 2, strict=True), ("some of them", "sum"), ("some of them", "max"),
])  # fmt: skip
def test_what_is_given_is_reduced(given: str, op: str, device: str) -> None:
    """Along rows and columns at once, from nothing and from a value, and never more than once."""
    first = {"sum": "1.5", "max": "-9.0", "min": "9.0"}[op]
    func = kernel(TENSORS, BODY.format(op=op, first=first, given=GIVEN[given]))
    for oracle in ("auto", "llvm"):
        verdict = harness.check(func, device=device, oracle=oracle)
        assert verdict.passed, (oracle, verdict.reason, verdict.findings)


ONE = """
with T.Kernel(4) as b:
    x = T.alloc_fragment((96,), "float32")
    one = T.alloc_fragment(1, "float32")
    r = T.alloc_reducer(1, "float32", op="{op}")
    T.copy(X[b, 0:96], x)
    one[0] = x[3] + 1
    T.reducer_init(r, one[0])
    for j in T.Parallel(96):
        {given}
    T.reducer_update(r[0], 0.25)
    T.finalize_reducer(r)
    Y[b] = r[0]
"""


@pytest.mark.parametrize(("op", "given"), [
    ("sum", "T.reducer_update(r[0], x[j])"), ("sum", "r[0] += x[j]"), ("sum", "r[0] -= x[j]"),
    ("sum", "r[0] = x[j] + r[0]"), ("max", "r[0] = T.max(r[0], x[j])"),
    ("min", "r[0] = T.min(x[j], r[0])"),
])  # fmt: skip
def test_everything_makes_one_number(op: str, given: str) -> None:
    """Older kernels store to reducers as to blocks; a first value may be what a block holds."""
    func = kernel("X: T.Tensor((4, 96), 'float32'), Y: T.Tensor((4,), 'float32')",
                  ONE.format(op=op, given=given))  # fmt: skip
    for oracle in ("auto", "llvm"):
        verdict = harness.check(func, oracle=oracle)
        assert verdict.passed, (oracle, verdict.reason, verdict.findings)


@pytest.mark.parametrize(("given", "why"), [
    ("T.reducer_update(y[i // 2], x[i, j])", "is given values at"),
    ("T.reducer_update(x[i, j], 1.0)", "'x' is no reducer"),
    ("T.reducer_update(y, 1.0)", "is no element"),
    ("y[i] = x[i, j]", "is stored to in T.Parallel"),
    ("y[i] = T.max(y[i], x[i, j])", "is stored to in T.Parallel"),
])  # fmt: skip
def test_what_is_no_reduction_is_refused(given: str, why: str) -> None:
    """Computed places, blocks that are none, and stores that take the place of what was there."""
    text = f"for i, j in T.Parallel(32, 96):\n        {given}"
    with pytest.raises(LanguageError, match=why):
        kernel(TENSORS, BODY.format(op="sum", first="0.0", given=text))


def test_an_op_that_is_none_is_refused() -> None:
    """Names the ops there are."""
    with pytest.raises(LanguageError, match="op 'prod'") as caught:
        kernel(TENSORS, BODY.format(op="prod", first="0.0", given="T.clear(x)"))
    assert "sum, max, min" in str(caught.value)


@pytest.mark.parametrize("device", DEVICES)
def test_single_elements_are_copied(device: str) -> None:
    """T.copy of one element to another is a store, in T.Parallel and outside, with a cast."""
    func = kernel(
        "X: T.Tensor((64, 64), 'bfloat16'), S: T.Tensor((2,), 'float32'),"
        " Y: T.Tensor((64, 64), 'float32')",
        """
with T.Kernel(2) as b:
    x = T.alloc_shared((32, 64), "bfloat16")
    s = T.alloc_shared((1,), "float32")
    y = T.alloc_fragment((32, 64), "float32")
    T.copy(X[b * 32, 0], x)
    T.copy(S[b], s[0])
    for i, j in T.Parallel(32, 64):
        T.copy(x[i, j], y[i, j])
        y[i, j] += s[0]
    T.copy(y, Y[b * 32, 0])
""",
    )
    verdict = harness.check(func, device=device, oracle="llvm")
    assert verdict.passed, (verdict.reason, verdict.findings)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("op", ["sum", "max"])
def test_groups_of_columns_are_given_to_one_element(op: str, device: str) -> None:
    """``acc[i, j // 4]`` takes four neighbours each, as group norms of few channels do."""
    func = kernel("X: T.Tensor((32, 32), 'float32'), Y: T.Tensor((32, 8), 'float32')", f"""
with T.Kernel(1) as _:
    x = T.alloc_fragment((32, 32), "float32")
    y = T.alloc_reducer((32, 8), "float32", op="{op}")
    T.copy(X, x)
    T.reducer_init(y)
    for i, j in T.Parallel(32, 32):
        T.reducer_update(y[i, j // 4], x[i, j] * (j % 4))
    T.finalize_reducer(y)
    T.copy(y, Y)
""")  # fmt: skip
    x = numbers(32, 32)
    groups = (x * (np.arange(32) % 4)).reshape(32, 8, 4)
    right(func, device, {"X": x}, {"Y": groups.sum(2) if op == "sum" else groups.max(2)})
