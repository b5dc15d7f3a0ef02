"""Functions made of others, blocks turned, tensors filled, loops that count down or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import LanguageError
from simulator.run import execute
from tests.e2e.test_moved_elements import DEVICES, kernel

TENSORS = "X: T.Tensor((64, 96), 'float32'), Y: T.Tensor((64, 96), 'float32')"
BODY = """
with T.Kernel(2) as b:
    x = T.alloc_fragment((32, 96), "float32")
    T.copy(X[b * 32, 0], x)
    {body}
    T.copy(x, Y[b * 32, 0])
"""
EACH = "for i, j in T.Parallel(32, 96):\n        x[i, j] = {value}"


def _passes(func: Any, device: str = "wormhole_n150") -> None:
    for oracle in ("auto", "llvm"):
        verdict = harness.check(func, device=device, oracle=oracle)
        assert verdict.passed, (oracle, verdict.reason, verdict.findings)


@pytest.mark.parametrize(("name", "meaning"), [
    ("exp10", lambda x: 10.0**x), ("__exp10", lambda x: 10.0**x), ("tan", np.tan),
    ("__tan", np.tan), ("sinh", np.sinh), ("cosh", np.cosh), ("trunc", np.trunc),
])  # fmt: skip
def test_functions_mean_what_their_names_say(name: str, meaning: Any) -> None:
    """Composed of what there is, the answer is NumPy's; golden alone would take any composition."""
    body = EACH.format(value=f"T.{name}(x[i, j])")
    func = kernel(TENSORS, BODY.format(body=body))
    given = np.linspace(-1.4, 1.4, 64 * 96, dtype=np.float32).reshape(64, 96)
    given = given * 3 if name == "trunc" else given
    made = harness.compile(func)
    found = execute(made.plan, made.programs, {"X": given}).outputs["Y"]
    np.testing.assert_allclose(found, meaning(given.astype(np.float64)), rtol=2e-2, atol=2e-2)
    _passes(func)


@pytest.mark.parametrize("name", ["log10", "__log10"])
def test_logarithms_to_ten(name: str) -> None:
    """Of positive numbers, as NumPy has it."""
    func = kernel(TENSORS, BODY.format(body=EACH.format(value=f"T.{name}(T.abs(x[i, j]) + 0.5)")))
    given = np.linspace(0, 900, 64 * 96, dtype=np.float32).reshape(64, 96)
    made = harness.compile(func)
    found = execute(made.plan, made.programs, {"X": given}).outputs["Y"]
    np.testing.assert_allclose(found, np.log10(given + 0.5), rtol=1e-2, atol=1e-2)
    _passes(func)


def test_trunc_of_a_number_is_a_number() -> None:
    """Sizes and constants are computed where the kernel is read."""
    body = EACH.format(value="x[i, j] * T.trunc(-2.75)")
    made = harness.compile(kernel(TENSORS, BODY.format(body=body)))
    given = np.ones((64, 96), np.float32)
    answer = execute(made.plan, made.programs, {"X": given}).outputs["Y"]
    np.testing.assert_array_equal(answer, -2 * given)


@pytest.mark.parametrize("device", DEVICES)
def test_blocks_are_turned(device: str) -> None:
    """T.transpose of a block, of part of one, and into another dtype."""
    func = kernel(
        "X: T.Tensor((64, 96), 'float32'), Y: T.Tensor((96, 64), 'float32'),"
        " Z: T.Tensor((64, 64), 'bfloat16')",
        """
with T.Kernel(2) as b:
    x = T.alloc_shared((32, 96), "float32")
    y = T.alloc_shared((96, 32), "float32")
    z = T.alloc_shared((64, 32), "bfloat16")
    T.copy(X[b * 32, 0], x)
    T.transpose(x, y)
    T.transpose(x[:, 32:96], z)
    T.copy(y, Y[0, b * 32])
    T.copy(z, Z[0, b * 32])
""",
    )
    _passes(func, device)


def test_blocks_of_one_shape_are_not_turned_into_each_other() -> None:
    """The destination has the rows that the source has columns."""
    with pytest.raises(LanguageError, match="transpose from shape"):
        kernel(TENSORS, BODY.format(body="T.transpose(x, x)"))


@pytest.mark.parametrize("device", DEVICES)
def test_tensors_are_filled(device: str) -> None:
    """T.clear and T.fill of a tensor, or of what a block writes of it."""
    func = kernel(
        "X: T.Tensor((50, 96), 'float32'), Y: T.Tensor((50, 96), 'bfloat16'),"
        " Z: T.Tensor((50,), 'float32')",
        """
with T.Kernel(2) as b:
    x = T.alloc_shared((32, 96), "float32")
    T.copy(X[b * 32, 0], x)
    if b == 0:
        T.clear(Y[b * 32 : b * 32 + 32, 0:96])
    else:
        T.copy(x, Y[b * 32, 0])
    T.fill(Z[b * 32 : b * 32 + 32], 1.5)
""",
    )
    _passes(func, device)


@pytest.mark.parametrize(("loop", "visited"), [
    ("range(6, -1, -3)", [6, 3, 0]), ("T.serial(7, 2, -2)", [7, 5, 3]), ("range(5, 3)", []),
    ("T.Pipelined(4, 2)", []), ("range(3, 5, -1)", []), ("range(b, 3, 2)", None),
])  # fmt: skip
def test_loops_count_as_python_does(loop: str, visited: list[int] | None) -> None:
    """Down, and not at all where the end comes first."""
    body = f"for k in {loop}:\n        " + EACH.format(value="x[i, j] * 2 + k").replace(
        "\n", "\n    "
    )
    func = kernel(TENSORS, BODY.format(body=body))
    _passes(func)
    if visited is None:
        return
    given = np.arange(64 * 96, dtype=np.float32).reshape(64, 96) % 7
    wanted = given.copy()
    for k in visited:
        wanted = wanted * 2 + k
    made = harness.compile(func)
    answer = execute(made.plan, made.programs, {"X": given}).outputs["Y"]
    np.testing.assert_array_equal(answer, wanted)


def test_a_product_that_is_never_summed_is_zero() -> None:
    """A loop over K without an iteration has a plan like any other."""
    func = kernel(
        "A: T.Tensor((64, 64), 'bfloat16'), B: T.Tensor((64, 64), 'bfloat16'),"
        " C: T.Tensor((64, 64), 'float32')",
        """
with T.Kernel(2, 2) as (bx, by):
    a = T.alloc_shared((32, 32), "bfloat16")
    b = T.alloc_shared((32, 32), "bfloat16")
    c = T.alloc_fragment((32, 32), "float32")
    T.clear(c)
    for k in T.Pipelined(2, 1):
        T.copy(A[by * 32, k * 32], a)
        T.copy(B[k * 32, bx * 32], b)
        T.gemm(a, b, c)
    T.copy(c, C[by * 32, bx * 32])
""",
    )
    _passes(func)


@pytest.mark.parametrize(("body", "why"), [
    ("for k in range(0, 4, 0):\n        T.clear(x)", "is not a constant other than 0"),
    (EACH.format(value="x[i, j] // 2.0"), "whole numbers"),
    ("for i in T.Parallel(32):\n        x[i, 0], x[i, 1] = x[i, 1], x[i, 0]", "in a tuple"),
])  # fmt: skip
def test_refusals_say_what_to_write(body: str, why: str) -> None:
    """At the line, in words of the language and not of what it is built on."""
    with pytest.raises(LanguageError, match=why) as caught:
        kernel(TENSORS, BODY.format(body=body))
    assert caught.value.location is not None
    assert caught.value.next_step is not None
