"""Sums of products to which perhaps nothing is added: zeros, and not what DST held."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import CompileError
from simulator.run import execute
from tests.harness.compiler import samples

SOURCE = """
@T.prim_func
def main(X: T.Tensor((3, 64, 128), "{operand}"), W: T.Tensor((128, 64), "{operand}"),
         Y: T.Tensor((3, 64, 64), "{sum}")):
    with T.Kernel(2, 2, 3) as (bx, by, bz):
        x = T.alloc_shared((32, 32), "{operand}")
        w = T.alloc_shared((32, 32), "{operand}")
        y = T.alloc_fragment((32, 32), "{sum}")
        T.clear(y)
        for k in T.Pipelined({steps}, num_stages=2):
            T.copy(X[bz, by * 32, k * 32], x)
            T.copy(W[k * 32, bx * 32], w)
            T.gemm(x, w, y)
        T.copy(y, Y[bz, by * 32, bx * 32])
"""


def source(steps: str, operand: str = "bfloat16", total: str = "float32") -> Any:
    """A product of as many blocks as ``steps`` says, of block ``bz``."""
    return samples.from_text(SOURCE.format(steps=steps, operand=operand, sum=total), "main")


@pytest.mark.parametrize("options", [{}, {"grid": (1, 1)}, {"fp32_dest": False}])
def test_a_loop_of_no_products_leaves_zeros(options: dict[str, Any]) -> None:
    """The first blocks have no product: their sums are zero, others follow in the same DST."""
    made = harness.compile(source("bz"), **options)
    rng = np.random.default_rng(0)
    X, W = (rng.integers(-2, 3, shape).astype(np.float32) for shape in ((3, 64, 128), (128, 64)))
    result = execute(made.plan, made.programs, {"X": X, "W": W})
    assert result.findings == ()
    wanted = [X[b, :, : 32 * b] @ W[: 32 * b] for b in range(3)]
    assert (result.outputs["Y"] == np.stack(wanted)).all()


@pytest.mark.parametrize("steps", ["4", "bz + 1"])
def test_a_loop_that_surely_runs_fills_nothing(steps: str) -> None:
    """Where DST is zero by itself, nothing is spent on it."""
    compute = next(p for p in harness.compile(source(steps)).programs.programs
                   if p.thread == "compute")  # fmt: skip
    assert "fill_tile" not in str(compute.body)
    compute = next(p for p in harness.compile(source("bz")).programs.programs
                   if p.thread == "compute")  # fmt: skip
    assert "fill_tile" in str(compute.body)


POWER = """
@T.prim_func
def main(A: T.Tensor((40, 40), "float32"), O: T.Tensor((40, 40), "float32")):
    with T.Kernel(1):
        a = T.alloc_shared((40, 40), "float32")
        r = T.alloc_shared((40, 40), "float32")
        acc = T.alloc_fragment((40, 40), "float32")
        T.copy(A, a)
        T.copy(A, r)
        for p in T.serial({turns}):
            T.clear(acc)
            T.gemm(r, a, acc)
            T.copy(acc, r)
        T.copy(r, O)
"""


@pytest.mark.parametrize("turns", [0, 1])
def test_a_loop_that_never_runs_asks_for_nothing(turns: int) -> None:
    """A power of one is the matrix itself: what the products would need is not filled."""
    kernel = samples.from_text(POWER.format(turns=turns), "main")
    assert harness.check(kernel).passed
    a = np.random.default_rng(0).integers(-2, 3, (40, 40)).astype(np.float32)
    found = harness.compile(kernel).run({"A": a}).outputs["O"]
    np.testing.assert_array_equal(found, a @ a if turns else a)


def test_integers_without_a_product_are_refused() -> None:
    """Nothing fills integers in DST with zeros."""
    with pytest.raises(CompileError, match="may have no iteration") as caught:
        harness.compile(source("bz", "int8", "int32"), fidelity="HiFi4")
    assert caught.value.code == "UnsupportedDtype"
