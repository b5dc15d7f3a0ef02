"""The architecture table and plan validation against what ttnn's host was seen to do."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from simulator.arch import find_arch
from simulator.findings import Finding
from simulator.plan.schema import CoreRange, Plan, Semaphore
from simulator.plan.validate import validate_artifact
from tests.harness.backends.plans import packaged
from tests.vectors.cases import facts

GEMM = 0
STRICTER = {
    "cb_page_not_16B_aligned": "a page is one tile of the format",
    "cb_page_smaller_than_tile": "a page is one tile of the format",
    "cb_total_zero": "the schema wants at least one page",
    "runtime_args_342": "341 words are the portable floor",
    "runtime_args_1025": "341 words are the portable floor",
    "common_runtime_args_342": "341 words are the portable floor",
}
"""Host-accepted programs that plan validation refuses on purpose, with the reason."""


def changed(what: str, value: Any = None) -> Plan:
    """The sample GEMM's plan with one thing as the host validation cases had it."""
    plan = packaged()[GEMM].plan
    replace = msgspec.structs.replace
    first = plan.circular_buffers[0]

    def cbs(**fields: Any) -> Plan:
        return replace(
            plan, circular_buffers=(replace(first, **fields), *plan.circular_buffers[1:])
        )

    def cores(*ranges: CoreRange) -> Plan:
        return replace(plan, core_ranges=ranges)

    def semaphores(*ids: int) -> Plan:
        return replace(plan, semaphores=tuple(
            Semaphore(id=i, core_ranges=plan.core_ranges) for i in ids))  # fmt: skip

    reader = plan.kernels[0]
    if what == "common_args":
        extra = {f"x{i}": 0 for i in range(value)}
        kernel = replace(reader, common_args={**reader.common_args, **extra})
        return replace(plan, kernels=(kernel, *plan.kernels[1:]))
    return {
        "page": lambda: cbs(page_bytes=value),
        "depth": lambda: cbs(depth=value),
        "id": lambda: cbs(id=value),
        "cores": lambda: cores(*value),
        "semaphores": lambda: semaphores(*value),
    }[what]()


def findings(plan: Plan) -> list[Finding]:
    """Errors of validation."""
    programs = packaged()[GEMM].programs
    return [f for f in validate_artifact(plan, programs) if f.severity == "error"]


REFUSED = {
    "cb_total_not_multiple_of_page": ("page", 3000),
    "cb_over_l1_single": ("depth", 1000),
    "cb_total_700_pages_of_2048": ("depth", 700),
    "cb_index_32": ("id", 32),
    "cb_index_64": ("id", 64),
    "cb_same_index_twice_same_core": ("id", 1),
    "core_out_of_grid_30_30": ("cores", (CoreRange(start=(30, 30), extent=(1, 1)),)),
    "core_one_past_grid_x": ("cores", (CoreRange(start=(8, 0), extent=(1, 1)),)),
    "core_range_set_overlapping": ("cores", (CoreRange(start=(0, 0), extent=(2, 2)),
                                             CoreRange(start=(1, 1), extent=(2, 2)))),
    "semaphore_id_16": ("semaphores", (16,)),
    "semaphore_duplicate_id": ("semaphores", (0, 0)),
    "cb_page_not_16B_aligned": ("page", 1000),
    "cb_page_smaller_than_tile": ("page", 1024),
    "runtime_args_342": ("common_args", 342),
}  # fmt: skip
"""Case of facts.json to the change of the plan."""


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_host_refuses_validation_refuses(case: str) -> None:
    """Or validation is the stricter of the two, for a stated reason."""
    measured = facts()["host_validation"][case]
    host = measured.get("wh_and_bh") or measured["wh"]
    assert not host["accepted"] or case in STRICTER
    assert findings(changed(*REFUSED[case]))


def test_what_the_host_accepts_validation_accepts() -> None:
    """The plan itself, the last index, the last semaphore."""
    assert findings(packaged()[GEMM].plan) == []
    host = facts()["host_validation"]
    assert host["cb_index_31"]["wh_and_bh"]["accepted"]
    assert not [f for f in findings(changed("semaphores", (15,))) if "emaphore" in f.message
                and "id" in f.message]  # fmt: skip


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
