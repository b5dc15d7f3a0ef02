"""Plans without the compiler: pipelines of circular buffers, drawn as recipes, and damaged ones.

A recipe is a small dictionary. Every core streams its share of the tiles of A through ``hops``
circular buffers: the reader fills the first in blocks of ``block`` pages, compute passes them on,
the writer stores them to C. The right answer is A itself, so a valid recipe must end without a
finding and with C equal to A. A damaged one (``damage``: a statement dropped or doubled, a depth or
a count changed) must end in a verdict: a finding, a refusal or an answer, never in a crash or hang.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
from hypothesis import strategies as st

from harness.fuzz import outcome as o
from harness.fuzz.outcome import Outcome
from harness.fuzz.pipeline import Stream, stream
from simulator.errors import SimulatorError
from simulator.program import If, Loop, Op, Program, Stmt
from simulator.run import RunOptions, execute

DAMAGES: Final = ("drop", "double", "depth", "count")
MAX_STEPS: Final = 200_000
MAX_SECONDS: Final = 5.0


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    """A pipeline, in one of three cases damaged."""
    block = draw(st.integers(1, 4))
    out: dict[str, Any] = {
        "tiles": block * draw(st.integers(1, 4)),
        "block": block,
        "depths": [block * draw(st.integers(1, 3)) for _ in range(draw(st.integers(2, 4)))],
        "cores": [draw(st.integers(1, 3)), draw(st.integers(1, 2))],
        "dtype": draw(st.sampled_from(("bfloat16", "float32", "float16"))),
        "seed": draw(st.integers(0, 99)),
    }
    if draw(st.integers(0, 2)) == 0:
        out["damage"] = {"kind": draw(st.sampled_from(DAMAGES)), "at": draw(st.integers(0, 40))}
    return out


def run_plan(recipe: Mapping[str, Any]) -> Outcome:
    """The verdict on a recipe."""
    made = stream(
        tiles=int(recipe.get("tiles", 1)),
        block=int(recipe.get("block", 1)),
        depths=[int(d) for d in recipe.get("depths", (1, 1))],
        cores=tuple(recipe.get("cores", (1, 1))),
        dtype=str(recipe.get("dtype", "bfloat16")),
    )
    damage = recipe.get("damage") or {}
    if damage:
        made = damaged(made, str(damage.get("kind")), int(damage.get("at", 0)))
    given = np.random.default_rng(int(recipe.get("seed", 0)))
    a = given.integers(-128, 129, made.shape).astype(np.float32)
    try:
        run = execute(made.plan(), made.programs, {"A": a},
                      RunOptions(max_steps=MAX_STEPS, max_seconds=MAX_SECONDS))  # fmt: skip
    except SimulatorError as error:
        if damage:
            return Outcome(o.PASS, message=f"refused: {error}", oracle="machine")
        return Outcome(o.FINDING, str(getattr(error, "code", "")), op="plan", message=str(error))
    errors = [f for f in run.findings if f.severity == "error"]
    if damage:
        spent = any(f.code == "BudgetSpent" for f in errors)
        kind = o.BUDGET if spent else o.PASS
        return Outcome(kind, errors[0].code if spent else "", op="plan", oracle="machine",
                       message=errors[0].code if errors else "runs")  # fmt: skip
    if errors:
        return Outcome(o.FINDING, errors[0].code, op="plan", message=errors[0].message)
    if not np.array_equal(run.outputs["C"], a):
        return Outcome(o.WRONG, "exact", op="plan", message="C is not A")
    return Outcome(o.PASS, oracle="exact")


def damaged(made: Stream, kind: str, at: int) -> Stream:
    """The stream with one thing wrong; ``at`` chooses the place among all there are."""
    if kind == "depth":
        depths = list(made.depths)
        depths[at % len(depths)] = max(1, depths[at % len(depths)] - 1)
        return made.changed(depths=tuple(depths))
    places = sum(_count(p.body) for p in made.programs)
    target = at % places
    programs: list[Program] = []
    for program in made.programs:
        size = _count(program.body)
        if 0 <= target < size:
            body, _ = _edit(program.body, target, kind)
            programs.append(msgspec.structs.replace(program, body=body))
        else:
            programs.append(program)
        target -= size
    return made.changed(programs=tuple(programs))


def _count(body: tuple[Stmt, ...]) -> int:
    return sum(1 if isinstance(s, Op) else _count(s.body) for s in body if isinstance(s, Op | Loop))


def _edit(body: tuple[Stmt, ...], target: int, kind: str) -> tuple[tuple[Stmt, ...], int]:
    out: list[Stmt] = []
    for stmt in body:
        if isinstance(stmt, Loop):
            inner, target = _edit(stmt.body, target, kind)
            out.append(Loop(var=stmt.var, start=stmt.start, stop=stmt.stop, body=inner))
            continue
        if isinstance(stmt, If) or not isinstance(stmt, Op):
            out.append(stmt)
            continue
        target -= 1
        if target != -1:
            out.append(stmt)
        elif kind == "double":
            out += [stmt, stmt]
        elif kind == "count" and stmt.args and isinstance(stmt.args[-1], int):
            out.append(Op(name=stmt.name, args=(*stmt.args[:-1], stmt.args[-1] + 1), loc=None))
    return tuple(out), target
