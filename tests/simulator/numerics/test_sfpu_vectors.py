"""Vector-unit functions over all bfloat16 codes: within one bfloat16 ulp of executed kernels.

The vectors are indicative (their kernels were lowered by a private compiler path), so specials
are not compared: NaN and infinite operands or results, and operands below the normal range, where
the chips differ from each other and from IEEE.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from simulator.formats.bits import Floats, words_of
from simulator.formats.codec import decode_datums
from simulator.formats.dataformat import DataFormat
from simulator.formats.tilize import from_faces
from simulator.numerics.models import number_model
from simulator.numerics.sfpu import sfpu
from tests.vectors.cases import FORMATS, arrays, case, case_ids, mode_of

EXACT = number_model("exact")
TINY = 2.0**-126
NAMES: dict[str, tuple[str, tuple[float, ...]]] = {
    "add2p5": ("add_unary", (2.5,)),
    "mul2p5": ("mul_unary", (2.5,)),
    "addbinary": ("add_binary", ()),
    "mulbinary": ("mul_binary", ()),
    "maxbinary": ("binary_max", ()),
}
TAILS = {
    ("silu.bf16.bf16.bf16dest", "wh"): 11,
    ("silu.bf16.bf16.bf16dest", "bh"): 11,
    ("recip.bf16.bf16.bf16dest", "bh"): 2,
}
"""Results just above the normal range that the kernels flush to zero: silu near -88 and of the
least normal numbers, and on Blackhole the reciprocals of 2**126."""


def _codes(values: Floats) -> npt.NDArray[np.int64]:
    """Positions of values on the line of bfloat16 numbers."""
    high = (words_of(values) >> np.uint32(16)).astype(np.int64)
    return np.where(high & 0x8000, -(high & 0x7FFF), high & 0x7FFF)


def _runs(name: str) -> Iterator[tuple[str, npt.NDArray[np.bool_], Floats, Floats]]:
    """By chip: which operands are usual numbers, the result, and what the kernel gave."""
    params = case("sfpu", name)
    function, immediates = NAMES.get(params["op"], (params["op"], ()))
    fmt = FORMATS[params["out_format"]]
    stored = [arrays("sfpu")[params[key]] for key in ("x", "a", "b") if key in params]
    operands = [from_faces(decode_datums(codes, DataFormat.Float16_b)) for codes in stored]
    usual = np.logical_and.reduce([np.isfinite(x) & (np.abs(x) >= TINY) for x in operands])
    for chip, out in params["out"].items():
        mode = mode_of(params, chip)
        tiles = [EXACT.copy(x, mode) for x in operands]
        result = EXACT.pack(sfpu(function, *tiles, *immediates, mode=mode), fmt, mode)
        expected = from_faces(decode_datums(arrays("sfpu")[out], fmt))
        yield chip, usual, result, expected


@pytest.mark.parametrize("name", case_ids("sfpu"))
def test_functions_are_within_one_ulp(name: str) -> None:
    """Every case on both chips."""
    for chip, usual, result, expected in _runs(name):
        compared = usual & np.isfinite(expected) & np.isfinite(result)
        assert compared.mean() > 0.4
        apart = np.abs(_codes(result) - _codes(expected))[compared]
        flushed = (apart > 1) & (expected[compared] == 0)
        assert np.count_nonzero(flushed) == TAILS.get((name, chip), 0)
        assert apart[~flushed].max() <= 1


@pytest.mark.parametrize(
    "name",
    [
        "abs.bf16.bf16.bf16dest",
        "add2p5.bf16.bf16.bf16dest",
        "addbinary.bf16.bf16.bf16dest",
        "addbinary.bf16.f32.fp32dest",
        "maxbinary.bf16.bf16.bf16dest",
        "maxbinary.bf16.f32.fp32dest",
        "mul2p5.bf16.bf16.bf16dest",
        "negative.bf16.bf16.bf16dest",
        "rsqrt.bf16.bf16.bf16dest",
        "sqrt.bf16.bf16.bf16dest",
        "square.bf16.bf16.bf16dest",
    ],
)
def test_rounding_on_the_way_to_dst_is_exact(name: str) -> None:
    """Functions without a polynomial match in every usual datum, which pins how they are stored."""
    for _, usual, result, expected in _runs(name):
        compared = usual & np.isfinite(expected)
        assert np.array_equal(words_of(result)[compared], words_of(expected)[compared])
