"""Micro-benchmarks of formats and number models.

One thread. Inputs are made once and reused, outputs are written to fixed memory where the
function allows it, as the engine does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.formats.bits import Floats
from simulator.formats.codec import decode_tiles, encode_tiles
from simulator.formats.dataformat import DataFormat
from simulator.formats.host import download, quantise_host, upload
from simulator.numerics.models import number_model
from simulator.numerics.modes import Dest, Fidelity, Mode
from simulator.numerics.rounding import round_bf16_away
from simulator.numerics.sfpu import sfpu

BF16 = DataFormat.Float16_b
REAL = [BF16, DataFormat.Float32, DataFormat.Bfp8_b, DataFormat.Bfp4_b]


def _normal(*shape: int) -> Floats:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


@pytest.mark.parametrize("fmt", REAL, ids=lambda fmt: fmt.value)
def test_upload_1024(benchmark: Any, fmt: DataFormat) -> None:
    """Float32 matrix to rounded tiles; 1.5 ms is the bar for bfloat16."""
    tensor = _normal(1024, 1024)
    out = np.empty((1024, 32, 32), np.float32)
    benchmark(upload, tensor, fmt, out=out)


def test_download_1024(benchmark: Any) -> None:
    """Tiles to a float32 matrix."""
    tiles = upload(_normal(1024, 1024), BF16)
    out = np.empty((1024, 1024), np.float32)
    benchmark(download, tiles, 1024, 1024, out)


@pytest.mark.parametrize("fmt", REAL, ids=lambda fmt: fmt.value)
def test_encode_256_tiles(benchmark: Any, fmt: DataFormat) -> None:
    """Values to bytes."""
    benchmark(encode_tiles, quantise_host(_normal(256, 32, 32), fmt), fmt)


@pytest.mark.parametrize("fmt", REAL, ids=lambda fmt: fmt.value)
def test_decode_256_tiles(benchmark: Any, fmt: DataFormat) -> None:
    """Bytes to values."""
    data = encode_tiles(quantise_host(_normal(256, 32, 32), fmt), fmt)
    benchmark(decode_tiles, data, fmt)


def test_round_bf16_1024_tiles(benchmark: Any) -> None:
    """Packer rounding of 64 lanes of 16 tiles."""
    tiles = _normal(64, 16, 32, 32)
    benchmark(round_bf16_away, tiles, np.empty_like(tiles))


@pytest.mark.parametrize("name", ["fast", "exact"])
@pytest.mark.parametrize("fmt", REAL, ids=lambda fmt: fmt.value)
def test_pack_256_tiles(benchmark: Any, name: str, fmt: DataFormat) -> None:
    """Packing fp32 DST."""
    tiles = _normal(256, 32, 32)
    benchmark(number_model(name).pack, tiles, fmt, Mode())


@pytest.mark.parametrize("lanes", [1, 64])
@pytest.mark.parametrize("dest", [Dest.FP32, Dest.BF16], ids=lambda dest: str(dest.value))
@pytest.mark.parametrize("fidelity", list(Fidelity), ids=lambda fidelity: str(fidelity.value))
@pytest.mark.parametrize("name", ["fast", "exact"])
def test_matmul_tile(benchmark: Any, name: str, fidelity: Fidelity, dest: Dest, lanes: int) -> None:
    """One K tile per lane, accumulated in place; extra_info gives microseconds per product."""
    model = number_model(name)
    mode = Mode(fidelity, dest)
    in0, in1 = (
        model.matmul_operand(quantise_host(_normal(lanes, 32, 32), BF16), BF16, mode, side)
        for side in (0, 1)
    )
    acc, scratch = np.zeros((2, lanes, 32, 32), np.float32)
    benchmark(model.matmul, acc, in0, in1, mode, out=acc, scratch=scratch)
    if benchmark.stats is not None:
        seconds = benchmark.stats.stats.median
        benchmark.extra_info["us_per_product"] = round(seconds / lanes * 1e6, 2)


@pytest.mark.parametrize("op", ["add", "mul"])
@pytest.mark.parametrize("name", ["fast", "exact"])
def test_eltwise_64_tiles(benchmark: Any, name: str, op: str) -> None:
    """One tile per lane on 64 lanes."""
    tiles = quantise_host(_normal(2, 64, 32, 32), BF16)
    benchmark(number_model(name).eltwise, op, tiles[0], tiles[1], Mode())


@pytest.mark.parametrize("function", ["exp", "recip", "gelu", "sigmoid"])
def test_sfpu_64_tiles(benchmark: Any, function: str) -> None:
    """One tile per lane on 64 lanes."""
    benchmark(sfpu, function, _normal(64, 32, 32), mode=Mode())
