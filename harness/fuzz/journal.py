"""The journal: one JSON line per event, only ever appended to, so that nothing found is lost."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO


@dataclass
class Past:
    """What an earlier run left.

    Attributes:
        done: cases that ended, per unit (shard, round).
        ends: the ``end`` events, to count again.
        findings: the last ``finding`` event of every key.
    """

    done: dict[tuple[int, int], int] = field(default_factory=dict)
    ends: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    started: dict[str, Any] = field(default_factory=dict)


class Journal:
    """Appends to ``journal.jsonl`` of a directory."""

    def __init__(self, directory: Path, *, resume: bool) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / "journal.jsonl"
        self.past = read(self.path) if resume else Past()
        self._file: TextIO = self.path.open("a" if resume else "w", encoding="utf-8")
        if resume and self.path.stat().st_size:
            self._file.write("\n")  # ends a line that a crash cut off

    def write(self, event: str, **facts: Any) -> None:
        """One line, handed to the system at once; a finding also to the disk."""
        self._file.write(json.dumps({"event": event, **facts}) + "\n")
        self._file.flush()
        if event in ("finding", "quarantine"):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(path: Path) -> Past:
    """A journal read back; a last line cut off by a crash is passed over."""
    past = Past()
    if not path.exists():
        return past
    latest: dict[tuple[str, ...], dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            item = json.loads(line or "{}")
        except ValueError:
            continue
        event = item.get("event")
        if event == "start":
            past.started = past.started or item
        elif event in ("end", "quarantine"):
            unit = item["shard"], item["round"]
            past.done[unit] = max(past.done.get(unit, 0), item["index"] + 1)
            past.ends.append(item)
        elif event == "finding":
            latest[tuple(item["key"])] = item
    past.findings = list(latest.values())
    return past
