"""Calls of the clocks that come again are counted, not made: no finding changes by that."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from simulator.engine import machine, ordering, refrain
from simulator.engine.listener import Listener
from simulator.engine.schedule import RoundRobin
from simulator.program import If, Loop, Program, Stmt
from simulator.run import RunOptions, RunResult
from tests.simulator.builders import Sketch, layout, loop, op, plus, when
from tests.simulator.engine.loops import CORES, LATE, looping, ring
from tests.simulator.engine.test_collectives import multicast_gemm
from tests.simulator.engine.test_network import everywhere, multicast, network
from tests.simulator.pipes import codes, run

STEPS = 40


def _judged(sketch: Sketch, *, repeats: bool, schedule: Any = None) -> tuple[RunResult, int]:
    """The result, and how many calls were not made."""
    made: list[Any] = []
    original = ordering.make_order

    def make(of: Any) -> Any:
        made.append(original(of))
        return made[-1]

    listener = Listener if repeats else partial(_deaf, Listener)
    with (
        mock.patch.object(ordering, "Listener", listener),
        mock.patch.object(machine, "make_order", make),
    ):
        options = RunOptions(schedule=schedule or RoundRobin(), repair=False, max_steps=60_000)
        result = run(sketch, options)
    return result, sum(one.refrain.skipped for one in made if one is not None)


def _deaf(listener: Any, order: Any, *, repeats: bool) -> Any:
    del repeats
    return listener(order, repeats=False)


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_findings_are_those_of_every_call_made(random: Random) -> None:
    """Drawn loops, most of them with a fault: both sides, places and all else are the same."""
    sketch, schedule = looping(random)
    every, none = _judged(sketch, repeats=False, schedule=schedule)
    assert none == 0
    some, _ = _judged(sketch, repeats=True, schedule=schedule)
    assert some.findings == every.findings
    assert (some.completed, some.reasons) == (every.completed, every.reasons)


def test_a_long_product_makes_few_calls() -> None:
    """Three quarters of a product's calls come again; else the tests above would test nothing."""
    sketch, _ = multicast_gemm((4, 4), 32 * STEPS)
    result, skipped = _judged(sketch, repeats=True)
    assert codes(result) == []
    assert skipped > 1000


def _barrier_twice(some: Sequence[Any]) -> Any:
    """A ring that is right, and says something else in its twentieth iteration."""
    if some is LATE:
        return 20
    if isinstance(some, range) and len(some) > CORES:
        return 2
    return "twice" if "" in some else some[-1]


@pytest.mark.parametrize("alike", range(1, 12))
def test_clocks_go_on_from_wherever_they_stopped(alike: int) -> None:
    """Whatever call of the loop the period begins with, what comes after it is judged right."""
    with mock.patch.object(refrain, "ALIKE", alike):
        result, skipped = _judged(ring(_barrier_twice), repeats=True)
    assert codes(result) == []
    assert skipped > 40


def test_news_under_way_when_calls_began_to_repeat_arrives() -> None:
    """What a core hears in each round is seven rounds old; a page stored before is read at last."""
    width = 8
    rounds = loop(
        "k", STEPS,
        when(["!=", "x", width - 1], op("noc_semaphore_inc", plus("x", 1), 0, 0, 1)),
        when(["!=", "x", 0],
             op("noc_semaphore_wait", 0, 1), op("noc_semaphore_set", 0, 0),
             op("noc_semaphore_inc", plus("x", -1), 0, 1, 1)),
        when(["!=", "x", width - 1],
             op("noc_semaphore_wait", 1, 1), op("noc_semaphore_set", 1, 0)),
        *[op("noc_semaphore_set", 2, 0)] * 12,
    )  # fmt: skip
    own = ["get_write_ptr", 2]
    through = (op("noc_async_read_barrier"), op("cb_push_back", 2, 1), op("cb_wait_front", 2, 1))
    store = (
        op("cb_reserve_back", 2, 1), op("noc_async_read_page", 0, "A", own), *through,
        op("noc_async_write_page", 0, "Z", ["get_read_ptr", 2]),
        op("noc_async_write_barrier"), op("cb_pop_front", 2, 1),
    )  # fmt: skip
    fetch = (
        op("cb_reserve_back", 2, 1), op("noc_async_read_page", 0, "Z", own), *through,
        op("cb_pop_front", 2, 1),
    )  # fmt: skip
    body = (
        op("cb_reserve_back", 0, 1),
        op("noc_async_read_page", "x", "A", ["get_write_ptr", 0]),
        op("noc_async_read_barrier"),
        rounds,
        when(["==", "x", 0], *store),
        rounds,
        when(["==", "x", width - 1], *fetch),
        op("cb_push_back", 0, 1),
    )
    semaphores = everywhere((width, 1), 0, 0, 0)
    sketch = network((width, 1), 1, body, width, extra={"semaphores": semaphores})
    sketch.buffers[2] = ("Float16_b", 1, "ncrisc", "ncrisc")
    sketch.tensors["Z"] = layout("bfloat16", (32, 32), "inout")
    reader = sketch.programs["reader"]
    sketch.programs["reader"] = structs.replace(reader, accessors=("A", "Z"))
    result, skipped = _judged(sketch, repeats=True)
    assert codes(result) == []
    assert skipped > 2 * STEPS


def _in_step(sketch: Sketch, now: int, name: str) -> Sketch:
    """Without the sender's ops of a name in one step of the loop."""
    reader = sketch.programs["reader"]
    (steps,) = reader.body
    assert isinstance(steps, Loop)
    (branch,) = steps.body
    assert isinstance(branch, If)
    send = tuple(
        part
        for item in branch.then
        for part in ((when(["!=", steps.var, now], item),) if _is(item, name) else (item,))
    )
    body: tuple[Stmt, ...] = (when(branch.cond, *send, orelse=branch.orelse),)
    sketch.programs["reader"] = Program(
        name="reader", thread="ncrisc", accessors=reader.accessors,
        runtime_args=reader.runtime_args,
        body=(Loop(var=steps.var, start=0, stop=steps.stop, body=body),),
    )  # fmt: skip
    return sketch


def _is(item: Stmt, name: str) -> bool:
    return getattr(item, "name", None) == name


@pytest.mark.parametrize("name", ["noc_semaphore_wait", "noc_semaphore_set"])
@pytest.mark.parametrize("now", [3, 29, STEPS - 2])
def test_a_fault_of_one_late_step_is_found(name: str, now: int) -> None:
    """Long after the calls have begun to repeat, and told of the same two sides."""
    faulty = partial(_in_step, now=now, name=name)
    every, _ = _judged(faulty(multicast((4, 1), STEPS)), repeats=False)
    some, skipped = _judged(faulty(multicast((4, 1), STEPS)), repeats=True)
    assert every.findings
    assert some.findings == every.findings
    assert skipped > 100 or now == 3
    np.testing.assert_array_equal(some.outputs["C"], every.outputs["C"])


@pytest.mark.parametrize("now", [27, 28, 30])
@pytest.mark.parametrize("depth", [3, 12])
def test_buffers_that_have_not_come_round_twice_repeat_already(depth: int, now: int) -> None:
    """Iterations differ by where in their buffers they are: clocks go on from any of them."""

    def faulty() -> Sketch:
        sketch = _in_step(multicast((4, 1), STEPS), now, "noc_semaphore_wait")
        fmt, _, producer, consumer = sketch.buffers[0]
        sketch.buffers[0] = (fmt, depth, producer, consumer)
        return sketch

    every, _ = _judged(faulty(), repeats=False)
    some, skipped = _judged(faulty(), repeats=True)
    assert every.findings
    assert some.findings == every.findings
    assert skipped > 100
