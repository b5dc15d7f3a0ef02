"""Plans without the compiler, run and judged: valid ones, and ones with one fault.

A recipe is a small dictionary: a topology of :mod:`harness.fuzz.direct.topologies` with its
sizes. A whole plan must end without a finding and with the right answer, under every schedule. A
damaged one (``damage``, see :mod:`harness.fuzz.direct.damage`) must end in a verdict, never in a
crash or hang; and the rules of :mod:`harness.fuzz.direct.counting`, which need no run, and the run
must not contradict each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from harness.fuzz import outcome as o
from harness.fuzz.direct.counting import KNOWN, REMOTE, RULES, broken
from harness.fuzz.direct.damage import counts_once_more, damaged
from harness.fuzz.direct.made import Made
from harness.fuzz.direct.topologies import make
from harness.fuzz.outcome import Outcome
from harness.fuzz.schedules import machine_schedule, other_schedule
from simulator.engine.schedule import Schedule
from simulator.errors import SimulatorError
from simulator.run import RunOptions, RunResult, execute

MAX_STEPS: Final = 200_000
MAX_SECONDS: Final = 5.0
SAMPLE: Final = 4
"""One in so many indeterminate plans is run under a second schedule."""
DATA: Final = frozenset({"count", "swap"})
"""Damage that may change what is computed without breaking a rule."""


def run_plan(recipe: Mapping[str, Any], schedule: Mapping[str, Any] | None = None) -> Outcome:
    """The verdict on a recipe under a schedule."""
    made = make(recipe)
    damage = recipe.get("damage") or {}
    kind, at = str(damage.get("kind")), int(damage.get("at", 0))
    if damage:
        kind = "count" if counts_once_more(made, kind, at) else kind
        made = damaged(made, str(damage.get("kind")), at)
    rules = broken(made)
    seed = int(recipe.get("seed", 0))
    a = made.inputs(seed)
    try:
        run = _run(made, a, machine_schedule(schedule or {}))
    except SimulatorError as error:
        if damage:
            return Outcome(o.PASS, message=f"refused: {error}", oracle="machine")
        return Outcome(o.FINDING, str(getattr(error, "code", "")), op="plan", message=str(error))
    found = _errors(run)
    if not damage:
        return _whole(made, a, run, found, rules, seed)
    if "BudgetSpent" in found:
        return Outcome(o.BUDGET, "BudgetSpent", op="plan", message="runs without end")
    contradiction = _contradiction(made, a, run, found, rules, kind)
    if contradiction is not None:
        return contradiction
    message = found[0] if found else "runs"
    if rules:
        message = f"{message}; rule known beforehand: {RULES[rules[0]]}"
    return Outcome(o.PASS, message=message, oracle="machine+rules")


def _run(made: Made, a: Any, schedule: Schedule) -> RunResult:
    options = RunOptions(max_steps=MAX_STEPS, max_seconds=MAX_SECONDS, schedule=schedule,
                         repair=False)  # fmt: skip
    return execute(made.plan(), made.programs, {"A": a}, options)


def _errors(run: RunResult) -> list[str]:
    return [f.code for f in run.findings if f.severity == "error"]


def _whole(
    made: Made, a: Any, run: RunResult, found: list[str], rules: tuple[str, ...], seed: int
) -> Outcome:
    """A whole plan: no finding, the right answer; where timing could matter, under more of it."""
    if rules:
        return Outcome(o.WRONG, "rules", op="plan", message=f"a whole plan breaks: {rules}")
    if found:
        return Outcome(o.FINDING, found[0], op="plan", message=run.findings[0].message)
    if not np.array_equal(run.outputs["C"], made.answer(a)):
        return Outcome(o.WRONG, "exact", op="plan", message="C is not what the plan says")
    if run.determinate or seed % SAMPLE:
        return Outcome(o.PASS, oracle="exact")
    again = other_schedule(seed)
    other = _run(made, a, again)
    if _errors(other) or other.outputs["C"].tobytes() != run.outputs["C"].tobytes():
        return Outcome(o.WRONG, "schedule", op="plan",
                       message=f"under {again}: {_errors(other) or 'another answer'}")  # fmt: skip
    return Outcome(o.PASS, oracle="exact+schedules")


def _contradiction(
    made: Made, a: Any, run: RunResult, found: list[str], rules: tuple[str, ...], kind: str
) -> Outcome | None:
    """Where the rules and the run cannot both be right."""
    if rules and run.completed and not found:
        message = f"the run sees nothing, and {RULES[rules[0]]!r} is broken"
        return Outcome(o.WRONG, "blind", op=rules[0], message=message)
    known = KNOWN - REMOTE if made.semaphores else KNOWN
    unknown = [code for code in found if code in known]
    if unknown and not rules:
        return Outcome(o.WRONG, "rules", op=unknown[0], message=f"{unknown[0]}, and"
                       f" the rules accept it: {RULES[unknown[0]]!r}")  # fmt: skip
    silent = run.completed and not found and bool(run.written["C"].all())
    if silent and kind not in DATA and not np.array_equal(run.outputs["C"], made.answer(a)):
        return Outcome(o.WRONG, "silent", op=kind,
                       message="C is wrong, and no rule was broken")  # fmt: skip
    return None
