"""A run stopped at a breakpoint: where, and what the tiles asked for hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from harness.report.terminal import Line, columns, count, number, section, text

EDGE: Final = 8
"""Rows and columns of a tile shown; ``--json`` has all of it."""


def snapshot_lines(snapshot: Mapping[str, Any]) -> list[Line]:
    """The place, the core's circular buffers and the tiles; ``snapshot`` is plain data."""
    x, y = snapshot["core"]
    others = len(snapshot["cores"]) - 1
    together = f" with {count(others, 'core')} in lock step" if others else ""
    loc = f"  {snapshot['location']}" if snapshot["location"] else ""
    lines = [
        text("STOPPED", "bold yellow")
        + text(f"  before {snapshot['op']} at {snapshot['program']}:{snapshot['path']}{loc}"),
        text(f"core ({x},{y}), {snapshot['thread']}{together}, after step {snapshot['step']}"),
    ]
    rows = [("buffer", "pages", "waited", "reserved", "depth")]
    rows += [
        (f"cb{b['cb']}", str(b["pages"]), str(b["waited"]), str(b["reserved"]), str(b["depth"]))
        for b in snapshot["buffers"]
    ]
    lines += section("Circular buffers", columns(rows, "<>>>>"))
    for tile in snapshot["tiles"]:
        lines += section(f"{tile['what']} of core ({x},{y})", _tile(tile))
    return lines


def listing_lines(program: str, rows: Sequence[Mapping[str, Any]]) -> list[Line]:
    """The statements of a program that ``--break`` can name."""
    table = [("number", "path", "statement", "source")]
    table += [
        (f"{program}:{row['number']}", f"{program}:{row['path']}",
         "  " * str(row["path"]).count(".") + row["text"], row["loc"] or "")
        for row in rows
    ]  # fmt: skip
    return columns(table)


def _tile(tile: Mapping[str, Any]) -> list[Line]:
    rows = [("state", tile["state"] + (", its NoC read is under way" if tile["pending"] else ""))]
    if tile["slot"] is not None:
        rows.append(("page", f"slot {tile['slot']}, L1 {tile['address']:#x}, {tile['format']}"))
    if tile["values"] is None:
        if not tile["state"].startswith("no such"):
            rows.append(("valid", "nothing"))
        return columns(rows)
    values = np.array(tile["values"])
    height, width = tile["valid"]
    whole = (height, width) == values.shape
    rows.append(("valid", "all of it" if whole else f"{height} rows, {width} columns"))
    origin = tile["origin"]
    if origin is not None:
        place = f"{origin['program']}:{origin['path']}"
        loc = f"  {origin['location']}" if origin["location"] else ""
        rows.append(("writer", f"{origin['thread']}, {origin['op']} at {place}{loc}"))
        rows.append(("written", f"in step {origin['step']}"))
    known = values[:height, :width]
    if known.size:
        words = f"{number(float(known.min()))} to {number(float(known.max()))}"
        rows.append(("range", f"{words}, {count(int((known == 0).sum()), 'zero')}"))
    shown = values[:EDGE, :EDGE]
    cells = [
        [number(float(v)) if i < height and j < width else "?" for j, v in enumerate(row)]
        for i, row in enumerate(shown)
    ]
    more = text(f"rows and columns 0 to {EDGE - 1} of {values.shape[0]}x{values.shape[1]}", "dim")
    return [*columns(rows), more, *columns(cells, ">" * EDGE)]
