from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest

from simulator.engine.schedule import Seeded
from simulator.errors import InputError
from simulator.observe import Tracer
from simulator.run import RunOptions
from tests.simulator.builders import op
from tests.simulator.observe.runs import product, watch
from tests.simulator.pipes import COPY, pipe, run

SCHEMA = {
    "M": {"ph", "name", "pid", "tid", "args"},
    "op": {"ph", "cat", "name", "ts", "dur", "pid", "tid", "args"},
    "stall": {"ph", "cat", "name", "ts", "dur", "pid", "tid", "args"},
    "cb": {"ph", "cat", "name", "ts", "pid", "args"},
    "finding": {"ph", "cat", "name", "ts", "s", "pid", "tid", "args"},
}
ARGS = {
    "op": {"path", "loc", "step", "tiles"},
    "stall": {"reason", "path", "loc"},
    "cb": {"pages"},
    "finding": {"message", "path", "loc"},
}


def traced(**options: Any) -> dict[str, Any]:
    """The trace of the product."""
    tracer = Tracer(**options)
    watch(*product(), tracer)
    return tracer.to_json()


def events(trace: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Events of one category, or metadata."""
    return [e for e in trace["traceEvents"] if e.get("cat", e["ph"]) == kind]


def test_the_schema_is_pinned() -> None:
    """Protects readers of traces: exactly these events with exactly these fields."""
    trace = traced()
    assert set(trace) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert trace["otherData"]["schema"] == "tt-harness-trace/1"
    assert set(trace["otherData"]) == {
        "schema", "clock", "dropped_events", "plan", "device", "cores", "cores_of_plan",
    }  # fmt: skip
    for event in trace["traceEvents"]:
        kind = event.get("cat", event["ph"])
        assert set(event) == SCHEMA[kind]
        if kind != "M":
            assert set(event["args"]) - {"cb", "needs", "has"} == ARGS[kind]


def test_a_track_per_core_and_thread() -> None:
    """Protects the picture: one process per core, one thread each for reader, compute, writer."""
    trace = traced(cores=[(1, 0), (0, 1)])
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events(trace, "M")
             if e["name"].endswith("_name")}  # fmt: skip
    assert sorted(names.values()) == sorted(
        ["core (1,0)", "core (0,1)", *(["ncrisc", "compute", "brisc"] * 2)]
    )
    assert {e["pid"] for e in events(trace, "op")} == {2, 3}


def test_spans_of_a_thread_follow_each_other() -> None:
    """Protects the clock: ops and stalls of a track never overlap."""
    tracks = defaultdict(list)
    for event in events(traced(), "op") + events(traced(), "stall"):
        tracks[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in tracks.values():
        spans.sort()
        assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_occupancy_stays_within_the_buffer() -> None:
    """Protects the counters: never negative, never above the depth, empty at the end."""
    sketch, _ = product()
    last = {}
    for event in events(traced(), "cb"):
        number = int(event["name"][2:].split()[0])
        pages = event["args"]["pages"]
        assert 0 <= pages <= sketch.buffers[number][1]
        last[event["name"], event["pid"]] = pages
    assert last
    assert set(last.values()) == {0}


def test_stalls_say_what_they_wait_for() -> None:
    """Protects the reason: the first wait of compute names the buffer, the need and the supply."""
    compute = [e for e in events(traced(), "stall") if (e["pid"], e["tid"]) == (1, 2)]
    stall = min(compute, key=lambda e: int(e["ts"]))
    assert stall["name"] == "wait: cb0 empty"
    assert stall["args"]["reason"] == "needs 2 pages of circular buffer 0, has 0"
    assert (stall["args"]["needs"], stall["args"]["has"]) == (2, 0)


def test_the_schedule_does_not_show() -> None:
    """Protects the logical clock: another schedule gives the same events, engine steps apart."""

    def shape(seed: int | None) -> list[Any]:
        tracer = Tracer()
        watch(*product(), tracer, None if seed is None else Seeded(seed))
        rows = []
        for event in tracer.to_json()["traceEvents"]:
            args = {k: v for k, v in event["args"].items() if k != "step"}
            rows.append(repr(sorted({**event, "args": sorted(args.items())}.items())))
        return sorted(rows)

    assert shape(None) == shape(7)


def test_a_deadlock_shows_who_waits_for_ever() -> None:
    """Protects the picture of a deadlock: the waits that never end and the finding."""
    tracer = Tracer()
    stuck = pipe(4, reader=(op("cb_reserve_back", 0, 1),))
    assert [f.code for f in run(stuck, RunOptions(observer=tracer)).findings] == ["Deadlock"]
    waits = [e for e in events(tracer.to_json(), "stall") if e["name"] == "wait: for ever"]
    assert {e["args"]["reason"] for e in waits} == {
        "needs 1 pages of circular buffer 0 and has 0; it never comes",
        "needs 1 pages of circular buffer 1 and has 0; it never comes",
    }
    assert [e["name"] for e in events(tracer.to_json(), "finding")] == ["Deadlock"]


def test_a_finding_is_an_instant_on_its_track() -> None:
    """Protects findings in traces: code as name, message and place as arguments."""
    tracer = Tracer()
    run(pipe(4, compute=(op("copy_init", 0), *COPY)), RunOptions(observer=tracer))
    (found,) = (e for e in events(tracer.to_json(), "finding") if e["name"] == "StaleConfig")
    assert found["args"]["path"]
    assert found["tid"] == 2


def test_a_long_trace_is_cut_and_says_so() -> None:
    """Protects disks: events beyond the limit are counted, not kept."""
    trace = traced(max_events=10)
    assert len(events(trace, "op")) <= 10
    assert trace["otherData"]["dropped_events"] > 0


def test_an_unknown_core_is_refused() -> None:
    """Protects against an empty picture: a core outside the plan is an error."""
    with pytest.raises(InputError, match="core 7,7"):
        traced(cores=[(7, 7)])
    with pytest.raises(InputError, match="nothing has run"):
        Tracer().to_json()
