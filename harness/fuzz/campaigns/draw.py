"""Drawing cases by shard, and shrinking one of them: the only users of Hypothesis' engine.

A unit of work is (seed, shard, round): a run of Hypothesis of its own, seeded by the three, that
only collects. So the cases of a unit never depend on what came of earlier ones, on the number of
workers, or on a database. Ranges of drawn integers are kept below 128 values, where Hypothesis does
not mix in constants it found in loaded modules, which would differ between processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Flaky

from harness.fuzz.campaigns.units import Unit
from harness.fuzz.case import Case
from harness.fuzz.options import cases
from harness.fuzz.outcome import Outcome


def _engine(unit: Unit, body: Callable[[Case], None], phases: tuple[Phase, ...]) -> None:
    @seeded(unit.number)
    @settings(
        max_examples=unit.count + 1,  # the first of a run is always the least case there is
        database=None,
        deadline=None,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(cases(unit.focus))
    def run(case: Case) -> None:
        body(case)

    run()


def batch(unit: Unit) -> list[Case]:
    """The cases of a unit, in order."""
    found: list[Case] = []
    _engine(unit, found.append, (Phase.generate,))
    return found[1 : unit.count + 1] if len(found) > unit.count else found[: unit.count]


def size(case: Case) -> tuple[int, int, int, str]:
    """Smaller is easier to read: fewer lines, smaller plans, shorter text."""
    text = case.text()
    return (case.kernel.count("\n"), _total(case.plan), len(text), text)


def _total(data: Any) -> int:
    """Sum of the numbers in a recipe."""
    if isinstance(data, Mapping):
        return sum(_total(value) for value in data.values())
    if isinstance(data, list):
        return sum(_total(value) for value in data)
    return int(data) if isinstance(data, int) else 0


def shrink(unit: Unit, index: int, key: tuple[str, ...], judge: Callable[[Case], Outcome],
           better: Callable[[Case, Outcome], None]) -> None:  # fmt: skip
    """Look for a smaller case of the same key, telling ``better`` of each.

    Only the very same key counts, so that one bug is never exchanged for another.
    """
    target = batch(unit)[index]
    interesting: type[AssertionError] = type("_".join(key), (AssertionError,), {})
    best: list[tuple[Any, ...]] = []

    def attempt(case: Case) -> None:
        if not best and case != target:
            return
        seen = judge(case)
        if seen.key != key:
            return
        if not best or size(case) < best[-1]:
            best.append(size(case))
            better(case, seen)
        raise interesting

    try:
        _engine(unit, attempt, (Phase.generate, Phase.shrink))
    except (interesting, Flaky):
        return
