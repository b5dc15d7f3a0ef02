"""The matrix unit against kernels executed on the full-system simulator of both chips."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from simulator.formats.bits import Floats
from simulator.formats.codec import decode_datums, decode_tiles, encode_tiles
from simulator.formats.host import download
from simulator.formats.tilize import tilize
from simulator.numerics.models import number_model
from simulator.numerics.modes import Mode
from tests.vectors.cases import FORMATS, arrays, case, case_ids, mode_of

Array = npt.NDArray[Any]


def _operand(name: str, fmt: str, rows: int, columns: int) -> Array:
    """Tiles (rows, columns, 32, 32) of an operand matrix."""
    stored = arrays("matmul")[name]
    if FORMATS[fmt].is_bfp:
        tiles = decode_tiles(stored, FORMATS[fmt])
    else:
        tiles = tilize(decode_datums(stored, FORMATS[fmt]))
    return tiles.reshape(rows // 32, columns // 32, 32, 32)


def _product(name: str, mode: Mode) -> Floats:
    """DST tiles (M, N, 32, 32) of a case."""
    params = case("matmul", name)
    m, k, n = params["shape"]
    model = number_model("exact")
    in0 = _operand(params["a"], params["in0"], m, k)
    in1 = _operand(params["b"], params["in1"], k, n)
    if "transposed" in name:
        in1 = in1.swapaxes(-1, -2)
    left = model.matmul_operand(in0, FORMATS[params["in0"]], mode, 0)
    right = model.matmul_operand(in1, FORMATS[params["in1"]], mode, 1)
    acc = None
    for step in range(k // 32):
        acc = model.matmul(acc, left[:, None, step], right[step][None], mode)
    assert acc is not None
    return acc


def _differing(name: str, chip: str, *, errata: bool = True) -> int:
    params = case("matmul", name)
    mode = mode_of(params, chip, errata=errata)
    fmt = FORMATS[params["out_format"]]
    packed = number_model("exact").pack(_product(name, mode), fmt, mode).reshape(-1, 32, 32)
    expected = arrays("matmul")[params["out"][chip]]
    if fmt.is_bfp:
        return int(np.count_nonzero(encode_tiles(packed, fmt) != expected))
    m, _, n = params["shape"]
    matrix = download(packed, m, n)
    return int(np.count_nonzero(decode_datums(expected, fmt).view(np.uint32) != matrix.view("u4")))


@pytest.mark.parametrize("name", case_ids("matmul"))
def test_products_match_bit_for_bit(name: str) -> None:
    """Every case on both chips, with the Wormhole erratum reproduced."""
    out = case("matmul", name)["out"]
    assert {chip: _differing(name, chip) for chip in out} == dict.fromkeys(out, 0)


def test_the_erratum_is_off_unless_asked_for() -> None:
    """Without it, Wormhole computes what Blackhole computes."""
    name = "quirk.32x96x32.f32.HiFi4.fp32dest"
    assert _differing(name, "wh", errata=False) > 0
    assert _differing(name, "bh", errata=False) == 0
