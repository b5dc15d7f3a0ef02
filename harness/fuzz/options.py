"""Strategies for compile options and input recipes, and for whole cases."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from harness.fuzz.case import Case
from harness.fuzz.grammar import kernels
from harness.fuzz.plans import recipes
from simulator.arch import find_arch

DEVICES: Final = ("wormhole_n150", "blackhole_p100", "wormhole_n300", "blackhole_p150",
                  "grayskull_e150")  # fmt: skip
STRATEGIES: Final = ("row_major", "column_major", "block")
INPUTS: Final = ("auto", "auto", "auto", "exact", "tagged", "random", "uniform", "wide", "cancel",
                 "tiny", "huge", "one_hot", "special", "ties")  # fmt: skip


@st.composite
def placements(draw: st.DrawFn, device: str) -> dict[str, Any]:
    """Grid, core ranges and strategy on a device."""
    out: dict[str, Any] = {}
    width, height = find_arch(device).grid
    kind = draw(st.integers(0, 3))
    if kind:
        # Few cores make a core run several blocks, which is where credits and carries go wrong.
        most = 3 if kind < 3 else max(width, height)
        width, height = (draw(st.integers(1, min(most, n))) for n in (width, height))
        out["grid"] = [width, height]
    strategy = draw(st.sampled_from(STRATEGIES))
    if strategy != STRATEGIES[0]:
        out["strategy"] = strategy
    if draw(st.integers(0, 3)) == 0:
        out["core_ranges"] = draw(_ranges(width, height, stacked=strategy == "block"))
    return out


@st.composite
def _ranges(draw: st.DrawFn, width: int, height: int, stacked: bool) -> list[dict[str, list[int]]]:
    """Disjoint rectangles: one per band of rows, of one width where they must stack."""
    ranges: list[dict[str, list[int]]] = []
    y, same = 0, draw(st.integers(1, width))
    for _ in range(draw(st.integers(1, 3))):
        y += draw(st.integers(0, 1))
        if y >= height:
            break
        h = draw(st.integers(1, min(3, height - y)))
        w = same if stacked else draw(st.integers(1, width))
        ranges.append({"start": [draw(st.integers(0, width - w)), y], "extent": [w, h]})
        y += h
    return ranges or [{"start": [0, 0], "extent": [same, 1]}]


@st.composite
def modes(draw: st.DrawFn, device: str) -> dict[str, Any]:
    """Buffering and numeric options a device has; defaults are left out."""
    out: dict[str, Any] = {}
    for flag in ("double_buffer", "prefetch"):
        if draw(st.integers(0, 2)) == 0:
            out[flag] = False
    if device.startswith("grayskull"):
        out["fp32_dest"] = False  # float32 accumulators are accepted only when asked so
    elif draw(st.integers(0, 4)) == 0:
        out["fp32_dest"] = draw(st.booleans())
    if draw(st.integers(0, 3)) == 0:
        out["fidelity"] = draw(st.sampled_from(("LoFi", "HiFi2", "HiFi3", "HiFi4")))
    return out


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    """Compile options as a case file holds them."""
    device = draw(st.sampled_from(DEVICES))
    return {"device": device} | draw(placements(device)) | draw(modes(device))


@st.composite
def inputs(draw: st.DrawFn) -> dict[str, Any]:
    """An input recipe."""
    out: dict[str, Any] = {"kind": draw(st.sampled_from(INPUTS)), "seed": draw(st.integers(0, 99))}
    if draw(st.integers(0, 4)) == 0:
        out["numbers"] = "exact"
    return out


@st.composite
def cases(draw: st.DrawFn, focus: str | None = None) -> Case:
    """A kernel with options and inputs, or a plan."""
    if focus == "plan":
        return Case(plan=draw(recipes()))
    return Case(kernel=draw(kernels(focus)), options=draw(options()), inputs=draw(inputs()))
