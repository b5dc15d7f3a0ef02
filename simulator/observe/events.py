"""Trace events in the Trace Event Format that Perfetto and chrome://tracing read."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

SCHEMA: Final = "tt-harness-trace/1"
THREADS: Final = (
    "ncrisc",
    "compute",
    "compute (unpack)",
    "compute (math)",
    "compute (pack)",
    "brisc",
)
"""Tracks of a core from top to bottom: data usually flows from the first to the last."""


class Events:
    """Events of one trace; beyond ``limit`` they are counted and not kept."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.dropped = 0
        self._tracks: dict[tuple[int, str], tuple[int, int]] = {}
        self._events: list[dict[str, Any]] = []

    def track(self, core: int, place: tuple[int, int], thread: str) -> None:
        """A track for a thread of a core."""
        self._tracks[core, thread] = place

    def op(
        self, name: str, core: int, thread: str, ts: int, end: int, args: dict[str, Any]
    ) -> None:
        """An op from ``ts`` to ``end``."""
        self._add({"ph": "X", "cat": "op", "name": name, "ts": ts, "dur": end - ts,
                   **_spot(core, thread), "args": args})  # fmt: skip

    def stall(
        self, name: str, core: int, thread: str, ts: int, end: int, args: dict[str, Any]
    ) -> None:
        """A thread that waits from ``ts`` to ``end``."""
        self._add({"ph": "X", "cat": "stall", "name": f"wait: {name}", "ts": ts, "dur": end - ts,
                   **_spot(core, thread), "args": args})  # fmt: skip

    def finding(self, code: str, core: int, thread: str, ts: int, args: dict[str, Any]) -> None:
        """A broken rule; kept whatever the limit."""
        self._events.append({"ph": "i", "cat": "finding", "name": code, "ts": ts, "s": "t",
                             **_spot(core, thread), "args": args})  # fmt: skip

    def counter(self, cb: int, core: int, changes: list[tuple[int, int]]) -> None:
        """Pages in a circular buffer over time, from (time, change) in any order."""
        held = 0
        for ts, same in groupby(sorted(changes), key=lambda item: item[0]):
            held += sum(change for _, change in same)
            self._add({"ph": "C", "cat": "cb", "name": f"cb{cb} pages", "ts": ts, "pid": core + 1,
                       "args": {"pages": held}})  # fmt: skip

    def _add(self, event: dict[str, Any]) -> None:
        if len(self._events) < self.limit:
            self._events.append(event)
        else:
            self.dropped += 1

    def to_json(self, **about: Any) -> dict[str, Any]:
        """The whole trace."""
        names = []
        for core, place in sorted({(core, place) for (core, _), place in self._tracks.items()}):
            text = f"core ({place[0]},{place[1]})"
            names.append(_meta("process_name", core, {"name": text}))
            names.append(_meta("process_sort_index", core, {"sort_index": core}))
        for core, thread in sorted(self._tracks):
            spot = _spot(core, thread)["tid"]
            names.append(_meta("thread_name", core, {"name": thread}, spot))
            names.append(_meta("thread_sort_index", core, {"sort_index": spot}, spot))
        other = {
            "schema": SCHEMA,
            "clock": "logical: one step per tile and op, waits end when the other side delivers;"
            " no hardware time",
            "dropped_events": self.dropped,
            **about,
        }
        return {"displayTimeUnit": "ns", "otherData": other, "traceEvents": names + self._events}


def _spot(core: int, thread: str) -> dict[str, Any]:
    return {"pid": core + 1, "tid": THREADS.index(thread) + 1 if thread in THREADS else 9}


def _meta(name: str, core: int, args: dict[str, Any], tid: int = 0) -> dict[str, Any]:
    return {"ph": "M", "name": name, "pid": core + 1, "tid": tid, "args": args}
