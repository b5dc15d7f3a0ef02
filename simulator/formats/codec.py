"""Between decoded tiles and the bytes they take in memory.

Values must already be representable in the format: encoding is a change of notation, not a
rounding. Host tensors are rounded by simulator.formats.host, results by the packer model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats import bfp
from simulator.formats.bits import MAGNITUDE, floats_of, upper_halves, words_of
from simulator.formats.dataformat import BFP_GROUP, DataFormat
from simulator.formats.errors import FormatError
from simulator.formats.integers import check_range, from_sign_magnitude, to_sign_magnitude
from simulator.formats.tilize import from_faces, to_faces

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]


def encode_tiles(values: Array, fmt: DataFormat) -> Bytes:
    """Bytes (..., tile_bytes) of tiles (..., height, width) in face order.

    Bits a real format cannot hold are cut off. Raises IntegerRangeError for integers out of
    range, TileShapeError for an illegal tile shape.
    """
    if fmt is DataFormat.Float16_b:
        return _bytes_of(to_faces(upper_halves(np.ascontiguousarray(values, np.float32))))
    stored = to_faces(values)
    tile = (int(values.shape[-2]), int(values.shape[-1]))
    if fmt.is_bfp:
        exponents, mantissas = bfp.parts_of(words_of(stored), fmt.spec.bits)
        return join_bfp(exponents, mantissas, fmt, tile)
    return _bytes_of(encode_datums(stored, fmt))


def decode_tiles(data: Bytes, fmt: DataFormat, tile: tuple[int, int] = (32, 32)) -> Array:
    """Tiles (..., height, width) in fmt.value_dtype of bytes (..., tile_bytes).

    Raises FormatError when the last axis is not one tile.
    """
    size = fmt.tile_bytes(tile)
    if data.dtype != np.uint8 or data.shape[-1:] != (size,):
        raise FormatError(f"one {fmt.value} tile is {size} bytes, got {data.dtype} {data.shape}")
    if fmt.is_bfp:
        exponents, mantissas = split_bfp(data, fmt, tile)
        return from_faces(bfp.values_of(exponents, mantissas, fmt.spec.bits), tile)
    words = _words_in(data, fmt)
    if fmt is DataFormat.Float16_b:  # one pass over the datums, from faces to their place
        values = np.zeros((*words.shape[:-1], *tile), np.float32)
        from_faces(words, tile, out=upper_halves(values))
        return values
    return decode_datums(from_faces(words, tile), fmt)


def decode_stored(data: Bytes, fmt: DataFormat) -> Array:
    """Values (..., datums) of bytes (..., n) of some datums in memory, for every format but BFP."""
    return decode_datums(_words_in(data, fmt), fmt)


def encode_datums(values: Array, fmt: DataFormat) -> Array:
    """Storage words of values, elementwise, for every format but BFP."""
    if fmt.is_integer:
        return _encode_integers(values, fmt)
    if fmt is DataFormat.Float16:
        return half_of(words_of(values))
    words = words_of(values)
    if fmt is DataFormat.Float16_b:
        return (words >> np.uint32(16)).astype(np.uint16)
    return words


def decode_datums(words: Array, fmt: DataFormat) -> Array:
    """Values of storage words, elementwise, for every format but BFP."""
    if fmt is DataFormat.Float16_b:
        return floats_of(np.left_shift(words, np.uint32(16), dtype=np.uint32))
    if fmt is DataFormat.Float16:
        return float_of_half(words)
    if fmt is DataFormat.Int8:
        return from_sign_magnitude(words)
    if fmt.is_integer:
        return words.astype(np.uint32).view(fmt.value_dtype)
    return words.astype(np.uint32).view(np.float32)


def half_of(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint16]:
    """Float16 patterns of float32 patterns: exponent 31 is an ordinary exponent on the device.

    Values below 2**-14 are shifted into denormals, values of 2**17 and above become 0x7FFF
    (tt-isa-documentation, Packers/FormatConversion).
    """
    sign = (words >> np.uint32(16)) & np.uint32(0x8000)
    magnitude = words & MAGNITUDE
    half = (magnitude >> np.uint32(13)) - np.uint32(112 << 10)
    small = magnitude < np.uint32(113 << 23)
    if small.any():
        shift = np.minimum(np.uint32(126) - np.minimum(magnitude >> np.uint32(23), 112), 31)
        shifted = ((magnitude & np.uint32(0x7FFFFF)) | np.uint32(0x800000)) >> shift
        half = np.where(small, shifted, half)
    half = np.where(magnitude >= np.uint32(144 << 23), np.uint32(0x7FFF), half)
    pattern: npt.NDArray[np.uint16] = (half | sign).astype(np.uint16)
    return pattern


def float_of_half(words: Array) -> npt.NDArray[np.float32]:
    """Float32 values of float16 patterns, exponent 31 read as an ordinary exponent."""
    wide = words.astype(np.uint32)
    magnitude = wide & np.uint32(0x7FFF)
    normal = floats_of((magnitude << np.uint32(13)) + np.uint32(112 << 23))
    small = magnitude.astype(np.float32) * np.float32(2.0**-24)
    value = np.where(magnitude < np.uint32(0x400), small, normal)
    return floats_of(words_of(value) | ((wide & np.uint32(0x8000)) << np.uint32(16)))


def join_bfp(exponents: Array, mantissas: Array, fmt: DataFormat, tile: tuple[int, int]) -> Bytes:
    """Bytes of BFP tiles: exponents padded to 16 bytes, then mantissas, low bits first."""
    per_byte = 8 // fmt.spec.bits
    out = np.zeros((*mantissas.shape[:-1], fmt.tile_bytes(tile)), np.uint8)
    section = out.shape[-1] - mantissas.shape[-1] // per_byte
    out[..., : exponents.shape[-1]] = exponents
    grouped = mantissas.reshape(*mantissas.shape[:-1], -1, per_byte)
    for place in range(per_byte):
        out[..., section:] |= (grouped[..., place] << np.uint32(place * fmt.spec.bits)).astype(
            np.uint8
        )
    return out


def split_bfp(data: Bytes, fmt: DataFormat, tile: tuple[int, int]) -> tuple[Array, Array]:
    """Exponents (..., groups) and mantissas (..., datums) of BFP tile bytes, as uint32."""
    datums = tile[0] * tile[1]
    per_byte = 8 // fmt.spec.bits
    section = data.shape[-1] - datums // per_byte
    exponents = data[..., : datums // BFP_GROUP].astype(np.uint32)
    packed = data[..., section:, None].astype(np.uint32)
    places = np.arange(per_byte, dtype=np.uint32) * np.uint32(fmt.spec.bits)
    mantissas = (packed >> places) & np.uint32((1 << fmt.spec.bits) - 1)
    return exponents, mantissas.reshape(*data.shape[:-1], datums)


def _encode_integers(values: Array, fmt: DataFormat) -> Array:
    check_range(values, fmt)
    if fmt is DataFormat.Int8:
        return to_sign_magnitude(values)
    return values.astype(np.int64).astype(fmt.storage_dtype)


def _words_in(data: Bytes, fmt: DataFormat) -> Array:
    return np.ascontiguousarray(data).view(fmt.storage_dtype.newbyteorder("<"))


def _bytes_of(words: Array) -> Bytes:
    little = np.ascontiguousarray(words.astype(words.dtype.newbyteorder("<"), copy=False))
    return little.view(np.uint8)
