"""The data formats of circular buffers and tensors, with their sizes and dtypes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.formats.errors import TileShapeError, UnknownFormatError

BFP_GROUP = 16
"""Datums that share one BFP exponent: one face row (tt-isa-documentation, FloatBitPatterns)."""

FACE_SIDE = 16
"""Rows and columns of a full face (tt-metal tech_reports/tensor_layouts)."""

EXPONENT_ALIGNMENT = 16
"""Bytes the exponent section of a BFP tile is padded to: a 1x32 Bfp8_b tile takes 48 bytes
(measured: ttnn.Tile((1, 32)).get_tile_size(bfloat8_b))."""

LEGAL_TILES: tuple[tuple[int, int], ...] = tuple(
    (height, width) for width in (32, 16) for height in (32, 16, 8, 4, 2, 1)
)
"""The twelve tile shapes tt-metal accepts (tt_metal/impl/tile/tile.cpp)."""


MAX_ROW = 2**15 - 2
"""Datums of the longest row: the extents of what is valid in a page are 16-bit numbers."""


class DataFormat(enum.Enum):
    """A data format, named as tt-metal names it."""

    Float32 = "Float32"
    Float16_b = "Float16_b"
    Float16 = "Float16"
    Bfp8_b = "Bfp8_b"
    Bfp4_b = "Bfp4_b"
    Bfp2_b = "Bfp2_b"
    UInt8 = "UInt8"
    UInt16 = "UInt16"
    UInt32 = "UInt32"
    Int8 = "Int8"
    Int32 = "Int32"

    @property
    def spec(self) -> FormatSpec:
        """Sizes and dtypes of the format."""
        return _SPECS[self.value]

    @property
    def ir_dtype(self) -> str:
        """The dtype string the compiler's IR uses, such as ``"bfloat16"``."""
        return self.spec.ir_dtype

    @property
    def is_bfp(self) -> bool:
        """Whether sixteen datums share one exponent."""
        return self.spec.is_bfp

    @property
    def is_float(self) -> bool:
        """Whether values are real numbers (held as float32 arrays)."""
        return self.spec.value_dtype == np.dtype(np.float32)

    @property
    def is_integer(self) -> bool:
        """Whether values are integers (held as int32 or uint32 arrays)."""
        return not self.is_float

    @property
    def storage_dtype(self) -> np.dtype[Any]:
        """Dtype of one storage word: the bit pattern of a datum, or a byte for BFP."""
        return self.spec.storage_dtype

    @property
    def value_dtype(self) -> np.dtype[Any]:
        """Dtype of decoded values: float32 for real formats, int32 or uint32 for integers."""
        return self.spec.value_dtype

    @property
    def bytes_per_datum(self) -> float:
        """Bytes one datum takes, shared exponents included (1.0625 for Bfp8_b)."""
        shared = 1 / BFP_GROUP if self.is_bfp else 0
        return self.spec.bits / 8 + shared

    def tile_bytes(self, tile: tuple[int, int] = (32, 32)) -> int:
        """Bytes of one tile of ``tile`` = (height, width) datums.

        Raises TileShapeError when the shape is not legal; block formats have no rows.
        """
        check_tile(tile)
        if self.is_bfp and is_row(tile):
            raise TileShapeError(f"{self.value} datums share exponents: there are no rows of them")
        datums = tile[0] * tile[1]
        exponents = 0
        if self.is_bfp:
            exponents = -(-datums // BFP_GROUP // EXPONENT_ALIGNMENT) * EXPONENT_ALIGNMENT
        return exponents + datums * self.spec.bits // 8

    @classmethod
    def from_ir(cls, dtype: str) -> DataFormat:
        """The format of an IR dtype string; raises UnknownFormatError."""
        name = _BY_IR.get(dtype)
        if name is None:
            raise UnknownFormatError(f"no data format for dtype {dtype!r}; one of {list(_BY_IR)}")
        return cls(name)

    @classmethod
    def from_name(cls, name: str) -> DataFormat:
        """The format of a tt-metal name such as ``"Bfp8_b"``; raises UnknownFormatError."""
        if name not in _SPECS:
            raise UnknownFormatError(f"no data format {name!r}; one of {list(_SPECS)}")
        return cls(name)


@dataclass(frozen=True)
class FormatSpec:
    """What is fixed per data format. ``bits`` counts one datum without shared exponents."""

    ir_dtype: str
    bits: int
    storage_dtype: np.dtype[Any]
    value_dtype: np.dtype[Any]
    is_bfp: bool = False
    low: int = 0
    high: int = 0
    """Inclusive range of integer formats. Int8 is sign and magnitude in the machine, so -128
    does not exist (tt-isa-documentation, Dst.md: integer data types)."""


def is_row(tile: tuple[int, int]) -> bool:
    """Whether a page of this shape is a row of a row-major tensor (a stick), and no tile."""
    return tile[0] == 1 and 0 < tile[1] <= MAX_ROW and tuple(tile) not in LEGAL_TILES


def rows_refused(
    fmt: DataFormat, tile: tuple[int, int], producer: str, consumer: str
) -> str | None:
    """Why a circular buffer cannot have these ends; rows may be integers to load from L1."""
    loaded = fmt is DataFormat.Int32 and producer != "compute"
    if not is_row(tile) or loaded or "compute" not in (producer, consumer):
        return None
    return "unpacker and packer know tiles, and of rows only integers that are loaded from L1"


def shape_name(tile: tuple[int, int]) -> str:
    """The shape of a page, for messages."""
    return f"rows of {tile[1]}" if is_row(tile) else f"tiles {tuple(tile)}"


def check_tile(tile: tuple[int, int]) -> None:
    """Raise TileShapeError unless ``tile`` (height, width) is one of LEGAL_TILES, or a row."""
    if tuple(tile) not in LEGAL_TILES and not is_row(tile):
        raise TileShapeError(
            f"tile shape {tuple(tile)} is not legal; one of {LEGAL_TILES}, or a row"
            f" (1, up to {MAX_ROW})"
        )


def face_shape(tile: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the faces of a tile: min(height, 16) x 16; a row is one piece."""
    check_tile(tile)
    return tile if is_row(tile) else (min(tile[0], FACE_SIDE), FACE_SIDE)


def _spec(
    ir: str, bits: int, storage: type[Any], value: type[Any], bfp: bool = False
) -> FormatSpec:
    return FormatSpec(ir, bits, np.dtype(storage), np.dtype(value), bfp)


def _integer(
    ir: str, bits: int, storage: type[Any], value: type[Any], low: int, high: int
) -> FormatSpec:
    return FormatSpec(ir, bits, np.dtype(storage), np.dtype(value), False, low, high)


_SPECS = MappingProxyType(
    {
        "Float32": _spec("float32", 32, np.uint32, np.float32),
        "Float16_b": _spec("bfloat16", 16, np.uint16, np.float32),
        "Float16": _spec("float16", 16, np.uint16, np.float32),
        "Bfp8_b": _spec("bfloat8_b", 8, np.uint8, np.float32, True),
        "Bfp4_b": _spec("bfloat4_b", 4, np.uint8, np.float32, True),
        "Bfp2_b": _spec("bfloat2_b", 2, np.uint8, np.float32, True),
        "UInt8": _integer("uint8", 8, np.uint8, np.uint32, 0, 2**8 - 1),
        "UInt16": _integer("uint16", 16, np.uint16, np.uint32, 0, 2**16 - 1),
        "UInt32": _integer("uint32", 32, np.uint32, np.uint32, 0, 2**32 - 1),
        "Int8": _integer("int8", 8, np.uint8, np.int32, -(2**7) + 1, 2**7 - 1),
        "Int32": _integer("int32", 32, np.uint32, np.int32, -(2**31), 2**31 - 1),
    }
)

SIGNED_BYTE: Final = "int8_bytes"
"""Dtype of int8 tensors in two's complement: their bytes lie in UInt8 tiles. Those of Int8, which
only the matrix unit multiplies, are sign and magnitude."""
_BY_IR = MappingProxyType(
    {**{spec.ir_dtype: name for name, spec in _SPECS.items()}, SIGNED_BYTE: "UInt8"}
)
