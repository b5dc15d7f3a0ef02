"""Faults that normal numbers leave alone: limits they stay below, means that are zero anyway."""

from __future__ import annotations

from typing import Any

import pytest

import harness
from harness.artifact import Artifact
from harness.inputs import Draws, farther
from harness.kernels.linear import gemm_bias_relu
from harness.kernels.norm import layer_norm, rms_norm
from harness.kernels.selection import argmax
from harness.mutants.edit import Built, dropped, edit, renamed, with_arg
from harness.mutants.subjects.kernels import mixed
from simulator.artifact import Artifact as MachineArtifact
from simulator.artifact import write_artifact


def faulty(made: Artifact, where: Any, *changes: Any) -> Any:
    """The kernel's verdict where its compute program was changed."""
    built = Built(made.plan, made.programs)
    for change in changes:
        built = edit(built, change, thread="compute")
    sealed = built.sealed()
    write_artifact(where, MachineArtifact(sealed.plan, sealed.programs, {}))
    return harness.check(made, artifact=where)


@pytest.mark.parametrize("op", ["binary_max_tile", "binary_min_tile"])
def test_a_limit_is_passed_by_some_input(op: str, tmp_path: Any) -> None:
    """A clip to -48 and 40 that is left out is found, though normal numbers keep within."""
    made = harness.compile(mixed(M=32, N=32), grid=(1, 1))
    verdict = faulty(made, tmp_path, dropped(op, f"{op}_init"))
    assert not verdict.passed
    assert verdict.input_kind.endswith("wide")


def test_a_maximum_below_zero_shows_what_a_mask_fills_in(tmp_path: Any) -> None:
    """Zero in place of the least number beside a row is seen where the whole row lies below it."""
    made = harness.compile(argmax(M=64, N=50, block_M=32), grid=(1, 1))
    verdict = faulty(made, tmp_path, with_arg("fill_tile", 1, lambda v: 0.0 if v == "-inf" else v))
    assert not verdict.passed
    assert verdict.input_kind.endswith("scaled")


def test_an_epsilon_shows_in_rows_below_it(tmp_path: Any) -> None:
    """One that is left out is found, however small it is."""
    made = harness.compile(rms_norm(M=64, N=32), grid=(1, 1))
    assert not faulty(made, tmp_path, dropped("add_unary_tile")).passed


def test_choices_that_went_both_ways_ask_for_no_more_inputs() -> None:
    """Normal numbers lie on both sides of zero, and a relu needs nothing else."""
    made = harness.compile(gemm_bias_relu(M=32, N=32, K=32, block_M=32, block_N=32))
    assert farther(Draws(made.source, made.contract), ["exact", "random"], 0) == []


def test_a_mean_far_from_zero_shows_what_is_summed_beside_the_row(tmp_path: Any) -> None:
    """A variance over columns beyond the tensor too is right only where the mean is zero."""
    made = harness.compile(layer_norm(M=32, N=40), grid=(1, 1))
    changes = (renamed("ltz_tile", "abs_tile"), renamed("ltz_tile_init", "abs_tile_init"))
    assert faulty(made, tmp_path, *changes).reason.endswith("elements are wrong")
