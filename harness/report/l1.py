"""The L1 map, drawn to scale: circular buffers grow up, tensors down, free room between them."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final

from harness.report.terminal import Line, columns, text

CELLS: Final = 64
"""Width of the drawn map."""


def l1_lines(l1: Mapping[str, Any]) -> list[Line]:
    """The map of the fullest core and its legend; ``l1`` is of ``plan_summary``."""
    keys = keyed(l1)
    first, last = f"{l1['base']:#x} ", f" {l1['bytes']:#x}"
    rows = [
        (key, f"{item['address']:#x}", f"{item['bytes']:,}", item["what"]) for key, item in keys
    ]
    rows.append((".", f"{l1['cb_end']:#x}", f"{l1['free']:,}", "free"))
    ordered = sorted(rows, key=lambda row: int(row[1], 16))
    return [text(first + l1_bar(l1) + last), *columns(ordered, "<>><")]


def keyed(l1: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """A letter for every span: small for circular buffers, capital for tensors."""
    small, capital = iter(ascii_lowercase * 9), iter(ascii_uppercase * 9)
    return [
        (next(capital if item["what"].startswith("tensor") else small), item) for item in l1["map"]
    ]


def l1_bar(l1: Mapping[str, Any]) -> str:
    """One line of cells from the first address circular buffers may take to the end of L1.

    A span covers the cells its bytes reach into, at least one; ``.`` is free.
    """
    low, size = l1["base"], max(l1["bytes"] - l1["base"], 1)
    cells = ["."] * CELLS
    taken = 0
    for key, item in keyed(l1):
        start = (item["address"] - low) * CELLS // size
        stop = -(-(item["address"] + item["bytes"] - low) * CELLS // size)
        if not key.isupper():
            start = max(start, taken)
        stop = min(max(stop, start + 1), CELLS)
        for cell in range(max(start, 0), stop):
            cells[cell] = key
        taken = stop
    return "[" + "".join(cells) + "]"
