"""Strategies for modes and input recipes, and for whole cases."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from harness.fuzz.campaigns.units import ALONE, SEQUENCE
from harness.fuzz.case import Case
from harness.fuzz.direct.recipes import recipes
from harness.fuzz.kernels.grammar import scenes
from harness.fuzz.kernels.pairs import followed
from harness.fuzz.kernels.placing import later, placements, schedules
from harness.fuzz.kernels.scene import render, render_in_turn

DEVICES: Final = ("wormhole_n150", "blackhole_p100", "wormhole_n300", "blackhole_p150",
                  "grayskull_e150")  # fmt: skip
INPUTS: Final = ("auto", "auto", "auto", "exact", "tagged", "random", "uniform", "wide", "cancel",
                 "tiny", "huge", "one_hot", "special", "ties")  # fmt: skip


IN_TURN: Final = 12
"""One kernel in so many is followed by a second that reads what it wrote, if any can."""
_RECIPES: Final = recipes()
_SCHEDULES: Final = schedules()


@st.composite
def modes(draw: st.DrawFn, device: str) -> dict[str, Any]:
    """Buffering and numeric options a device has; defaults are left out."""
    out: dict[str, Any] = {}
    for flag in ("double_buffer", "prefetch"):
        if draw(st.integers(0, 2)) == 2:
            out[flag] = False
    if device.startswith("grayskull"):
        out["fp32_dest"] = False  # float32 accumulators are accepted only when asked so
    elif draw(st.integers(0, 4)) == 4:
        out["fp32_dest"] = draw(st.booleans())
    if draw(st.integers(0, 3)) == 3:
        out["fidelity"] = draw(st.sampled_from(("LoFi", "HiFi2", "HiFi3", "HiFi4")))
    return out


@st.composite
def inputs(draw: st.DrawFn) -> dict[str, Any]:
    """An input recipe."""
    out: dict[str, Any] = {"kind": draw(st.sampled_from(INPUTS)), "seed": draw(st.integers(0, 99))}
    if draw(st.integers(0, 4)) == 4:
        out["numbers"] = "exact"
    return out


@st.composite
def cases(draw: st.DrawFn, focus: str | None = None) -> Case:
    """A kernel with its placement, modes and inputs, or a plan."""
    if focus == "plan":
        plan = draw(_RECIPES)
        timed = "topology" in plan  # a stream is determinate, whatever the schedule
        return Case(plan=plan, schedule=draw(_SCHEDULES) if timed else {})
    device = draw(st.sampled_from(DEVICES))
    follows = focus == SEQUENCE or (focus is None and draw(st.integers(0, IN_TURN - 1)) == 1)
    focus = None if focus in (SEQUENCE, ALONE) else focus
    scene = draw(scenes(focus))
    found = draw(followed(scene)) if follows else None
    both = [scene, found[0]] if found else [scene]
    wide = any(one.needs_32_bits for one in both)
    if wide and device.startswith("grayskull"):
        device = DEVICES[0]
    placed = draw(placements(device, scene, focus, alike=found is not None))
    layouts = [placed.layouts, draw(later(device, found[0])) if found else {}]
    for one, stated in zip(both, layouts, strict=False):
        for name in one.runs if device.startswith("blackhole") else ():
            stated.setdefault(name, {"memory": "L1"})  # from DRAM it reads longer runs only
        if found:
            stated.pop(found[1], None)  # one tensor, and so one layout: the default
    options = {"device": device} | placed.options | draw(modes(device))
    if wide:
        options.pop("fp32_dest", None)
    text = render(scene, layouts[0]) if found is None else (
        render_in_turn(scene, *found, layouts=(layouts[0], layouts[1])))  # fmt: skip
    return Case(
        kernel=text,
        options=options,
        annotate=placed.annotate,
        inputs=draw(inputs()),
        schedule=placed.schedule,
    )
