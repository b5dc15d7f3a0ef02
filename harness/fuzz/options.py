"""Strategies for modes and input recipes, and for whole cases."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from harness.fuzz.case import Case
from harness.fuzz.grammar import scenes
from harness.fuzz.placing import placements, schedules
from harness.fuzz.recipes import recipes
from harness.fuzz.scene import render

DEVICES: Final = ("wormhole_n150", "blackhole_p100", "wormhole_n300", "blackhole_p150",
                  "grayskull_e150")  # fmt: skip
INPUTS: Final = ("auto", "auto", "auto", "exact", "tagged", "random", "uniform", "wide", "cancel",
                 "tiny", "huge", "one_hot", "special", "ties")  # fmt: skip


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
        plan = draw(recipes())
        timed = "topology" in plan  # a stream is determinate, whatever the schedule
        return Case(plan=plan, schedule=draw(schedules()) if timed else {})
    device = draw(st.sampled_from(DEVICES))
    scene = draw(scenes(focus))
    if scene.needs_32_bits and device.startswith("grayskull"):
        device = DEVICES[0]
    placed = draw(placements(device, scene, focus))
    for name in scene.runs if device.startswith("blackhole") else ():
        placed.layouts.setdefault(name, {"memory": "L1"})  # from DRAM it reads longer runs only
    options = {"device": device} | placed.options | draw(modes(device))
    if scene.needs_32_bits:
        options.pop("fp32_dest", None)
    return Case(
        kernel=render(scene, placed.layouts),
        options=options,
        annotate=placed.annotate,
        inputs=draw(inputs()),
        schedule=placed.schedule,
    )
