"""Host rounding, padding and tile storage, byte for byte against real ttnn."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.formats import bfp
from simulator.formats.bits import floats_of, words_of
from simulator.formats.codec import decode_tiles, encode_tiles, join_bfp
from simulator.formats.host import download, encode_host, quantise_host, upload
from simulator.formats.tilize import from_faces, to_faces
from tests.vectors.cases import FORMATS, arrays, case, case_ids, facts


@pytest.mark.parametrize("name", case_ids("host_tilize"))
def test_upload_stores_the_bytes_ttnn_stores(name: str) -> None:
    """Every host_tilize case: padding, tile order, faces and rounding."""
    params = case("host_tilize", name)
    fmt = FORMATS[params["dtype"]]
    tile = tuple(params["tile"])
    tensor = arrays("host_tilize")[f"{name}.in"]
    tiles = upload(tensor, fmt, tile, params["pad_value_arg"] or 0)
    stored = encode_tiles(tiles, fmt)
    raw = np.ascontiguousarray(arrays("host_tilize")[f"{name}.raw"]).view(np.uint8)
    assert stored.shape[-1] == params["tile_bytes"] == fmt.tile_bytes(tile)
    assert np.array_equal(stored.reshape(-1), raw.reshape(-1))
    assert np.array_equal(words_of(decode_tiles(stored, fmt, tile)), words_of(tiles))
    back = download(tiles, *np.atleast_2d(tensor).shape[-2:])
    assert back.shape == tensor.shape


@pytest.mark.parametrize("fmt", ["bf16", "bfp8", "bfp4", "bfp2"])
@pytest.mark.parametrize("kind", case_ids("host_quant"))
def test_quantisers_give_the_bytes_of_ttnn(kind: str, fmt: str) -> None:
    """Every kind of adversarial data, every format."""
    values = from_faces(floats_of(arrays("host_quant")[f"{kind}.in"]))
    stored = encode_host(values, FORMATS[fmt])
    raw = np.ascontiguousarray(arrays("host_quant")[f"{kind}.{fmt}"]).view(np.uint8)
    assert np.array_equal(stored, raw)


@pytest.mark.parametrize("fmt", ["bfp8", "bfp4"])
@pytest.mark.parametrize("kind", case_ids("host_quant"))
def test_dequantised_patterns_are_those_of_ttnn(kind: str, fmt: str) -> None:
    """Infinity and NaN patterns of exponent 255 included."""
    stored = arrays("host_quant")[f"{kind}.{fmt}"]
    expected = arrays("host_quant")[f"{kind}.{fmt}_deq"]
    assert np.array_equal(words_of(to_faces(decode_tiles(stored, FORMATS[fmt]))), expected)


@pytest.mark.parametrize("kind", case_ids("host_quant"))
def test_bfp8_by_way_of_bfloat16(kind: str) -> None:
    """A bfloat16 tensor cast to bfloat8_b on the host is rounded twice."""
    values = from_faces(floats_of(arrays("host_quant")[f"{kind}.in"]))
    halfway = quantise_host(values, FORMATS["bf16"])
    stored = encode_host(halfway, FORMATS["bfp8"])
    assert np.array_equal(stored, arrays("host_quant")[f"{kind}.bfp8_via_bf16"])


def test_bfp8_parts_survive_the_value_domain() -> None:
    """Exponents and mantissas come back from float32 values unchanged."""
    for kind in case_ids("host_quant"):
        words = arrays("host_quant")[f"{kind}.in"]
        for bits, fmt in ((8, "bfp8"), (4, "bfp4"), (2, "bfp2")):
            exponents, mantissas = bfp.quantise_even(words, bits)
            values = bfp.values_of(exponents, mantissas, bits)
            again = bfp.parts_of(words_of(values), bits)
            joined = join_bfp(*again, FORMATS[fmt], (32, 32))
            assert np.array_equal(joined, arrays("host_quant")[f"{kind}.{fmt}"])


def test_tile_sizes_are_those_of_ttnn() -> None:
    """Bytes of every tile shape ttnn accepted, refusal of those it refused."""
    sizes = {k: v for k, v in facts()["host_validation"].items() if k.startswith("tile_")}
    assert len(sizes) > 10
    for name, entry in sizes.items():
        tile = tuple(int(n) for n in name.removeprefix("tile_").split("x"))
        verdict = entry["wh_and_bh"]
        for dtype, count in verdict.get("bytes", {}).items():
            ir = {"bfloat8_b": "bfloat8_b", "bfloat4_b": "bfloat4_b"}.get(dtype, dtype)
            fmt = next(f for f in type(FORMATS["bf16"]) if f.ir_dtype == ir)
            assert fmt.tile_bytes((tile[0], tile[1])) == count
        if not verdict["accepted"]:
            with pytest.raises(ValueError, match="not legal"):
                FORMATS["bf16"].tile_bytes((tile[0], tile[1]))
