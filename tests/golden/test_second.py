"""The second opinion's loops against NumPy, construct by construct, and what it refuses."""

# mypy: disable-error-code="operator,attr-defined,index"
# Kernels are read by the TVMScript parser, not called.
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tvm.script import tirx as S

import harness.language as T
from golden.second import NoSecondOpinionError, second_opinion
from golden.second.native import Native
from golden.source import read_kernel
from tests.golden.second_kernels import CASES


def arrays(func: Any) -> dict[str, Any]:
    """Small integers and halves: exact in every format, either side of zero."""
    rng = np.random.default_rng(5)
    kernel = read_kernel(func)
    scale = {t.name: 1 if t.dtype.startswith("int") else 2 for t in kernel.tensors}
    return {
        t.name: (rng.integers(-7, 8, t.shape) / scale[t.name]).astype(np.float32)
        for t in kernel.tensors
        if t.name in kernel.inputs
    }


@pytest.mark.parametrize("name", CASES)
def test_a_construct_means_what_numpy_says(name: str) -> None:
    """Each lowering computes its construct, apart from golden, and writes every output."""
    func, reference = CASES[name]()
    given = arrays(func)
    values, written = Native(func).run(given)
    (output,) = read_kernel(func).outputs
    want = reference(*(a.astype(np.float64) for a in given.values()))
    np.testing.assert_allclose(values[output], want, rtol=1e-13, atol=1e-13)
    assert written[output].all()


def test_what_nobody_writes_stays_and_is_known() -> None:
    """A store under a condition leaves the rest as the caller gave it, and says which it wrote."""

    @T.prim_func
    def main(X: T.Tensor((32, 32), "float32"), Y: T.Tensor((32, 32), "float32")):
        with T.Kernel(1) as _:
            for i, j in T.Parallel(32, 32):
                if i < 5:
                    Y[i, j] = X[i, j]

    x, y = np.full((32, 32), 2.0), np.full((32, 32), 9.0)
    values, written = Native(main).run({"X": x, "Y": y})
    inside = np.arange(32)[:, None] < 5
    np.testing.assert_array_equal(values["Y"], np.where(inside, 2.0, 9.0) * np.ones((32, 32)))
    np.testing.assert_array_equal(written["Y"], np.broadcast_to(inside, (32, 32)))


def test_memory_on_chip_is_forgotten_between_blocks() -> None:
    """A block that reads what only another block wrote gets NaN, not the other's data."""

    @T.prim_func
    def main(Y: T.Tensor((64, 32), "float32")):
        with T.Kernel(2) as by:
            y = T.alloc_fragment((32, 32), "float32")
            if by == 0:
                T.fill(y, 1.0)
            T.copy(y, Y[by * 32, 0])

    values, _ = Native(main).run({})
    assert (values["Y"][:32] == 1).all()
    assert np.isnan(values["Y"][32:]).all()


def test_beyond_a_block_lies_nothing_beyond_a_tensor_zero() -> None:
    """An element a block does not have is none anybody wrote; a tensor's are padding."""

    @T.prim_func
    def main(X: T.Tensor((32, 32), "float32"), Y: T.Tensor((32, 32), "float32"),
             Z: T.Tensor((32, 32), "float32")):  # fmt: skip
        with T.Kernel(1) as _:
            x = T.alloc_shared((32, 32), "float32")
            T.copy(X, x)
            for i, j in T.Parallel(32, 32):
                Y[i, j] = x[i + 1, j]
                Z[i, j] = X[i + 1, j]

    values, _ = Native(main).run({"X": np.ones((32, 32))})
    assert np.isnan(values["Y"][31]).all()
    assert (values["Y"][:31] == 1).all()
    assert (values["Z"] == (np.arange(32) < 31)[:, None]).all()


def within_one_buffer() -> Any:
    """A copy from a block to another part of it."""

    @T.prim_func
    def main(Y: T.Tensor((64, 32), "float32")):
        with T.Kernel(1) as _:
            y = T.alloc_fragment((64, 32), "float32")
            T.clear(y)
            T.copy(y[0:32, 0:32], y[32:64, 0:32])
            T.copy(y, Y)

    return main


def shifted() -> Any:
    """Iterations that read what their neighbours write."""

    @T.prim_func
    def main(Y: T.Tensor((32,), "float32")):
        with T.Kernel(1) as _:
            y = T.alloc_fragment((32,), "float32")
            T.clear(y)
            for i in T.Parallel(31):
                y[i + 1] = y[i]
            T.copy(y, Y)

    return main


def together() -> Any:
    """Iterations that all update one element."""

    @T.prim_func
    def main(Y: T.Tensor((32,), "float32")):
        with T.Kernel(1) as _:
            y = T.alloc_fragment((32,), "float32")
            T.clear(y)
            for _i in T.Parallel(31):
                y[0] = y[0] + 1.0
            T.copy(y, Y)

    return main


@S.prim_func
def foreign(Y: S.Buffer((32,), "float32")) -> None:
    """An op of another dialect."""
    S.evaluate(S.call_extern("int32", "f", 1))


@S.prim_func
def endless(Y: S.Buffer((32,), "float32")) -> None:
    """A loop that data end."""
    while Y[0] < S.float32(1):
        Y[0] = Y[0] + S.float32(1)


@S.prim_func
def hyperbolic(Y: S.Buffer((32,), "float32")) -> None:
    """A function the language does not have."""
    Y[0] = S.cosh(Y[1])


@S.prim_func
def threads(Y: S.Buffer((32,), "float32")) -> None:
    """A loop that is one of threads."""
    for i in S.thread_binding(32, thread="threadIdx.x"):
        Y[i] = S.float32(1)


@S.prim_func
def sized(n: S.int32, Y: S.Buffer((32,), "float32")) -> None:
    """A size only the caller knows."""
    Y[0] = S.Cast("float32", n)


@S.prim_func
def doubles(Y: S.Buffer((32,), "float64")) -> None:
    """A type of which float64 is no widening."""
    Y[0] = S.float64(1)


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (within_one_buffer(), "tl.copy within one buffer"),
        (shifted(), "T.Parallel whose iterations read y where others write it"),
        (together(), "T.Parallel whose iterations read y where others write it"),
        (foreign, "the op tirx.call_extern"),
        (endless, "the statement While"),
        (hyperbolic, "the function tirx.cosh"),
        (threads, "a loop bound to threads"),
        (sized, "the scalar parameter n"),
        (doubles, "buffer Y of float64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_lowered_is_named(func: Any, name: str) -> None:
    """Nothing is passed over: a construct without a lowering is refused by its name."""
    with pytest.raises(NoSecondOpinionError) as caught:
        Native(func)
    assert caught.value.message == f"no second opinion: {name}"
    assert caught.value.code == "NoOracle"


def test_a_refusal_has_its_place() -> None:
    """The line of the construct is named, and asking says that there is no opinion."""
    from golden import evaluate

    func = shifted()
    said = second_opinion(func, {}, evaluate(func, {}))
    assert said.verdict == "not available"
    assert said.reason.startswith("test_second.py:")
    assert "no second opinion: T.Parallel whose iterations" in said.reason
