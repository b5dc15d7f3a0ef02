from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

from simulator.engine.observer import Observer
from simulator.engine.schedule import Seeded
from simulator.observe import Breakpoint, Profiler, Stopped, Tracer, parse_dump, parse_location
from simulator.observe.events import THREADS
from tests.simulator.builders import gemm
from tests.simulator.observe.runs import watch

A, B = np.random.default_rng(1).integers(-9, 9, (2, 224, 224)).astype(np.float32)
SKETCH = gemm(224, 224, 224, (32, 32, 32), (3, 2))
"""49 blocks on 6 cores: the first core runs an iteration more, under a mask."""
INPUTS = {"A": A, "B": B}


@pytest.mark.parametrize(
    "observer", [Profiler(), Tracer(), Breakpoint(parse_location("compute:7@99999"))]
)
def test_masked_lanes_are_watched_without_harm(observer: Observer) -> None:
    """Protects uneven work: outputs and trace hash are those of a run nobody watches."""
    plain, watched = watch(SKETCH, INPUTS, None), watch(SKETCH, INPUTS, observer)
    assert watched.findings == ()
    assert plain.trace_hash == watched.trace_hash
    np.testing.assert_array_equal(watched.outputs["C"], A @ B)


@pytest.mark.parametrize("schedule", [None, Seeded(3)])
def test_cores_with_less_work_have_shorter_tracks(schedule: Seeded | None) -> None:
    """Protects the clocks of masked lanes: they stand still while others go on."""
    tracer = Tracer(cores=[(0, 0), (2, 1)])
    watch(SKETCH, INPUTS, tracer, schedule)
    tracks = defaultdict(list)
    for event in tracer.to_json()["traceEvents"]:
        if event["ph"] == "X":
            tracks[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in tracks.values():
        assert all(a[1] <= b[0] for a, b in pairwise(sorted(spans)))
    compute, brisc = (THREADS.index(thread) + 1 for thread in ("compute", "brisc"))
    assert len(tracks[1, compute]) > len(tracks[6, compute])
    assert max(tracks[1, brisc]) > max(tracks[6, brisc])


@pytest.mark.parametrize("core", [(0, 0), (1, 0), (2, 1)])
def test_a_tile_is_the_core_s_own(core: tuple[int, int]) -> None:
    """Protects lanes and rows: each core's page holds that core's part of A."""
    x, y = core
    place = parse_location("compute:7")
    with pytest.raises(Stopped) as caught:
        watch(SKETCH, INPUTS, Breakpoint(place, [parse_dump(f"cb0@{x},{y}")]))
    (tile,) = caught.value.snapshot.tiles
    start = SKETCH.args["reader"][core][0] // 7 * 32
    np.testing.assert_array_equal(tile.values, A[start : start + 32, :32])
