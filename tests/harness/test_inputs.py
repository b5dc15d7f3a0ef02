"""Inputs a check draws: kinds and seeds that do not exist are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

import harness
from harness.errors import OptionError
from harness.kernels.elementwise import add


@pytest.mark.parametrize(
    ("given", "place"),
    [({"seed": -1}, "seed"), ({"seed": 1.5}, "seed"), ({"seed": "3"}, "seed"),
     ({"input_kind": "nonsense"}, "input_kind")],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(given: dict[str, Any], place: str) -> None:
    """A seed NumPy would choke on is an error that names it, and no traceback."""
    with pytest.raises(OptionError) as caught:
        harness.check(add(M=32, N=32, block_M=32, block_N=32), **given)
    assert caught.value.location == place
