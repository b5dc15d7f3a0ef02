"""A wrong answer decodes to a sentence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from golden import judge
from golden.exact_inputs import exact_inputs
from golden.explain import explain
from harness.kernels.gemm import matmul
from tests.golden.kernels import copy

Doubles = npt.NDArray[np.float64]


def part(a: Doubles, b: Doubles, row: int, k: int, column: int) -> Doubles:
    """The contribution of one K tile to one output tile."""
    inner = slice(32 * k, 32 * k + 32)
    rows, columns = slice(32 * row, 32 * row + 32), slice(32 * column, 32 * column + 32)
    return np.asarray(a[rows, inner] @ b[inner, columns])


FAULTS: list[tuple[str, Callable[[Doubles, Doubles, Doubles], Doubles]]] = [
    ("C[1,2] is zero", lambda _a, _b, c: np.zeros_like(c)),
    ("C[1,2] never took A[1,0]·B[0,2]", lambda a, b, c: c - part(a, b, 1, 0, 2)),
    ("C[1,2] took A[1,2]·B[2,2] twice", lambda a, b, c: c + part(a, b, 1, 2, 2)),
    (
        "C[1,2] took A[1,1]·B[1,2] twice and never A[1,2]·B[2,2]",
        lambda a, b, c: c + part(a, b, 1, 1, 2) - part(a, b, 1, 2, 2),
    ),
    (
        "C[1,2] took A[1,3] in place of A[1,0]",
        lambda a, b, c: c - part(a, b, 1, 0, 2) + a[32:64, 96:128] @ b[0:32, 64:96],
    ),
    ("C[1,2] holds what belongs into C[0,1]", lambda a, b, _c: a[0:32] @ b[:, 32:64]),
    ("C[1,2] is right but transposed", lambda _a, _b, c: c.T),
    (
        "C[1,2] holds only k = 2..3: the accumulator was lost before",
        lambda a, b, _c: part(a, b, 1, 2, 2) + part(a, b, 1, 3, 2),
    ),
    (
        "C[1,2] has C[0,0] added: an accumulator was not cleared",
        lambda a, b, c: c + a[0:32] @ b[:, 0:32],
    ),
]


@pytest.mark.parametrize(("sentence", "fault"), FAULTS, ids=[f[0] for f in FAULTS])
def test_faults_of_a_product(
    sentence: str, fault: Callable[[Doubles, Doubles, Doubles], Doubles]
) -> None:
    """Protects the explanation a person reads first when a tile is wrong."""
    func = matmul(64, 96, 128, 32, 32, 32, out_dtype="float32")
    drawn = exact_inputs(func, seed=3)
    a, b = (drawn.inputs[n].astype(np.float64) for n in "AB")
    actual = drawn.golden.outputs["C"].answer.value.copy()
    actual[32:64, 64:96] = fault(a, b, actual[32:64, 64:96])
    judgement = judge({"C": actual}, drawn.golden)
    assert explain(func, drawn.inputs, {"C": actual}, drawn.golden, judgement) == (sentence,)


def test_a_copy_that_took_another_tile() -> None:
    """Protects the explanation of copies: which tile was taken instead of which."""
    func = copy((64, 96), (32, 32))
    drawn = exact_inputs(func, seed=3)
    actual = drawn.inputs["A"].astype(np.float64)
    actual[32:64, 64:96] = actual[0:32, 32:64]
    judgement = judge({"C": actual}, drawn.golden)
    (sentence,) = explain(func, drawn.inputs, {"C": actual}, drawn.golden, judgement)
    assert sentence == "C[1,2] holds what belongs into C[0,1]"


def test_nothing_is_said_about_noise() -> None:
    """Keeps a decoder from inventing a story."""
    func = matmul(64, 96, 64, 32, 32, 32, out_dtype="float32")
    drawn = exact_inputs(func, seed=3)
    actual = drawn.golden.outputs["C"].answer.value.copy()
    actual[0:32, 0:32] += np.random.default_rng(0).integers(1, 9, (32, 32))
    judgement = judge({"C": actual}, drawn.golden)
    assert explain(func, drawn.inputs, {"C": actual}, drawn.golden, judgement) == ()
