"""What the host does to tensors: rounding, padding and cutting into tiles.

Host rounding is to nearest even; device packing (simulator.numerics.pack) is not. Measured:
tests/vectors/host_quant.npz and host_tilize.npz.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats import bfp
from simulator.formats.bits import (
    BF16_NAN,
    CHUNK,
    HIGH_HALF,
    Floats,
    Words,
    by_chunks,
    carried_even,
    chunks,
    has_nan,
    words_of,
)
from simulator.formats.codec import decode_datums, encode_tiles
from simulator.formats.dataformat import DataFormat, check_tile
from simulator.formats.errors import TileShapeError
from simulator.formats.integers import check_range
from simulator.formats.tilize import from_faces, grid_of, tilize, to_faces, untilize

Array = npt.NDArray[Any]
Tile = tuple[int, int]


def quantise_host(tiles: Array, fmt: DataFormat, in_place: bool = False) -> Array:
    """What tiles (..., height, width) hold after the host rounded them to ``fmt``.

    Returns float32 for real formats and fmt.value_dtype for integers; ``in_place`` may reuse the
    input's memory when it is contiguous float32. BFP groups are taken in face order.
    Raises IntegerRangeError for integers out of range, FormatError for reals given to an integer
    format.
    """
    if fmt.is_integer:
        check_range(tiles, fmt)
        return tiles.astype(fmt.value_dtype, copy=not in_place)
    if in_place:
        values = np.ascontiguousarray(tiles, np.float32)
    else:
        values = np.array(tiles, np.float32, order="C")
    if fmt.is_bfp:
        return by_chunks(values, lambda piece: _quantise_bfp(piece, fmt))
    _ROUNDERS[fmt](values.reshape(-1))
    return values


def encode_host(tiles: Array, fmt: DataFormat) -> npt.NDArray[np.uint8]:
    """Storage bytes (..., tile_bytes) of host tiles (..., height, width), rounded by the host."""
    return encode_tiles(quantise_host(tiles, fmt), fmt)


def upload(
    tensor: Array, fmt: DataFormat, tile: Tile = (32, 32), pad: float = 0, out: Array | None = None
) -> Array:
    """Tiles (..., tiles, height, width) a logical tensor (..., rows, columns) becomes on upload.

    Values are rounded to ``fmt``, the last two axes padded with ``pad`` to whole tiles (ttnn pads
    with 0 unless told otherwise, and rounds the padding like data). One-dimensional tensors are
    one row. ``out`` receives the tiles when given.
    Raises as quantise_host, and TileShapeError for illegal tiles.
    """
    check_tile(tile)
    matrix = np.atleast_2d(tensor)
    dtype = fmt.value_dtype if fmt.is_float else matrix.dtype
    rows, columns = matrix.shape[-2:]
    if fmt is not DataFormat.Float16_b or matrix.ndim != 2 or rows % tile[0] or columns % tile[1]:
        tiles = quantise_host(tilize(matrix.astype(dtype, copy=False), tile, pad), fmt, True)
        return _deliver(tiles, out)
    height, width = grid_of(rows, columns, tile)
    shape = (height * width, *tile)
    if out is None or not out.flags.c_contiguous or out.shape != shape:
        return _deliver(upload(tensor, fmt, tile, pad, np.empty(shape, np.float32)), out)
    matrix = matrix.astype(np.float32, copy=False).reshape(height, tile[0], width, tile[1])
    grid = out.view(np.uint32).reshape(height, width, *tile)
    strip = min(max(1, 2 * CHUNK // (tile[0] * columns)), height)
    scratch = np.empty((strip, *matrix.shape[1:]), np.uint32)
    for first in range(0, height, strip):
        piece = matrix[first : first + strip]
        sums = _carried_bf16(piece, scratch[: len(piece)])
        np.bitwise_and(sums.swapaxes(1, 2), HIGH_HALF, out=grid[first : first + strip])
    return out


def download(tiles: Array, rows: int, columns: int, out: Array | None = None) -> Array:
    """The logical (..., rows, columns) tensor of tiles (..., tiles, height, width)."""
    return untilize(tiles, rows, columns, (tiles.shape[-2], tiles.shape[-1]), out)


def _quantise_bfp(tiles: Floats, fmt: DataFormat) -> Floats:
    stored = to_faces(tiles)
    parts = bfp.quantise_even(words_of(stored), fmt.spec.bits)
    return from_faces(bfp.values_of(*parts, fmt.spec.bits), tiles.shape[-2:])


def _deliver(tiles: Array, out: Array | None) -> Array:
    if out is None:
        return tiles
    if out.shape != tiles.shape:
        raise TileShapeError(f"out has shape {out.shape}, {tiles.shape} was expected")
    out[...] = tiles
    return out


def _round_bf16(values: Floats) -> None:
    """Round a flat array to bfloat16 in place: nearest even, denormals kept, one NaN."""
    scratch = np.empty(min(CHUNK, values.size), np.uint32)
    for start in chunks(values.size):
        piece = values[start : start + CHUNK]
        sums = _carried_bf16(piece, scratch[: piece.size])
        np.bitwise_and(sums, HIGH_HALF, out=piece.view(np.uint32))


def _carried_bf16(values: Floats, out: Words) -> Words:
    """Patterns rounded to bfloat16, but for the low half."""
    sums = carried_even(values.view(np.uint32), 16, out)
    if has_nan(values):
        sums[np.isnan(values)] = BF16_NAN
    return sums


def _round_fp16(values: Floats) -> None:
    """Round a flat array to IEEE float16 in place; overflow becomes the device's largest datum."""
    with np.errstate(all="ignore"):
        half = values.astype(np.float16).view(np.uint16)
    values[:] = decode_datums(half, DataFormat.Float16)


def _keep(values: Floats) -> None:
    """Float32 is stored as it is."""


_ROUNDERS: MappingProxyType[DataFormat, Callable[[Floats], None]] = MappingProxyType(
    {
        DataFormat.Float32: _keep,
        DataFormat.Float16_b: _round_bf16,
        DataFormat.Float16: _round_fp16,
    }
)
