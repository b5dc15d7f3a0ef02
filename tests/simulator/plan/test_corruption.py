"""Whatever can be decoded is judged, never a crash: corrupted plans and programs, and the cost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import ArtifactError
from simulator.findings import RULES
from simulator.plan.load import load_plan, load_programs
from simulator.plan.schema import CoreRange, Linear, Plan, WorkItem
from simulator.plan.validate import validate_artifact, validate_plan
from simulator.program.check import check_programs
from tests.simulator.plan.editing import changed, edited, leaves, spelled_out
from tests.simulator.plan.samples import copy_artifact, gemm_artifact, with_changes

SAMPLES = [tuple(spelled_out(part) for part in make()) for make in (copy_artifact, gemm_artifact)]

BIG = 2**32 - 1
NUMBERS = st.sampled_from([0, 1, 2, 31, 32, 33, 64, 2**16, 2**24, 2**31 - 1, BIG, -1, -(2**31)])
WORDS = st.sampled_from(
    ["", "A", "B", "(0,0)", "compute", "brisc", "Float32", "get_write_ptr", "+", "start", "zero"]
)
OTHERS = st.sampled_from([None, True, False, 1.5, [], {}, [0, 0], {"addr": "A"}, ["+", 1]])


def values_like(value: Any) -> st.SearchStrategy[Any]:
    """Mostly values of the same kind, which get past the schema; sometimes others."""
    alike = NUMBERS if isinstance(value, int) else WORDS if isinstance(value, str) else OTHERS
    return st.one_of(alike, alike, alike, alike, OTHERS, WORDS)


def places(value: Any, place: Any = ()) -> Any:
    """Every place of plain data, containers too."""
    if place:
        yield place
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, (dict, list)):
            yield from places(item, (*place, key))
        else:
            yield (*place, key)


def corrupt(value: Any, data: st.DataObject, times: int) -> Any:
    """Plain data with some values replaced, doubled, dropped or swapped."""
    for _ in range(times):
        every = list(places(value))
        if not every:
            break
        place = data.draw(st.sampled_from(every))
        level: Any = value
        for step in place[:-1]:
            level = level[step]
        key = place[-1]
        action = data.draw(st.sampled_from(["set"] * 6 + ["copy", "drop", "double"]))
        if action == "set":
            value = changed(value, place, data.draw(values_like(level[key])))
        elif action == "copy":
            other = data.draw(st.sampled_from(every))
            source: Any = value
            for step in other:
                source = source[step]
            value = changed(value, place, source)
        elif action == "drop":
            rest = (
                {k: v for k, v in level.items() if k != key}
                if isinstance(level, dict)
                else [v for i, v in enumerate(level) if i != key]
            )
            value = changed(value, place[:-1], rest) if len(place) > 1 else rest
        elif isinstance(level, list):
            value = changed(value, place[:-1], [*level, level[key]])
    return value


def decodable(load: Any, value: Any) -> Any:
    """The decoded value, or None where the schema refuses it."""
    try:
        return load(json.dumps(value).encode())
    except ArtifactError:
        return None


@given(st.sampled_from(SAMPLES), st.integers(1, 3), st.data())
def test_no_plan_crashes_the_validator(sample: Any, times: int, data: st.DataObject) -> None:
    """A corrupted plan gives findings with known codes and places, or passes; it never raises."""
    plan = decodable(load_plan, corrupt(sample[0], data, times))
    if plan is None:
        return
    programs = load_programs(json.dumps(sample[1]).encode())
    found = validate_artifact(plan, programs)
    assert all(item.code in RULES and item.message for item in found)
    assert all(item.location for item in validate_plan(plan))
    assert len(found) < 500


@given(st.sampled_from(SAMPLES), st.integers(1, 3), st.data())
def test_no_program_crashes_the_checker(sample: Any, times: int, data: st.DataObject) -> None:
    """Corrupted programs likewise, alone and under a plan, the unchanged hash left aside."""
    programs = decodable(load_programs, corrupt(sample[1], data, times))
    if programs is None:
        return
    plan = load_plan(json.dumps(sample[0]).encode())
    for found in (check_programs(programs), validate_artifact(plan, programs)):
        assert all(item.code in RULES for item in found)


@pytest.fixture
def one_more_gigabyte() -> Iterator[None]:
    """Let the process grow by 1 GiB and no more: a defect must not take the machine with it."""
    resource = pytest.importorskip("resource")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 2**30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.usefixtures("one_more_gigabyte")
def test_no_number_is_too_large(sample: Any) -> None:
    """The largest number in any one place is judged quickly: nothing is allocated by its size."""
    programs = load_programs(json.dumps(sample[1]).encode())
    began = time.process_time()
    count = 0
    for place, value in leaves(sample[0]):
        if isinstance(value, bool) or not isinstance(value, int):
            continue
        for large in (BIG, 2**31 - 1, 2**24, 2**20, -(2**31)):
            plan = decodable(load_plan, changed(sample[0], place, large))
            if plan is not None:
                validate_artifact(plan, programs)
                count += 1
    assert count > 100
    assert (time.process_time() - began) / count < 0.1  # seconds each; about 0.002 when written


def wide_plan(columns: int, rows: int, grid: tuple[int, int]) -> Plan:
    """The GEMM sample's frame over a whole grid of cores and many blocks."""
    plan, _ = gemm_artifact()
    cores = (CoreRange(start=(0, 0), extent=(columns, rows)),)
    keys = [f"({x},{y})" for y in range(rows) for x in range(columns)]
    total = grid[0] * grid[1]
    runs = {k: (i * total // len(keys), (i + 1) * total // len(keys)) for i, k in enumerate(keys)}
    items = {
        key: tuple(WorkItem(io=i // grid[0], jo=i % grid[0], len_k=2) for i in range(*run))
        for key, run in runs.items()
    }
    output = {"logical_shape": [32 * grid[1], 32 * grid[0]], "dtype": "float32", "role": "output"}
    plan = edited(plan, "layouts.C", output | {"padded_shape": output["logical_shape"]})
    place: dict[str, Any] = {"core_ranges": cores}
    return with_changes(
        plan,
        options={},
        kernel_grid=(*grid, 1),
        core_grid=(columns, rows),
        core_ranges=cores,
        work_partition=items,
        work_descriptors={
            key: Linear(order="row_major", start=low, count=high - low)
            for key, (low, high) in runs.items()
        },
        circular_buffers=tuple(
            msgspec.structs.replace(cb, **place) for cb in plan.circular_buffers
        ),
        kernels=tuple(
            msgspec.structs.replace(
                kernel,
                core_ranges=cores,
                runtime_args={
                    key: (high - low,) if kernel.compute else (low, high - low)
                    for key, (low, high) in runs.items()
                },
            )
            for kernel in plan.kernels
        ),
    )


def cost(plan: Plan, programs: Any, times: int = 5) -> float:
    """Least processor seconds of a validation; the least because other work shares the machine."""
    spent = []
    for _ in range(times):
        began = time.process_time()
        assert validate_artifact(plan, programs) == ()
        spent.append(time.process_time() - began)
    return min(spent)


def test_a_plan_of_64_cores_takes_milliseconds() -> None:
    """Validation is part of every run, so 64 cores must cost less than 20 ms (2 when written)."""
    assert cost(wide_plan(8, 8, (16, 16)), gemm_artifact()[1]) < 0.02


def test_a_hundred_thousand_blocks_take_a_fraction_of_a_second() -> None:
    """Coverage is counted in arrays, not block by block (0.07 s when written, lists included)."""
    plan = wide_plan(8, 8, (400, 250))
    assert cost(plan, gemm_artifact()[1], times=3) < 0.3
