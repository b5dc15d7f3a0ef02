"""Flat tensors indexed as matrices, dimensions stored in halves, indices from the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import LanguageError
from tests.harness.compiler import samples

SOURCE = """
@T.prim_func
def main(X: T.Tensor({x}, "float32"), Y: T.Tensor({y}, "float32")):
    with T.Kernel(2) as b:
        a = T.alloc_fragment((32, 64), "float32")
        s = T.alloc_fragment((32,), "float32")
        {body}
"""
FLAT, PLAIN = (2 * 32 * 64,), (64, 64)
READ = "for i, j in T.Parallel(32, 64): a[i, j] = X[{index}] * 2.0"
HALVES = """for k in T.serial(2):
            for i, j in T.Parallel(32, 32):
                Y[{index}] = X[{index}] * 2.0""".format(index="(b * 32 + i) * 64 + k * 32 + j")
LOAD = "T.copy(X[b * 32, 0], a)"
ROWS = "for i, j in T.Parallel(32, 64): Y[{index}] = a[i, j] * 2.0"
COLUMN = "for i in T.Parallel(32): s[i] = {element}\n        T.copy(s, Y[b * 32])"
COUNTED = """for t in T.Parallel(32):
            n = b * 32 + t
            if n < {size}:
                Y[n // {chw}, n // {hw} % {c}, n // {w} % {h}, n % {w}] = T.max(
                    X[n // {chw}, n // {hw} % {c}, n // {w} % {h}, n % {w}], 0.0)"""
THREADS = """T.copy(X[b * 32], s)
        for i, j in T.Parallel(8, 4): s[i * 4 + j] = s[i * 4 + j] * 2.0
        T.copy(s, Y[b * 32])"""
CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...], str, Callable[[Any], Any]]] = {
    "flat": (FLAT, PLAIN, READ.format(index="(b * 32 + i) * 64 + j")
             + "\n        T.copy(a, Y[b * 32, 0])", lambda x: x.reshape(64, 64) * 2),
    "flat by halves": (FLAT, FLAT, HALVES, lambda x: x * 2),
    "columns": (PLAIN, (64, 2, 32), LOAD + "\n        "
                + ROWS.format(index="b * 32 + i, j // 32, j % 32"),
                lambda x: x.reshape(64, 2, 32) * 2),
    "rows": (PLAIN, (4, 16, 64), LOAD + "\n        "
             + ROWS.format(index="(b * 32 + i) // 16, (b * 32 + i) % 16, j"),
             lambda x: x.reshape(4, 16, 64) * 2),
    "one number counts": ((2, 2, 4, 4), (2, 2, 4, 4), COUNTED, lambda x: np.maximum(x, 0)),
    "one number counts, ragged": ((1, 2, 3, 7), (1, 2, 3, 7), COUNTED,
                                  lambda x: np.maximum(x, 0)),
    "threads": ((64,), (64,), THREADS, lambda x: x * 2),
    "last of a block": (PLAIN, (64,), LOAD + "\n        " + COLUMN.format(element="a[i, -1]"),
                        lambda x: x[:, -1]),
    "last of a tensor": (PLAIN, (64,), COLUMN.format(element="X[b * 32 + i, -2]"),
                         lambda x: x[:, -2]),
    "last rows": (PLAIN, PLAIN, "T.copy(X[-32, 0], a)\n        T.copy(a, Y[b * 32, 0])",
                  lambda x: np.concatenate([x[-32:], x[-32:]])),
}  # fmt: skip


def kernel(name: str) -> Any:
    """A kernel of the table."""
    x, y, body, _ = CASES[name]
    if body is COUNTED:
        _, c, h, w = x
        body = body.format(size=np.prod(x), chw=c * h * w, hw=h * w, c=c, h=h, w=w)
    return samples.from_text(SOURCE.format(x=x, y=y, body=body), "main")


@pytest.mark.parametrize("name", CASES)
def test_tensors_keep_the_shape_they_are_declared_in(name: str) -> None:
    """Whatever shape a tensor is stored in, arrays come and go as the source declares them."""
    device = ("wormhole_n150", "blackhole_p150")[list(CASES).index(name) % 2]
    made = harness.compile(kernel(name), device=device)
    shape, _, _, reference = CASES[name]
    # Numbers that TF32 keeps: elements that are picked pass the matrix unit.
    x = np.random.default_rng(0).integers(-512, 512, shape).astype(np.float32)
    np.testing.assert_array_equal(made.run({"X": x}).outputs["Y"], reference(x))
    assert harness.check(made, {"X": x}).passed


def test_what_does_not_fit_a_matrix_stays_flat() -> None:
    """A tensor that is read along its length as well has one shape, the one it is declared in."""
    body = READ.format(index="(b * 32 + i) * 64 + j") + "\n        T.copy(X[b * 32], s)"
    func = samples.from_text(SOURCE.format(x=FLAT, y=PLAIN, body=body), "main")
    assert [int(d) for d in func.params[0].ty.shape] == list(FLAT)


def test_an_index_before_the_beginning() -> None:
    """Of 64 elements the 65th from the end is none: it is refused where it stands."""
    body = COLUMN.format(element="X[b * 32 + i, -65]")
    with pytest.raises(LanguageError, match=r"7:.*OutOfBounds.*-65 of 'X', which has 64"):
        samples.from_text(SOURCE.format(x=PLAIN, y=(64,), body=body), "main")
