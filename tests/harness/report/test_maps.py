"""The L1 map in the terminal, and both maps as SVG."""

from __future__ import annotations

import xml.dom.minidom
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.report.l1 import CELLS, l1_bar, l1_lines
from harness.report.svg import plan_svg
from tests.harness.cli.conftest import Command, artifact, command  # noqa: F401 - fixtures

L1: dict[str, Any] = {
    "core": "(0,0)", "bytes": 64_000 + 1_000, "base": 1_000, "cb_end": 9_000, "free": 40_000,
    "map": [
        {"address": 1_000, "bytes": 8_000, "what": "circular buffer 0 (A)"},
        {"address": 9_000 - 10, "bytes": 10, "what": "circular buffer 1 (tiny)"},
        {"address": 49_000, "bytes": 16_000, "what": "tensor X & Y"},
    ],
}  # fmt: skip


def summary() -> dict[str, Any]:
    """As much of a plan's summary as the maps need."""
    return {"name": "k", "device": "d", "core_map": [["2", "1"], ["0", "."]], "l1": L1}


def test_the_bar_is_to_scale() -> None:
    """Protects the drawing: buffers from the left, tensors from the right, small ones visible."""
    bar = l1_bar(L1)[1:-1]
    assert len(bar) == CELLS == 64
    assert bar == "a" * 8 + "b" + "." * 39 + "A" * 16


def test_the_legend_is_in_order_of_addresses() -> None:
    """Protects the legend: every span and the free room, lowest first."""
    lines = [line.plain for line in l1_lines(L1)]
    assert [line.split()[0] for line in lines[1:]] == ["a", "b", ".", "A"]
    assert lines[0].startswith("0x3e8 [")


def test_the_svg_is_well_formed_and_always_the_same() -> None:
    """Protects committed drawings: valid XML, escaped names, equal bytes for equal plans."""
    text = plan_svg(summary())
    assert text == plan_svg(summary())
    root = xml.dom.minidom.parseString(text).documentElement  # noqa: S318 - our own text
    assert root is not None
    assert root.tagName == "svg"
    titles = [node.firstChild.data for node in root.getElementsByTagName("title")]  # type: ignore[union-attr]
    assert "core (0,0): 2 blocks" in titles
    assert "core (0,1): idle" in titles
    assert "core (1,1): not in the core ranges" in titles
    assert any("tensor X & Y" in title for title in titles)


def test_labels_keep_their_distance() -> None:
    """Protects legibility: labels beside the L1 column do not overlap, however many there are."""
    many = [
        {"address": 1_000 + 10 * i, "bytes": 10, "what": f"circular buffer {i}"} for i in range(64)
    ]
    text = plan_svg({**summary(), "l1": {**L1, "map": many}})
    root = xml.dom.minidom.parseString(text)  # noqa: S318 - our own text
    heights = sorted(
        int(node.getAttribute("y"))
        for node in root.getElementsByTagName("text")
        if "bytes" in node.firstChild.data  # type: ignore[union-attr]
    )
    assert len(heights) == 65
    assert heights[0] > 0
    assert min(b - a for a, b in pairwise(heights)) >= 16


def test_plan_show_draws_and_writes_both(
    command: Command,  # noqa: F811
    artifact: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Protects plan show DIR --svg FILE: the map on the terminal, the drawing in the file."""
    reply = command("plan", "show", artifact, "--svg", "plan.svg")
    assert reply.status == 0
    assert "L1 of core (0,0)" in reply.out
    assert "[abc" in reply.out
    assert (tmp_path / "plan.svg").read_text().startswith("<svg ")
    assert command("plan", "show", artifact, "--svg", "no/plan.svg").status == 2
