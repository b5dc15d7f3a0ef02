"""Why blocks or steps below a tile cannot be joined to whole tiles."""

from __future__ import annotations

from typing import Any, Final

APART: Final = (
    ", or copy what all blocks share to a block that nothing else is stored to:"
    " p[k] = a[k] * b[k] instead of a[k] = a[k] * b[k]"
)
"""What else helps where a block of one row changes what it copied for all of them."""


class NotJoined(Exception):  # noqa: N818  (steps stay as they are, or are refused)
    """Why steps cannot be joined, where that shows, and what helps besides whole tiles."""

    def __init__(self, why: str, node: Any, else_do: str = "") -> None:
        super().__init__(why)
        self.why, self.node, self.else_do = why, node, else_do
