"""int8 and uint8 as numbers: read, computed with, cut from real numbers and stored."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import CompileError
from harness.fuzz.stages import validate
from tests.e2e.judged import run_judged
from tests.harness.compiler import samples

DEVICES = ["wormhole_n150", "blackhole_p150"]
SOURCE = """
@T.prim_func
def main(X: T.Tensor((100, 72), "float32"), A: T.Tensor((100, 72), "int8"),
         K: T.Tensor((100, 72), "uint8"), S: T.Tensor((72,), "bfloat16"),
         V: T.Tensor((100,), "int8"), Y: T.Tensor((100, 72), "{dtype}")):
    with T.Kernel(3, 4) as (bx, by):
        x = T.alloc_fragment((32, 32), "float32")
        a = T.alloc_shared((32, 32), "int8")
        k = T.alloc_shared((32, 32), "uint8")
        y = T.alloc_fragment((32, 32), "{dtype}")
        T.copy(X[by * 32, bx * 32], x)
        T.copy(A[by * 32, bx * 32], a)
        T.copy(K[by * 32, bx * 32], k)
        for i, j in T.Parallel(32, 32):
            {statement}
        T.copy(y, Y[by * 32, bx * 32])
"""
AT: Any = np.arange(100)[:, None] % 32
CASES: dict[tuple[str, str], Any] = {
    ("int8", 'y[i, j] = T.cast(T.clamp(x[i, j], -128.0, 127.0), "int8")'):
        lambda n: np.trunc(np.clip(n.x, -128, 127)),
    ("int8", 'y[i, j] = T.cast(T.round(T.clamp(x[i, j], -128, 127)), "int8")'):
        lambda n: np.rint(np.clip(n.x, -128, 127)),
    ("int8", "y[i, j] = T.clamp(x[i, j] * 2.0, -128, 127)"):
        lambda n: np.trunc(np.clip(n.x * 2, -128, 127)),
    ("uint8", 'y[i, j] = T.cast(T.clamp(x[i, j], 0, 255), "uint8")'):
        lambda n: np.trunc(np.clip(n.x, 0, 255)),
    ("uint8", 'y[i, j] = T.cast(T.clamp(T.cast(a[i, j], "int32") + 128, 0, 255), "uint8")'):
        lambda n: n.a.astype(int) + 128,
    ("int8", "y[i, j] = a[i, j]"): lambda n: n.a,
    ("int8", 'y[i, j] = T.cast(T.cast(k[i, j], "int32") - 128, "int8")'):
        lambda n: n.k.astype(int) - 128,
    ("int8", 'y[i, j] = T.if_then_else(a[i, j] < 0, a[i, j], T.cast(i, "int8"))'):
        lambda n: np.where(n.a < 0, n.a, AT),
    ("int32", 'y[i, j] = T.cast(a[i, j], "int32") * 1000 + T.cast(k[i, j], "int32")'):
        lambda n: n.a.astype(int) * 1000 + n.k,
    ("float32", 'y[i, j] = T.cast(a[i, j], "float32") * 0.5 + T.cast(k[i, j], "float32")'):
        lambda n: n.a * 0.5 + n.k,
    ("float32", 'y[i, j] = T.cast(V[by * 32 + i], "float32") + T.cast(a[i, j], "float32")'):
        lambda n: n.v[:, None] * 1.0 + n.a,
    ("float32", 'y[i, j] = T.cast(a[j, i], "float32")'): None,
    ("bfloat16", 'y[i, j] = T.cast(T.cast(T.clamp(x[i, j], -9.7, 9.7), "int8"), "bfloat16")'):
        lambda n: np.trunc(np.clip(n.x, -9.7, 9.7)),
}  # fmt: skip


def source(dtype: str, statement: str) -> Any:
    """A kernel with one statement inside T.Parallel; nothing is a whole number of tiles."""
    text = SOURCE.format(dtype=dtype, statement=statement)
    return samples.from_text(text, "main")


def drawn() -> dict[str, Any]:
    """Every byte there is, and real numbers of both signs with halves and far ones among them."""
    rng = np.random.default_rng(0)
    x = (rng.integers(-700, 701, (100, 72)) / 4).astype(np.float32)
    x[0, :4] = [1e9, -1e9, 2.0**31, -128.5]
    return {
        "X": x,
        "A": (np.arange(7200) % 256 - 128).astype(np.int8).reshape(100, 72),
        "K": (np.arange(7200) * 7 % 256).astype(np.uint8).reshape(100, 72),
        "S": rng.standard_normal(72).astype(np.float32),
        "V": rng.integers(-128, 128, 100).astype(np.int8),
    }


@pytest.mark.parametrize(("dtype", "statement"), CASES)
@pytest.mark.parametrize("device", DEVICES)
def test_bytes_are_those_of_numpy(dtype: str, statement: str, device: str) -> None:
    """Exactly, -128 and 255 included, on ragged tensors; golden says the same of drawn numbers."""
    given, numbers = drawn(), CASES[dtype, statement]
    got = run_judged(source(dtype, statement), given, device)
    if numbers is not None:
        want = numbers(SimpleNamespace(**{n.lower(): v for n, v in given.items()}))
        assert np.array_equal(got.astype(np.float64), want)
    if dtype in ("int8", "uint8"):
        assert got.dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("dtype", "statement", "text"),
    [
        ("int8", 'y[i, j] = T.cast(x[i, j], "int8")', "int8 may not hold, which has -128 to 127"),
        ("int8", 'y[i, j] = T.cast(T.clamp(x[i, j], -129, 0), "int8")', "int8 may not hold"),
        ("uint8", 'y[i, j] = T.cast(T.clamp(x[i, j], -1, 0), "uint8")', "uint8 may not hold"),
        ("int8", 'y[i, j] = T.cast(k[i, j], "int8")', "int8 may not hold"),
        ("int8", "y[i, j] = a[i, j] + a[i, j]", "cast each operand to int32"),
        ("float32", 'y[i, j] = T.cast(T.cast(x[i, j], "int8"), "float32")', "int8 may not hold"),
        ("int32", 'y[i, j] = T.cast(T.cast(k[i, j], "int8"), "int32")', "int8 may not hold"),
    ],
)
def test_what_eight_bits_may_not_hold_is_refused(dtype: str, statement: str, text: str) -> None:
    """C says nothing of casts out of range, and integer arithmetic would wrap."""
    with pytest.raises(CompileError) as caught:
        harness.compile(source(dtype, statement))
    assert text in f"{caught.value} {caught.value.next_step}"
    assert caught.value.code == "UnsupportedDtype"


COPIED = """
@T.prim_func
def main(X: T.Tensor((70, 200), "float32"), Q: T.Tensor((70, 200), "{dtype}"),
         S: T.Tensor((70, 2), "float32")):
    with T.Kernel(T.ceildiv(70, {rows}), 2) as (row, group):
        x = T.alloc_fragment(({rows}, 128), "float32")
        largest = T.alloc_fragment(({rows},), "float32")
        scale = T.alloc_fragment(({rows},), "float32")
        q = T.alloc_fragment(({rows}, 128), "float32")
        whole = T.alloc_fragment(({rows}, 128), "{dtype}")
        T.copy(X[row * {rows}, group * 128], x)
        T.reduce_absmax(x, largest, dim=1)
        for i in T.Parallel({rows}):
            largest[i] = T.max(largest[i], 1e-4)
            scale[i] = largest[i] / 127.0
        for i, j in T.Parallel({rows}, 128):
            q[i, j] = T.clamp(x[i, j] / scale[i], {low}, 127.0)
        T.copy(q, {target})
        for i in T.Parallel({rows}):
            S[row * {rows} + i, group] = scale[i]
        {last}
"""


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rows", [8, 32])
@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize(
    ("dtype", "low"), [("int8", "-128.0"), ("uint8", "0.0"), ("int32", "-9.0")]
)
def test_copies_cut_real_numbers(
    device: str, rows: int, direct: bool, dtype: str, low: str
) -> None:
    """T.copy to integers is a cast, to a block or to a tensor; groups of a row have scales."""
    to = f"Q[row * {rows}, group * 128]"
    parts = {"target": to if direct else "whole", "last": "" if direct else f"T.copy(whole, {to})"}
    text = COPIED.format(rows=rows, dtype=dtype, low=low, **parts)
    kernel = samples.from_text(text, "main")
    verdict = harness.check(kernel, device=device)
    assert verdict.passed, verdict.reason
    if device == DEVICES[0]:
        assert validate(harness.compile(kernel), 0).name == ""


def test_copies_that_may_not_fit_are_refused() -> None:
    """A copy bounds nothing by itself."""
    parts = {"target": "whole", "last": "T.copy(whole, Q[row * 32, group * 128])"}
    text = COPIED.format(rows=32, dtype="int8", low="-1000.0", **parts)
    with pytest.raises(CompileError, match="int8 may not hold"):
        harness.compile(samples.from_text(text, "main"))


PRODUCT = """
@T.prim_func
def main(X: T.Tensor((32, 32), "float32"), Y: T.Tensor((32, 32), "int32")):
    with T.Kernel(1):
        x = T.alloc_fragment((32, 32), "float32")
        q = T.alloc_shared((32, 32), "int8")
        y = T.alloc_fragment((32, 32), "int32")
        T.copy(X, x)
        for i, j in T.Parallel(32, 32):
            q[i, j] = T.cast(T.clamp(x[i, j], -127, 127), "int8")
        T.clear(y)
        T.gemm(q, q, y)
        T.copy(y, Y)
"""


def test_computed_int8_is_not_multiplied() -> None:
    """The matrix unit's int8 has signs and magnitudes, which nothing makes of real numbers."""
    with pytest.raises(CompileError, match="int8 block 'q' in arithmetic") as caught:
        harness.compile(samples.from_text(PRODUCT, "main"), fidelity="HiFi4")
    assert "second T.Kernel" in str(caught.value.next_step)
