"""Decision 23: every leaf of a plan is cross-checked, or changes what is executed."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any

import pytest

from tests.simulator.plan.editing import changed, judge, leaves, spelled_out
from tests.simulator.plan.samples import copy_artifact, gemm_artifact

EXECUTED = MappingProxyType(
    {
        r"layouts\.\w+\.logical_shape\.\d+": "the host crops to it and golden compares the shape",
        r"layouts\.\w+\.memory": "the machine places the tensor there",
        r"layouts\.\w+\.padding": "the host writes it, and poison shows where it is read",
        r"layouts\.\w+\.role": "output or inout: whether the host passes initial contents",
        r"circular_buffers\.\d+\.depth": "how far threads run ahead, and when pointers wrap",
        r"circular_buffers\.\d+\.alias_of": "the machine lets both write the same bytes",
        r"kernels\.\d+\.compile_args\.grid_x": "the value programs compute with",
        r"kernels\.\d+\.compute\.(dst_full_sync_en|math_approx_mode|bfp8_pack_precise)": "DST"
        " capacity and number formats of the run",
    }
)
"""Leaves that no other place of the plan repeats; the machine acts on them."""

LABELS = MappingProxyType(
    {
        r"name": "shown to people",
        r"circular_buffers\.\d+\.name": "shown to people, unique",
        r"options\.strategy": "what was asked for; its effect, the work lists, is checked itself",
    }
)
"""Leaves that change nothing but what is printed."""

OTHERS: dict[str, list[Any]] = {
    "row_major": ["column_major", "block"],
    "bfloat16": ["float16", "float32", "bfloat8_b"],
    "float32": ["int32", "bfloat16"],
    "Float16_b": ["Float16", "Float32"],
    "Float32": ["UInt32", "Float16_b"],
    "brisc": ["ncrisc", "compute"],
    "ncrisc": ["brisc", "compute"],
    "compute": ["brisc", "ncrisc"],
    "input": ["output", "inout", "table"],
    "output": ["input", "inout"],
    "DRAM": ["L1"],
    "interleaved": ["sharded"],
    "unspecified": ["zero"],
    "full": ["partial"],
    "HiFi3": ["LoFi", "HiFi2", "HiFi4"],
    "A": ["B", "C"],
    "B": ["A"],
    "C": ["A"],
    "start": ["count", "len_k"],
    "count": ["start", "width"],
    "linear": ["rect", "table"],
    "wormhole_n150": ["blackhole_p150", "grayskull_e150"],
}

ABSENT: dict[str, list[Any]] = {
    "len_k": [1],
    "tile_order": ["row_major", "block"],
    "noc": [0, 1],
    "compute": [{"math_fidelity": "HiFi4", "fp32_dest_acc_en": True}],
    "tensor": ["A", "C"],
    "alias_of": [0, 1],
    "shard": [
        {
            "strategy": "height",
            "core_ranges": [{"start": [0, 0], "extent": [1, 1]}],
            "shape": [64, 96],
        }
    ],
}


def other_values(name: str | int, value: Any) -> list[Any]:
    """Values of the same kind a leaf might have had."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1, value + 32]
    if value is None:
        return ABSENT[str(name)]
    return [f"{value}x", "", *OTHERS.get(value, [])]


@pytest.mark.parametrize("make", [copy_artifact, gemm_artifact])
def test_every_leaf_is_checked_or_acted_on(make: Any) -> None:
    """A leaf that can be changed unnoticed is a leaf nobody reads: it must be on a list above."""
    plan, programs = (spelled_out(part) for part in make())
    allowed = [re.compile(pattern) for pattern in (*EXECUTED, *LABELS)]
    unnoticed = []
    for place, value in leaves(plan):
        path = ".".join(map(str, place))
        for other in other_values(place[-1], value):
            found = judge(changed(plan, place, other), programs)
            refused = any(item.severity == "error" for item in found)
            if not refused and not any(pattern.fullmatch(path) for pattern in allowed):
                unnoticed.append(f"{path}: {value!r} -> {other!r}")
    assert unnoticed == []


def test_the_lists_hold_no_more_than_needed() -> None:
    """An entry that nothing needs any more would hide the next leaf nobody reads."""
    seen = set()
    for make in (copy_artifact, gemm_artifact):
        plan, programs = (spelled_out(part) for part in make())
        for place, value in leaves(plan):
            path = ".".join(map(str, place))
            for pattern in (*EXECUTED, *LABELS):
                if re.fullmatch(pattern, path) and any(
                    not any(i.severity == "error" for i in judge(changed(plan, place, o), programs))
                    for o in other_values(place[-1], value)
                ):
                    seen.add(pattern)
    assert seen == {*EXECUTED, *LABELS}


@pytest.mark.parametrize("make", [copy_artifact, gemm_artifact])
def test_every_leaf_of_the_programs_is_under_the_hash(make: Any) -> None:
    """Programs edited after compiling are told from those the plan was made for."""
    plan, programs = (spelled_out(part) for part in make())
    for place, value in leaves(programs):
        other = value + 1 if isinstance(value, int) else f"{value}x"
        assert judge(plan, changed(programs, place, other)), place
