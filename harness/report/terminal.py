"""The terminal: lines of text that never depend on its width, styled where it can show style."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

Line = Text


def console(stream: TextIO) -> Console:
    """A console that adds nothing of its own: no wrapping, no markup, no highlighting."""
    return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)


def text(content: str = "", style: str = "") -> Line:
    """One line."""
    return Text(content, style=style)


def heading(title: str) -> Line:
    """The first line of a section."""
    return Text(title, style="bold")


def section(title: str, lines: Iterable[Line]) -> list[Line]:
    """A heading, the lines under it, indented, and an empty line before them all."""
    return [text(), heading(title), *(text("  ") + line if line.plain else line for line in lines)]


def columns(rows: Sequence[Sequence[str]], align: str = "", gap: int = 2) -> list[Line]:
    """Rows as aligned columns; ``align`` holds ``<`` or ``>`` per column, ``<`` by default."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    sides = align.ljust(len(widths), "<")
    lines = []
    for row in rows:
        cells = [
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ]
        lines.append(text((" " * gap).join(cells).rstrip()))
    return lines


def show(target: Console, lines: Iterable[Line]) -> None:
    """Print lines as they are, however long."""
    for line in lines:
        target.print(line)


def tolerate_any_text() -> None:
    """Let a stream that cannot encode a character print its escape instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def seconds(value: float) -> str:
    """A duration in the unit that suits it."""
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def number(value: float | str | None) -> str:
    """A number with at most four significant digits; a dash for none.

    Text is a number JSON has no literal for: ``inf``, ``-inf`` or ``nan``.
    """
    if value is None:
        return "-"
    value = float(value)
    if value.is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"


def count(n: int, noun: str) -> str:
    """``3 tiles``, ``1 tile``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
