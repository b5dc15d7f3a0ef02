"""Views of other extents as operands of tile ops, and blocks of groups filled from columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.errors import LanguageError
from tests.e2e.test_moved_elements import DEVICES, kernel, numbers, right

Wanted = Callable[..., dict[str, Any]]


def _convolved(X: Any, K: Any) -> dict[str, Any]:
    padded = np.pad(X, ((0, 0), (0, 32)))
    return {"Y": np.stack([padded[:, j : j + 32] @ K for j in range(64)], 1)}


def _scaled(X: Any) -> dict[str, Any]:
    groups = X.reshape(32, 3, 32)
    top = np.abs(groups).max(2)
    return {"S": top, "Y": (groups * top[..., None]).reshape(32, 96)}


def _own_maxima(X: Any) -> dict[str, Any]:
    made = X.copy()
    made[:, 15:17] = X.reshape(32, 2, 16).max(2)
    return {"Y": made}


FORMS: dict[str, tuple[dict[str, Any], str, str, Wanted]] = {
    "patches of rows": (
        {"X": numbers(2, 64) % 4, "K": numbers(32, 32) % 4}, "Y: T.Tensor((2, 64, 32), 'float32')",
        """
with T.Kernel(2) as b:
    x = T.alloc_shared((2, 32, 32), "bfloat16")
    k = T.alloc_shared((32, 32), "bfloat16")
    c = T.alloc_fragment((64, 32), "float32")
    for p, i, j in T.Parallel(2, 32, 32):
        x[p, i, j] = T.if_then_else(b * 32 + i + j < 64, X[p, b * 32 + i + j], 0)
    T.copy(K, k)
    T.gemm(T.reshape(x, (64, 32)), k, c, clear_accum=True)
    T.copy(T.reshape(c, (2, 32, 32)), Y[0, b * 32, 0])
""", _convolved),
    "heads of eight rows, accumulated": (
        {"X": numbers(32, 64) % 4, "K": numbers(64, 32) % 4}, "Y: T.Tensor((4, 8, 32), 'float32')",
        """
with T.Kernel(1) as _:
    x = T.alloc_shared((32, 32), "bfloat16")
    k = T.alloc_shared((32, 32), "bfloat16")
    c = T.alloc_fragment((4, 8, 32), "float32")
    T.clear(T.view(c, (32, 32)))
    for s in T.Pipelined(2):
        T.copy(X[0, s * 32], x)
        T.copy(K[s * 32, 0], k)
        T.gemm(x, k, T.reshape(c, (32, 32)))
    T.copy(c, Y)
""", lambda X, K: {"Y": (X @ K).reshape(4, 8, 32)}),
    "reduced plane by plane": (
        {"X": numbers(64, 32)}, "Y: T.Tensor((2, 32), 'float32'), S: T.Tensor((2, 32), 'float32')",
        """
with T.Kernel(1) as _:
    x = T.alloc_fragment((64, 32), "bfloat16")
    y = T.alloc_fragment((2, 32), "float32")
    s = T.alloc_fragment((64,), "float32")
    T.copy(X, x)
    T.reduce_max(T.view(x, (2, 32, 32)), y, dim=1)
    T.reduce_sum(T.view(x, (2, 32, 32)), T.view(s, (2, 32)), dim=2)
    T.copy(y, Y)
    T.copy(T.reshape(s, (2, 32)), S)
""", lambda X: {"Y": X.reshape(2, 32, 32).max(1), "S": X.reshape(2, 32, 32).sum(2)}),
    "four channels of a group, and running sums": (
        {"X": numbers(16, 64)}, "Y: T.Tensor((16, 64), 'float32')",
        """
with T.Kernel(1) as _:
    x = T.alloc_fragment((16, 64), "float32")
    s = T.alloc_fragment((4,), "float32")
    T.copy(X, x)
    groups = T.reshape(x, (4, 256))
    T.reduce_sum(groups, s, dim=1)
    T.cumsum(groups, dim=1)
    for i, j in T.Parallel(4, 256):
        groups[i, j] = groups[i, j] - s[i]
    T.copy(x, Y)
""", lambda X: {"Y": (X.reshape(4, 256).cumsum(1)
                      - X.reshape(4, 256).sum(1)[:, None]).reshape(16, 64)}),
    "a block and its own view": (
        {"X": numbers(32, 32)}, "Y: T.Tensor((32, 32), 'float32')",
        """
with T.Kernel(1) as _:
    x = T.alloc_fragment((32, 32), "float32")
    T.copy(X, x)
    T.reduce_max(T.reshape(x, (32, 2, 16)), x[:, 15:17], dim=2)
    T.copy(x, Y)
""", _own_maxima),
    "groups filled from columns, and back": (
        {"X": numbers(32, 96)}, "S: T.Tensor((32, 3), 'float32'), Y: T.Tensor((32, 96), 'float32')",
        """
with T.Kernel(1) as _:
    x = T.alloc_fragment((32, 3, 32), "float32")
    s = T.alloc_fragment((32, 3), "float32")
    for i, g, j in T.Parallel(32, 3, 32):
        x[i, g, j] = X[i, g * 32 + j]
    T.reduce_absmax(x, s, dim=2)
    for i, g, j in T.Parallel(32, 3, 32):
        Y[i, g * 32 + j] = x[i, g, j] * s[i, g]
    T.copy(s, S)
""", _scaled),
}  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", FORMS)
def test_an_op_takes_a_view_as_a_block_of_its_shape(name: str, device: str) -> None:
    """Products, reductions, running sums and copies of views answer what NumPy says."""
    given, made, body, wanted = FORMS[name]
    dtype = "float32" if len(given) == 1 and name != "reduced plane by plane" else "bfloat16"
    header = [f"{n}: T.Tensor({v.shape}, '{dtype}')" for n, v in given.items()]
    right(kernel(", ".join([*header, made]), body), device, given, wanted(**given))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [32, 16])
def test_whole_numbers_are_stored_by_groups(size: int, device: str) -> None:
    """int8 cut from real numbers through a view, in whole tiles or element by element."""
    count = 64 // size
    func = kernel("X: T.Tensor((32, 64), 'float32'), Y: T.Tensor((32, 64), 'int8'),"
                  " Z: T.Tensor((32, 64), 'float32')", f"""
with T.Kernel(1) as _:
    x = T.alloc_fragment((32, 64), "float32")
    q = T.alloc_fragment((32, 64), "int8")
    T.copy(X, x)
    groups = T.reshape(x, (32, {count}, {size}))
    cut = T.reshape(q, (32, {count}, {size}))
    for i, g, j in T.Parallel(32, {count}, {size}):
        cut[i, g, j] = T.cast(T.clamp(groups[i, g, j], -50.0, 50.0), "int8")
    for i, g, j in T.Parallel(32, {count}, {size}):
        groups[i, g, j] = cut[i, {count - 1} - g, j] * 2.0
    T.copy(q, Y)
    T.copy(x, Z)
""")  # fmt: skip
    x = numbers(32, 64)
    cut = np.clip(x, -50, 50)
    turned = cut.reshape(32, count, size)[:, ::-1].reshape(32, 64)
    right(func, device, {"X": x}, {"Y": cut, "Z": turned * 2})


def test_a_view_that_splits_no_dimension_of_its_block_is_refused() -> None:
    """Three dimensions that are no groups of rows or columns are no operand, and are told so."""
    with pytest.raises(LanguageError, match="lie in other tiles") as caught:
        kernel("X: T.Tensor((32, 96), 'float32'), Y: T.Tensor((3, 32), 'float32')", """
with T.Kernel(1) as _:
    x = T.alloc_fragment((32, 96), "float32")
    y = T.alloc_fragment((3, 32), "float32")
    T.copy(X, x)
    T.reduce_sum(T.reshape(x, (3, 32, 32)), y, dim=1)
    T.copy(y, Y)
""")  # fmt: skip
    assert caught.value.code == "UnsupportedConstruct"
    assert "fill it in T.Parallel" in str(caught.value.next_step)
