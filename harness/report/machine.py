"""What the simulator did: steps, traffic, memory, determinacy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from harness.report.terminal import Line, columns, count, seconds

SHOWN_OPS: Final = 6
"""Device ops named by how often they ran; the rest is summed."""


def machine_lines(stats: Mapping[str, Any], determinate: bool | None) -> list[Line]:
    """A run's counters (``RunStats`` as plain data) in a few lines."""
    rows = []
    if "steps" in stats:
        groups = f" in {count(stats.get('groups', 0), 'lock-step group')}"
        split = f", {count(stats['splits'], 'split')}" if stats.get("splits") else ""
        rows.append(("steps", f"{stats['steps']:,}{groups}{split}"))
    if stats.get("tile_ops"):
        rows.append(("tile ops", _ops(stats["tile_ops"])))
    rows += [
        (
            memory,
            f"{verb} {_traffic(traffic)}{_against(stats, memory.lower() + key, verb)}",
        )
        for memory in ("DRAM", "L1")
        for verb, key in (("read", "_read_bytes"), ("written", "_write_bytes"))
        if (traffic := stats.get(memory.lower() + key))
    ]
    if "run_seconds" in stats:
        rows.append(("time", seconds(stats["run_seconds"])))
    if determinate is not None:
        word = "yes, every timing gives this result" if determinate else "no, timing may matter"
        rows.append(("determinate", word))
    return columns(rows)


def _against(stats: Mapping[str, Any], key: str, verb: str) -> str:
    """How many times the least the traffic is, and what multicasting spared."""
    least = sum(stats.get(key.replace("_bytes", "_minimum"), {}).values())
    times = sum(stats[key].values()) / least if least else 0.0
    words = (
        f", {times:.3g} times the least" if times > 1 else ", the least there is" if times else ""
    )
    spared = stats.get("multicast_bytes", 0)
    if verb == "read" and spared:
        words += f"; {spared:,} more came by multicast"
    return words


def _ops(tile_ops: Mapping[str, int]) -> str:
    ordered = sorted(tile_ops.items(), key=lambda item: -item[1])
    rest = sum(n for _, n in ordered[SHOWN_OPS:])
    words = [f"{name} {n:,}" for name, n in ordered[:SHOWN_OPS]]
    return ", ".join([*words, *([f"others {rest:,}"] if rest else [])])


def _traffic(traffic: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {total:,}" for name, total in traffic.items()) + " bytes"
