"""Tensor parameters a kernel's configuration neither reads nor writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

import harness
import harness.language as T
from harness.compiler.sequence import sequence
from harness.frontend.jit import compile as compile_kernel
from simulator.errors import InputError
from simulator.plan.schema import Plan

DEVICES = ("wormhole_n150", "blackhole_p150")


def chunk(use_initial_state: bool = False, store_final_state: bool = False) -> Any:
    """A step of a linear recurrence, whose states are parameters also where no flag asks for them.

    ``seq_lens`` is of no use to any configuration.
    """

    @T.prim_func
    def main(
        S0: T.Tensor((64, 96), "float32"),
        seq_lens: T.Tensor((7,), "int32"),
        X: T.Tensor((64, 96), "float32"),
        Y: T.Tensor((64, 96), "float32"),
        S1: T.Tensor((64, 96), "float32"),
    ):
        with T.Kernel(2, 3) as (bx, by):
            x = T.alloc_fragment((32, 32), "float32")
            s = T.alloc_fragment((32, 32), "float32")
            T.copy(X[bx * 32, by * 32], x)
            if use_initial_state:
                T.copy(S0[bx * 32, by * 32], s)
            else:
                T.clear(s)
            for i, j in T.Parallel(32, 32):
                s[i, j] = s[i, j] * 2 + x[i, j]
            T.copy(s, Y[bx * 32, by * 32])
            if store_final_state:
                T.copy(s, S1[bx * 32, by * 32])

    return main


def numbers(*shape: int) -> np.ndarray:
    """Whole numbers as float32."""
    return np.random.default_rng(0).integers(-9, 9, shape).astype(np.float32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("used", [False, True])
def test_every_configuration_computes_what_its_source_says(
    used: bool, stored: bool, device: str
) -> None:
    """Flags that leave parameters without use change the answer and nothing else."""
    verdict = harness.check(chunk(used, stored), device=device)
    assert verdict.passed, (verdict.reason, verdict.findings)
    assert set(verdict.outputs) == ({"Y", "S1"} if stored else {"Y"})


@pytest.mark.parametrize("device", DEVICES)
def test_the_plan_keeps_it_and_no_program_names_it(device: str) -> None:
    """It stays an argument in the order of the signature, and no page of it is read or written."""
    made = harness.compile(chunk(), device=device)
    assert list(made.plan.layouts) == ["S0", "seq_lens", "X", "Y", "S1"]
    assert made.plan.io == ("S0", "seq_lens", "X", "S1", "Y")
    assert {a for p in made.programs.programs for a in p.accessors} == {"X", "Y"}


def test_it_may_be_given_or_left_out() -> None:
    """A run is the same with and without it; an array of another shape is still refused."""
    made, x, s = harness.compile(chunk()), numbers(64, 96), numbers(64, 96) + 100
    for more in ({}, {"S0": s, "seq_lens": np.arange(7)}):
        done = made.run({"X": x, **more})
        assert not done.findings
        np.testing.assert_array_equal(done.outputs["Y"], x)
        assert harness.check(chunk(), {"X": x, **more}).passed
    with pytest.raises(InputError, match="S0"):
        made.run({"X": x, "S0": s[:32]})
    with pytest.raises(InputError, match="X: missing"):
        made.run({"S0": s})


def test_calls_count_it_by_position() -> None:
    """Arrays and out_idx are positions of the signature, whatever the configuration uses."""
    s0, lens, x = numbers(64, 96), np.arange(7, dtype=np.int32), numbers(64, 96)
    for used, stored in ((False, False), (True, False), (True, True)):
        y, s1 = compile_kernel(chunk(used, stored), out_idx=[-2, -1])(s0, lens, x)
        want = x + 2 * s0 if used else x
        np.testing.assert_array_equal(y, want)
        np.testing.assert_array_equal(s1, want if stored else np.full_like(x, np.nan))
    out, kept = np.zeros_like(x), numbers(64, 96)
    compile_kernel(chunk())(s0, lens, x, out, kept)
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(kept, numbers(64, 96))


def test_an_artifact_that_lost_a_use_is_no_such_kernel() -> None:
    """A source that reads the tensor is not computed by programs that leave it alone."""
    other = replace(harness.compile(chunk(True)), plan=harness.compile(chunk()).plan,
                    programs=harness.compile(chunk()).programs)  # fmt: skip
    assert not harness.check(chunk(True), artifact=other).passed


def test_an_artifact_that_reads_it_is_found_out() -> None:
    """Programs that take a tensor of no use for another contradict the source."""
    made = harness.compile(chunk())
    text = msgspec.json.encode(made.plan).replace(b'"accessor":"X"', b'"accessor":"S0"')
    plan = msgspec.json.decode(text.replace(b'"addr":"X"', b'"addr":"S0"'), type=Plan)
    assert plan != made.plan
    verdict = harness.check(chunk(), artifact=replace(made, plan=plan))
    assert "PlanInconsistent" in {f.code for f in verdict.findings}
    assert not verdict.passed


def test_a_later_kernel_may_write_it() -> None:
    """In a sequence, a tensor without use is not read before a later kernel writes it."""
    module = sequence(_named(chunk(), "first"), _named(_states(), "second"))
    assert harness.check(module).passed


def _named(func: Any, name: str) -> Any:
    return func.with_attr("global_symbol", name)


def _states() -> Any:
    @T.prim_func
    def main(Y: T.Tensor((64, 96), "float32"), S0: T.Tensor((64, 96), "float32")):
        with T.Kernel(2, 3) as (bx, by):
            x = T.alloc_fragment((32, 32), "float32")
            T.copy(Y[bx * 32, by * 32], x)
            T.copy(x, S0[bx * 32, by * 32])

    return main
