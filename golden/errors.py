"""What the golden refuses, with the place in the kernel's source."""

from __future__ import annotations

from typing import Any


class GoldenError(Exception):
    """The source, the inputs or the request has no defined answer.

    Attributes:
        code: stable name: ``UnsupportedSource`` (nothing the golden can evaluate), ``SourceRace``
            (two blocks or iterations write one element with different values), ``InvalidInputs``
            (names, shapes or values of the given arrays), ``NoExactRange`` (no exact integers
            exist for this program), ``InvalidContract`` (options that contradict the source).
        message: what was found.
        location: ``file:line:column`` in the kernel's source, where known.
        next_step: what would be accepted instead.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "UnsupportedSource",
        location: str | None = None,
        next_step: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.location = location
        self.next_step = next_step

    def __str__(self) -> str:
        """One line: place, code, message and next step."""
        place = f"{self.location}: " if self.location else ""
        advice = f" ({self.next_step})" if self.next_step else ""
        return f"{place}{self.code}: {self.message}{advice}"


def location_of(node: Any) -> str | None:
    """``file:line:column`` of an IR node, if the parser left a span on it."""
    span = getattr(node, "span", None)
    if span is None:
        return None
    name = str(span.source_name.name).rsplit("/", 1)[-1]
    return f"{name}:{span.line}:{span.column}"
