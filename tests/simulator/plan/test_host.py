"""What the host (ttnn 0.81.1, measured) refuses is refused here; where it is laxer, on purpose.

Each case is one program tried on mock Wormhole and Blackhole devices.
"""

from __future__ import annotations

from typing import Any

import pytest

from simulator.plan.schema import Plan
from simulator.plan.validate import validate_plan
from tests.simulator.plan.editing import changed, judge, spelled_out
from tests.simulator.plan.samples import copy_artifact

ONE = [{"start": [0, 0], "extent": [1, 1]}]
WORMHOLE = {"name": "wormhole_n150", "arch": "wormhole", "board": "n150"}
BLACKHOLE = {"name": "blackhole_p100", "arch": "blackhole", "board": "p100"}
PLAN, PROGRAMS = (spelled_out(part) for part in copy_artifact())


def cbs(*shapes: tuple[int, int]) -> Any:
    """Circular buffers of (id, pages) on core (0, 0)."""
    first = PLAN["circular_buffers"][0]
    return [first | {"id": i, "name": f"c{n}", "depth": d} for n, (i, d) in enumerate(shapes)]


def semaphores(*ids: int) -> Any:
    """Semaphores with these ids on core (0, 0)."""
    return [{"id": ident, "core_ranges": ONE} for ident in ids]


# name, field, value, accepted by the host on Wormhole, on Blackhole
CASES: list[tuple[str, str, Any, bool, bool]] = [
    ("ok_minimal", "circular_buffers", cbs((0, 2)), True, True),
    ("cb_over_l1_single", "circular_buffers", cbs((0, 1000)), False, False),
    ("cb_total_680_pages_of_2048", "circular_buffers", cbs((0, 680)), True, True),
    ("cb_total_690_pages_of_2048", "circular_buffers", cbs((0, 690)), False, True),
    ("cb_total_710_pages_of_2048", "circular_buffers", cbs((0, 710)), False, True),
    ("cb_total_720_pages_of_2048", "circular_buffers", cbs((0, 720)), False, False),
    ("cb_over_l1_sum_of_two", "circular_buffers", cbs((0, 400), (1, 400)), False, False),
    ("cb_index_31", "circular_buffers", cbs((0, 2), (31, 2)), True, True),
    ("cb_index_32", "circular_buffers", cbs((0, 2), (32, 2)), False, True),
    ("cb_index_63", "circular_buffers", cbs((0, 2), (63, 2)), False, True),
    ("cb_index_64", "circular_buffers", cbs((0, 2), (64, 2)), False, False),
    ("cb_same_index_twice_same_core", "circular_buffers", cbs((0, 2), (0, 2)), False, False),
    ("cb_page_zero", "circular_buffers", [cbs((0, 2))[0] | {"page_bytes": 0}], False, False),
    ("core_out_of_grid_30_30", "core_grid", [31, 31], False, False),
    ("core_range_set_overlapping", "core_ranges", ONE * 2, False, False),
    ("core_range_reversed", "core_ranges", [{"start": [2, 2], "extent": [0, 0]}], False, False),
    ("semaphore_id_15", "semaphores", semaphores(15), True, True),
    ("semaphore_id_16", "semaphores", semaphores(16), False, False),
    ("semaphore_17_of_them", "semaphores", semaphores(*range(17)), False, False),
    ("semaphore_duplicate_id", "semaphores", semaphores(0, 0), False, False),
    ("generic_op_no_tensor", "io", [], False, False),
]

STRICTER: list[tuple[str, str, Any, str]] = [
    ("cb_page_smaller_than_tile", "circular_buffers", [cbs((0, 2))[0] | {"page_bytes": 1024}],
     "a page is one tile: the unpacker reads a tile whatever the page says"),
    ("cb_page_not_16B_aligned", "circular_buffers",
     [cbs((0, 2))[0] | {"data_format": "Bfp4_b", "tile_shape": [1, 16], "page_bytes": 24}],
     "buffers are addressed in units of 16 bytes, the rest of the page would be cut off"),
    ("cb_total_zero", "circular_buffers", [cbs((0, 2))[0] | {"depth": 0}],
     "nothing can ever be reserved: a certain deadlock"),
]  # fmt: skip
"""Accepted by the host, refused here on purpose, and why."""


def broken(field: str, value: Any, device: Any) -> bool:
    """Whether the changed sample is refused because of ``field``."""
    plan = changed(PLAN, (field,), value) | {"device": device, "options": {}}
    return any((item.location or "").startswith(f"$.{field}") for item in judge(plan, PROGRAMS))


@pytest.mark.parametrize(("name", "field", "value", "wormhole", "blackhole"), CASES)
def test_as_strict_as_the_host(
    name: str, field: str, value: Any, wormhole: bool, blackhole: bool
) -> None:
    """A plan the host would refuse never reaches the board, and no other is lost."""
    assert broken(field, value, WORMHOLE) != wormhole
    assert broken(field, value, BLACKHOLE) != blackhole


@pytest.mark.parametrize(("name", "field", "value", "reason"), STRICTER)
def test_stricter_on_purpose(name: str, field: str, value: Any, reason: str) -> None:
    """What only looks legal to the host is refused here, for the reason given."""
    assert broken(field, value, WORMHOLE), reason


@pytest.mark.parametrize(("count", "ok"), [(340, True), (341, False)])
def test_fewer_arguments_than_the_host_takes(count: int, ok: bool) -> None:
    """341 words are the portable floor; one release accepts up to 4,094, others do not."""
    plan = changed(PLAN, ("kernels", 0, "runtime_args", "(0,0)"), [0] * count)
    text = " ".join(item.message for item in judge(plan, PROGRAMS))
    assert ("too many unique + common arguments" in text) != ok


def test_two_kernels_on_one_thread() -> None:
    """Core overlap between two readers is refused as the host refuses it."""
    programs = changed(PROGRAMS, ("programs", 1, "thread"), "ncrisc")
    found = judge(PLAN, programs)
    assert any("already runs on ncrisc of core (0, 0)" in item.message for item in found)


def test_grow_message_is_the_hosts() -> None:
    """The number in the message is the one the host prints for the same buffers."""
    for device, end, size in ((WORMHOLE, 2153824, 1499136), (BLACKHOLE, 2159744, 1572864)):
        plan = changed(PLAN, ("circular_buffers",), cbs((0, 1000))) | {"device": device}
        text = " ".join(item.message for item in judge(plan, PROGRAMS))
        assert f"grow to {end} B which is beyond max L1 size of {size} B" in text


def test_plan_of_the_last_core() -> None:
    """The last core of the grid is a core; one past it is not."""
    for device, grid in ((WORMHOLE, (8, 8)), (BLACKHOLE, (11, 10))):
        for past in (0, 1):
            start = [grid[0] - 1 + past, grid[1] - 1]
            plan = PLAN | {"device": device, "core_grid": list(grid), "options": {}}
            plan = plan | {"core_ranges": [{"start": start, "extent": [1, 1]}]}
            found = [i for i in judge(plan, PROGRAMS) if i.location == "$.core_ranges[0]"]
            assert bool(found) == bool(past)


def test_samples_are_plans() -> None:
    """The cases above start from a plan with nothing else wrong."""
    assert validate_plan(copy_artifact()[0]) == ()
    assert isinstance(copy_artifact()[0], Plan)
