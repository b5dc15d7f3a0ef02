"""Core coordinates: always ``(x, y)``, one key format, one place to convert."""

from __future__ import annotations

import re
from typing import Final

Core = tuple[int, int]
"""A logical worker core, ``(column, row)``."""

_KEY: Final = re.compile(r"\((0|[1-9]\d{0,5}),(0|[1-9]\d{0,5})\)")


def core_key(core: Core) -> str:
    """``(3, 4)`` to ``"(3,4)"``."""
    return f"({core[0]},{core[1]})"


def parse_core_key(key: str) -> Core:
    """``"(3,4)"`` to ``(3, 4)``.

    Raises:
        ValueError: any other spelling, spaces included.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError(f'core key {key!r} is not of the form "(x,y)"')
    return int(match[1]), int(match[2])
