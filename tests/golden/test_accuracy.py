"""The accuracy table covers what the device can be asked to do."""

from __future__ import annotations

import pytest

from golden import GoldenError
from golden.accuracy import accuracy_table, covers, find_accuracy
from simulator.isa import OPS, SFPU_BINARY, SFPU_SCALAR, SFPU_UNARY


def test_every_device_op_is_covered() -> None:
    """Keeps an op from entering the machine without a stated accuracy."""
    assert [name for name in OPS if not covers(name)] == []


def test_every_vector_function_has_a_row() -> None:
    """Keeps a vector function from being counted as an op without numbers."""
    missing = {*SFPU_UNARY, *SFPU_BINARY, *SFPU_SCALAR} - set(accuracy_table())
    assert not missing


def test_rows_say_where_their_numbers_come_from() -> None:
    """Protects the table from numbers nobody can check."""
    for row in accuracy_table().values():
        assert row.source
        assert 0 <= row.bfloat16 <= 8
        assert row.float32 >= 0
        assert row.floor < 2.0**-7


def test_unknown_function_is_refused() -> None:
    """Keeps a misspelt op from getting a silent default."""
    assert not covers("frobnicate_tile")
    with pytest.raises(GoldenError, match="frobnicate"):
        find_accuracy("frobnicate")
