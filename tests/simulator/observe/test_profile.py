from __future__ import annotations

import numpy as np

from simulator.observe import Profiler
from tests.simulator.observe.runs import product, watch


def test_a_profile_counts_calls_and_tiles_by_op_and_thread() -> None:
    """Protects the figures: tiles agree with the run's own count, times with the run's time."""
    profiler = Profiler()
    result = watch(*product(), profiler)
    rows = {(row.thread, row.op): row for row in profiler.result()}
    assert rows["compute", "matmul_tiles"].tiles == result.stats.tile_ops["matmul_tiles"] == 64
    assert rows["ncrisc", "cb_push_back"].calls == 8
    assert sum(row.calls for row in rows.values()) == result.stats.steps
    data = profiler.to_json()
    assert 0 < data["op_seconds"] <= data["run_seconds"]
    assert [row["seconds"] for row in data["ops"]] == sorted(
        (row["seconds"] for row in data["ops"]), reverse=True
    )


def test_watching_changes_nothing() -> None:
    """Protects the run: outputs and the trace hash are those of a run nobody watches."""
    sketch, inputs = product()
    plain, watched = watch(sketch, inputs, None), watch(sketch, inputs, Profiler())
    assert plain.trace_hash == watched.trace_hash
    np.testing.assert_array_equal(plain.outputs["C"], watched.outputs["C"])


def test_runs_add_up() -> None:
    """Protects a check of two rounds: their times and calls are summed and counted."""
    profiler = Profiler()
    for _ in range(2):
        watch(*product(), profiler)
    assert profiler.runs == 2
    (row,) = (row for row in profiler.result() if row.op == "matmul_tiles")
    assert row.tiles == 128
