"""The plan as a file: written, read, judged; and what a plan may not say."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from harness.compiler import (
    emit_tt_plan,
    extract_runtime_plan,
    load_tt_plan,
    lower,
    plan_dict,
    plan_paths,
    plans_of,
    run_pipeline,
    validate_plan,
)
from harness.errors import CompileError, OptionError
from simulator.errors import ArtifactError, UnreadableError
from simulator.plan.load import dump_plan, load_plan
from simulator.plan.validate import validate_artifact
from tests.harness.compiler import samples


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    """A plan survives the way through a file, byte for byte and value for value."""
    out = run_pipeline(samples.gemm())
    (path,) = emit_tt_plan(out, tmp_path / "tt.plan.json")
    assert load_tt_plan(path) == plan_dict(out)
    assert path.read_bytes() == dump_plan(plans_of(out)["main"])
    assert validate_plan(path) == validate_plan(str(path)) == []
    assert [p.name for p in tmp_path.iterdir()] == ["tt.plan.json"]


def test_every_form_of_a_result_gives_its_plan() -> None:
    """Module, function, compilation, compiled kernel and plan all lead to the same plan."""
    compilation = lower(samples.gemm())
    func = compilation.module["main_reader"]
    expected = plan_dict(compilation)
    for source in (compilation.module, compilation.kernels[0], compilation.kernels[0].plan, func):
        assert plan_dict(source) == expected
    assert extract_runtime_plan(func) == expected


def test_a_kernel_that_was_not_lowered_has_no_plan(tmp_path: Path) -> None:
    """No plan is made up for a function that did not go through the pipeline."""
    for source in (samples.gemm(), samples.staged(samples.gemm(), 4)):
        with pytest.raises(CompileError) as caught:
            emit_tt_plan(source, tmp_path / "x.json")
        assert caught.value.code == "PassOrder"
    assert not list(tmp_path.iterdir())


def test_one_plan_of_several_must_be_chosen() -> None:
    """plan_dict of a module of two kernels asks which, instead of taking the first."""
    with pytest.raises(CompileError) as caught:
        plan_dict(lower(samples.module(a=samples.copy(), b=samples.gemm())))
    assert caught.value.code == "SeveralKernels"


def test_several_kernels_share_a_stem() -> None:
    """The rule for names of several plans, which users script against."""
    assert plan_paths(["main"], "out/p.json") == {"main": Path("out/p.json")}
    assert plan_paths(["a", "b"], "tt.plan.json") == {
        "a": Path("tt.plan.a.json"), "b": Path("tt.plan.b.json"),
    }  # fmt: skip
    with pytest.raises(OptionError):
        plan_paths(["a", "../b"], "tt.plan.json")


def test_a_path_that_cannot_take_a_plan_is_refused(tmp_path: Path) -> None:
    """A directory or a missing parent is one clear error, and nothing half-written stays."""
    out = run_pipeline(samples.copy())
    with pytest.raises(OptionError):
        emit_tt_plan(out, tmp_path)
    with pytest.raises(UnreadableError):
        emit_tt_plan(out, tmp_path / "no" / "tt.plan.json")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    """Missing, not JSON, and JSON of another shape are told apart."""
    path = tmp_path / "tt.plan.json"
    with pytest.raises(UnreadableError):
        load_tt_plan(path)
    with pytest.raises(UnreadableError):
        validate_plan(path)
    path.write_text("{")
    with pytest.raises(UnreadableError):
        load_tt_plan(path)
    path.write_text("[]")
    with pytest.raises(ArtifactError):
        load_tt_plan(path)
    assert validate_plan(path)
    assert validate_plan({"core_grid": object()})


REMOVED = object()
ITEMS = "work_partition"
# What is wrong, where in the plan, and what stands there instead.
WRONG: dict[str, tuple[tuple[Any, ...], Any]] = {
    "a lost tile": ((ITEMS, "(0,0)", 0), REMOVED),
    "a dummy item of an idle core": ((ITEMS, "(3,3)"), [{"io": 0, "jo": 0}]),
    "one block on two cores": ((ITEMS, "(0,0)", 0, "jo"), 2),
    "a block outside the grid": ((ITEMS, "(0,0)", 0, "io"), 99),
    "a core outside the grid": ((ITEMS, "(9,9)"), []),
    "another spelling of a core": ((ITEMS, "(0, 0)"), []),
    "a core without an entry": ((ITEMS, "(3,3)"), REMOVED),
    "work outside the ranges": (("core_ranges",), [{"start": [0, 0], "extent": [2, 2]}]),
    "overlapping ranges": (
        ("core_ranges",),
        [{"start": [0, 0], "extent": [4, 4]}, {"start": [3, 3], "extent": [1, 1]}],
    ),
    "a range outside the grid": (("core_ranges", 0, "extent"), [5, 4]),
    "an end where a size belongs": (("core_ranges", 0, "extent"), [3, 3]),
    "a memory that does not exist": (("layouts", "A", "memory"), "HBM"),
    "a field nobody knows": (("comment",), "looks harmless"),
    "a field nobody knows, inside": (("layouts", "A", "stride"), [1, 1]),
    "a tensor without shape": (("layouts", "A", "logical_shape"), REMOVED),
    "padding to no whole tile": (("layouts", "A", "padded_shape"), [150, 128]),
    "text for numbers": (("core_grid",), ["4", "4"]),
    "K in elements": ((ITEMS, "(0,0)", 0, "len_k"), 128),
    "another order than it names": ((ITEMS, "(0,0)", 0, "tile_order"), "column_major"),
    "another descriptor than list": (("work_descriptors", "(0,0)", "start"), 1),
    "two buffers of one id": (("circular_buffers", 1, "id"), 0),
    "a buffer id the device lacks": (("circular_buffers", 2, "id"), 32),
    "more than L1": (("circular_buffers", 0, "depth"), 4000),
    "another grid": (("kernel_grid",), [4, 5, 1]),
    "a future schema": (("schema_version",), 2),
}


@pytest.mark.parametrize("what", list(WRONG))
def test_upstreams_validation_let_this_through(what: str) -> None:
    """Every way a plan was wrong and passed upstream's validate_plan is a problem with a path."""
    data = copy.deepcopy(samples.plan(samples.gemm(160, 160, 128), grid=(4, 4)))
    assert validate_plan(data) == []
    (*path, last), value = WRONG[what]
    place: Any = data
    for step in path:
        place = place[step]
    if value is REMOVED:
        del place[last]
    else:
        assert last not in place or place[last] != value
        place[last] = value
    problems = validate_plan(data)
    assert problems
    assert all("$" in problem for problem in problems)


@pytest.mark.parametrize("position", [0, 1])
def test_runtime_arguments_agree_with_the_descriptors(position: int) -> None:
    """What a core is told as arguments is what its work descriptor says, value by value."""
    (kernel,) = lower(samples.gemm(160, 160, 128), grid=(4, 4)).kernels
    data = copy.deepcopy(plan_dict(kernel))
    data["kernels"][0]["runtime_args"]["(0,0)"][position] += 1
    findings = validate_artifact(load_plan(json.dumps(data).encode()), kernel.programs)
    assert "PlanInconsistent" in {item.code for item in findings}


def test_the_old_plan_formats_are_refused() -> None:
    """The three formats upstream called tt.plan.json hold no executable plan."""
    seed = {
        "core_grid": [2, 2],
        "core_ranges": [{"start": [0, 0], "extent": [2, 2]}],
        "work_partition": {"(0,0)": [{"io": 0, "jo": 0, "len_k": 4, "tile_order": "row_major"}]},
        "layouts": {"A": {"shard": "DRAM", "interleave": True}},
    }
    codegen = {"version": "1.0", "target": "tenstorrent", "grid": {"x": 2, "y": 2}}
    head = {"version": "5.0", "target": "tenstorrent", "grid": {"x": 8, "y": 8, "total_tiles": 64}}
    for old in (seed, codegen, head):
        assert validate_plan(old)


def test_the_plan_is_plain_json() -> None:
    """Nothing of TVM's containers is left in what a user serialises."""
    data = samples.plan(samples.gemm())
    assert json.loads(json.dumps(data)) == data
