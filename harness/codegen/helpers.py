"""Inline functions printed into kernels whose ops have no call of their own in tt-metal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

_FLOOR = """\
// Division toward minus infinity, and its remainder.
inline int32_t floor_div(int32_t a, int32_t b) {
    return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}
"""

_FLOOR_MOD = """\
// The remainder of division toward minus infinity.
inline int32_t floor_mod(int32_t a, int32_t b) {
    const int32_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
"""

_FILL = """\
// Writes a tile of one value: its shared exponents, if any, then its datums, as 32-bit patterns.
inline void fill_tile_l1(
    uint32_t l1,
    uint32_t exponent_words,
    uint32_t exponents,
    uint32_t datum_words,
    uint32_t datums) {
    auto* word = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(l1);
    for (uint32_t i = 0; i < exponent_words; ++i) {
        *word++ = exponents;
    }
    for (uint32_t i = 0; i < datum_words; ++i) {
        *word++ = datums;
    }
}
"""

_SCALER = """\
// Writes a scaler tile: a pattern in the first row of each face, zero elsewhere.
inline void generate_reduce_scaler(
    uint32_t l1, uint32_t faces, uint32_t face_words, uint32_t row_words, uint32_t datums) {
    auto* word = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(l1);
    for (uint32_t face = 0; face < faces; ++face) {
        for (uint32_t i = 0; i < face_words; ++i) {
            *word++ = i < row_words ? datums : 0;
        }
    }
}
"""

_ZERO = """\
// Keeps the top-left rows x cols datums of the Height x Width tile at l1 and zeroes the rest.
// Faces of up to 16 x 16 datums follow one another, after Header bytes of shared exponents.
template <typename Datum, int32_t Height, int32_t Width, uint32_t Header>
inline void zero_tile_region(uint32_t l1, int32_t rows, int32_t cols) {
    constexpr int32_t face_rows = Height < 16 ? Height : 16;
    auto* datum = reinterpret_cast<volatile tt_l1_ptr Datum*>(l1 + Header);
    for (int32_t top = 0; top < Height; top += face_rows) {
        for (int32_t left = 0; left < Width; left += 16) {
            for (int32_t row = top; row < top + face_rows; ++row) {
                for (int32_t col = left; col < left + 16; ++col, ++datum) {
                    if (row >= rows || col >= cols) {
                        *datum = 0;
                    }
                }
            }
        }
    }
}
"""

_ZERO_NIBBLES = """\
// As zero_tile_region, for formats of two datums per byte, the even one in the low half.
template <int32_t Height, int32_t Width, uint32_t Header>
inline void zero_tile_region_4bit(uint32_t l1, int32_t rows, int32_t cols) {
    constexpr int32_t face_rows = Height < 16 ? Height : 16;
    auto* pair = reinterpret_cast<volatile tt_l1_ptr uint8_t*>(l1 + Header);
    invalidate_l1_cache();
    for (int32_t top = 0; top < Height; top += face_rows) {
        for (int32_t left = 0; left < Width; left += 16) {
            for (int32_t row = top; row < top + face_rows; ++row) {
                for (int32_t col = left; col < left + 16; col += 2, ++pair) {
                    const uint8_t low = row < rows && col < cols ? 0x0F : 0;
                    const uint8_t high = row < rows && col + 1 < cols ? 0xF0 : 0;
                    *pair = *pair & (low | high);
                }
            }
        }
    }
}
"""

_INDEX = """\
// The binary32 pattern of an integer of at most 24 bits (the RISCs have no floating point).
inline uint32_t float_bits(int32_t value) {
    uint32_t magnitude = value < 0 ? -value : value;
    if (magnitude == 0) {
        return 0;
    }
    uint32_t exponent = 150;
    for (; magnitude < 0x800000; magnitude <<= 1) {
        --exponent;
    }
    for (; magnitude > 0xFFFFFF; magnitude >>= 1) {
        ++exponent;
    }
    return (value < 0 ? 0x80000000u : 0) | exponent << 23 | (magnitude & 0x7FFFFF);
}

// Writes a Float32 tile of base + row * row_step + column * col_step, face after face.
template <int32_t Height, int32_t Width>
inline void index_tile_l1(uint32_t l1, int32_t base, int32_t row_step, int32_t col_step) {
    constexpr int32_t face_rows = Height < 16 ? Height : 16;
    auto* datum = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(l1);
    for (int32_t top = 0; top < Height; top += face_rows) {
        for (int32_t left = 0; left < Width; left += 16) {
            for (int32_t row = top; row < top + face_rows; ++row) {
                for (int32_t col = left; col < left + 16; ++col) {
                    *datum++ = float_bits(base + row * row_step + col * col_step);
                }
            }
        }
    }
}
"""

_COPY = """\
// Copies whole words within L1, past the cache: NoC reads brought what is copied.
inline void copy_l1(uint32_t to, uint32_t from, uint32_t bytes) {
    auto* into = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(to);
    auto* source = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(from);
    invalidate_l1_cache();
    for (uint32_t i = 0; i < bytes / 4; ++i) {
        into[i] = source[i];
    }
}
"""

_COPY_DATUMS = """\
// Where the datum of a row and a column is in a block of 32 x 32 tiles, width tiles wide.
inline int32_t datum_of(int32_t row, int32_t col, int32_t width) {
    const int32_t face = (row / 32 * width + col / 32) * 4 + row % 32 / 16 * 2 + col % 32 / 16;
    return face * 256 + row % 16 * 16 + col % 16;
}

// Copies a lattice of datums within L1, past the cache, from one block of tiles to another.
template <typename Datum>
inline void copy_datums_l1(
    uint32_t to,
    uint32_t from,
    int32_t rows,
    int32_t cols,
    int32_t to_row,
    int32_t to_col,
    int32_t down,
    int32_t right,
    int32_t to_width,
    int32_t row,
    int32_t col,
    int32_t row_down,
    int32_t col_down,
    int32_t col_right,
    int32_t width) {
    auto* into = reinterpret_cast<volatile tt_l1_ptr Datum*>(to);
    auto* source = reinterpret_cast<volatile tt_l1_ptr Datum*>(from);
    invalidate_l1_cache();
    for (int32_t m = 0; m < rows; ++m) {
        for (int32_t n = 0; n < cols; ++n) {
            into[datum_of(to_row + m * down, to_col + n * right, to_width)] =
                source[datum_of(row + m * row_down, col + m * col_down + n * col_right, width)];
        }
    }
}
"""

_CORES = """\
// NoC coordinates of the logical columns and rows of cores: only the host knows them.
constexpr uint8_t noc_columns[] = {NOC_COLUMNS};
constexpr uint8_t noc_rows[] = {NOC_ROWS};
"""

HELPERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "noc_cores": _CORES,
        "floor_div": _FLOOR,
        "floor_mod": _FLOOR_MOD,
        "fill_tile_l1": _FILL,
        "generate_reduce_scaler": _SCALER,
        "index_tile_l1": _INDEX,
        "copy_l1": _COPY,
        "copy_datums_l1": _COPY_DATUMS,
        "zero_tile_region": _ZERO,
        "zero_tile_region_4bit": _ZERO_NIBBLES,
    }
)
"""Name to text, in printing order."""


def helper_text(wanted: Iterable[str]) -> str:
    """The helpers among ``wanted``, in the table's order, each followed by an empty line."""
    asked = set(wanted)
    return "".join(text + "\n" for name, text in HELPERS.items() if name in asked)
