"""Tilizing and quantising on the host: ttnn's bytes against the simulator's, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from harness.backends.device import TtnnBackend
from simulator.formats.dataformat import DataFormat
from simulator.formats.host import encode_host
from simulator.formats.tilize import tilize

pytestmark = pytest.mark.hardware

FORMATS = {"bfloat16": DataFormat.Float16_b, "float32": DataFormat.Float32,
           "bfloat8_b": DataFormat.Bfp8_b, "bfloat4_b": DataFormat.Bfp4_b}  # fmt: skip
SHAPES = ((32, 32), (64, 96), (50, 70), (1, 33))


def cases() -> dict[str, tuple[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]]:
    """Every format with ordinary data, wide ranges, ties and special values."""
    rng = np.random.default_rng(20)
    out = {}
    for dtype in FORMATS:
        for rows, columns in SHAPES:
            wide = rng.standard_normal((rows, columns)) * 2.0 ** rng.integers(-30, 30, (rows, 1))
            ties = rng.integers(-600, 600, (rows, columns)) / 2.0
            for kind, data in (("wide", wide), ("ties", ties)):
                out[f"{dtype}_{rows}x{columns}_{kind}"] = (dtype, data.astype(np.float32))
    special = np.zeros((32, 32), np.float32)
    special[0, :8] = (-0.0, 1e-40, -1e-40, 3.4e38, -3.4e38, 1e-38, 2.0**-126, np.pi)
    out |= {f"{dtype}_special": (dtype, special) for dtype in FORMATS}
    return out


def test_host_bytes_are_ttnns(wormhole: TtnnBackend) -> None:
    """Padding included: ttnn pads with zero."""
    listed = cases()
    expected = {}
    for name, (dtype, data) in listed.items():
        expected[name] = encode_host(tilize(data), FORMATS[dtype]).reshape(-1)
    job = {"mode": "host", "tensors": {
        name: {"dtype": dtype, "tile": [32, 32], "bytes": int(expected[name].size)}
        for name, (dtype, _) in listed.items()
    }}  # fmt: skip
    answer = wormhole.ask(job, {name: data for name, (_, data) in listed.items()}, timeout=60)
    assert answer.state == "ok", answer.message
    for name, wanted in expected.items():
        assert np.array_equal(answer.arrays[name], wanted), name
