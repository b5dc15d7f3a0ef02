"""What a store under a condition leaves alone, as golden sees and judges it."""

from __future__ import annotations

import numpy as np
import pytest

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
