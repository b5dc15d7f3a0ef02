"""What a store under a condition leaves alone, as golden sees and judges it."""

from __future__ import annotations

import numpy as np
import pytest

import harness.language as T
from golden import evaluate, judge
from golden.source import read_kernel
from tests.e2e import control_kernels as k


@pytest.mark.parametrize(("make", "inputs"), [
    (k.guarded, ("A",)), (k.kept_in_memory, ("A", "C")), (k.masked_vector, ("A",)),
    (k.masked_update, ("A",)),
])  # fmt: skip
@pytest.mark.parametrize("size", [(64, 96), (50, 70)])
def test_a_tensor_is_read_where_elements_of_it_are_kept(
    make: object, inputs: tuple[str, ...], size: tuple[int, int]
) -> None:
    """Roles follow from what is kept: a guard of the tensor's end, or a store either way, not."""
    func, _ = make(*size)  # type: ignore[operator]
    assert read_kernel(func).inputs == inputs


def test_what_is_kept_must_still_be_there() -> None:
    """Writing a kept element back is right, changing it is wrong, whoever says it was written."""
    func, reference = k.kept_in_memory(50, 70)
    rng = np.random.default_rng(0)
    arrays = {n: rng.integers(-4, 5, (50, 70)).astype(np.float32) for n in ("A", "C")}
    golden = evaluate(func, arrays)
    right = reference(arrays["A"], arrays["C"])
    everywhere = {"C": np.ones((50, 70), bool)}
    assert judge({"C": right}, golden, written=everywhere).passed
    wrong = right.copy()
    wrong[tuple(np.argwhere(arrays["A"] <= 0)[0])] += 1
    assert not judge({"C": wrong}, golden, written=everywhere).passed


def near_a_threshold(pattern: str) -> object:
    """A kernel whose condition rounding may decide either way where A is 3."""

    @T.prim_func
    def either(A: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            for i, j in T.Parallel(32, 32):
                if A[i, j] / 10.0 > 0.3:
                    C[i, j] = 1.0
                elif i == 5:
                    C[i, j] = 5.0
                else:
                    C[i, j] = -1.0

    @T.prim_func
    def update(A: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32")):
        with T.Kernel(1):
            s = T.alloc_fragment((32, 32), "float32")
            T.fill(s, -1.0)
            for i, j in T.Parallel(32, 32):
                if A[i, j] / 10.0 > 0.3:
                    s[i, j] = 1.0
            T.copy(s, C)

    return {"either": either, "update": update}[pattern]


@pytest.mark.parametrize("pattern", ["either", "update"])
def test_a_mask_near_a_threshold_may_go_either_way(pattern: str) -> None:
    """Where rounding decides a mask, both answers are right and nothing between them is."""
    a = np.full((32, 32), 7.0, np.float32)
    a[2, 3], a[4, 4] = 3.0, 1.0
    golden = evaluate(near_a_threshold(pattern), {"A": a})
    right = np.ones((32, 32), np.float32)
    right[4, 4] = -1.0
    for value, passed in ((1.0, True), (-1.0, True), (0.0, False), (5.0, False)):
        right[2, 3] = value
        assert judge({"C": right}, golden).passed is passed
    right[2, 3], right[4, 4] = 1.0, 1.0
    assert not judge({"C": right}, golden).passed
