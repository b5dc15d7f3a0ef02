"""``T.reshape`` and ``T.view``: an on-chip block under another shape, its elements in order."""

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


SHAPES = {
    "rows in two": ((40, 64), (80, 32)),
    "rows by three": ((39, 24), (13, 72)),
    "a vector in rows": ((960,), (30, 32)),
    "rows in a vector": ((24, 40), (960,)),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_elements_of_views_are_in_order(name: str, stored: bool, device: str) -> None:
    """Regrouped, a block's elements keep their row-major order, read as stored."""
    own, seen = SHAPES[name]
    whole, part = (seen, own) if stored else (own, seen)

    @T.prim_func
    def main(A: T.Tensor((2, *whole), "float32"), B: T.Tensor((2, *part), "float32")):
        with T.Kernel(2) as b:
            x = T.alloc_shared(whole, "float32")
            y = T.alloc_fragment(part, "float32")
            if len(whole) == 1:
                T.copy(A[b, :], x)
            else:
                T.copy(A[b, :, :], x)
            if stored:
                v = T.view(y, seen)
                if len(seen) == 1:
                    for i in T.Parallel(seen[0]):
                        v[i] = x[i] * 2.0
                else:
                    for i, j in T.Parallel(*seen):
                        v[i, j] = x[i, j] * 2.0
            else:
                w = T.reshape(x, seen)
                if len(seen) == 1:
                    for i in T.Parallel(seen[0]):
                        y[i] = w[i] * 2.0
                else:
                    for i, j in T.Parallel(*seen):
                        y[i, j] = w[i, j] * 2.0
            if len(part) == 1:
                T.copy(y, B[b, :])
            else:
                T.copy(y, B[b, :, :])

    data = np.random.default_rng(1).integers(-60, 60, (2, *whole)).astype(np.float32)
    out = harness.compile(main, device=device).run({"A": data}).outputs["B"]
    np.testing.assert_array_equal(out, 2 * data.reshape(2, *part))
    assert harness.check(main, device=device).passed


def _refused(kind: str) -> Any:
    @T.prim_func
    def main(A: T.Tensor((32, 64), "float32"), B: T.Tensor((32, 64), "float32")):
        with T.Kernel(1) as _:
            a = T.alloc_fragment((32, 64), "float32")
            s = T.alloc_fragment((32, 64), "float32")
            T.copy(A, a)
            if kind == "extents":
                T.copy(T.reshape(a, (64, 16)), B)
            elif kind == "groups":
                T.reduce_sum(T.view(a, (4, 16, 32)), s[0:4, 0:32], dim=1)
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
        ("extents", r"of shape \(32, 64\), to \(64, 16\)"),
        ("groups", r"as \(4, 16, 32\) is an operand of tl.reduce"),
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


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dims", [("rows", 1, "columns"), (1, "rows", 1, "columns"),
                                  ("rows", 1, 1, "columns")])  # fmt: skip
def test_dimensions_of_extent_1_between_others(dims: tuple[Any, ...], device: str) -> None:
    """One head at a time, of (batch, sequence, heads, dim): copied, computed and summed."""
    shape = tuple({"rows": 40, "columns": 48}.get(d, 1) for d in dims)

    @T.prim_func
    def main(A: T.Tensor((2, 80, 3, 48), "bfloat16"), B: T.Tensor((2, 80, 3, 48), "bfloat16")):
        with T.Kernel(2, 3, 2) as (x, h, b):
            a = T.alloc_shared(shape, "bfloat16")
            s = T.alloc_fragment((40,), "float32")
            T.copy(A[b, x * 40 : x * 40 + 40, h, :], a)
            if len(shape) == 3:
                for i, k, j in T.Parallel(*shape):
                    a[i, k, j] = a[i, k, j] * 2.0
            elif shape[0] == 1:
                for z, i, k, j in T.Parallel(*shape):
                    a[z, i, k, j] = a[z, i, k, j] * 2.0
            else:
                for i, k, z, j in T.Parallel(*shape):
                    a[i, k, z, j] = a[i, k, z, j] * 2.0
            T.reduce_sum(a, s, dim=len(shape) - 1)
            flat = T.reshape(a, (40, 48))
            for i, j in T.Parallel(40, 48):
                flat[i, j] = flat[i, j] + s[i]
            T.copy(a, B[b, x * 40 : x * 40 + 40, h, :])

    made = harness.compile(main, device=device)
    assert max(cb.depth for cb in made.plan.circular_buffers) < 40  # no tile for each row
    data = np.random.default_rng(1).integers(-1, 2, (2, 80, 3, 48)).astype(np.float32)
    out = made.run({"A": data}).outputs["B"].astype(np.float32)
    np.testing.assert_array_equal(out, 2 * data + 2 * data.sum(-1, keepdims=True))
    assert harness.check(main, device=device).passed
