"""Every way the earlier pipeline's plans went wrong, each of which its own validator accepted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.errors import ArtifactError
from simulator.plan.load import load_plan
from simulator.plan.validate import validate_plan
from tests.simulator.plan.editing import changed, judge, spelled_out
from tests.simulator.plan.samples import gemm_artifact

PLAN, PROGRAMS = (spelled_out(part) for part in gemm_artifact())
KEYS = list(PLAN["work_partition"])


def messages(plan: Any) -> str:
    """All that is said about a plan."""
    return "\n".join(f"{item.code} {item.message}" for item in judge(plan, PROGRAMS))


def partition(**items: Any) -> Any:
    """The sample with work lists replaced, by index of the core."""
    plan = changed(PLAN, ("name",), "gemm")
    for name, value in items.items():
        plan["work_partition"][KEYS[int(name[1:])]] = value
    return plan


def test_dummy_items_of_idle_cores() -> None:
    """Idle cores got the item (0, 0) with len_k 0: that length is refused where it stands."""
    dummy = [{"io": 0, "jo": 0, "len_k": 0}]
    assert '$.work_partition["(2,4)"][0].len_k: Expected `int` >= 1' in messages(
        partition(c5=dummy)
    )


def test_dummy_items_process_tile_zero() -> None:
    """Without a length, a dummy item still runs block (0, 0) again: it is listed twice."""
    text = messages(partition(c5=[{"io": 0, "jo": 0, "len_k": 2, "tile_order": "row_major"}]))
    assert "block io 0, jo 0, bo 0 is listed 2 times, by (1,2), (2,4)" in text
    assert "2 of 12 blocks belong to no core" in text


def test_missing_blocks() -> None:
    """A strategy nobody implemented dealt 16 of 64 tiles; missing blocks are counted and named."""
    text = messages(partition(c0=[], c1=[], c2=[], c3=[]))
    assert "8 of 12 blocks belong to no core; found none for io 0, jo 0, bo 0" in text


def test_unknown_order() -> None:
    """Unknown strategies ran as something else; a list cannot name an order that is none."""
    plan = json.loads(
        json.dumps(PLAN).replace('"tile_order": "row_major"', '"tile_order": "zigzag"')
    )
    assert "the list is not in the order it names; found zigzag" in messages(plan)


def test_work_outside_the_ranges() -> None:
    """Work was spread over all cores although only two quadrants were active."""
    plan = changed(PLAN, ("core_ranges",), [{"start": [1, 2], "extent": [2, 2]}])
    assert '$.work_partition["(1,4)"]: the core is not in core_ranges' in messages(plan)


def test_batch_is_not_lost() -> None:
    """The third grid dimension was dropped; blocks of every batch index must be listed."""
    assert "24 of 36 blocks belong to no core" in messages(
        changed(PLAN, ("kernel_grid",), [3, 4, 3])
    )


def test_ranges_have_sizes_not_ends() -> None:
    """One generation wrote inclusive ends where the next read sizes: 3 x 5 does not fit."""
    plan = changed(PLAN, ("core_ranges",), [{"start": [1, 2], "extent": [3, 5]}])
    assert "$.core_ranges[0]: the core range reaches outside the core_grid" in messages(plan)
    plan = changed(PLAN, ("core_ranges",), [[1, 2, 2, 4]])
    assert "$.core_ranges[0]: Expected `object`, got `array`" in messages(plan)


def test_swapped_coordinates() -> None:
    """Row-first keys of another generation, in its own spelling or in ours, match no core."""
    for key in ("core_2_1", "(2, 1)", "(4,1)"):
        plan = changed(PLAN, ("name",), "gemm")
        plan["work_partition"][key] = plan["work_partition"].pop("(1,2)")
        text = messages(plan)
        assert "core (1,2) of core_ranges has no entry" in text
        assert key in text


def test_len_k_counts_tiles() -> None:
    """Documents gave K in elements, code in tiles: 64 elements are 2 tiles, not 64."""
    text = messages(json.loads(json.dumps(PLAN).replace('"len_k": 2', '"len_k": 64')))
    assert "longer than any dimension of any input" in text


def test_block_rows_dealt_by_columns() -> None:
    """The block strategy cut M by the grid's N side: the rectangles then miss blocks."""
    plan = changed(PLAN, ("kernel_grid",), [4, 3, 1])
    assert "outside the work grid" in messages(plan)


def test_memory_names() -> None:
    """Any string passed for a memory; "HBM" is refused with what is accepted."""
    text = messages(changed(PLAN, ("layouts", "A", "memory"), "HBM"))
    assert "$.layouts[\"A\"].memory: Invalid enum value 'HBM'" in text


@pytest.mark.parametrize("field", ["device", "layouts", "kernels", "circular_buffers", "io"])
def test_a_plan_must_be_complete(field: str) -> None:
    """The seed's plan had no shapes, buffers or arguments and could not be executed alone."""
    plan = {key: value for key, value in PLAN.items() if key != field}
    assert f"missing required field `{field}`" in messages(plan)


def test_other_formats_of_the_same_name() -> None:
    """Three formats were called tt.plan.json; only this one is read."""
    for other in (
        {"version": "5.0", "target": "tenstorrent", "grid": {"x": 8, "y": 8, "total_tiles": 64}},
        {"core_grid": [1, 1], "core_ranges": [], "work_partition": {}, "layouts": {}},
    ):
        with pytest.raises(ArtifactError):
            load_plan(json.dumps(other).encode())


def test_one_cb_for_two_tensors() -> None:
    """A and B were both pushed into buffer 0: two ids cannot be one, whatever they are called."""
    assert "another circular buffer has this id" in messages(
        changed(PLAN, ("circular_buffers", 1, "id"), 0)
    )


def test_addresses_and_accessors_agree() -> None:
    """Indices were bound before arguments moved: A's reader got another buffer's address."""
    text = messages(changed(PLAN, ("kernels", 0, "common_args", "A_addr"), {"addr": "B"}))
    assert "not the address of the buffer accessor A is bound to" in text


def test_arguments_have_values() -> None:
    """Argument names existed without values; Mt = Kt = Nt = 0 is caught where it disagrees."""
    plan = changed(PLAN, ("kernels", 0, "runtime_args", "(2,2)"), [0, 0])
    assert "not the start of the core's work descriptor; found 0; expected 2" in messages(plan)
    plan = changed(PLAN, ("kernels", 2, "runtime_args"), {})
    assert "program writer declares arguments; found none" in messages(plan)


def test_formats_have_sizes() -> None:
    """Page sizes came from a table with an order bug; a page is one tile of its format."""
    assert "found 2048; expected 4096" in messages(
        changed(PLAN, ("circular_buffers", 2, "page_bytes"), 2048)
    )


def test_padding_of_rank_three() -> None:
    """Padding rounded the batch dimension up and the rows by the wrong side."""
    layout = PLAN["layouts"]["A"] | {"logical_shape": [3, 50, 70], "padded_shape": [32, 64, 96]}
    assert "expected [3, 64, 96]" in messages(changed(PLAN, ("layouts", "A"), layout))


def test_unbalanced_partitions_are_the_users_right() -> None:
    """A user may deal blocks unevenly: balance is the compiler's promise, not the plan's law."""
    plan = json.loads(json.dumps(PLAN))
    items = [item for key in KEYS for item in plan["work_partition"][key]]
    for key in KEYS:
        count = 12 if key == KEYS[0] else 0
        plan["work_partition"][key] = items[:count]
        plan["work_descriptors"][key] |= {"start": 0, "count": count}
        for kernel, values in ((0, [0, count]), (1, [count]), (2, [0, count])):
            plan["kernels"][kernel]["runtime_args"][key] = values
    assert validate_plan(load_plan(json.dumps(plan).encode())) == ()
    assert messages(plan) == ""
