"""Findings: what was broken, where, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from harness.report.terminal import Line, count, text
from simulator.findings import Finding

LIMIT: Final = 6
"""Kinds of findings shown; ``--json`` has every finding."""

WIDE: Final = 120
"""Longest message on one line."""


def finding_lines(findings: Iterable[Finding]) -> list[Line]:
    """Findings of one kind as one, errors first, each with its place and the next step."""
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for item in sorted(findings, key=lambda item: item.severity != "error"):
        kinds.setdefault((item.code, _bare(item)), []).append(item)
    lines: list[Line] = []
    for alike in list(kinds.values())[:LIMIT]:
        first = alike[0]
        head = text(first.code, "bold red" if first.severity == "error" else "yellow")
        opening, *more = _parts(first.message)
        head.append(f"  {opening}", "")
        lines += [head, *(text(f"  {part}") for part in more)]
        place = where(first)
        if place:
            lines.append(text(f"  at    {place}"))
        if len(alike) > 1:
            lines.append(text(f"  and   {count(len(alike) - 1, 'more place')} alike"))
        if first.next_step:
            lines.append(text(f"  next  {first.next_step}"))
    rest = sum(len(alike) for alike in list(kinds.values())[LIMIT:])
    if rest:
        lines.append(text(f"and {count(rest, 'more finding')}; --json has them all"))
    return lines


def _parts(message: str) -> list[str]:
    """A message of many clauses, one per line; a short one as it is."""
    if len(message) <= WIDE:
        return [message]
    return re.split(r"(?<=;) |(?<=\.) (?=[A-Z])", message)


def _bare(item: Finding) -> str:
    """The message without the place it begins with."""
    if item.location is not None and item.message.startswith(item.location):
        return item.message[len(item.location) :]
    return item.message


def where(item: Finding) -> str:
    """Core, thread, statement and source line of a finding, as far as known."""
    parts = []
    if item.core is not None:
        others = f" and {count(item.lanes - 1, 'more core')}" if item.lanes > 1 else ""
        parts.append(f"core ({item.core[0]},{item.core[1]}){others}")
    if item.thread is not None and item.thread != item.program:
        parts.append(item.thread)
    if item.program is not None:
        parts.append(item.program + (f"/{item.path}" if item.path else ""))
    if item.location is not None and not item.message.startswith(item.location):
        parts.append(item.location)
    return "  ".join(parts)
