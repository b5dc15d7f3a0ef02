"""``T.Tensor(shape, dtype, x.data)``: a tensor used in another shape than it is declared in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import LanguageError
from harness.frontend.jit import jit

DEVICES = ["wormhole_n150", "blackhole_p150"]


def _doubled(shape: tuple[int, ...], flat: tuple[int, int]) -> Any:
    rows, columns = flat

    @T.prim_func
    def main(X: T.Tensor(shape, "float32"), Y: T.Tensor(shape, "float32")):
        with T.Kernel(T.ceildiv(columns, 32), T.ceildiv(rows, 32)) as (bx, by):
            x = T.alloc_fragment((32, 32), "float32")
            X_flat = T.Tensor(flat, "float32", X.data)
            Y_flat = T.Tensor(flat, "float32", Y.data)
            T.copy(X_flat[by * 32, bx * 32], x)
            for i, j in T.Parallel(32, 32):
                x[i, j] = x[i, j] * 2.0
            T.copy(x, Y_flat[by * 32, bx * 32])

    return main


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("shape", "flat"), [((2, 3, 5, 40), (30, 40)), ((4, 64), (8, 32)),
                                             ((96, 64), (64, 96))])  # fmt: skip
def test_a_tensor_in_another_shape(
    shape: tuple[int, ...], flat: tuple[int, int], device: str
) -> None:
    """The tensor is stored in the shape it is used in, and a caller's arrays keep theirs."""
    func = _doubled(shape, flat)
    assert harness.check(func, device=device).passed
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    kernel = jit(lambda: func, out_idx=[1], target=device)()
    np.testing.assert_array_equal(kernel(data), data * 2)
    np.testing.assert_array_equal(kernel(data.reshape(flat)), data * 2)


def test_results_are_written_into_arrays_of_the_declared_shape() -> None:
    """Without out_idx the caller's array is filled, in its own shape."""
    kernel = jit(lambda: _doubled((2, 3, 5, 40), (30, 40)))()
    data = np.arange(1200, dtype=np.float32).reshape(2, 3, 5, 40)
    out = np.zeros_like(data)
    kernel(data, out)
    np.testing.assert_array_equal(out, data * 2)


def _refused(shape: tuple[int, int], dtype: str, *, also: bool = False, on: str = "X") -> Any:
    @T.prim_func
    def main(X: T.Tensor((64, 32), "float32"), Y: T.Tensor((32, 64), "float32")):
        with T.Kernel(1) as _:
            x = T.alloc_fragment((32, 64), "float32")
            y = T.alloc_fragment((64, 32), "float32")
            flat = T.Tensor(shape, dtype, (x if on == "x" else X).data)
            T.copy(flat, x)
            if also:
                T.copy(X, y)
            T.copy(x, Y)

    return main


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"shape": (32, 32), "dtype": "float32"}, "as \\(32, 32\\)"),
        ({"shape": (32, 64), "dtype": "bfloat16"}, "own dtype"),
        ({"shape": (32, 64), "dtype": "float32", "also": True}, "several shapes"),
        ({"shape": (32, 64), "dtype": "float32", "on": "x"}, "only a tensor of the kernel"),
    ],
)
def test_refusals(keywords: dict[str, Any], words: str) -> None:
    """Other sizes or dtypes, blocks, and a tensor in two shapes are refused in this file."""
    with pytest.raises(LanguageError, match=words) as caught:
        _refused(**keywords)
    assert "test_flat.py" in str(caught.value.location)
    assert caught.value.next_step
