"""The journal: one JSON line per event, only ever appended to, so that nothing found is lost.

One campaign at a time writes to it. A finding is written before the end of its case, so that a
campaign killed between the two runs the case again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import OptionError
from simulator.errors import UnreadableError
from simulator.files import make_directory


@dataclass
class Past:
    """What an earlier run left.

    Attributes:
        done: cases that ended, per unit (shard, round).
        ends: the ``end`` events, to count again.
        findings: the last ``finding`` event of every key.
        counts: ends by outcome: (kind, code, first bad pass, op).
        started: the first ``start`` event.
    """

    done: dict[tuple[int, int], int] = field(default_factory=dict)
    ends: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    started: dict[str, Any] = field(default_factory=dict)


class Journal:
    """Appends to ``journal.jsonl`` of a directory.

    Raises:
        UnreadableError: it cannot be read or written, or is no journal.
        OptionError: another campaign is writing to it.
    """

    def __init__(self, directory: Path, *, resume: bool) -> None:
        make_directory(directory)
        self.path = directory / "journal.jsonl"
        try:
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise OptionError(
                f"another campaign is writing to {directory}",
                location="--corpus",
                next_step="wait for its end, or name another directory",
            ) from None
        try:
            self.past = read(self.path) if resume else Past()
            if not resume:
                self._empty()
            elif self.path.stat().st_size:
                self._append(b"\n")  # ends a line that a crash cut off
        except BaseException:
            self._file.close()
            raise

    def write(self, event: str, **facts: Any) -> None:
        """One line, handed to the system at once; a finding also to the disk."""
        self._append(json.dumps({"event": event, **facts}).encode() + b"\n")
        if event in ("finding", "quarantine"):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; another campaign may use it now."""
        self._file.close()

    def _empty(self) -> None:
        try:
            self._file.truncate(0)
        except OSError as error:
            raise self._unwritable(error) from None

    def _append(self, data: bytes) -> None:
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> UnreadableError:
        return UnreadableError(
            f"cannot be written: {error.strerror or error}", location=str(self.path)
        )


def read(path: Path) -> Past:
    """A journal read back; a line cut off by a crash or a full disc is passed over.

    Raises:
        UnreadableError: it cannot be read, or a line is no event of a journal.
    """
    past = Past()
    if not path.exists():
        return past
    latest: dict[tuple[str, ...], dict[str, Any]] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnreadableError(f"cannot be read: {reason}", location=str(path)) from None
    for number, line in enumerate(lines, 1):
        try:
            item = json.loads(line or b"{}")
        except ValueError:
            continue
        try:
            _recall(past, latest, item)
        except (AttributeError, KeyError, TypeError) as error:
            raise UnreadableError(
                f"is no event of a journal: {type(error).__name__} {error}",
                location=f"{path}:{number}",
                next_step="leave --resume out to begin anew",
            ) from None
    past.findings = list(latest.values())
    return past


def _recall(
    past: Past, latest: dict[tuple[str, ...], dict[str, Any]], item: dict[str, Any]
) -> None:
    event = item.get("event")
    if event == "start":
        past.started = past.started or item
    elif event in ("end", "quarantine"):
        unit, outcome = (item["shard"], item["round"]), item["outcome"]
        past.done[unit] = max(past.done.get(unit, 0), item["index"] + 1)
        past.ends.append(item)
        past.counts[key_of(outcome)] += 1
    elif event == "finding":
        latest[tuple(item["key"])] = item


def key_of(outcome: dict[str, Any]) -> tuple[str, str, str, str]:
    """What findings are told apart by."""
    return (outcome["verdict"], outcome.get("code", ""), outcome.get("pass", ""),
            outcome.get("op", ""))  # fmt: skip
