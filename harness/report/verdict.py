"""The verdict as a person reads it: what decided, how near the bound, and what a failure means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from harness.report.findings import finding_lines
from harness.report.machine import machine_lines
from harness.report.owner import block_names, owners
from harness.report.terminal import Line, columns, count, number, seconds, section, text
from simulator.plan.views import stored_place

if TYPE_CHECKING:
    from harness.verdict import Verdict
    from simulator.plan.schema import Plan

WORST: Final = 4
"""Wrong tiles shown."""

_ORACLES: Final[Mapping[str, str]] = MappingProxyType({
    "exact": "integers that leave nothing to round, equal bit for bit",
    "tagged": "every tile numbered, nothing to round, equal bit for bit",
    "replay": "the matrix unit computed again: equal bit for bit, rounding included",
    "freivalds": "the product times random vectors, in exact integers",
    "metamorphic": "the bits follow what was changed: placement, buffering, rows, columns, scale",
    "bound": "every element within the error its arithmetic allows",
    "bound-partial": "of many elements nothing is known, or either side of a threshold is right",
    "llvm": "golden's answers held against the source compiled by LLVM",
    "none": "nothing was compared",
})  # fmt: skip


def verdict_lines(verdict: Verdict, plan: Plan | None) -> list[Line]:
    """Simulator summary, times, findings and verdict; who wrote what is read from ``plan``."""
    lines: list[Line] = []
    if verdict.stats:
        lines += section("Simulator", machine_lines(verdict.stats, verdict.determinate))
    if verdict.findings:
        lines += section("Findings", finding_lines(verdict.findings))
    lines += section("Verdict", _judged(verdict))
    wrong = wrong_tiles(verdict)
    notes = list(verdict.notes)
    for tile in wrong[:WORST]:
        name = tile_name(tile)
        known = [note for note in notes if note.startswith(f"{name} ")]
        notes = [note for note in notes if note not in known]
        lines += [text(), *(text("  ") + line for line in _tile_lines(tile, plan, known))]
    if len(wrong) > WORST:
        lines += [text(), text("  and more tiles; --json describes the worst")]
    lines += [text(f"  {note}") for note in notes]
    return lines


def step_lines(steps: Sequence[Verdict]) -> list[Line]:
    """One line for each kernel of a sequence and kind of inputs."""
    rows = []
    for step in steps:
        ratio = "" if step.bound_ratio is None else f", {number(step.bound_ratio)} of its bound"
        what = f"{step.verdict}, {step.input_kind} inputs, oracle {step.oracle}{ratio}"
        rows.append((step.kernel, what))
    return columns(rows)


def wrong_tiles(verdict: Verdict) -> list[Mapping[str, Any]]:
    """The worst tiles of every output, as the judge described them."""
    return [tile for data in verdict.tensors.values() for tile in data.get("worst", ())]


def tile_name(tile: Mapping[str, Any]) -> str:
    """A wrong tile as a person writes it: ``C[3,4]``, with leading indices before the tile's."""
    return f"{tile['tensor']}[{','.join(map(str, _tile_index(tile)))}]"


def _tile_index(tile: Mapping[str, Any]) -> tuple[int, ...]:
    return (*tile.get("lead", ()), *tile["tile"])


def _judged(verdict: Verdict) -> list[Line]:
    head = text(
        "PASS" if verdict.passed else "FAIL", "bold green" if verdict.passed else "bold red"
    )
    head.append(f"  {verdict.kernel} on {verdict.device}", "")
    rows = [
        ("oracle", f"{name}: {_ORACLES.get(name, '')}".rstrip(": "))
        for name in verdict.oracle.split("+")
    ]
    seen = verdict.findings or wrong_tiles(verdict) or verdict.opinions
    if not (verdict.passed or seen) and verdict.reason:
        rows.append(("reason", verdict.reason))
    rows += [("second", opinion) for opinion in dict.fromkeys(verdict.opinions)]
    if verdict.max_error is not None or verdict.bound_ratio is not None:
        rows.append(("worst", _worst(verdict)))
    rows += [("outputs", _output(name, data)) for name, data in verdict.tensors.items()]
    if verdict.pcc is not None:
        rows.append(("PCC", f"{verdict.pcc:.6f} (never decides)"))
    if verdict.input_kind != "none":
        rows.append(("inputs", _inputs(verdict)))
    rows.append(("time", _times(verdict.timings)))
    return [head, *columns([row for row in rows if row[1]])]


def _worst(verdict: Verdict) -> str:
    ratio = verdict.bound_ratio
    if ratio is None:
        return f"error {number(verdict.max_error)}"
    allowed = f"{number(ratio)} of its bound" if math.isfinite(ratio) else "where none is allowed"
    return f"error {number(verdict.max_error)}, {allowed}"


def _output(name: str, data: Mapping[str, Any]) -> str:
    wrong, compared = data.get("wrong", 0), data.get("compared", 0)
    if not compared:
        return f"{name}: nothing could be compared"
    right = "all right" if not wrong else f"{wrong:,} wrong"
    if free := data.get("free", 0):  # not written, or any number is right
        return f"{name}: {compared:,} of {count(compared + free, 'element')} compared, {right}"
    return f"{name}: {count(compared, 'element')}, {right}"


def _inputs(verdict: Verdict) -> str:
    if verdict.seed is None:
        return "given"
    return f"{verdict.input_kind}, seed {verdict.seed}"


def _times(timings: Mapping[str, float]) -> str:
    stages = {name: value for name, value in timings.items() if "." not in name}
    return ", ".join(f"{name} {seconds(value)}" for name, value in stages.items())


def _tile_lines(tile: Mapping[str, Any], plan: Plan | None, notes: Sequence[str]) -> list[Line]:
    """Which tile, what was expected and got, what it seems to hold, and who wrote it."""
    head = text("WRONG TILE", "bold red")
    head.append(f"  {tile_name(tile)}: {_what(tile)}", "")
    rows = []
    if tile["kind"] == "value":
        element = f"{tile['tensor']}[{','.join(map(str, tile['element']))}]"
        within = f" within {number(tile['bound'])}" if tile["bound"] else " exactly"
        wanted = f"expected {number(tile['expected'])}{within}"
        rows.append(("worst", f"{element} {wanted}, got {number(tile['got'])}"))
    rows += [("seen", note) for note in notes]
    if plan is not None:
        rows += [("owner", words) for words in _owner_words(plan, tile)]
    return [head, *(text("  ") + line for line in columns(rows))]


def _what(tile: Mapping[str, Any]) -> str:
    part = f"{tile['wrong']:,} of {count(tile['total'], 'element')}"
    if tile["kind"] == "unwritten":
        return f"{part} never written"
    if tile["kind"] == "stray":
        return f"{part} written that the source does not write"
    return f"{part} wrong"


def _owner_words(plan: Plan, tile: Mapping[str, Any]) -> list[str]:
    tensor = tile["tensor"]
    layout = plan.layouts[tensor]
    index = _tile_index(tile)
    if layout.view:  # golden's tiles are the host's; the worst element says where it is stored
        *lead, row, column = stored_place(tile["element"], layout.view)
        index = (*lead, row // layout.tile_shape[0], column // layout.tile_shape[1])
    found = owners(plan, tensor, index)
    if not found:
        return ["no core of the plan"]
    return [f"core ({o.core[0]},{o.core[1]}), block {block_names(plan, o.block)}" for o in found]
