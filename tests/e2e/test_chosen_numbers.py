"""Conditions on data outside T.Parallel around scalars, elements and rows: choices of values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import HarnessError
from harness.fuzz.stages import validate

N = 9


@T.prim_func
def _by_elements(
    X: T.Tensor((32, N), "bfloat16"), V: T.Tensor((32,), "float32"), P: T.Tensor((32,), "int32"),
):  # fmt: skip
    """The first largest element of a row, and where it is."""
    with T.Kernel(32) as b:
        top = T.alloc_var("float32")
        at = T.alloc_var("int32")
        top = -3e38
        at = 0
        for j in T.serial(N):
            if X[b, j] > top:
                top = X[b, j]
                at = j
        V[b] = top
        P[b] = at


@T.prim_func
def _by_sides(
    X: T.Tensor((32, N), "bfloat16"), V: T.Tensor((32,), "float32"), P: T.Tensor((32,), "int32"),
):  # fmt: skip
    """Sides, conditions within conditions, indices beside data; counts that go down as well."""
    with T.Kernel(32) as b:
        x = T.alloc_shared((N,), "bfloat16")
        total = T.alloc_local((1,), "float32")
        low = T.alloc_var("float32")
        count = T.alloc_var("int32")
        T.copy(X[b, :], x)
        total[0] = 0.0
        low = 0.0
        count = 0
        for j in T.serial(N):
            if x[j] > 0 and j % 2 == 0:
                total[0] += x[j]
                count = count + 2
            elif x[j] < -1:
                if count > 3:
                    low = low + x[j]
                count -= 1
        if total[0] > 4:
            V[b] = total[0]
        else:
            V[b] = low
        P[b] = count


@T.prim_func
def _by_rows(
    X: T.Tensor((32, N), "bfloat16"), V: T.Tensor((32, N), "bfloat16"), P: T.Tensor((32,), "int32"),
):  # fmt: skip
    """Rows changed where their sum is large, and what is larger than before twice."""
    with T.Kernel(32) as b:
        x = T.alloc_fragment((N,), "float32")
        s = T.alloc_fragment((1,), "float32")
        T.copy(X[b, :], x)
        T.reduce_sum(x, s, dim=0)
        many = T.alloc_var("int32")
        many = 1
        if s[0] > 3:
            for j in T.Parallel(N):
                x[j] = x[j] - 1
            many = 2
        T.copy(x, V[b, :])
        P[b] = many


def _largest(x: Any) -> tuple[Any, Any]:
    return x.max(1), x.argmax(1)


def _sorted_out(x: Any) -> tuple[Any, Any]:
    values, counts = [], []
    for row in x:
        total = low = 0.0
        count = 0
        for j, v in enumerate(row):
            if v > 0 and j % 2 == 0:
                total, count = total + v, count + 2
            elif v < -1:
                low, count = low + (v if count > 3 else 0.0), count - 1
        values.append(total if total > 4 else low)
        counts.append(count)
    return np.array(values), np.array(counts)


def _scaled_down(x: Any) -> tuple[Any, Any]:
    large = x.sum(1) > 3
    return x - large[:, None], 1 + large


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize(
    ("kernel", "expected"),
    [(_by_elements, _largest), (_by_sides, _sorted_out), (_by_rows, _scaled_down)],
)
def test_data_choose_between_values(kernel: Any, expected: Any, device: str) -> None:
    """Each side's stores have their values where it is taken, however the stores hang together."""
    x = np.random.default_rng(0).integers(-5, 6, (32, N)).astype(np.float32)
    made = harness.compile(kernel, device=device)
    outputs = made.run({"X": x}).outputs
    for name, values in zip("VP", expected(x), strict=True):
        np.testing.assert_array_equal(np.asarray(outputs[name], np.float64), values)
    if device == "wormhole_n150":  # golden, LLVM, and what each pass left say the same
        assert harness.check(kernel, oracle="llvm").passed
        assert validate(made, 0).name == ""


@pytest.mark.parametrize("kind", ["random", "special"])
def test_conditions_that_bounds_leave_open_are_judged(kind: str) -> None:
    """Where golden cannot tell which side is taken, either is right, and nothing raises."""
    assert harness.check(_by_sides, input_kind=kind).passed


def test_numbers_that_data_choose_place_nothing() -> None:
    """A number chosen by data is refused where it is chosen, for what it is used for."""

    @T.prim_func
    def main(X: T.Tensor((32, N), "bfloat16"), Y: T.Tensor((32, 64), "bfloat16")):
        with T.Kernel(1) as _:
            top = T.alloc_var("float32")
            at = T.alloc_var("int32")
            top = 0.0
            at = 0
            for j in T.serial(N):
                if X[0, j] > top:
                    top = X[0, j]
                    at = j
            for j in T.Parallel(64):
                Y[at, j] = 1.0

    with pytest.raises(HarnessError, match="data decide what 'at' is") as refused:
        harness.compile(main)
    assert refused.value.code == "DataDependent"


def test_rows_scaled_by_what_two_axes_number() -> None:
    """Blocks along an axis are not joined where each stores all of a block that has no row each."""

    @T.prim_func
    def main(
        X: T.Tensor((32, 9), "float32"), W: T.Tensor((3, 32), "float32"),
        Y: T.Tensor((3, 32), "float32"),
    ):  # fmt: skip
        with T.Kernel(32, 3) as (b, h):
            x = T.alloc_fragment((9,), "float32")
            s = T.alloc_fragment((1,), "float32")
            for j in T.Parallel(9):
                x[j] = X[b, j] * W[h, b]
            T.reduce_sum(x, s, dim=0)
            Y[h, b] = s[0]

    assert harness.check(main).passed
