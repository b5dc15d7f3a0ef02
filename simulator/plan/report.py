"""What the checks of a plan write into: findings with JSON path, found and expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from simulator.findings import Finding, finding
from simulator.plan.coords import Core

LIMIT: Final = 40
"""Findings kept per subject; a broken list of 10,000 items needs no 10,000 lines."""


class Report:
    """Findings of one validation, at most LIMIT per subject and a line that counts the rest."""

    def __init__(self) -> None:
        self._findings: list[Finding] = []
        self._room = LIMIT
        self._left_out = 0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything found so far."""
        return tuple(self._findings)

    def add(
        self,
        path: str,
        problem: str,
        *,
        found: object = None,
        expected: object = None,
        code: str = "InvalidPlan",
        core: Core | None = None,
        program: str | None = None,
    ) -> None:
        """Hold ``problem`` against the value at JSON path ``path``.

        ``found`` and ``expected`` are put into words: strings as they stand, other values as JSON.
        """
        if not self._room:
            self._left_out += 1
            return
        self._room -= 1
        text = f"{path}: {problem}"
        if found is not None:
            text += f"; found {words(found)}"
        if expected is not None:
            text += f"; expected {words(expected)}"
        self._findings.append(
            finding(code, text, location=path, **_given(core=core, program=program))
        )

    def take(self, item: Finding) -> None:
        """Add a ready-made finding."""
        self._findings.append(item)

    @contextmanager
    def subject(self, path: str) -> Iterator[None]:
        """A subject with LIMIT findings of its own."""
        outer = self._room, self._left_out
        self._room, self._left_out = LIMIT, 0
        yield
        if self._left_out:
            text = f"{path}: {self._left_out} more of this kind"
            self._findings.append(finding("InvalidPlan", text, location=path))
        self._room, self._left_out = outer


def words(value: object) -> str:
    """``value`` for a message, at most about 100 characters."""
    text = value if isinstance(value, str) else _plain(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _plain(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_plain(item) for item in value[:20]) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{k}": {_plain(v)}' for k, v in list(value.items())[:20]) + "}"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
