"""``x ** y``, T.fma, T.isinf, T.isfinite, T.isnan, and what stands for T.cummax."""

from __future__ import annotations

import numpy as np
import pytest

import harness
from harness.errors import LanguageError
from tests.e2e.test_moved_elements import DEVICES, kernel, numbers, right

POWERS = {"x ** 2": 2, "x ** -1": -1, "x ** 0.5": 0.5, "x ** -0.5": -0.5, "x ** 1.5": 1.5,
          "x ** 3.0": 3}  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
def test_powers(device: str) -> None:
    """Products, roots, reciprocals and powers at large, of x, of two, and of x by another."""
    stores = [f"Y[{n}, i, j] = {text.replace('x', 'X[i, j]')}" for n, text in enumerate(POWERS)]
    stores += ["Y[6, i, j] = 2 ** X[i, j]", "Y[7, i, j] = X[i, j] ** Z[i, j]",
               "Y[8, i, j] = T.fma(X[i, j], Z[i, j], 1.0)"]  # fmt: skip
    func = kernel("X: T.Tensor((32, 32), 'float32'), Z: T.Tensor((32, 32), 'float32'),"
                  " Y: T.Tensor((9, 32, 32), 'float32')",
                  "with T.Kernel(1) as _:\n    for i, j in T.Parallel(32, 32):\n        "
                  + "\n        ".join(stores))  # fmt: skip
    x, z = np.random.default_rng(1).uniform(0.5, 3.0, (2, 32, 32)).astype(np.float32)
    made = harness.compile(func, device=device)
    wanted = [*(x**y for y in POWERS.values()), 2**x, x**z, x * z + 1]
    np.testing.assert_allclose(made.run({"X": x, "Z": z}).outputs["Y"], wanted, rtol=2e-5)
    verdict = harness.check(made, {"X": x, "Z": z})
    assert verdict.passed, (verdict.reason, verdict.findings)
    assert harness.check(made, {"X": -x, "Z": z}).passed  # where no power at large is defined


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_said_for_running_maxima(device: str) -> None:
    """What the refusal of T.cummax says to write lowers, and is what it says."""
    steps, (a, b) = "", "xy"
    for k in (1, 2, 4, 8, 16, 32):
        steps += f"""
    for i, j in T.Parallel(32, 48):
        {b}[i, j] = T.if_then_else(j >= {k}, T.max({a}[i, j], {a}[i, j - {k}]), {a}[i, j])"""
        a, b = b, a
    func = kernel("X: T.Tensor((32, 48), 'float32'), Y: T.Tensor((32, 48), 'float32')", f"""
with T.Kernel(1) as _:
    x = T.alloc_fragment((32, 48), "float32")
    y = T.alloc_fragment((32, 48), "float32")
    T.copy(X, x){steps}
    T.copy({a}, Y)
""")  # fmt: skip
    x = numbers(32, 48)
    right(func, device, {"X": x}, {"Y": np.maximum.accumulate(x, 1)})


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_infinities_are_found(dtype: str, device: str) -> None:
    """Both infinities, not the largest numbers, and of NaN neither."""
    func = kernel(f"X: T.Tensor((32, 32), '{dtype}'), Y: T.Tensor((32, 32), 'float32')", """
with T.Kernel(1) as _:
    for i, j in T.Parallel(32, 32):
        Y[i, j] = (T.if_then_else(T.isinf(X[i, j]), 1.0, 0.0)
                   + T.if_then_else(T.isfinite(X[i, j]), 2.0, 0.0))
""")  # fmt: skip
    x = numbers(32, 32)
    x[0, :6] = np.inf, -np.inf, 3.38e38, -3.38e38, np.nan, 0
    made = harness.compile(func, device=device)
    wanted = np.isinf(x) + 2 * np.isfinite(x)
    np.testing.assert_array_equal(made.run({"X": x}).outputs["Y"], wanted)
    assert harness.check(made, {"X": x}).passed


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_only_nan_is_unlike_itself(dtype: str, device: str) -> None:
    """NaN is told from infinities, whose difference with themselves is NaN too."""
    func = kernel(f"X: T.Tensor((32, 32), '{dtype}'), Y: T.Tensor((32, 32), 'float32')", """
with T.Kernel(1) as _:
    for i, j in T.Parallel(32, 32):
        Y[i, j] = (T.if_then_else(T.isnan(X[i, j]), 1.0, 0.0)
                   + T.if_then_else(X[i, j] == X[i, j], 2.0, 0.0)
                   + T.if_then_else(X[i, j] >= X[i, j], 4.0, 0.0)
                   + T.if_then_else(X[i, j] < X[i, j], 8.0, 0.0))
""")  # fmt: skip
    x = numbers(32, 32)
    x[0, :6] = np.inf, -np.inf, np.nan, -np.nan, 3.38e38, 0
    made = harness.compile(func, device=device)
    np.testing.assert_array_equal(made.run({"X": x}).outputs["Y"], np.where(np.isnan(x), 1, 6))
    assert harness.check(made, {"X": x}).passed
    assert harness.check(made).passed


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_infinities_of_two_blocks_are_compared(dtype: str, device: str) -> None:
    """One infinity equals itself wherever it is from, and no other number; NaN equals nothing."""
    tests = {"==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal,
             ">": np.greater, ">=": np.greater_equal}  # fmt: skip
    value = " + ".join(f"T.if_then_else(X[i, j] {op} Z[i, j], {2.0**at}, 0.0)"
                       for at, op in enumerate(tests))  # fmt: skip
    func = kernel(f"X: T.Tensor((32, 32), '{dtype}'), Z: T.Tensor((32, 32), '{dtype}'),"
                  " Y: T.Tensor((32, 32), 'float32')", f"""
with T.Kernel(1) as _:
    for i, j in T.Parallel(32, 32):
        Y[i, j] = {value}
""")  # fmt: skip
    some = np.array([np.inf, -np.inf, np.nan, 3.38e38, -3.38e38, 0, 1, -1], np.float32)
    x, z = np.tile(some, (32, 4)), np.tile(some[:, None], (4, 32))
    made = harness.compile(func, device=device)
    wanted = sum(2**at * compare(x, z) for at, compare in enumerate(tests.values()))
    np.testing.assert_array_equal(made.run({"X": x, "Z": z}).outputs["Y"], wanted)
    assert harness.check(made, {"X": x, "Z": z}).passed
    assert harness.check(made).passed


def test_numbers_known_to_a_bound_are_like_themselves() -> None:
    """Golden decides what is NaN of computed numbers too, however far off the device may be."""
    func = kernel("X: T.Tensor((32, 32), 'float32'), Y: T.Tensor((32, 32), 'float32')", """
with T.Kernel(1) as _:
    x = T.alloc_fragment((32, 32), "float32")
    for i, j in T.Parallel(32, 32):
        x[i, j] = T.exp(X[i, j]) * 3.0
    for i, j in T.Parallel(32, 32):
        Y[i, j] = T.if_then_else(T.isnan(x[i, j]), 0.0, x[i, j])
""")  # fmt: skip
    verdict = harness.check(func)
    assert (verdict.passed, verdict.oracle) == (True, "bound"), verdict


def test_an_unknown_argument_is_named_with_those_there_are() -> None:
    """A keyword nothing is known about is refused by name, beside those that are passed over."""
    with pytest.raises(LanguageError, match=r"T.gemm has no argument 'valid_m'.*k_pack"):
        kernel("X: T.Tensor((32, 32), 'bfloat16'), Y: T.Tensor((32, 32), 'float32')", """
with T.Kernel(1) as _:
    x = T.alloc_shared((32, 32), "bfloat16")
    y = T.alloc_fragment((32, 32), "float32")
    T.copy(X, x)
    T.gemm(x, x, y, clear_accum=True, valid_m=12)
    T.copy(y, Y)
""")  # fmt: skip
