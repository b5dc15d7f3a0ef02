"""``T.reshape`` and ``T.view``: an on-chip block with dimensions of extent 1 left out or added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import LanguageError

DEVICES = ["wormhole_n150", "blackhole_p150"]


def _rows(M: int, N: int, *, viewed: bool) -> Any:
    """Rows less their sums, of a block of three dimensions: by views of it, or as it is."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(M, 32)) as bx:
            a = T.alloc_shared((1, 32, N), "float32")
            s = T.alloc_fragment((32,), "float32")
            T.copy(A[bx * 32, 0], a[0, :, :])
            if viewed:
                flat = T.reshape(a, (32, N))
                again = T.view(flat, [32, 1, N])
                T.reduce_sum(again, s, dim=2)
                for i, j in T.Parallel(32, N):
                    again[i, 0, j] = again[i, 0, j] - s[i]
                T.copy(T.view(flat), B[bx * 32, 0])
            else:
                T.reduce_sum(a, s, dim=2)
                for i, j in T.Parallel(32, N):
                    a[0, i, j] = a[0, i, j] - s[i]
                T.copy(a[0, :, :], B[bx * 32, 0])

    return main


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("M", "N"), [(64, 96), (40, 70)])
def test_views_are_their_block(M: int, N: int, device: str) -> None:
    """Views of a block, and of views, read and write its elements, and reduce along its axes."""
    func = _rows(M, N, viewed=True)
    assert harness.check(func, device=device).passed
    data = np.random.default_rng(1).integers(-4, 5, (M, N)).astype(np.float32)
    out = harness.compile(func, device=device).run({"A": data}).outputs["B"]
    np.testing.assert_array_equal(out, data - data.sum(1, keepdims=True))


def test_a_view_costs_nothing() -> None:
    """A kernel of views allocates the one block, and has no declaration of another left."""
    text = _rows(64, 96, viewed=True).script()
    assert "decl_buffer" not in text
    assert text.count("alloc_buffer") == _rows(64, 96, viewed=False).script().count("alloc_buffer")


@pytest.mark.parametrize("device", DEVICES)
def test_running_sums_and_products_of_views(device: str) -> None:
    """Running sums go along the block's axis, and matrices of a longer block are factors."""

    @T.prim_func
    def main(A: T.Tensor((32, 64), "float32"), B: T.Tensor((32, 32), "float32"),
             C: T.Tensor((32, 64), "float32")):  # fmt: skip
        with T.Kernel(1) as _:
            a = T.alloc_shared((32, 64), "float32")
            b = T.alloc_shared((1, 32, 32), "float32")
            c = T.alloc_fragment((32, 64), "float32")
            T.copy(A, a)
            T.copy(B, T.reshape(b, (32, 32)))
            long = T.reshape(a, (1, 32, 64))
            T.cumsum(long, dim=1)
            T.clear(c)
            T.gemm(T.view(b, (32, 32)), a, c)
            T.copy(c, C)

    assert harness.check(main, device=device).passed
    rng = np.random.default_rng(2)
    a, b = (rng.integers(-1, 2, s).astype(np.float32) for s in ((32, 64), (32, 32)))
    out = harness.compile(main, device=device).run({"A": a, "B": b}).outputs["C"]
    np.testing.assert_array_equal(out, b @ a.cumsum(0))


def _refused(kind: str) -> Any:
    @T.prim_func
    def main(A: T.Tensor((32, 64), "float32"), B: T.Tensor((32, 64), "float32")):
        with T.Kernel(1) as _:
            a = T.alloc_fragment((32, 64), "float32")
            s = T.alloc_fragment((32, 64), "float32")
            T.copy(A, a)
            if kind == "extents":
                T.copy(T.reshape(a, (64, 32)), B)
            elif kind == "groups":
                T.copy(T.view(a, (32, 2, 32)), B)
            elif kind == "tensor":
                T.copy(a, T.reshape(B, (1, 32, 64)))
            elif kind == "dtype":
                T.copy(T.view(a, (32, 64), "bfloat16"), B)
            elif kind == "beside":
                b = T.reshape(a, (1, 32, 64))
                for i, j in T.Parallel(32, 64):
                    s[i, j] = b[i, i, j]
                T.copy(s, B)
            elif kind == "after":
                T.copy(T.reshape(a, (1, 32, 64))[1, :, :], B)
            elif kind == "axis":
                T.reduce_sum(T.reshape(a, (1, 32, 64)), s, dim=0)
                T.copy(s, B)

    return main


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("extents", r"of shape \(32, 64\), to \(64, 32\)"),
        ("groups", r"to \(32, 2, 32\)"),
        ("tensor", "no on-chip block"),
        ("dtype", "float32, as bfloat16"),
        ("beside", "used at i along a dimension of extent 1"),
        ("after", "used at 1 along a dimension of extent 1"),
        ("axis", "along a dimension of extent 1"),
    ],
)
def test_what_is_no_view_is_refused(kind: str, words: str) -> None:
    """Other extents, bits, tensors, and places a view does not have are refused at their line."""
    text = Path(__file__).read_text(encoding="utf-8").splitlines()
    with pytest.raises(LanguageError, match=words) as error:
        _refused(kind)
    name, line, _ = str(error.value.location).rsplit(":", 2)
    assert Path(name).name == Path(__file__).name
    assert "T." in text[int(line) - 1] or "b[i, i, j]" in text[int(line) - 1]
    assert "def main" not in text[int(line) - 1]
