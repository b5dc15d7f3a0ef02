"""Stored order of dimensions: there and back, and what is not such an order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.plan.views import (
    ROWS,
    UNIT,
    is_view,
    restored,
    restored_shape,
    stored,
    stored_place,
    viewed,
)


@st.composite
def orders(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A shape and a view of it."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    order = list(draw(st.permutations(range(len(shape)))))
    if draw(st.booleans()):
        order.insert(draw(st.integers(0, len(order))), UNIT)
    return shape, tuple(order)


@given(orders())
def test_there_and_back(case: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    """Restoring undoes storing, and every element is where stored_place says."""
    shape, view = case
    host = np.arange(np.prod(shape)).reshape(shape)
    device = stored(host, view)
    assert device.shape == viewed(shape, view)
    assert restored_shape(device.shape, view) == shape
    assert np.array_equal(restored(device, view, shape), host)
    for place in np.ndindex(*shape):
        assert device[stored_place(place, view)] == host[place]


@pytest.mark.parametrize("size", [1, 31, 32, 33, 1024, 1025])
def test_a_vector_in_rows_of_32(size: int) -> None:
    """Elements follow one another in rows, zeros fill the last up, and the host gets its own."""
    host = np.arange(1, size + 1)
    device = stored(host, ROWS)
    assert device.shape == viewed((size,), ROWS) == (-(-size // 32), 32)
    assert not device.reshape(-1)[size:].any()
    assert np.array_equal(restored(device, ROWS, (size,)), host)
    assert all(device[stored_place((n,), ROWS)] == host[n] for n in range(size))
    assert is_view(ROWS, 1)


def test_no_view_is_the_host_itself() -> None:
    """Without a view nothing is copied."""
    host = np.zeros((2, 3))
    assert stored(host, ()) is host
    assert restored(host, (), host.shape) is host


@pytest.mark.parametrize("view", [(0, 1), (0,), (0, 0), (0, 1, 2), (UNIT, UNIT)])
def test_what_is_no_other_order(view: tuple[int, ...]) -> None:
    """A view names every dimension once and changes something: one spelling per meaning."""
    assert not is_view(view, 2)
    assert is_view((1, 0), 2)
    assert is_view((0, UNIT, 1), 2)
