"""Blocks have no order: what depends on one has no answer, whatever statements it happens in."""

# mypy: disable-error-code="operator,attr-defined"
# Kernels are read by the TVMScript parser, not called.
from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import harness.language as T
from golden import GoldenError, evaluate
from harness.kernels.elementwise import add
from harness.kernels.gemm import matmul

module = importlib.import_module("golden.interpret.evaluate")


def twice(points: bool) -> Any:
    """Each block writes its rows, and then the other's: by regions, or one element at a time."""

    @T.prim_func
    def main(A: T.Tensor((64, 32), "float32"), C: T.Tensor((64, 32), "float32")):
        with T.Kernel(2) as bx:
            a = T.alloc_shared((32, 32), "float32")
            T.copy(A[bx * 32, 0], a)
            T.copy(a, C[bx * 32, 0])
            if points:
                for i, j in T.Parallel(32, 32):
                    C[(1 - bx) * 32 + i, j] = a[i, j]
            else:
                T.copy(a, C[(1 - bx) * 32, 0])

    return main


def reads_on(points: bool) -> Any:
    """Each block writes its rows, and then reads the other's."""

    @T.prim_func
    def main(A: T.Tensor((64, 32), "float32"), C: T.Tensor((64, 32), "float32"),
             D: T.Tensor((64, 32), "float32")):  # fmt: skip
        with T.Kernel(2) as bx:
            a = T.alloc_shared((32, 32), "float32")
            T.copy(A[bx * 32, 0], a)
            T.copy(a, C[bx * 32, 0])
            if points:
                for i, j in T.Parallel(32, 32):
                    a[i, j] = C[(1 - bx) * 32 + i, j]
            else:
                T.copy(C[(1 - bx) * 32, 0], a)
            T.copy(a, D[bx * 32, 0])

    return main


def beyond(points: bool) -> Any:
    """What is written past the edge is dropped, and what is read there afterwards is zero."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), C: T.Tensor((40, 32), "float32"),
             D: T.Tensor((32, 32), "float32")):  # fmt: skip
        with T.Kernel(1) as bx:
            a = T.alloc_shared((32, 32), "float32")
            T.copy(A[bx * 32, 0], a)
            if points:
                for i, j in T.Parallel(32, 32):
                    C[16 + i, j] = a[i, j]
            else:
                T.copy(a, C[16, 0])
            T.copy(C[24, 0], a)
            T.copy(a, D)

    return main


@pytest.fixture(params=[None, 1], ids=["together", "one by one"])
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks evaluated together, and each by itself."""
    if request.param is not None:
        monkeypatch.setattr(module, "_CHUNK_ELEMENTS", request.param)


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("points", [False, True])
@pytest.mark.parametrize("kernel", [twice, reads_on])
def test_one_block_does_not_meet_another(kernel: Any, points: bool) -> None:
    """Written twice with different values, or read where another block writes."""
    rows = np.arange(64.0)[:, None] * np.ones(32)
    with pytest.raises(GoldenError) as caught:
        evaluate(kernel(points), {"A": rows})
    assert caught.value.code == "SourceRace"
    if kernel is twice:
        assert evaluate(kernel(points), {"A": np.ones((64, 32))}).is_exact


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("points", [False, True])
def test_what_lies_beyond_the_edge_stays_zero(points: bool) -> None:
    """Nothing is kept where a tensor is not."""
    found = evaluate(beyond(points), {"A": np.ones((32, 32))}).outputs
    assert (found["C"].answer.value[16:] == 1).all()
    assert found["C"].written[16:].all()
    assert not found["C"].written[:16].any()
    assert (found["D"].answer.value[:16] == 1).all()
    assert (found["D"].answer.value[16:] == 0).all()


@pytest.mark.parametrize(
    "func", [add(M=50, N=70, block_M=32, block_N=32),
             matmul(M=50, N=70, K=40, block_M=32, block_N=32, block_K=32)]
)  # fmt: skip
def test_blocks_evaluated_one_by_one_give_the_same(
    func: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values, bounds and what is written do not depend on how many blocks are done at once."""
    rng = np.random.default_rng(0)
    shapes = {p.name: tuple(int(d) for d in p.ty.shape) for p in func.params}
    inputs = {n: rng.standard_normal(shapes[n]).astype(np.float32) for n in ("A", "B")}
    together = evaluate(func, inputs).outputs["C"]
    monkeypatch.setattr(module, "_CHUNK_ELEMENTS", 1)
    apart = evaluate(func, inputs).outputs["C"]
    np.testing.assert_array_equal(together.answer.value, apart.answer.value)
    np.testing.assert_array_equal(together.written, apart.written)
    np.testing.assert_allclose(
        np.broadcast_to(together.answer.error, together.written.shape),
        np.broadcast_to(apart.answer.error, apart.written.shape), rtol=1e-9,
    )  # fmt: skip
