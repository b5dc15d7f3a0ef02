"""The architecture table and plan validation against what ttnn's host was seen to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from simulator.arch import find_arch
from simulator.findings import Finding
from simulator.plan.schema import CoreRange, Plan, Semaphore
from simulator.plan.validate import validate_plan
from tests.simulator.plan.samples import copy_artifact
from tests.vectors.cases import facts

PAGE = 2048


def with_cb(**fields: Any) -> Plan:
    """The one-core copy with its circular buffer changed."""
    plan = copy_artifact()[0]
    first = msgspec.structs.replace(plan.circular_buffers[0], **fields)
    return msgspec.structs.replace(plan, circular_buffers=(first,))


def second_cb(**fields: Any) -> Plan:
    """The one-core copy with a second circular buffer."""
    plan = copy_artifact()[0]
    (first,) = plan.circular_buffers
    other = msgspec.structs.replace(first, **{"id": 1, "name": "second", **fields})
    return msgspec.structs.replace(plan, circular_buffers=(first, other))


def with_cores(*ranges: tuple[int, int, int, int]) -> Plan:
    """Circular buffer, kernels and work on other cores (start and extent)."""
    plan = copy_artifact()[0]
    listed = tuple(CoreRange(start=(x, y), extent=(w, h)) for x, y, w, h in ranges)
    kernels = tuple(msgspec.structs.replace(k, core_ranges=listed) for k in plan.kernels)
    return msgspec.structs.replace(plan, core_ranges=listed, kernels=kernels)


def with_semaphores(*ids: int) -> Plan:
    """Semaphores of these ids on the plan's cores."""
    plan = copy_artifact()[0]
    listed = tuple(Semaphore(id=i, core_ranges=plan.core_ranges) for i in ids)
    return msgspec.structs.replace(plan, semaphores=listed)


def with_arguments(count: int, *, common: bool) -> Plan:
    """``count`` more words for the first kernel."""
    plan = copy_artifact()[0]
    first = plan.kernels[0]
    if common:
        extra = {f"x{i}": 0 for i in range(count - len(first.common_args))}
        changed = msgspec.structs.replace(
            first, common_args={**first.common_args, **extra}, runtime_args={}, work_args={}
        )
    else:
        left = count - len(first.common_args)
        values = {key: (*v, *([0] * (left - len(v)))) for key, v in first.runtime_args.items()}
        changed = msgspec.structs.replace(first, runtime_args=values)
    return msgspec.structs.replace(plan, kernels=(changed, *plan.kernels[1:]))


def two_readers() -> Plan:
    """A second kernel on the NoC of the first."""
    plan = copy_artifact()[0]
    again = msgspec.structs.replace(plan.kernels[0], program="again")
    return msgspec.structs.replace(plan, kernels=(*plan.kernels, again))


CASES: dict[str, Callable[[], Plan]] = {
    "ok_minimal": lambda: copy_artifact()[0],
    "cb_total_not_multiple_of_page": lambda: with_cb(page_bytes=3000),
    "cb_page_not_16B_aligned": lambda: with_cb(page_bytes=1000),
    "cb_page_smaller_than_tile": lambda: with_cb(page_bytes=1024),
    "cb_over_l1_single": lambda: with_cb(depth=1000),
    **{f"cb_total_{n}_pages_of_{PAGE}": lambda n=n: with_cb(depth=n)  # type: ignore[misc]
       for n in range(680, 750, 10)},
    "cb_over_l1_sum_of_two": lambda: second_cb(depth=800),
    "cb_index_31": lambda: with_cb(id=31),
    "cb_index_32": lambda: with_cb(id=32),
    "cb_index_63": lambda: with_cb(id=63),
    "cb_index_64": lambda: with_cb(id=64),
    "cb_same_index_twice_same_core": lambda: second_cb(id=0),
    "cb_two_formats_one_descriptor": lambda: second_cb(alias_of=0),
    "core_out_of_grid_30_30": lambda: with_cores((30, 30, 1, 1)),
    "core_one_past_grid_x": lambda: with_cores((8, 0, 1, 1)),
    "core_one_past_grid_y": lambda: with_cores((0, 8, 1, 1)),
    "core_range_set_overlapping": lambda: with_cores((0, 0, 2, 2), (1, 1, 2, 2)),
    "two_reader_kernels_same_core": two_readers,
    **{f"runtime_args_{n}": lambda n=n: with_arguments(n, common=False)  # type: ignore[misc]
       for n in (255, 256, 257, 341, 342, 1000, 1023, 1024, 1025, 4096)},
    **{f"common_runtime_args_{n}": lambda n=n: with_arguments(n, common=True)  # type: ignore[misc]
       for n in (341, 342)},
    "semaphore_id_15": lambda: with_semaphores(15),
    "semaphore_id_16": lambda: with_semaphores(16),
    "semaphore_17_of_them": lambda: with_semaphores(*range(17)),
    "semaphore_duplicate_id": lambda: with_semaphores(0, 0),
}  # fmt: skip
"""Case of facts.json to a plan that has it."""

STRICTER = {
    "cb_page_not_16B_aligned": "a page is one tile of the format",
    "cb_page_smaller_than_tile": "a page is one tile of the format",
    **{f"runtime_args_{n}": "341 words are what every version of tt-metal holds"
       for n in (342, 1000, 1023, 1024, 1025)},
    "common_runtime_args_342": "341 words are what every version of tt-metal holds",
}  # fmt: skip
"""Cases ttnn's host accepts and plan validation refuses on purpose, with the reason."""

ELSEWHERE = {
    "cb_page_zero": "the schema has positive page sizes (and the host process dies)",
    "cb_total_zero": "the schema has positive depths",
    "core_range_reversed": "a range is a start and a size",
    "core_last_in_grid": "the last core of slow dispatch, which plans do not use",
    "cb_on_core_without_kernel": "a circular buffer lies on its kernels' cores",
    "kernel_cpp_error": "the kernel gate",
    "compile_time_arg_missing": "the kernel gate",
    "generic_op_single_tensor": "harness.backends.device_program.unsupported",
    "generic_op_no_tensor": "harness.backends.device_program.unsupported",
}
"""Cases a plan cannot express, and what stands for them."""


def errors(plan: Plan) -> list[Finding]:
    """Errors of plan validation."""
    return [f for f in validate_plan(plan) if f.severity == "error"]


def test_every_case_of_the_host_is_accounted_for() -> None:
    """Tile shapes are compared by the tests of formats; nothing else is left over."""
    named = {name for name in facts()["host_validation"] if not name.startswith("tile_")}
    assert named == set(CASES) | set(ELSEWHERE)


@pytest.mark.parametrize("case", CASES)
def test_validation_agrees_with_ttnns_host(case: str) -> None:
    """On a Wormhole: what it refuses is refused, what it accepts is accepted or stricter."""
    measured = facts()["host_validation"][case]
    accepted = (measured.get("wh_and_bh") or measured["wh"])["accepted"]
    found = errors(CASES[case]())
    if accepted and case not in STRICTER:
        assert found == []
    else:
        assert found
        assert accepted == (case in STRICTER)


@pytest.mark.parametrize("board", ["wormhole_N150", "blackhole_P150"])
def test_alignments_and_bases(board: str) -> None:
    """Alignment of DRAM and L1, the first tensor and the first circular buffer."""
    arch = find_arch(board.lower())
    held = facts()
    measured = held["boards"][board]["slow_dispatch"]
    chip = "wh" if arch.family == "wormhole" else "bh"
    assert measured["dram_alignment"] == arch.dram_alignment
    assert measured["l1_alignment"] == arch.l1_alignment
    assert held["cb_area"][chip]["first_cb_address"] == arch.l1_base
    assert held["cb_area"][chip]["max_l1_bytes"] == arch.l1_bytes
    first = next(iter(held["boards"][board]["allocations_in_order_slow_dispatch"].values()))
    assert first["address"] == arch.dram_base


def test_the_wormhole_grid() -> None:
    """With the default dispatch configuration."""
    grid = facts()["boards"]["wormhole_N150"]["fast_dispatch_differences"]
    assert tuple(grid["compute_with_storage_grid_size"]) == find_arch("wormhole_n150").grid
