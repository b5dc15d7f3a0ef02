"""Shifts, masks, quotients and remainders of whole numbers: packed weights, indices."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import CompileError
from tests.e2e.judged import run_judged
from tests.harness.compiler import samples

DEVICES = ["wormhole_n150", "blackhole_p150"]
SOURCE = """
@T.prim_func
def main(K: T.Tensor((70, 72), "uint8"), A: T.Tensor((70, 72), "int8"),
         W: T.Tensor((70, 72), "int32"), X: T.Tensor((70, 72), "float32"),
         Y: T.Tensor((70, 72), "{dtype}")):
    with T.Kernel(3, 3) as (bx, by):
        k = T.alloc_shared((32, 32), "uint8")
        a = T.alloc_shared((32, 32), "int8")
        w = T.alloc_shared((32, 32), "int32")
        x = T.alloc_fragment((32, 32), "float32")
        y = T.alloc_fragment((32, 32), "{dtype}")
        T.copy(K[by * 32, bx * 32], k)
        T.copy(A[by * 32, bx * 32], a)
        T.copy(W[by * 32, bx * 32], w)
        T.copy(X[by * 32, bx * 32], x)
        for i, j in T.Parallel(32, 32):
            y[i, j] = {value}
        T.copy(y, Y[by * 32, bx * 32])
"""
ROW: Any = np.arange(70)[:, None] % 32
COL: Any = np.arange(72) % 32
CASES: dict[tuple[str, str], Any] = {
    ("float32", 'T.cast((k[i, j] >> ((j % 4) * 2)) & 3, "float32")'):
        lambda n: (n.k >> COL % 4 * 2) & 3,
    ("float32", "((k[i, j] >> T.cast((j % 2) * 4, k[i, j].dtype)) & 15).astype(x[i, j].dtype)"):
        lambda n: (n.k >> COL % 2 * 4) & 15,
    ("float32", 'T.cast((a[i, j] >> 4) & 15, "float32") * 0.5'): lambda n: ((n.a >> 4) & 15) * 0.5,
    ("int8", 'T.cast((T.cast(a[i, j], "int32") & 15) - 8, "int8")'): lambda n: (n.a & 15) - 8,
    ("uint8", 'T.cast((k[i, j] & 15) << 4 | (k[i, j] >> 4), "uint8")'):
        lambda n: (n.k & 15) << 4 | n.k >> 4,
    ("uint8", "k[i, j] & 0xF0"): lambda n: n.k & 0xF0,
    ("uint8", "~k[i, j]"): lambda n: 255 - n.k,
    ("int8", "a[i, j] >> 7"): lambda n: n.a >> 7,
    ("int8", "a[i, j] & 0x78"): lambda n: n.a & 0x78,
    ("uint8", "k[i, j] >> 3"): lambda n: n.k >> 3,
    ("int32", '(T.cast(k[i, j], "int32") << 8) | k[i, j]'): lambda n: n.k << 8 | n.k,
    ("int32", 'T.cast(k[i, j], "int32") & 0x5A'): lambda n: n.k & 0x5A,
    ("int32", 'T.cast(a[i, j], "int32") & ~7'): lambda n: n.a & ~7,
    ("int32", 'T.cast(a[i, j], "int32") | 12'): lambda n: n.a | 12,
    ("int32", 'T.cast(a[i, j], "int32") ^ 0x81'): lambda n: n.a ^ 0x81,
    ("int32", '~T.cast(a[i, j], "int32")'): lambda n: ~n.a,
    ("int32", 'T.shift_right(T.cast(a[i, j], "int32"), i % 3)'): lambda n: n.a >> ROW % 3,
    ("int32", 'T.shift_left(T.bitwise_and(T.cast(k[i, j], "int32"), 7), j // 8)'):
        lambda n: (n.k & 7) << COL // 8,
    ("int32", 'T.cast(a[i, j], "int32") // 16 * 100 + T.cast(a[i, j], "int32") % 16'):
        lambda n: n.a // 16 * 100 + n.a % 16,
    ("int32", "T.clamp(w[i, j], -70000, 70000) >> 5"): lambda n: np.clip(n.w, -70000, 70000) >> 5,
    ("int32", "(i << 4) | (j & 15)"): lambda n: ROW << 4 | (COL & 15) + 0 * n.k,
    ("float32", "T.if_then_else((k[i, j] & 1) == 1, x[i, j], 0.0)"):
        lambda n: np.where(n.k & 1, n.x, 0),
    ("float32", "T.if_then_else(((k[i, j] >> (j & 7)) & 1) != 0, x[i, j], -1.0)"):
        lambda n: np.where(n.k >> (COL & 7) & 1, n.x, -1),
    ("float32", "x[i, j ^ 1]"): None,
    ("float32", 'T.cast((k[i, j >> 1] >> ((j & 1) << 2)) & 0xF, "float32")'): None,
    ("int32", 'T.cast(T.clamp(x[i, j], -99, 99), "int32") & 6'):
        lambda n: np.trunc(np.clip(n.x, -99, 99)).astype(int) & 6,
}  # fmt: skip


def source(dtype: str, value: str) -> Any:
    """A kernel that stores a value; nothing is a whole number of tiles."""
    return samples.from_text(SOURCE.format(dtype=dtype, value=value), "main")


def drawn() -> dict[str, Any]:
    """Every byte there is, and numbers of both signs."""
    rng = np.random.default_rng(0)
    every = np.arange(70 * 72).reshape(70, 72)
    return {
        "K": (every * 7 % 256).astype(np.uint8),
        "A": (every % 256 - 128).astype(np.int8),
        "W": rng.integers(-(2**31), 2**31, (70, 72)).astype(np.int32),
        "X": (rng.integers(-700, 701, (70, 72)) / 4).astype(np.float32),
    }


@pytest.mark.parametrize(("dtype", "value"), CASES)
@pytest.mark.parametrize("device", DEVICES)
def test_bits_are_those_of_numpy(dtype: str, value: str, device: str) -> None:
    """Exactly, of numbers of either sign, all bytes among them."""
    given, numbers = drawn(), CASES[dtype, value]
    got = run_judged(source(dtype, value), given, device)
    if numbers is not None:
        wide = {n.lower(): v if n == "X" else v.astype(int) for n, v in given.items()}
        want = numbers(SimpleNamespace(**wide))
        assert np.array_equal(got, np.broadcast_to(want, (70, 72)))


@pytest.mark.parametrize(
    ("dtype", "value", "text"),
    [
        ("int32", "w[i, j] >> 4", "bits of whole numbers that may exceed 16,777,216"),
        ("float32", 'T.cast(w[i, j] & 15, "float32")', "pass packed numbers as uint8"),
        ("int32", 'T.cast(k[i, j], "int32") & w[i, j]', "let one side be a number"),
        ("int32", '(T.cast(k[i, j], "int32") << 3) | k[i, j]', "let one side be a number"),
        ("int32", 'T.cast(k[i, j], "int32") >> T.cast(k[i, j], "int32")', "by what data"),
        ("int32", 'T.cast(k[i, j], "int32") << (j % 8 + 12)', "may exceed 16,777,216"),
        ("uint8", "k[i, j] << 1", "uint8 may not hold"),
        ("uint8", "k[i, j] << (j % 2)", "uint8 may not hold"),
        ("int32", 'T.cast(k[i, j], "int32") % 10', "divide by a power of two"),
        ("int32", 'T.cast(k[i, j], "int32") >> (j % 10)', "at most 8 amounts"),
    ],
)
def test_what_bits_are_not_is_refused(dtype: str, value: str, text: str) -> None:
    """Numbers that are not exact, two operands of data, and what a byte would lose."""
    with pytest.raises(CompileError) as caught:
        harness.compile(source(dtype, value))
    assert text in f"{caught.value} {caught.value.next_step}"
