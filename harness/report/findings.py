"""Findings: what was broken, where, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from harness.report.terminal import Line, count, text
from simulator.findings import Finding

LIMIT: Final = 12
"""Findings shown; ``--json`` has all of them."""


def finding_lines(findings: Iterable[Finding]) -> list[Line]:
    """Each finding as two or three lines, errors first; nothing for none."""
    ordered = sorted(findings, key=lambda item: item.severity != "error")
    lines: list[Line] = []
    for item in ordered[:LIMIT]:
        style = "bold red" if item.severity == "error" else "yellow"
        head = text(item.code, style)
        head.append(f"  {item.message}", "")
        lines.append(head)
        place = where(item)
        if place:
            lines.append(text(f"  at    {place}"))
        if item.next_step:
            lines.append(text(f"  next  {item.next_step}"))
    if len(ordered) > LIMIT:
        lines.append(
            text(f"and {count(len(ordered) - LIMIT, 'more finding')}; --json has them all")
        )
    return lines


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
