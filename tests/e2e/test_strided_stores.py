"""Stores to elements of tensors that do not lie side by side, which together fill a box."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import CompileError
from harness.fuzz.stages import validate
from tests.harness.compiler import samples

DEVICES = ["wormhole_n150", "blackhole_p150"]
SOURCE = """
@T.prim_func
def main(X: T.Tensor((70, 40), "{dtype}"), Z: T.Tensor((70, 40), "{dtype}"),
         Y: T.Tensor({shape}, "{dtype}"), W: T.Tensor({shape}, "{dtype}")):
    with T.Kernel(2, 3) as (bx, by):
        x = T.alloc_fragment((32, 32), "{dtype}")
        z = T.alloc_fragment((32, 32), "{dtype}")
        T.copy(X[by * 32, bx * 32], x)
        T.copy(Z[by * 32, bx * 32], z)
        {body}
"""
COLUMNS = """
for i, j in T.Parallel(32, 32):
    Y[by * 32 + i, (bx * 32 + j) * 2 + 1] = z[i, j]
    Y[by * 32 + i, (bx * 32 + j) * 2] = x[i, j]
T.copy(z, W[by * 32, bx * 32])
"""
APART = """
for i, j in T.Parallel(32, 32):
    Y[by * 32 + i, bx * 64 + 2 * j] = x[i, j] * 2.0
for i, j in T.Parallel(32, 32):
    W[by * 32 + i, bx * 64 + 2 * j + 1] = x[i, j]
for i, j in T.Parallel(32, 32):
    Y[by * 32 + i, bx * 64 + 2 * j + 1] = z[i, j] + x[i, j]
for i, j in T.Parallel(32, 32):
    W[by * 32 + i, bx * 64 + 2 * j] = z[i, j]
"""
ROWS = """
for i, j in T.Parallel(32, 32):
    Y[(by * 32 + i) * 2, bx * 32 + j] = x[i, j]
    Y[(by * 32 + i) * 2 + 1, bx * 32 + j] = z[i, j]
T.copy(z, W[by * 32, bx * 32])
"""
SWAPPED = """
for i, j in T.Parallel(32, 32):
    Y[by * 32 + i, bx * 32 + (j ^ 1)] = x[i, j]
for i, j in T.Parallel(32, 32):
    W[by * 32 + 31 - i, bx * 32 + j] = z[i, j]
"""
LOOPED = """
for k in T.serial(2):
    for i, j in T.Parallel(32, 16):
        Y[by * 32 + i, bx * 64 + k * 32 + 2 * j] = x[i, k * 16 + j]
    for i, j in T.Parallel(32, 16):
        Y[by * 32 + i, bx * 64 + k * 32 + 2 * j + 1] = z[i, k * 16 + j]
T.copy(z, W[by * 32, bx * 32])
"""


HEADS = """
for i, j in T.Parallel(32, 32):
    if by * 32 + i < 70:
        Y[by * 32 + i, bx, 2 * j] = x[i, j]
        Y[by * 32 + i, bx, 2 * j + 1] = z[i, j]
T.copy(z, W[by * 32 : by * 32 + 32, bx, 0:32])
"""


def source(body: str, shape: str = "(70, 80)", dtype: str = "float32") -> Any:
    """A kernel of two inputs and two outputs; nothing is a whole number of tiles."""
    text = SOURCE.format(shape=shape, dtype=dtype, body="\n        ".join(body.strip().split("\n")))
    return samples.from_text(text, "main")


def interleaved(x: Any, z: Any) -> Any:
    """Columns of both in turn."""
    return np.stack([x, z], axis=-1).reshape(len(x), -1)


def of_heads(x: Any, z: Any) -> Any:
    """Of either half of the columns, both in turn."""
    wide = [np.pad(a, ((0, 0), (0, 24))).reshape(70, 2, 32) for a in (x, z)]
    return np.stack(wide, axis=-1).reshape(70, 2, 64)


CASES: dict[str, tuple[str, str, Any]] = {
    "columns": (COLUMNS, "(70, 80)", interleaved),
    "apart": (APART, "(70, 80)", lambda x, z: interleaved(x * 2, z + x)),
    "rows": (ROWS, "(140, 40)", lambda x, z: np.stack([x, z], axis=1).reshape(140, 40)),
    "swapped": (SWAPPED, "(96, 64)", None),
    "heads": (HEADS, "(70, 2, 64)", of_heads),
    "looped": (LOOPED, "(70, 80)", interleaved),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("device", DEVICES)
def test_elements_go_where_they_are_stored(name: str, dtype: str, device: str) -> None:
    """Columns and rows in turn, from one nest or several, reversed and swapped; ragged."""
    body, shape, numbers = CASES[name]
    kernel = source(body, shape, dtype)
    made = harness.compile(kernel, device=device)
    verdict = harness.check(kernel, device=device)
    assert verdict.passed, verdict.reason
    assert harness.check(kernel, device=device, oracle="llvm").passed
    if numbers is not None:
        rng = np.random.default_rng(0)
        x, z = (rng.integers(-31, 32, (70, 40)).astype(np.float32) for _ in range(2))
        assert np.array_equal(made.run({"X": x, "Z": z}).outputs["Y"], numbers(x, z))
    if device == DEVICES[0]:
        assert validate(made, 0).name == ""


HOLES = """
for i, j in T.Parallel(32, 32):
    Y[by * 32 + i, (bx * 32 + j) * 2] = x[i, j]
"""
TWICE = """
for i, j in T.Parallel(32, 32):
    Y[by * 32 + i, bx * 64 + j // 2] = x[i, j]
"""
PARTED = """
for i, j in T.Parallel(32, 32):
    Y[by * 32 + i, bx * 64 + 2 * j] = x[i, j]
T.copy(Z[by * 32, bx * 32], z)
for i, j in T.Parallel(32, 32):
    Y[by * 32 + i, bx * 64 + 2 * j + 1] = z[i, j]
"""
UNRELATED = """
for i, j in T.Parallel(32, 32):
    Y[by * 32 + i, bx * 64 + 2 * j] = x[i, j]
    Y[by * 32 + i, by * 64 + 2 * j + 1] = z[i, j]
"""


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (HOLES, "leave out elements between"),
        (TWICE, "store to one element"),
        (PARTED, "leave out elements between"),
        (UNRELATED, "not a fixed way apart"),
    ],
)
def test_what_fills_no_box_is_refused(body: str, text: str) -> None:
    """Holes, one element twice, and places that have nothing to do with each other."""
    with pytest.raises(CompileError, match=text) as caught:
        harness.compile(source(body + "T.copy(z, W[by * 32, bx * 32])"))
    assert caught.value.code == "UnsupportedIndex"
