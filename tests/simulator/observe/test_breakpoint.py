from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from simulator.errors import InputError
from simulator.observe import (
    Breakpoint,
    LocationError,
    Snapshot,
    Stopped,
    parse_dump,
    parse_location,
)
from tests.simulator.observe.runs import product, watch


def stop(place: str, *dumps: str) -> Snapshot:
    """The product, stopped."""
    observer = Breakpoint(parse_location(place), [parse_dump(dump) for dump in dumps])
    with pytest.raises(Stopped) as caught:
        watch(*product(), observer)
    return caught.value.snapshot


def test_a_page_comes_with_values_origin_and_step() -> None:
    """Protects the question asked most: what is in this page, who wrote it, when."""
    at = stop("compute:7", "cb0", "cb0[1]")
    _, inputs = product()
    assert (at.program, at.op, at.core) == ("compute", "matmul_tiles", (0, 0))
    first, second = at.tiles
    assert (first.state, first.slot, first.valid, first.format) == (
        "readable", 0, (32, 32), "Float16_b",
    )  # fmt: skip
    np.testing.assert_array_equal(first.values, inputs["A"][:32, :32])
    np.testing.assert_array_equal(second.values, inputs["A"][32:64, :32])
    assert first.origin is not None
    assert (first.origin.thread, first.origin.op) == ("ncrisc", "noc_async_read_page")
    assert 0 < first.origin.step <= at.step
    assert second.address == (first.address or 0) + 2048


def test_another_core_may_be_asked_for() -> None:
    """Protects lock step: the tile of core (1,1) is that core's."""
    at = stop("compute:7", "cb0@1,1")
    assert at.core == (1, 1)
    np.testing.assert_array_equal(at.tiles[0].values, product()[1]["A"][64:96, :32])


def test_dst_is_followed_to_the_packer() -> None:
    """Protects DST: before it is packed, the tile holds the sum and names the last product."""
    (tile,) = stop("compute:14", "dst[3]").tiles
    _, inputs = product()
    assert tile.state == "held by the packer"
    np.testing.assert_array_equal(tile.values, (inputs["A"] @ inputs["B"])[32:64, 32:64])
    assert tile.origin is not None
    assert tile.origin.op == "matmul_tiles"
    assert stop("compute:11", "dst").tiles[0].state == "committed"


def test_pages_not_pushed_yet_are_told_apart() -> None:
    """Protects the window: a page under a NoC read is written, not pushed, and pending."""
    (tile,) = stop("reader:9", "cb0[1]").tiles
    assert (tile.state, tile.pending) == ("written, not pushed", True)
    assert stop("reader:10", "cb0[0]").tiles[0].origin is not None


def test_what_is_not_there_is_said() -> None:
    """Protects empty answers: no page, no DST section, a tile nobody wrote."""
    at = stop("reader:0", "cb0[3]", "dst")
    assert {tile.state for tile in at.tiles} == {"no such tile now"}
    (tile,) = stop("compute:4", "dst").tiles
    assert tile.state == "held by math; nothing was written to it"


@pytest.mark.parametrize("place", ["compute:2.1.3", "compute:8"])
def test_a_statement_has_a_path_and_a_number(place: str) -> None:
    """Protects both spellings of one place."""
    at = stop(place)
    assert (at.op, at.path) == ("cb_pop_front", "2.1.3")
    assert [b.pages for b in at.buffers if b.cb == 0] == [4]


def test_the_nth_time() -> None:
    """Protects @N: later visits are later steps; a wait that is tried again is one visit."""
    steps = [stop(f"compute:5@{n}").step for n in (1, 2, 3)]
    assert steps == sorted(set(steps))
    result = watch(*product(), Breakpoint(parse_location("compute:5@5")))
    assert result.completed


def test_a_snapshot_is_plain_data() -> None:
    """Protects --json: everything of a snapshot can be written."""
    data = json.loads(json.dumps(stop("compute:7", "cb0", "dst").to_json()))
    assert data["tiles"][0]["origin"]["op"] == "noc_async_read_page"
    assert len(data["tiles"][0]["values"]) == 32


@pytest.mark.parametrize(
    "place", ["", "17", "compute:", "compute:x", "compute:1@0", "a:b:c", "2.0"]
)
def test_unreadable_places_are_refused(place: str) -> None:
    """Protects people from guessing: the error shows the accepted forms."""
    with pytest.raises(LocationError) as caught:
        parse_location(place)
    assert "compute:17" in (caught.value.next_step or "")


@pytest.mark.parametrize(
    ("place", "words"),
    [("compute:99", "from 0 to 17"), ("other:1", "programs are"), ("gemm.py:3", "programs are")],
)
def test_places_that_do_not_exist_are_refused(place: str, words: str) -> None:
    """Protects against a run that never stops: an unknown place is an error before the run."""
    with pytest.raises(LocationError) as caught:
        watch(*product(), Breakpoint(parse_location(place)))
    assert words in (caught.value.next_step or "")


@pytest.mark.parametrize("dump", ["cb", "cb0[", "dst[-1]", "A[0]", "cb0@1"])
def test_unreadable_dumps_are_refused(dump: str) -> None:
    """Protects people from guessing what can be dumped."""
    with pytest.raises(InputError, match="cannot be dumped"):
        parse_dump(dump)


@pytest.mark.parametrize("dumps", [["cb9"], ["cb0@7,7"], ["cb0@0,0", "dst@1,0"]])
def test_dumps_that_do_not_exist_are_refused(dumps: list[Any]) -> None:
    """Protects against empty answers: unknown buffers and cores are errors before the run."""
    with pytest.raises(InputError):
        watch(*product(), Breakpoint(parse_location("compute:7"), [parse_dump(d) for d in dumps]))


def test_a_source_line_stops_there() -> None:
    """Protects the third spelling: the first op of a line of the kernel's source."""
    from dataclasses import replace

    import msgspec

    sketch, inputs = product()
    program = sketch.programs["reader"]
    named = msgspec.structs.replace(program.body[0], loc="kernel.py:12:4")
    sketch = replace(
        sketch,
        programs={**sketch.programs, "reader": msgspec.structs.replace(program, body=(named,))},
    )
    with pytest.raises(Stopped) as caught:
        watch(sketch, inputs, Breakpoint(parse_location("kernel.py:12")))
    assert caught.value.snapshot.location == "kernel.py:12:4"
