"""Which bytes belong to which datums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.formats.bytemap import WHOLE, ByteMap
from simulator.formats.codec import decode_stored, decode_tiles, encode_tiles
from simulator.formats.dataformat import LEGAL_TILES, DataFormat

FORMATS = st.sampled_from(list(DataFormat))


@given(FORMATS, st.sampled_from(LEGAL_TILES), st.integers(0, 32), st.integers(0, 32))
def test_extents_survive(fmt: DataFormat, tile: tuple[int, int], rows: int, columns: int) -> None:
    """From extents to bytes and back, for every format and shape of tile."""
    if fmt.is_bfp:  # four or sixteen bits and a shared exponent: only whole groups are sure
        columns -= columns % 16
    want = [rows if rows < tile[0] else WHOLE, columns if columns < tile[1] else WHOLE]
    if 0 in want:
        want = [0, 0]
    found = ByteMap(fmt, tile)
    held = found.bytes_of(np.array(want, np.int16))
    assert held.shape == (fmt.tile_bytes(tile),)
    assert found.extents_of(held).tolist() == want


@given(FORMATS, st.sampled_from(LEGAL_TILES), st.data())
def test_bytes_not_held_do_not_matter(
    fmt: DataFormat, tile: tuple[int, int], data: st.DataObject
) -> None:
    """Whatever lies in the other bytes, datums inside the extents decode to the same values."""
    size = fmt.tile_bytes(tile)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    one = rng.integers(0, 256, size, np.uint8)
    held = np.ones(size, np.bool_)
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, size - 1))
        held[start : start + data.draw(st.integers(1, size))] = False
    two = np.where(held, one, rng.integers(0, 256, size, np.uint8))
    rows, columns = ByteMap(fmt, tile).extents_of(held).tolist()
    a, b = (decode_tiles(each, fmt, tile)[:rows, :columns] for each in (one, two))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("fmt", [DataFormat.Float16_b, DataFormat.UInt32])
def test_a_row_of_a_tile(fmt: DataFormat) -> None:
    """The first row of a 32x32 tile is the first row of faces 0 and 1."""
    held = ByteMap(fmt, (32, 32)).bytes_of(np.array([1, WHOLE], np.int16))
    datum = fmt.tile_bytes() // 1024
    want = np.zeros(1024 * datum, np.bool_)
    want[: 16 * datum] = want[256 * datum : 272 * datum] = True
    np.testing.assert_array_equal(held, want)


def test_rows_of_a_tile_by_their_bytes() -> None:
    """Changing the bytes of one row changes that row and no other."""
    values = np.arange(1024, dtype=np.uint32).reshape(32, 32)
    data = encode_tiles(values, DataFormat.UInt32)
    held = ByteMap(DataFormat.UInt32, (32, 32)).bytes_of(np.array([1, WHOLE], np.int16))
    changed = decode_tiles(np.where(held, np.uint8(0), data), DataFormat.UInt32)
    assert (changed[0] == 0).all()
    np.testing.assert_array_equal(changed[1:], values[1:])


@pytest.mark.parametrize(
    ("byte", "want"), [(0, [0, 0]), (16, [WHOLE, 16]), (32, [16, WHOLE]), (48, [16, WHOLE])]
)
def test_a_datum_needs_its_exponent(byte: int, want: list[int]) -> None:
    """Exponent byte 16 f + r belongs to row r of face f: without it those datums mean nothing."""
    found = ByteMap(DataFormat.Bfp8_b, (32, 32))
    held = np.ones(found.size, np.bool_)
    held[byte] = False
    assert found.extents_of(held).tolist() == want


def test_extents_asked_for_again_are_the_callers_own() -> None:
    """What one caller does to extents it was told is nothing to the next."""
    found = ByteMap(DataFormat.Float16_b, (32, 32))
    held = found.bytes_of(np.array([[3, WHOLE], [WHOLE, 7]], np.int16))
    found.extents_of(held)[:] = 0
    assert found.extents_of(held).tolist() == [[3, WHOLE], [WHOLE, 7]]
    assert found.extents_of(held[:1]).tolist() == [[3, WHOLE]]


@given(st.sampled_from([f for f in DataFormat if not f.is_bfp]), st.sampled_from(LEGAL_TILES),
       st.data())  # fmt: skip
def test_some_datums_are_what_the_whole_tile_has_there(
    fmt: DataFormat, tile: tuple[int, int], data: st.DataObject
) -> None:
    """Part of a tile's bytes decodes to the values that decoding all of it puts at its places."""
    found, datums = ByteMap(fmt, tile), tile[0] * tile[1]
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    stored = rng.integers(0, 256, found.size, np.uint8)
    size = found.size // datums
    first = data.draw(st.integers(0, datums - 1))
    count = data.draw(st.integers(1, datums - first))
    rows, columns = found.places(first, count)
    part = decode_stored(stored[first * size : (first + count) * size], fmt)
    want = decode_tiles(stored, fmt, tile)[rows, columns]
    assert part.tobytes() == want.tobytes()
