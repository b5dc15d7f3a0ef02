"""Placements: what is drawn reaches every layout, strategy and mode, and suits the kernel."""

import json
from collections import Counter
from functools import cache

import pytest

from harness.fuzz.campaigns.draw import batch
from harness.fuzz.campaigns.units import Unit
from harness.fuzz.case import Case, CaseError
from harness.fuzz.coverage import LAYOUTS, SHARDS, cells
from harness.fuzz.judge import run_case
from harness.fuzz.kernels.placing import STRATEGIES
from harness.fuzz.schedules import machine_schedule
from simulator.engine.schedule import LateNoc, RoundRobin, Seeded, Turns


@cache
def drawn(focus: str | None, units: int = 8) -> list[Case]:
    """Cases of a focus."""
    return [case for shard in range(units) for case in batch(Unit(21, shard, 0, 32, focus))]


def test_every_layout_and_strategy_is_drawn() -> None:
    """Without a focus, and more so with that on layouts, nothing the compiler has is left out."""
    for focus in (None, "layout"):
        cases = drawn(focus)
        places = {cell.split("/")[1] for case in cases for cell in cells(case)}
        assert places == set(LAYOUTS)
        strategies = {case.options.get("strategy", "row_major") for case in cases}
        assert strategies == {*STRATEGIES, "match_shard"}
    assert any(case.annotate.get("partition_mode") == "local_shard" for case in cases)


def test_the_focus_is_what_it_says() -> None:
    """Layout shards, schedule shares and has schedules, plan has every topology."""
    layout = [case for case in drawn("layout") if any(f"'{s}'" in case.kernel for s in SHARDS)]
    assert len(layout) > 128
    timed = [case for case in drawn("schedule") if case.options.get("multicast")]
    assert len(timed) > 64
    assert {next(iter(case.schedule), "") for case in timed} == {"", "turns", "late", "seeded"}
    plans = Counter(case.plan.get("topology", "stream") for case in drawn("plan"))
    assert set(plans) == {"stream", "multicast", "ring", "fetch", "tree"}


def test_placements_suit_their_kernels() -> None:
    """Most are accepted: what is refused tests little."""
    refused = [run_case(case).kind == "refused" for case in drawn("layout", 1)]
    assert sum(refused) <= len(refused) // 6


def test_schedules_are_data() -> None:
    """A case file's schedule is the machine's; anything else is refused."""
    assert machine_schedule({}) == RoundRobin()
    assert machine_schedule({"turns": [[1, 2, 0]]}) == Turns(((1, 2, False),))
    assert machine_schedule({"late": 3}) == LateNoc(3)
    assert machine_schedule({"seeded": 3}) == Seeded(3)
    for wrong in ({"slow": 1}, {"turns": 3}, {"late": "x"}, {"late": 1, "seeded": 2}):
        with pytest.raises(CaseError):
            machine_schedule(wrong)


def test_files_hold_layouts_annotations_and_schedules() -> None:
    """A case is the same from its file, and at most 30 lines."""
    for case in drawn("schedule", 2) + drawn("layout", 2):
        text = case.expecting({"verdict": "pass"}).text()
        assert Case.from_json(json.loads(text)).to_json() | {"versions": 0, "expect": 0} == (
            case.to_json() | {"versions": 0, "expect": 0}
        )
        assert len(text.splitlines()) <= 30
