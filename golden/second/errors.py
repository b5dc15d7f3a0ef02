"""What the second opinion does not lower, by name and place."""

from __future__ import annotations

from typing import Any

from golden.errors import GoldenError, location_of


class NoSecondOpinionError(GoldenError):
    """A construct that is not lowered to loops: nothing is said about the kernel."""

    def __init__(self, what: str, node: Any = None) -> None:
        """``what`` names the construct, ``node`` is where it stands."""
        super().__init__(
            f"no second opinion: {what}",
            code="NoOracle",
            location=location_of(node),
            next_step="use another oracle of docs/oracles.md",
        )
