"""Pages that transfers fill part by part, and what others have seen of them meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.engine.cb import CircularBuffer
from simulator.engine.lanes import LaneTable
from simulator.engine.parts import Piece, page_piece, put, under_way
from simulator.engine.pool import Pool
from simulator.engine.segs import NEVER, UNHELD
from simulator.engine.violation import Violation
from simulator.formats.dataformat import DataFormat

HALF = 2048
"""Bytes of half a page."""


def made(pages: int = 1) -> CircularBuffer:
    """A circular buffer of Float32 tiles on two cores, all of it reserved."""
    table = LaneTable()
    lanes = table.of_ids(np.arange(2))
    l1: Any = None
    cb = CircularBuffer(0, pages, DataFormat.Float32, (32, 32), 0, lanes, table, Pool(), l1)
    assert cb.reserve(lanes, pages)
    return cb


def piece(value: float, epoch: int = 0, size: int = HALF) -> Piece:
    """Bytes of datums that are all one number, on two cores."""
    data = np.full((2, size // 4), value, np.float32).view(np.uint8)
    return Piece(data, np.full((2, size), epoch))


def test_parts_of_a_page_come_together() -> None:
    """Two halves make a whole page, and before the second one it is known to hold a half."""
    cb = made()
    put(cb, cb.solo, 0, piece(1.0))
    seg = cb.solo.staged_range(0, 1)[0]
    assert seg.epoch == 0
    assert seg.valid is not None
    assert seg.parts is not None
    assert (seg.parts[:, 0, :HALF] == 0).all()
    assert (seg.parts[:, 0, HALF:] == UNHELD).all()
    put(cb, cb.solo, HALF, piece(2.0))
    whole = cb.solo.staged_range(0, 1)[0]
    assert whole.valid is None
    assert whole.parts is None
    values = whole.values().reshape(2, 32, 32)
    assert (values[:, :16] == 1.0).all()
    assert (values[:, 16:] == 2.0).all()


def test_what_was_seen_of_a_page_stays() -> None:
    """Values, bytes and extents that somebody holds do not change with the next part."""
    cb = made()
    put(cb, cb.solo, 0, piece(1.0))
    seg = cb.solo.staged_range(0, 1)[0]
    seen = page_piece(cb, seg, 2)
    before = seen.data.copy(), seen.when.copy()
    block = seg.block
    put(cb, cb.solo, HALF, piece(2.0))
    put(cb, cb.solo, 0, piece(3.0, epoch=1))
    assert (seen.data == before[0]).all()
    assert (seen.when == before[1]).all()
    assert (block.value().reshape(2, 32, 32)[:, :16] == 1.0).all()
    assert np.isnan(block.value().reshape(2, 32, 32)[:, 16:]).all()
    last = cb.solo.staged_range(0, 1)[0].values().reshape(2, 32, 32)
    assert (last[:, :16] == 3.0).all()


def test_two_reads_of_an_epoch_race_for_a_byte_of_an_open_page() -> None:
    """A page nobody has looked at still knows which read fills which byte."""
    cb = made()
    put(cb, cb.solo, 0, piece(1.0))
    put(cb, cb.solo, HALF, piece(1.0))
    with pytest.raises(Violation, match="two NoC reads under way"):
        put(cb, cb.solo, HALF - 16, piece(2.0, size=32))


@pytest.mark.parametrize("looked", [False, True])
def test_reads_under_way_are_known_by_their_bytes(looked: bool) -> None:
    """Whether a read may still write some bytes is the same of pages looked at and of open ones."""
    cb = made(2)
    put(cb, cb.solo, HALF, piece(1.0, epoch=3))
    put(cb, cb.solo, 0, piece(1.0, epoch=NEVER))
    if looked:
        assert cb.solo.staged_range(0, 1)[0].epoch == 3
    assert not under_way(cb, cb.solo, 0, HALF, 2)
    assert under_way(cb, cb.solo, HALF - 16, 32, 2)
    assert not under_way(cb, cb.solo, HALF, HALF, 3)
    assert not under_way(cb, cb.solo, 2 * HALF, HALF, 2)
    assert under_way(cb, cb.solo, 2 * HALF - 16, 32, 2)
