"""Runs that share a workspace use one machine, and are what they would be alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.machine import Machine
from simulator.engine.schedule import LateNoc, RoundRobin, Schedule, Seeded, Turns
from simulator.engine.scheduler import Scheduler
from simulator.errors import InputError
from simulator.program import Program
from simulator.run import RunOptions, RunResult, Workspace, execute
from tests.simulator.builders import Sketch, gemm, op, rows
from tests.simulator.eltwise_builder import elementwise
from tests.simulator.engine.test_collectives import multicast_gemm
from tests.simulator.engine.test_quick import assert_same
from tests.simulator.pipes import COPY, codes, compute_of, pipe


def inputs_of(sketch: Sketch, seed: int) -> dict[str, Any]:
    """Random values for every input."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.standard_normal(item.logical_shape).astype(np.float32)
        for name, item in sketch.tensors.items()
        if item.role == "input"
    }


class Plans:
    """Runs of one plan and its programs, the same objects every time."""

    def __init__(self, sketch: Sketch) -> None:
        self.sketch, self.plan, self.programs = sketch, sketch.plan(), sketch.listed()

    def run(
        self, seed: int, workspace: Workspace | None = None, options: RunOptions | None = None
    ) -> RunResult:
        """A run with the inputs of a seed."""
        inputs = inputs_of(self.sketch, seed)
        return execute(self.plan, self.programs, inputs, options, workspace)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Machines made, appended."""
    machines: list[Any] = []

    def machine(*args: Any, **kw: Any) -> Any:
        machines.append(Machine(*args, **kw))
        return machines[-1]

    monkeypatch.setattr("simulator.run.Machine", machine)
    return machines


SKETCHES = st.one_of(
    st.builds(
        lambda m, n, k, block, cores, depth, out: gemm(
            m * block[0], n * block[1], k * block[2], block, cores, depth=depth, out_dtype=out
        ),
        *(st.integers(1, 3) for _ in range(3)),
        st.sampled_from([(32, 32, 32), (64, 32, 64), (128, 128, 32)]),
        st.sampled_from([(1, 1), (2, 2), (3, 1), (3, 2)]),
        st.integers(1, 2),
        st.sampled_from(["float32", "bfloat16"]),
    ),
    st.builds(
        lambda shape, step, cores, zero: elementwise(
            (32 * shape[0] - zero, 32 * shape[1] * step), cores=cores, step=step, zero_padding=False
        ),
        st.tuples(st.integers(1, 4), st.integers(1, 3)),
        st.integers(1, 3),
        st.sampled_from([(1, 1), (2, 2), (3, 2)]),
        st.integers(0, 5),
    ),
)


SCHEDULES = st.sampled_from([
    None,
    Seeded(3),
    Seeded(4, longest=5, single=False),
    LateNoc(5),
    Turns(((0, 3, True), (1, 9, False), (2, 4096, True))),
])  # fmt: skip


@given(SKETCHES, SCHEDULES)
def test_a_machine_used_again_is_as_new(sketch: Sketch, between: Schedule | None) -> None:
    """Bits, findings, counters and trace are those of a run alone, whatever was run before."""
    plans, workspace = Plans(sketch), Workspace()
    options = RunOptions() if between is None else RunOptions(schedule=between)
    plans.run(1, workspace, options)
    for seed in (2, 3):
        assert_same(plans.run(seed, workspace), plans.run(seed))


def test_one_machine_serves_many_runs(made: list[Any]) -> None:
    """Other values need no other machine; other plans, programs and settings do."""
    plans, workspace = Plans(pipe()), Workspace()
    for seed in range(3):
        plans.run(seed, workspace)
    assert len(made) == 1
    plans.run(0, workspace, RunOptions(level="hardware"))
    Plans(pipe()).run(0, workspace)
    plans.run(0, workspace)
    assert len(made) == 4


def test_initial_contents_are_another_machine(made: list[Any]) -> None:
    """Whether an output has contents decides what of it may be read: not a matter of values."""
    plans, workspace = Plans(pipe()), Workspace()
    first = plans.run(0, workspace)
    given = inputs_of(plans.sketch, 0) | {"C": np.ones((32, 128), np.float32)}
    execute(plans.plan, plans.programs, given, None, workspace)
    assert_same(plans.run(0, workspace), first)
    assert len(made) == 3


LEFT = pipe(
    2,
    compute=compute_of(1, *COPY),
    writer=(op("cb_wait_front", 1, 1), op("cb_pop_front", 1, 1)),
)
"""Ends with a page nobody popped."""


@pytest.mark.parametrize(
    ("sketch", "found"),
    [(LEFT, True), (multicast_gemm((2, 2), 64)[0], False)],
    ids=["pages left", "clocks"],
)
def test_machines_that_hold_more_are_made_anew(
    sketch: Sketch, found: bool, made: list[Any]
) -> None:
    """A run that found something, or was watched by clocks, leaves more than is cleared."""
    plans, workspace = Plans(sketch), Workspace()
    first, second = (plans.run(0, workspace) for _ in range(2))
    assert first.completed
    assert bool(codes(first)) is found
    assert_same(first, second)
    assert len(made) == 2


def state(machine: Any) -> dict[str, Any]:
    """What a run may change of a machine."""
    strands = {
        number: [
            (x.lanes.mask, x.occ, x.wr, x.rd, x.reserved, x.waited, x.packed, x.source_epoch,
             len(x.front), len(x.staged))
            for x in cb.strands
        ]
        for number, cb in machine.cbs.items()
    }  # fmt: skip
    tensors = {
        name: (x.owner is None or x.owner.tolist(), x.written_in is None or x.written_in.tolist(),
               x.held, [starts for starts in x.reads.values() if starts], x.read_bytes,
               x.written_bytes)
        for name, x in machine.tensors.items()
    }  # fmt: skip
    groups = [(x.code.key, x.pc, x.done, x.lanes.mask, x.serial) for x in machine.groups]
    peaks = [(cb.peak, cb.loose) for cb in machine.cbs.values()]
    counts = (set(machine.tally), machine.created, machine.multicast_bytes, machine.findings,
              machine.late)  # fmt: skip
    return {"strands": strands, "tensors": tensors, "groups": groups, "peaks": peaks,
            "counts": counts}  # fmt: skip


@pytest.mark.parametrize("level", ["strict", "hardware"])
@pytest.mark.parametrize("schedule", [RoundRobin(), LateNoc(1)], ids=["in turn", "late"])
def test_clearing_leaves_nothing_of_a_run(level: Any, schedule: Schedule, made: list[Any]) -> None:
    """A machine about to be used again is in the state of a new one."""
    began: list[dict[str, Any]] = []
    options = RunOptions(level=level, schedule=schedule)
    plans, workspace = Plans(gemm(96, 64, 64, (32, 32, 32), (2, 2), depth=2)), Workspace()
    with pytest.MonkeyPatch.context() as patch:
        run = Scheduler.run

        def noting(self: Scheduler) -> None:
            began.append(state(self.machine))
            run(self)
            assert state(self.machine) != began[-1]

        patch.setattr(Scheduler, "run", noting)
        for seed in range(2):
            plans.run(seed, workspace, options)
    assert len(made) == 1
    assert began[0] == began[1]


def test_inputs_refused_leave_no_machine_behind() -> None:
    """A run refused for its inputs takes nothing from the next."""
    plans, workspace = Plans(pipe()), Workspace()
    first = plans.run(0, workspace)
    with pytest.raises(InputError):
        execute(plans.plan, plans.programs, {}, None, workspace)
    assert_same(plans.run(0, workspace), first)


def test_a_table_read_in_parts_is_read_anew_by_every_run() -> None:
    """Bytes kept of a tensor nobody writes are not those of the run before."""
    size = 224
    part = (0, "A", ["get_write_ptr", 0], 0, size)
    programs = {
        "reader": Program(name="reader", thread="ncrisc", accessors=("A",), body=(
            op("cb_reserve_back", 0, 1), op("noc_async_read_partial_page", *part),
            op("noc_async_read_barrier"), op("cb_push_back", 0, 1))),
        "writer": Program(name="writer", thread="brisc", accessors=("C",), body=(
            op("cb_wait_front", 0, 1),
            op("noc_async_write_partial_page", 0, "C", ["get_read_ptr", 0], 0, size),
            op("noc_async_write_barrier"), op("cb_pop_front", 0, 1))),
    }  # fmt: skip
    sketch = Sketch(
        tensors={"A": rows("bfloat16", (1, 112), "input", 112),
                 "C": rows("bfloat16", (1, 112), "output", 112)},
        buffers={0: ("Float16_b", 2, "ncrisc", "brisc")}, shapes={0: (1, 112)}, programs=programs,
    )  # fmt: skip
    plan, listed, workspace = sketch.plan(), sketch.listed(), Workspace()
    for value in (1.0, 2.0):
        a = np.full((1, 112), value, np.float32)
        done = execute(plan, listed, {"A": a}, None, workspace)
        assert done.completed
        np.testing.assert_array_equal(done.outputs["C"], a)
