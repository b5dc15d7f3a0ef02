"""What a compilation made: passes with their times, the plan in a few lines, the files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.report.terminal import Line, columns, count, seconds, text


def pass_lines(passes: Sequence[Mapping[str, Any]]) -> list[Line]:
    """One line per pass with its time, and the sum."""
    rows = [(str(p["name"]), seconds(p["seconds"])) for p in passes]
    rows.append(("total", seconds(sum(p["seconds"] for p in passes))))
    return columns(rows, "<>")


def plan_lines(summary: Mapping[str, Any]) -> list[Line]:
    """A plan in a few lines and its core map; ``summary`` is ``simulator.plan.show``'s."""
    grid, cores = summary["grid"], summary["cores"]
    width, height = grid["core"]
    least, most = cores["least_blocks"], cores["most_blocks"]
    each = str(most) if least == most else f"{least} to {most}"
    blocks = count(math.prod(grid["work"]), "block")
    owned = f"{cores['active']} active with {each} each, {cores['idle']} idle"
    rows = [
        ("kernel", f"{summary['name']} on {summary['device']}"),
        ("grid", f"{_by(grid['work'])} = {blocks}{_joined(grid)}"),
        ("cores", f"{width}x{height}: {owned}"),
        *_listed("tensors", [_tensor(item) for item in summary["tensors"]]),
        *_listed("buffers", [_buffer(item) for item in summary["circular_buffers"]]),
        ("L1", f"{_used(summary['l1']):,} of {summary['l1']['bytes']:,} bytes"),
        ("compute", "; ".join(k["config"] for k in summary["kernels"] if "NoC" not in k["config"])),
    ]
    return [*columns(rows), text(), *core_map_lines(summary["core_map"])]


def core_map_lines(rows: Sequence[Sequence[str]]) -> list[Line]:
    """Blocks per core, drawn: x to the right, y downwards."""
    width = max(len(cell) for row in rows for cell in row)
    width = max(width, len(str(len(rows[0]) - 1)))
    edge = len(str(len(rows) - 1)) + 2
    lines = [
        text("blocks per core (x to the right, y down; 0 idle, . not in the core ranges)"),
        text(" " * edge + " ".join(f"{x:>{width}}" for x in range(len(rows[0]))), "dim"),
    ]
    for y, row in enumerate(rows):
        line = text(f"{y:>{edge - 2}}  ", "")
        for x, cell in enumerate(row):
            style = "dim" if cell in ("0", ".") else "cyan"
            line.append(("" if x == 0 else " ") + f"{cell:>{width}}", style)
        lines.append(line)
    return lines


def artifact_lines(directory: Path) -> list[Line]:
    """The files of an artifact, each with what it is."""
    names = (
        ("tt.plan.json", "the plan"),
        ("programs.json", "reader, compute and writer programs"),
        ("manifest.json", "tool versions, options and hashes"),
        ("ir/", "TVMScript before and after every pass"),
        ("kernels/", "the programs as tt-metal C++"),
    )
    there = [(str(directory / name) + ("/" if name.endswith("/") else ""), what)
             for name, what in names if (directory / name).exists()]  # fmt: skip
    return columns(there)


def _listed(label: str, words: Sequence[str]) -> list[tuple[str, str]]:
    """One row per word, the label at the first."""
    return [(label if not i else "", word) for i, word in enumerate(words)]


def _tensor(item: Mapping[str, Any]) -> str:
    padded = item["padded"][-len(item["shape"]) :] != item["shape"]
    size = _by(item["shape"]) + (f" (padded {_by(item['padded'])})" if padded else "")
    place = "" if item["memory"] == "DRAM" else f" in {item['memory']}"
    return f"{item['role']} {item['name']} {size} {item['dtype']}{place}"


def _buffer(item: Mapping[str, Any]) -> str:
    return f"cb{item['id']} {item['name']} {count(item['depth'], 'page')} {item['format']}"


def _used(l1: Mapping[str, Any]) -> int:
    return int(l1["bytes"] - l1["free"] - l1["base"])


def _joined(grid: Mapping[str, Any]) -> str:
    if math.prod(grid["coalesce"]) == 1:
        return ""
    return f" (each joins {_by(grid['coalesce'])} blocks of the source's {_by(grid['kernel'])})"


def _by(extents: Sequence[int]) -> str:
    kept = list(extents)
    if len(kept) == 3 and kept[2] == 1:
        kept = kept[:2]
    return "x".join(map(str, kept))
