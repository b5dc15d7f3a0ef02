"""Sharded tensors and shared memory: shards, cores and orientation must come out even."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.plan.schema import Layout
from simulator.plan.tensors import shard_count, shard_pages
from simulator.plan.validate import validate_plan
from tests.simulator.plan.editing import edited, judge, spelled_out
from tests.simulator.plan.samples import gemm_artifact

PLAN, PROGRAMS = gemm_artifact()


def ranges(*rectangles: tuple[int, int, int, int]) -> Any:
    """Core ranges from x, y, width, height."""
    return [{"start": [x, y], "extent": [w, h]} for x, y, w, h in rectangles]


def sharded(shape: list[int], strategy: str, cores: Any, shard: list[int], **more: Any) -> Any:
    """The layout of an input sharded over L1."""
    fields = {"dtype": "bfloat16", "logical_shape": shape, "padded_shape": shape, "role": "input"}
    cut = {"strategy": strategy, "core_ranges": cores, "shape": shard}
    if "orientation" in more:
        cut["orientation"] = more.pop("orientation")
    return fields | {"memory": "L1", "layout": "sharded", "shard": cut} | more


def about(layout: Any) -> list[str]:
    """What is said about input A when it has this layout."""
    plan = spelled_out(PLAN)
    plan["layouts"]["A"] = layout
    found = judge(plan, spelled_out(PROGRAMS))
    return [i.message for i in found if (i.location or "").startswith('$.layouts["A"]')]


SOUND = [
    sharded([128, 64], "height", ranges((0, 0, 4, 1)), [32, 64]),
    sharded([128, 64], "height", ranges((0, 0, 2, 1), (5, 5, 1, 2)), [32, 64]),
    sharded([2, 64, 64], "height", ranges((0, 0, 4, 1)), [32, 64]),
    sharded([128, 64], "width", ranges((7, 6, 1, 2)), [128, 32]),
    sharded([128, 64], "block", ranges((0, 0, 2, 4)), [32, 32]),
    sharded([128, 64], "block", ranges((0, 0, 4, 2)), [32, 32], orientation="column_major"),
    sharded([4, 64, 64], "nd", ranges((0, 0, 3, 1)), [1, 64, 32]),
]


@pytest.mark.parametrize("layout", SOUND)
def test_sound_shardings(layout: Any) -> None:
    """Every strategy, several ranges, both orientations and several shards per core are legal."""
    assert about(layout) == []


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (sharded([128, 64], "height", ranges((0, 0, 3, 1)), [32, 64]), "4 shards; expected 3"),
        (sharded([128, 64], "height", ranges((0, 0, 4, 1)), [32, 32]), "cut one dimension only"),
        (sharded([128, 64], "width", ranges((0, 0, 2, 1)), [64, 32]), "cut one dimension only"),
        (sharded([128, 64], "height", ranges((0, 0, 8, 1)), [16, 64]), "multiple of 32"),
        (sharded([128, 64], "height", ranges((6, 0, 4, 1)), [32, 64]), "outside the grid of"),
        (sharded([128, 64], "height", ranges((0, 0, 2, 1), (1, 0, 2, 1)), [32, 64]), "overlaps"),
        (sharded([128, 64], "height", ranges((0, 0, 4, 1)), [1, 32, 64]), "expected 2 dimensions"),
        (sharded([4, 64, 64], "nd", ranges((0, 0, 4, 1)), [64, 64]), "expected 3 dimensions"),
        (sharded([4, 64, 64], "nd", ranges((0, 0, 5, 1)), [1, 64, 64]), "more cores than shards"),
        (sharded([128, 64], "block", ranges((0, 0, 4, 2)), [32, 32]), "expected [2, 4]"),
        (sharded([128, 64], "block", ranges((0, 0, 2, 2), (0, 2, 2, 2)), [32, 32]),
         "one rectangle"),
        (sharded([128, 64], "height", ranges((0, 0, 4, 1)), [32, 64], memory="DRAM"),
         "found DRAM; expected L1"),
        (sharded([128, 64], "height", ranges((0, 0, 4, 1)), [32, 64], layout="interleaved"),
         "does not go with layout interleaved"),
    ],
)  # fmt: skip
def test_unsound_shardings(layout: Any, words: str) -> None:
    """Shards that do not fit tensor, tiles or cores are refused where they are stated."""
    assert any(words in message for message in about(layout)), about(layout)


def test_pages_of_shards() -> None:
    """A shard of 64 x 96 elements is six tiles, and a tensor of 128 x 96 is two of them."""
    layout = edited(
        PLAN, "layouts.A", sharded([128, 96], "height", ranges((0, 0, 2, 1)), [64, 96])
    ).layouts["A"]
    assert (shard_pages(layout), shard_count(layout)) == (6, 2)
    plain: Layout = PLAN.layouts["A"]
    for count in (shard_pages, shard_count):
        with pytest.raises(ValueError, match="not sharded"):
            count(plain)


ALIAS = {
    "id": 5,
    "name": "spare",
    "page_bytes": 2048,
    "depth": 2,
    "data_format": "Float16_b",
    "producer": "compute",
    "consumer": "compute",
    "core_ranges": ranges((1, 2, 2, 3)),
    "alias_of": 0,
}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, None),
        ({"page_bytes": 4096, "data_format": "Float32", "depth": 1}, None),
        ({"depth": 3}, "another size"),
        ({"alias_of": 5}, "no other circular buffer"),
        ({"core_ranges": ranges((1, 2, 1, 1))}, "other cores"),
        ({"tensor": "A"}, "either a tensor or another's memory"),
    ],
)
def test_aliases(fields: Any, words: str | None) -> None:
    """Two ids may name one memory if it is the same memory: size and cores agree, no chains."""
    plan = edited(PLAN, "circular_buffers", [*spelled_out(PLAN.circular_buffers), ALIAS | fields])
    said = [i.message for i in validate_plan(plan) if "[3]" in (i.location or "")]
    assert (words is None and not said) or any(words and words in text for text in said)


def test_aliases_of_aliases() -> None:
    """An alias names the buffer that owns the memory, never another alias."""
    both = [ALIAS, ALIAS | {"id": 6, "name": "more", "alias_of": 5}]
    plan = edited(PLAN, "circular_buffers", [*spelled_out(PLAN.circular_buffers), *both])
    assert any("names an alias" in item.message for item in validate_plan(plan))


def test_aliases_take_no_room() -> None:
    """Memory that is shared is counted once."""
    data = spelled_out(PLAN)
    data["circular_buffers"][0]["depth"] = 660
    spare = [ALIAS | {"id": 5 + n, "name": f"s{n}", "depth": 660} for n in range(3)]
    data["circular_buffers"] += spare
    assert not [i for i in judge(data, spelled_out(PROGRAMS)) if i.code == "L1Overflow"]


def test_irregular_outputs_are_refused_not_ground_through() -> None:
    """A map with more distinct edges than can be counted is told so instead of filling memory."""
    plan = edited(PLAN, "kernel_grid", [1, 8192, 1])
    square = {"logical_shape": [2**20] * 2, "padded_shape": [2**20] * 2}
    diagonal = {"base": [0, 0], "x": [0, 0], "y": [4, 4], "z": [0, 0], "extent": [3, 3]}
    plan = edited(plan, "layouts.C", {"dtype": "float32", "role": "output"} | square)
    plan = edited(plan, "output_blocks.C", diagonal)
    assert any("too irregular" in item.message for item in validate_plan(plan))
