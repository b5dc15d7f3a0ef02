"""Plans without the compiler: whole ones are right, and rules and runs agree about broken ones."""

import gc
from typing import Any

import pytest

from harness.fuzz.direct import plans
from harness.fuzz.direct.counting import broken
from harness.fuzz.direct.damage import DAMAGES, counts_once_more, damaged
from harness.fuzz.direct.plans import run_plan
from harness.fuzz.direct.topologies import TOPOLOGIES, make

SIZES: dict[str, dict[str, Any]] = {
    "stream": {"tiles": 4, "block": 2, "depths": [2, 4], "cores": [2, 1]},
    "multicast": {"cores": [3, 2], "steps": 3, "along": "row", "depth": 2},
    "ring": {"cores": [4, 1], "steps": 2, "hops": 2},
    "fetch": {"cores": [3, 1], "steps": 2},
    "tree": {"levels": 2},
}
SCHEDULES: list[dict[str, Any]] = [
    {}, {"seeded": 3}, {"late": 4}, {"turns": [[3, 2, 1], [5, 16, 0], [0, 1, 1]]},
]  # fmt: skip


@pytest.mark.parametrize("wait", ["equal", "least"])
@pytest.mark.parametrize("topology", sorted(TOPOLOGIES))
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_whole_plans_are_right_under_every_schedule(
    topology: str, wait: str, schedule: dict[str, Any]
) -> None:
    """Every topology answers what it means, in every dtype, and breaks no rule."""
    for seed, dtype in enumerate(("bfloat16", "float32", "float16")):
        recipe = {"topology": topology, "wait": wait, "dtype": dtype, **SIZES[topology]}
        assert not broken(make(recipe))
        found = run_plan({**recipe, "seed": seed}, schedule)
        assert found.kind == "pass", found.message


@pytest.mark.one_in(2)
@pytest.mark.parametrize("damage", [None, {"kind": "drop", "at": 6}, {"kind": "double", "at": 9}])
@pytest.mark.parametrize("topology", sorted(TOPOLOGIES))
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_a_run_leaves_the_collector_nothing(
    topology: str, schedule: dict[str, Any], damage: dict[str, Any] | None
) -> None:
    """Machines, those of a second run with three cursors too, are gone when their run is over."""
    recipe = {"topology": topology, **SIZES[topology], "damage": damage}
    run_plan(recipe, schedule)
    gc.collect()
    gc.disable()
    try:
        run_plan(recipe, schedule)
        assert gc.collect() < 20  # a machine is hundreds of objects
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("topology", sorted(TOPOLOGIES))
def test_damage_ends_in_a_verdict(topology: str, kind: str) -> None:
    """Whatever one fault does, the rules and the run agree about it."""
    recipe = {"topology": topology, **SIZES[topology]}
    for at in range(0, 24, 5):
        found = run_plan({**recipe, "damage": {"kind": kind, "at": at}})
        assert found.kind == "pass", f"{at}: {found.message}"


def test_a_rule_is_named() -> None:
    """What raises a finding names the rule that could have known."""
    said = {run_plan({**SIZES["stream"], "damage": {"kind": "count", "at": at}}).message
            for at in range(20)}  # fmt: skip
    assert any("CBOverflow; rule known beforehand: no more is pushed" in text for text in said)


@pytest.mark.parametrize(
    ("kind", "at", "code"),
    [("count", 0, "CBCapacity"), ("drop", 0, "CBWindow"), ("drop", 3, "DirtyExit"),
     ("depth", 0, "CBCapacity"), ("double", 3, "CBOverflow")],
)  # fmt: skip
def test_the_rules_know_what_needs_no_run(kind: str, at: int, code: str) -> None:
    """Counting a thread by itself finds what it does wrong under every schedule."""
    recipe = {**SIZES["stream"], "depths": [2, 2]}
    assert broken(damaged(make(recipe), kind, at)) == (code,)


def test_a_blind_run_is_a_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that overlooks what the rules refuse is found out; likewise rules that do."""
    recipe = {**SIZES["stream"], "damage": {"kind": "drop", "at": 3}}
    assert run_plan(recipe).kind == "pass"
    blind = {**SIZES["stream"]}
    monkeypatch.setattr(plans, "broken", lambda _: ("DirtyExit",))
    assert run_plan(blind).key[:2] == ("wrong", "rules")
    monkeypatch.setattr(plans, "_errors", lambda _: [])
    monkeypatch.setattr(plans, "damaged", lambda made, *_: made)
    assert run_plan(recipe).key[:2] == ("wrong", "blind")
    monkeypatch.setattr(plans, "broken", lambda _: ())
    monkeypatch.setattr(plans, "_errors", lambda _: ["CBWrap"])
    assert run_plan(recipe).key[:2] == ("wrong", "rules")


def test_one_signal_too_many_may_change_what_is_computed() -> None:
    """An increment said twice lets a wait pass early: in order in this schedule, and no rule's."""
    recipe = {"topology": "fetch", "wait": "least", "steps": 2, "depth": 1, "out": 1,
              "cores": [2, 1], "dtype": "bfloat16", "seed": 0}  # fmt: skip
    damage = {"kind": "double", "at": 33}
    assert run_plan({**recipe, "damage": damage}, {"late": 0}).kind == "pass"
    assert counts_once_more(make(recipe), "double", 33)
    assert not counts_once_more(make(recipe), "double", 31)
    assert not counts_once_more(make(recipe), "drop", 33)


def test_a_signal_that_is_there_at_first_may_change_what_is_computed() -> None:
    """A semaphore that starts at one lets a wait for at least one pass early, in good order."""
    recipe = {"topology": "fetch", "wait": "least", "steps": 2, "depth": 1, "out": 1,
              "cores": [2, 1], "dtype": "bfloat16", "seed": 0}  # fmt: skip
    turns = [[0, 1, 0]] * 5 + [[3, 1, 0], [3, 1, 0], [3, 7, 0]]
    damage = {"kind": "initial", "at": 0}
    assert run_plan({**recipe, "damage": damage}, {"turns": turns}).kind == "pass"
    assert counts_once_more(make(recipe), "initial", 0)
    assert not counts_once_more(make({**recipe, "wait": "equal"}), "initial", 0)
