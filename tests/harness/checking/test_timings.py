"""A plan whose answer depends on timing does not pass because one timing was kind to it."""

import dataclasses
from typing import Any

import pytest

from harness import check
from harness.artifact import Artifact
from harness.artifact import compile as compile_kernel
from harness.kernels.gemm import matmul
from harness.mutants.edit import Built, replace
from simulator.engine.schedule import LateNoc
from simulator.run import RunOptions

OPTIONS: dict[str, Any] = {"grid": (2, 1)}


def _source() -> Any:
    return matmul(64, 64, 64, 32, 32, 32)


def _aliased(made: Artifact, index: int, target: int) -> Artifact:
    """The artifact with two circular buffers in one memory."""
    cbs = list(made.plan.circular_buffers)
    cbs[index] = replace(cbs[index], alias_of=target)
    built = Built(replace(made.plan, circular_buffers=tuple(cbs)), made.programs).sealed()
    return dataclasses.replace(made, plan=built.plan)


@pytest.mark.parametrize(("index", "target"), [(1, 16), (2, 1)])
def test_a_race_that_the_first_schedule_misses_is_found(index: int, target: int) -> None:
    """Buffers that overwrite each other only when the reader runs ahead are no right plan."""
    made = compile_kernel(_source(), **OPTIONS)
    verdict = check(_source(), artifact=_aliased(made, index, target), **OPTIONS)
    assert "Race" in {f.code for f in verdict.findings}
    assert not verdict.passed


def test_a_schedule_asked_for_is_the_only_one() -> None:
    """A replayed schedule shows what it showed, and what another would show is not said."""
    made = compile_kernel(_source(), multicast=True, strategy="block", grid=(2, 2))
    asked = RunOptions(schedule=LateNoc(0))
    verdict = check(made, run_options=asked)
    assert verdict.passed
    assert verdict.determinate is False


def test_multicast_passes_under_every_timing() -> None:
    """The handshake the compiler emits leaves nothing to find."""
    made = compile_kernel(_source(), multicast=True, strategy="block", grid=(2, 2))
    assert check(made).passed
