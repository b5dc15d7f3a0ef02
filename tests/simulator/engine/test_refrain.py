"""Calls of the clocks that come again are counted, not made: no finding changes by that."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine import machine, ordering
from simulator.engine.listener import Listener
from simulator.engine.schedule import RoundRobin
from simulator.program import If, Loop, Program, Stmt
from simulator.run import RunOptions, RunResult
from tests.simulator.builders import Sketch, when
from tests.simulator.engine.loops import looping
from tests.simulator.engine.test_collectives import multicast_gemm
from tests.simulator.engine.test_network import multicast
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


def _in_step(sketch: Sketch, now: int, name: str) -> Sketch:
    """Without the sender's ops of a name in one step of the loop."""
    reader = sketch.programs["reader"]
    (loop,) = reader.body
    assert isinstance(loop, Loop)
    (branch,) = loop.body
    assert isinstance(branch, If)
    send = tuple(
        part
        for item in branch.then
        for part in ((when(["!=", loop.var, now], item),) if _is(item, name) else (item,))
    )
    body: tuple[Stmt, ...] = (when(branch.cond, *send, orelse=branch.orelse),)
    sketch.programs["reader"] = Program(
        name="reader", thread="ncrisc", accessors=reader.accessors,
        runtime_args=reader.runtime_args,
        body=(Loop(var=loop.var, start=0, stop=loop.stop, body=body),),
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
