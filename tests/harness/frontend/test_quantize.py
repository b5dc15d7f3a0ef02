"""Numbers of a few bits out of bytes, by the names TileLang has for the converters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import HarnessError
from tests.harness.frontend.loading import load

TEXT = """
import tilelang
import tilelang.language as T
from tilelang.quantize import {name}

def k(kind="uint8", nbit=4, made="uint"):
    n = 8 // nbit
    convert = {name}(made, 8)

    @T.prim_func
    def main(B: T.Tensor((32, 64 // n), kind), Z: T.Tensor((32,), "float16"),
             C: T.Tensor((32, 64), "float16")):
        with T.Kernel(1):
            b = T.alloc_fragment((32, 64 // n), kind)
            c = T.alloc_fragment((32, 64), "float16")
            T.copy(B, b)
            for i, j in T.Parallel(32, 64):
                c[i, j] = convert(nbit, b[i, j // n], j % n, {zero}dtype="float16")
            T.copy(c, C)

    return main
"""
MEANINGS: dict[str, Callable[[Any, int, Any], Any]] = {
    "_tir_packed_to_unsigned_convert": lambda bits, _half, _zeros: bits,
    "_tir_packed_to_signed_convert": lambda bits, half, _zeros: bits - half,
    "_tir_packed_to_unsigned_convert_with_zeros": lambda bits, _half, zeros: bits - zeros,
    "_tir_packed_int_to_int_convert": lambda bits, half, _zeros: (bits + half) % (2 * half) - half,
}
"""Numbers as NumPy has them, of bits, half as many as there are, and zero points of rows."""


def text(name: str) -> str:
    """A file that unpacks with one converter."""
    return TEXT.format(name=name, zero="Z[i], " if "zeros" in name else "")


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("nbit", [2, 4])
@pytest.mark.parametrize("name", MEANINGS)
def test_every_byte_gives_its_numbers(tmp_path: Path, name: str, nbit: int, device: str) -> None:
    """Exactly those NumPy takes out of it, of bytes with a sign and without."""
    kind = "int8" if "int_to_int" in name else "uint8"
    n = 8 // nbit
    kernel = load(tmp_path, text(name), kind=kind, nbit=nbit, made=kind[:-1])
    every = (np.arange(32 * 64 // n) * 7 % 256).astype(np.uint8).reshape(32, -1).view(kind)
    zeros = np.arange(32, dtype=np.float32)
    bits = np.stack([every.view(np.uint8).astype(int) >> nbit * p & (1 << nbit) - 1
                     for p in range(n)], -1).reshape(32, 64)  # fmt: skip
    inputs = {"B": every} | ({"Z": zeros} if "zeros" in name else {})
    answer = harness.compile(kernel, device=device).run(inputs).outputs["C"]
    assert np.array_equal(answer, MEANINGS[name](bits, 1 << (nbit - 1), zeros[:, None]))
    assert harness.check(kernel, device=device).passed


def test_a_byte_of_another_type_is_refused(tmp_path: Path) -> None:
    """By the line that asks, as TileLang asserts."""
    with pytest.raises(HarnessError, match=r":18:17: .*packed in int8 is taken out of uint8"):
        load(tmp_path, text("_tir_packed_to_unsigned_convert"), made="int")
