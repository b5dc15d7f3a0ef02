"""Elements that loops, or blocks done in turn, store one by one: collected, left or refused."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import harness
from harness.compiler.rewrite.collected import collected
from harness.errors import CompileError
from tests.e2e.test_moved_elements import kernel

RNG = np.random.default_rng(3)
ROWS = RNG.integers(-5, 9, (64, 24)).astype(np.float32)
SUMS = ROWS.sum(1)
LABELS = RNG.integers(0, 40, 64).astype(np.int32)
COUNTS = np.bincount(LABELS, minlength=40).astype(np.float32)
WEIGHTS = RNG.integers(-9, 9, (3, 40)).astype(np.float32)
CHOICES = np.argsort(RNG.random((32, 6)), 1).astype(np.float32)
STARTS = np.append(np.sort(RNG.integers(0, 32, 32)), 32).astype(np.int32)
PLACES = RNG.integers(0, 32, 32).astype(np.int32)
VALUES, VECTOR = RNG.integers(-9, 9, (2, 32)).astype(np.float32)
_ENTRIES = [range(*STARTS[i : i + 2]) for i in range(32)]
PRODUCTS = np.array([sum(VALUES[p] * VECTOR[PLACES[p]] for p in run) for run in _ENTRIES])

SUMMED = """
with T.Kernel({grid}) as b:
    x = T.alloc_shared((24,), "float32")
    s = T.alloc_fragment((1,), "float32")
    for r in T.serial({steps}):
        T.copy(X[b * {steps} + r, :], x)
        T.reduce_sum(x, s, dim=0)
{store}
"""
COUNTED = """
with T.Kernel(40{more}:
    c = T.alloc_fragment((64,), "float32")
    s = T.alloc_fragment((1,), "float32")
    for i in T.Parallel(64):
        c[i] = T.if_then_else(X[i] == b, 1, 0)
    T.reduce_sum(c, s, dim=0)
{store}
"""


def summed(grid: int, steps: int, store: str, rows: int = 64) -> Any:
    """Blocks whose loop stores the sum of a row at every step."""
    body = SUMMED.format(grid=grid, steps=steps, store=textwrap.indent(store, " " * 8))
    return kernel(f"X: T.Tensor(({rows}, 24), 'float32'), Y: T.Tensor(({rows},), 'float32')", body)


def counted(store: str, outputs: str, more: str = ") as b") -> Any:
    """Blocks that count a label each."""
    body = COUNTED.format(store=textwrap.indent(store, " " * 4), more=more)
    return kernel(f"X: T.Tensor((64,), 'int32'), {outputs}", body)


def largest() -> Any:
    """The two largest of a row and where they were, searched for one after the other."""
    return kernel(
        "X: T.Tensor((32, 6), 'float32'), Y: T.Tensor((32, 2), 'float32'),"
        " I: T.Tensor((32, 2), 'int32')",
        """with T.Kernel(32) as b:
    x = T.alloc_fragment((6,), "float32")
    T.copy(X[b, :], x)
    best = T.alloc_var("float32")
    at = T.alloc_var("int32")
    for k in T.serial(2):
        best = x[0]
        at = 0
        for j in T.serial(1, 6):
            if x[j] > best:
                best = x[j]
                at = j
        Y[b, k] = best
        I[b, k] = at
        for j in T.Parallel(6):
            if j == at:
                x[j] = -1.0
""",
    )


def sparse() -> Any:
    """A row of a sparse matrix times a vector in each block."""
    return kernel(
        "S: T.Tensor((33,), 'int32'), C: T.Tensor((32,), 'int32'), V: T.Tensor((32,), 'float32'),"
        " X: T.Tensor((32,), 'float32'), Y: T.Tensor((32,), 'float32')",
        """with T.Kernel(32) as r:
    a = T.alloc_fragment((1,), "float32")
    T.clear(a)
    for p in T.serial(S[r + 1] - S[r]):
        a[0] += V[S[r] + p] * X[C[S[r] + p]]
    Y[r] = a[0]
""",
    )


def first() -> Any:
    """Where a row is above 0 first, searched for with a flag in the place of a break."""
    return kernel(
        "X: T.Tensor((64, 24), 'float32'), Y: T.Tensor((64,), 'int32')",
        """with T.Kernel(64) as b:
    at = T.alloc_var("int32")
    found = T.alloc_var("int32")
    at = -1
    found = 0
    for j in T.serial(24):
        if found == 0 and X[b, j] > 0:
            at = j
            found = 1
    Y[b] = at
""",
    )


PAIR = """w = T.alloc_fragment((2,), "float32")
for j in T.Parallel(2):
    w[j] = T.if_then_else(j == 0, s[0], s[0] + 1)
T.copy(w, Y[b, :])"""
PAIRS = "Y: T.Tensor((40, 2), 'float32')"
Case = tuple[Callable[[], Any], dict[str, Any], dict[str, Any]]
RIGHT: dict[str, Case] = {
    "half of a tile each": (
        lambda: summed(4, 16, "Y[b * 16 + r] = s[0]"), {"X": ROWS}, {"Y": SUMS}),
    "more than is left, where it is": (
        lambda: summed(2, 32, "if b * 32 + r < 40:\n    Y[b * 32 + r] = s[0]", 40),
        {"X": ROWS[:40]}, {"Y": SUMS[:40]}),
    "more than is left": (
        lambda: summed(2, 48, "Y[b * 48 + r] = s[0]"), {"X": ROWS}, {"Y": SUMS}),
    "two of each block": (
        lambda: counted("Y[b] = s[0]\nZ[b] = b * 100003",
                        "Y: T.Tensor((40,), 'float32'), Z: T.Tensor((40,), 'int32')"),
        {"X": LABELS}, {"Y": COUNTS, "Z": np.arange(40) * 100003}),
    "columns of rows of others": (
        lambda: counted("Y[k, b] = s[0] * W[k, b]", "W: T.Tensor((3, 40), 'float32'),"
                        " Y: T.Tensor((3, 40), 'float32')", ", 3) as (b, k)"),
        {"X": LABELS, "W": WEIGHTS}, {"Y": WEIGHTS * COUNTS}),
    "rows of two": (
        largest, {"X": CHOICES},
        {"Y": -np.sort(-CHOICES, 1)[:, :2], "I": np.argsort(-CHOICES, 1)[:, :2]}),
    "where something is found": (
        first, {"X": ROWS},
        {"Y": np.where((ROWS > 0).any(1), (ROWS > 0).argmax(1), -1)}),
    "a pair that was put together": (
        lambda: counted(PAIR, PAIRS), {"X": LABELS}, {"Y": np.stack([COUNTS, COUNTS + 1], 1)}),
    "a sparse matrix": (
        sparse, {"S": STARTS, "C": PLACES, "V": VALUES, "X": VECTOR}, {"Y": PRODUCTS}),
}  # fmt: skip


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("case", RIGHT)
def test_what_is_stored_one_by_one_is_stored(case: str, device: str) -> None:
    """Every element is what NumPy says, and both devices agree with golden."""
    made, given, wanted = RIGHT[case]
    func = made()
    result = harness.compile(func, device=device).run(given)
    for name, value in wanted.items():
        np.testing.assert_array_equal(result.outputs[name], value)
    verdict = harness.check(func, device=device)
    assert verdict.passed, (verdict.reason, verdict.findings)


ALONE = "Y[b * 32 + r] = s[0]"
KEPT_APART = {
    "data say whether": "if s[0] > 0:\n    Y[b * 32 + r] = s[0]",
    "some of them": "if b * 32 + r < 60:\n    Y[b * 32 + r] = s[0]",
    "every other step": "if r % 2 == 0:\n    Y[b * 32 + r] = s[0]",
    "every other element": "Y[b * 2 + r * 2] = s[0]",
    "backwards": "Y[b * 32 + 31 - r] = s[0]",
    "two at a step": f"{ALONE}\nY[63 - b * 32 - r] = s[0]",
    "one or the other": f"if s[0] > 0:\n    {ALONE}\nelse:\n    Y[b * 32 + r] = 1.0",
    "one for all": "Y[b] = s[0]",
    "read before": "Y[b * 32 + r] = s[0] + Y[b * 32 + r]",
    "read after": f"{ALONE}\ns[0] = Y[b * 32]",
    "what others are placed by": f"{ALONE}\nT.copy(X[T.cast(Y[b], 'int32'), :], x)",
    "where data say": "Y[T.cast(s[0], 'int32') + r] = s[0]",
    "beside the beginning of a row": "Y[b * 32 + r + 3] = s[0]",
    "several times": "for n in T.serial(2):\n    Y[b * 32 + r] = s[0] + n",
}


@pytest.mark.parametrize("store", KEPT_APART.values(), ids=KEPT_APART)
def test_what_is_no_run_of_steps_is_not_collected(store: str) -> None:
    """Copied behind the loop it would leave other values, or undo what a condition leaves."""
    func = summed(2, 32, store)
    assert collected(func).same_as(func)


@pytest.mark.parametrize("store", [ALONE, f"if b * 32 + r < 64:\n    {ALONE}"])
def test_runs_of_steps_are_collected(store: str) -> None:
    """What tells the others apart is what they store, and nothing around it."""
    func = summed(2, 32, store)
    assert not collected(func).same_as(func)


ONE = "Y: T.Tensor((40,), 'float32')"
REFUSED = {
    "the same elements": (lambda: summed(3, 16, "Y[r] = s[0]"), "OverlappingWrites"),
    "tiles of others": (lambda: summed(2, 32, "Y[b * 32 + r + 16] = s[0]", 96),
                        "OverlappingWrites"),
    "less than there is": (lambda: counted("Y[b] = s[0]", "Y: T.Tensor((64,), 'float32')"),
                           "UnalignedBlock"),
    "every other block": (lambda: counted("if b % 2 == 0:\n    Y[b] = s[0]", ONE),
                          "UnalignedBlock"),
    "added to": (lambda: counted("Y[b] = Y[b] + s[0]", ONE), "UnalignedBlock"),
    "a pair": (lambda: counted("Y[b, 0] = s[0]\nY[b, 1] = s[0] + 1", PAIRS), "UnalignedBlock"),
    "twice": (lambda: counted("Y[b] = s[0]\nY[b] = s[0] * 2", ONE), "UnalignedBlock"),
    "backwards": (lambda: counted("Y[39 - b] = s[0]", ONE), "UnalignedBlock"),
    "what data choose": (lambda: summed(2, 32, KEPT_APART["data say whether"]), "DataDependent"),
}  # fmt: skip


@pytest.mark.parametrize(("made", "code"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_collected_is_refused(made: Callable[[], Any], code: str) -> None:
    """No core writes tiles of another's, and no element is lost that a block leaves as it was."""
    with pytest.raises(CompileError) as refused:
        harness.compile(made())
    assert refused.value.code == code
