"""A plan's core map and L1 map as SVG: plain text, the same bytes for the same plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from xml.sax.saxutils import escape

CELL: Final = 36
"""Edge of a core."""
COLUMN: Final = 120
"""Width of the L1 column."""
HEIGHT: Final = 480
"""Height of all of L1 above its reserved part."""
LINE: Final = 16
"""Distance of labels."""
MARGIN: Final = 24
PALE: Final = "#eeeeee"
SHADES: Final = ("#d6e6f5", "#abd0e6", "#6aaed6", "#3787c0", "#105ba4")
SPANS: Final = ("#8dd3c7", "#bebada", "#fdb462", "#80b1d3", "#fb8072", "#b3de69")


def plan_svg(summary: Mapping[str, Any]) -> str:
    """Both maps side by side; ``summary`` is ``simulator.plan.show``'s."""
    rows = summary["core_map"]
    left = MARGIN + LINE
    cores = _cores(rows, left, 3 * MARGIN)
    beside = left + CELL * len(rows[0]) + 2 * MARGIN
    l1, bottom = _l1(summary["l1"], beside, 3 * MARGIN)
    height = max(3 * MARGIN + CELL * len(rows), bottom) + MARGIN
    width = beside + COLUMN + 340
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
    )
    names = [
        _text(left, MARGIN, f"{summary['name']} on {summary['device']}", bold=True),
        _text(left, 2 * MARGIN, "blocks per core"),
        _text(beside, 2 * MARGIN, f"L1 of core {summary['l1']['core']}"),
    ]
    background = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, background, *names, *cores, *l1, "</svg>"]) + "\n"


def _cores(rows: list[list[str]], left: int, top: int) -> list[str]:
    most = max((int(cell) for row in rows for cell in row if cell != "."), default=0)
    half = CELL // 2
    out = [
        _text(left + CELL * x + half, top - 4, str(x), anchor="middle") for x in range(len(rows[0]))
    ]
    for y, row in enumerate(rows):
        out.append(_text(left - 6, top + CELL * y + half + 4, str(y), anchor="end"))
        for x, cell in enumerate(row):
            blocks = 0 if cell == "." else int(cell)
            fill = SHADES[(blocks * len(SHADES) - 1) // most] if blocks else PALE
            if cell == ".":
                fill = "none"
            out.append(_rect(left + CELL * x, top + CELL * y, CELL - 2, CELL - 2, fill,
                             f"core ({x},{y}): {_words(cell)}"))  # fmt: skip
            if cell != ".":
                ink = "#ffffff" if fill in SHADES[3:] else "#222222"
                spot = left + CELL * x + half - 1, top + CELL * y + half + 4
                out.append(_text(*spot, cell, anchor="middle", fill=ink))
    return out


def _words(cell: str) -> str:
    if cell == ".":
        return "not in the core ranges"
    return "idle" if cell == "0" else f"{cell} block{'' if cell == '1' else 's'}"


def _l1(l1: Mapping[str, Any], left: int, top: int) -> tuple[list[str], int]:
    """The column with the lowest address at the bottom; labels keep their distance.

    A plan has at most 64 circular buffers; where their labels need more room the column is taller.
    """
    low, size = l1["base"], max(l1["bytes"] - l1["base"], 1)
    spans = [(s["address"], s["bytes"], s["what"]) for s in l1["map"]]
    spans.append((l1["cb_end"], l1["free"], "free"))
    tallest = max(HEIGHT, LINE * len(spans))
    out = [_rect(left, top, COLUMN, tallest, "#fafafa", f"free: {l1['free']:,} bytes")]
    at = top + tallest + LINE
    for number, (address, length, what) in enumerate(sorted(spans)):
        bottom = top + tallest - (address - low) * tallest // size
        tall = max(length * tallest // size, 1)
        label = f"{address:#x}  {length:,} bytes  {what}"
        if what != "free":
            out.append(_rect(left, bottom - tall, COLUMN, tall, SPANS[number % len(SPANS)], label))
        middle = bottom - tall // 2
        at = min(at - LINE, middle + 4)
        out.append(f'<path d="M{left + COLUMN} {middle} L{left + COLUMN + 16} {at - 4}"'
                   ' stroke="#999999" fill="none"/>')  # fmt: skip
        out.append(_text(left + COLUMN + 20, at, label))
    return out, top + tallest + LINE


def _rect(x: int, y: int, width: int, height: int, fill: str, title: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}"'
        f' stroke="#666666"><title>{escape(title)}</title></rect>'
    )


def _text(
    x: int, y: int, words: str, *, anchor: str = "start", fill: str = "#222222", bold: bool = False
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{fill}"{weight}>{escape(words)}</text>'
    )
