"""Where the simulator's time went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from harness.report.terminal import Line, columns, count, seconds, text

SHOWN: Final = 12
"""Ops shown; ``--json`` has them all."""


def profile_lines(profile: Mapping[str, Any]) -> list[Line]:
    """Time per thread, then the slowest ops; ``profile`` is ``Profiler.to_json``'s."""
    ops, total = profile["ops"], profile["run_seconds"]
    runs = count(profile["runs"], "run")
    lines = [text(f"{runs}, {seconds(total)}, of which ops {seconds(profile['op_seconds'])}")]
    threads: dict[tuple[str, str], float] = {}
    for op in ops:
        key = op["program"], op["thread"]
        threads[key] = threads.get(key, 0.0) + op["seconds"]
    rows = [("program", "thread", "time", "share")]
    rows += [
        (*key, seconds(spent), _share(spent, total))
        for key, spent in sorted(threads.items(), key=lambda item: -item[1])
    ]
    lines += [text(), *columns(rows, "<<>>"), text()]
    table = [("op", "program", "calls", "waits", "tiles", "time", "share")]
    table += [
        (op["op"], op["program"], f"{op['calls']:,}", f"{op['waits']:,}",
         f"{op['tiles']:,}" if op["tiles"] else "-", seconds(op["seconds"]),
         _share(op["seconds"], total))
        for op in ops[:SHOWN]
    ]  # fmt: skip
    lines += columns(table, "<<>>>>>")
    if len(ops) > SHOWN:
        rest = sum(op["seconds"] for op in ops[SHOWN:])
        lines.append(text(f"and {count(len(ops) - SHOWN, 'more op')}, {seconds(rest)}"))
    return lines


def _share(part: float, total: float) -> str:
    return f"{100 * part / total:.0f} %" if total else "-"
