"""Formats, tiles and host rounding: round trips, refusals, agreement with independent rounding."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.formats.bits import Floats, upper_halves, words_of
from simulator.formats.codec import decode_tiles, encode_tiles, float_of_half, half_of
from simulator.formats.dataformat import LEGAL_TILES, DataFormat, face_shape
from simulator.formats.errors import (
    FormatError,
    IntegerRangeError,
    TileShapeError,
    UnknownFormatError,
)
from simulator.formats.host import download, encode_host, quantise_host, upload
from simulator.formats.tilize import from_faces, grid_of, tilize, to_faces, untilize

seeds = st.integers(0, 2**32 - 1)
tiles = st.sampled_from(LEGAL_TILES)
FLOATS = [fmt for fmt in DataFormat if fmt.is_float]
INTEGERS = [fmt for fmt in DataFormat if fmt.is_integer]


def _patterns(seed: int, shape: tuple[int, ...]) -> Floats:
    """Random float32 bit patterns: every exponent, NaN and infinity included."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**32, shape, np.uint32).view(np.float32)


def _integers(seed: int, shape: tuple[int, ...], fmt: DataFormat) -> npt.NDArray[Any]:
    rng = np.random.default_rng(seed)
    values = rng.integers(fmt.spec.low, fmt.spec.high, shape, np.int64, endpoint=True)
    return values.astype(fmt.value_dtype)


@pytest.mark.parametrize("fmt", list(DataFormat), ids=lambda fmt: fmt.value)
def test_names_lead_back_to_the_format(fmt: DataFormat) -> None:
    """tt-metal names and IR dtypes are one to one."""
    assert DataFormat.from_name(fmt.value) is fmt
    assert DataFormat.from_ir(fmt.ir_dtype) is fmt
    assert fmt.is_float != fmt.is_integer


def test_sizes() -> None:
    """The sizes of a full tile, exponents included."""
    assert {fmt.value: fmt.tile_bytes() for fmt in DataFormat} == {
        "Float32": 4096,
        "Float16_b": 2048,
        "Float16": 2048,
        "Bfp8_b": 1088,
        "Bfp4_b": 576,
        "Bfp2_b": 320,
        "UInt8": 1024,
        "UInt16": 2048,
        "UInt32": 4096,
        "Int8": 1024,
        "Int32": 4096,
    }
    assert DataFormat.Bfp8_b.tile_bytes((1, 32)) == 48
    assert DataFormat.Bfp8_b.bytes_per_datum == 1.0625
    assert face_shape((8, 32)) == (8, 16)


def test_unknown_names_are_refused() -> None:
    """The message lists what exists."""
    with pytest.raises(UnknownFormatError, match="bfloat16"):
        DataFormat.from_ir("float64")
    with pytest.raises(UnknownFormatError, match="Float16_b"):
        DataFormat.from_name("bf16")


@given(seed=seeds, tile=tiles, fmt=st.sampled_from(FLOATS))
def test_encoded_host_tiles_decode_to_what_was_quantised(
    seed: int, tile: tuple[int, int], fmt: DataFormat
) -> None:
    """Bytes hold every pattern the host can make, for every tile shape."""
    values = quantise_host(_patterns(seed, (2, *tile)), fmt)
    data = encode_tiles(values, fmt)
    assert data.shape == (2, fmt.tile_bytes(tile))
    assert np.array_equal(words_of(decode_tiles(data, fmt, tile)), words_of(values))


@given(seed=seeds, tile=tiles, fmt=st.sampled_from(INTEGERS))
def test_integers_survive(seed: int, tile: tuple[int, int], fmt: DataFormat) -> None:
    """Every integer in range comes back, in the value dtype."""
    values = _integers(seed, (3, *tile), fmt)
    back = decode_tiles(encode_host(values, fmt), fmt, tile)
    assert back.dtype == fmt.value_dtype
    assert np.array_equal(back, values)


@given(seed=seeds, fmt=st.sampled_from(FLOATS))
def test_quantising_twice_changes_nothing(seed: int, fmt: DataFormat) -> None:
    """Host rounding is idempotent on finite data and on infinities."""
    values = _patterns(seed, (2, 32, 32))
    values = np.where(np.abs(values) < 2.0**120, values, np.float32(1))
    once = quantise_host(values, fmt)
    assert np.array_equal(words_of(quantise_host(once, fmt)), words_of(once))


@given(seed=seeds)
def test_bfloat16_rounding_is_that_of_ml_dtypes(seed: int) -> None:
    """An implementation that shares nothing with ours."""
    values = _patterns(seed, (4, 32, 32))
    with np.errstate(invalid="ignore"):
        theirs = values.astype(ml_dtypes.bfloat16).astype(np.float32)
    ours = quantise_host(values, DataFormat.Float16_b)
    nan = np.isnan(values)
    assert np.array_equal(words_of(ours)[~nan], words_of(theirs)[~nan])
    assert (words_of(ours)[nan] == 0x7FC00000).all()


@given(seed=seeds)
def test_upper_halves_are_bfloat16_patterns_and_a_view(seed: int) -> None:
    """The upper half of float32 is bfloat16 cut off, in the memory it was asked of."""
    values = np.random.default_rng(seed).standard_normal((4, 32), np.float32)
    halves = upper_halves(values)
    assert np.array_equal(halves, words_of(values) >> np.uint32(16))
    halves[...] = 0
    assert (np.abs(values) < 2.0**-126).all()


@given(seed=seeds)
def test_float16_matches_numpy_below_exponent_31(seed: int) -> None:
    """All finite Float16 numbers, both ways."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2**16, 4096).astype(np.uint16)
    codes = codes[(codes & 0x7C00) != 0x7C00]
    values = codes.view(np.float16).astype(np.float32)
    assert np.array_equal(float_of_half(codes), values)
    assert np.array_equal(half_of(words_of(values)), codes)


@given(seed=seeds, tile=tiles, rows=st.integers(1, 70), columns=st.integers(1, 70))
def test_tiles_go_back_to_the_matrix(
    seed: int, tile: tuple[int, int], rows: int, columns: int
) -> None:
    """Ragged edges are padded on the way in and dropped on the way out."""
    matrix = np.random.default_rng(seed).integers(1, 2**31, (2, rows, columns), np.int32)
    cut = tilize(matrix, tile, pad=-1)
    height, width = grid_of(rows, columns, tile)
    assert cut.shape == (2, height * width, *tile)
    assert np.array_equal(untilize(cut, rows, columns, tile), matrix)
    assert np.count_nonzero(cut == -1) == cut.size - matrix.size


@given(seed=seeds, tile=tiles)
def test_faces_are_in_row_major_order(seed: int, tile: tuple[int, int]) -> None:
    """Against the definition, one datum at a time."""
    values = np.random.default_rng(seed).integers(0, 2**31, (2, *tile), np.int32)
    stored = to_faces(values)
    face_h, face_w = face_shape(tile)
    expected = [
        values[:, r : r + face_h, c : c + face_w].reshape(2, -1)
        for r in range(0, tile[0], face_h)
        for c in range(0, tile[1], face_w)
    ]
    assert np.array_equal(stored, np.concatenate(expected, axis=1))
    assert np.array_equal(from_faces(stored, tile), values)
    spaced = np.zeros((*values.shape, 2), values.dtype)
    from_faces(stored, tile, out=spaced[..., 1])
    assert np.array_equal(spaced[..., 1], values)
    assert not spaced[..., 0].any()


@settings(max_examples=25)
@given(seed=seeds, fmt=st.sampled_from(FLOATS), rows=st.integers(1, 100), width=st.integers(1, 100))
def test_upload_is_quantised_padding_and_cutting(
    seed: int, fmt: DataFormat, rows: int, width: int
) -> None:
    """The fused upload agrees with its parts, and download inverts it up to rounding."""
    tensor = np.random.default_rng(seed).standard_normal((rows, width), np.float32)
    tiles_ = upload(tensor, fmt)
    assert np.array_equal(tiles_, quantise_host(tilize(tensor), fmt))
    out = np.empty_like(tiles_)
    assert upload(tensor, fmt, out=out) is out
    assert np.array_equal(out, tiles_)
    back = download(tiles_, rows, width)
    assert back.shape == tensor.shape
    assert np.allclose(back, tensor, atol=4.0)


@given(
    seed=seeds,
    grid=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    tile=st.sampled_from([(32, 32), (16, 32), (32, 16), (16, 16)]),
    order=st.sampled_from(["C", "F", "reversed"]),
)
def test_upload_of_whole_tiles_takes_any_patterns(
    seed: int, grid: tuple[int, int], tile: tuple[int, int], order: str
) -> None:
    """Rounding while cutting is rounding after cutting, for NaN, infinity and denormals as well."""
    shape = grid[0] * tile[0], grid[1] * tile[1]
    words = np.random.default_rng(seed).integers(0, 1 << 32, shape, np.uint32)
    tensor = words.view(np.float32)
    tensor = tensor[::-1] if order == "reversed" else np.array(tensor, order=order)  # type: ignore[call-overload]  # literals it knows
    wide = np.ascontiguousarray(tensor).view(np.uint32).astype(np.uint64)
    even = (wide + 0x7FFF + (wide >> 16 & 1)) >> 16 << 16
    even[np.isnan(tensor)] = 0x7FC00000
    want = tilize(even.astype(np.uint32), tile).view(np.float32)
    apart = np.empty((len(want), tile[1], tile[0]), np.float32).swapaxes(1, 2)
    for out in (None, np.empty_like(want), apart):
        tiles_ = upload(tensor, DataFormat.Float16_b, tile, out=out)
        assert out is None or tiles_ is out
        assert np.array_equal(tiles_.view(np.uint32), want.view(np.uint32))
    with pytest.raises(TileShapeError):
        upload(tensor, DataFormat.Float16_b, tile, out=want[None])


@pytest.mark.parametrize("fmt", INTEGERS, ids=lambda fmt: fmt.value)
def test_integers_out_of_range_are_refused(fmt: DataFormat) -> None:
    """One step beyond either end, and real numbers."""
    good = np.zeros((32, 32), np.int64)
    for value in (fmt.spec.low - 1, fmt.spec.high + 1):
        bad = good.copy()
        bad[3, 4] = value
        with pytest.raises(IntegerRangeError, match=str(value)):
            encode_tiles(bad, fmt)
        with pytest.raises(IntegerRangeError, match=fmt.value):
            upload(bad, fmt)
    with pytest.raises(FormatError, match="holds integers"):
        encode_tiles(np.zeros((32, 32), np.float32), fmt)


def test_int8_is_sign_and_magnitude() -> None:
    """-1 is 0x81, and 0x80 reads as zero."""
    values = np.full((32, 32), -1, np.int32)
    data = encode_tiles(values, DataFormat.Int8)
    assert (data == 0x81).all()
    assert (decode_tiles(np.full_like(data, 0x80), DataFormat.Int8) == 0).all()


def test_negative_zero_in_bfp_is_minus_infinity() -> None:
    """What the unpacker makes of a mantissa no packer writes."""
    data = np.zeros(1088, np.uint8)
    data[0], data[64] = 127, 0x80
    assert decode_tiles(data, DataFormat.Bfp8_b)[0, 0] == -np.inf


def test_shapes_that_do_not_fit_are_refused() -> None:
    """Illegal tiles, wrong counts, wrong byte strings, vectors without rows."""
    matrix = np.zeros((64, 64), np.float32)
    with pytest.raises(TileShapeError, match="not legal"):
        tilize(matrix, (24, 32))
    with pytest.raises(TileShapeError, match="was expected"):
        tilize(matrix, out=np.empty((2, 32, 32), np.float32))
    with pytest.raises(TileShapeError, match="needs tiles"):
        untilize(tilize(matrix), 96, 64)
    with pytest.raises(TileShapeError, match="a matrix is needed"):
        tilize(np.zeros(4, np.float32))
    with pytest.raises(TileShapeError, match="are not one"):
        from_faces(np.zeros(100))
    with pytest.raises(FormatError, match="2048 bytes"):
        decode_tiles(np.zeros(2047, np.uint8), DataFormat.Float16_b)
    with pytest.raises(TileShapeError, match="was expected"):
        upload(matrix, DataFormat.Float32, out=np.empty((1, 32, 32), np.float32))


def test_vectors_are_one_row() -> None:
    """A one-dimensional tensor is stored as one row of tiles, as ttnn does."""
    tiles_ = upload(np.arange(40, dtype=np.float32), DataFormat.Float32)
    assert tiles_.shape == (2, 32, 32)
    assert np.array_equal(download(tiles_, 1, 40)[0], np.arange(40))


def test_quantising_leaves_the_input_alone() -> None:
    """Unless asked to work in place."""
    values = np.full((2, 32, 32), 1.2345678, np.float32)
    kept = values.copy()
    quantise_host(values, DataFormat.Float16_b)
    assert np.array_equal(values, kept)
    assert quantise_host(values, DataFormat.Float16_b, in_place=True) is values
    assert not np.array_equal(values, kept)
