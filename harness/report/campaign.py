"""A fuzz campaign and a replayed case as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from harness.report.terminal import Line, columns, count, heading, section, text

if TYPE_CHECKING:
    from harness.fuzz.campaigns.result import CampaignResult, Found
    from harness.fuzz.outcome import Outcome

SHOWN: Final = 12
"""Findings shown."""
WIDE: Final = 110
"""Longest message shown on one line."""
_WORDS: Final = {"pass": ("PASS", "bold green"), "fail": ("FAIL", "bold red"),
                 "none": ("NO VERDICT", "bold yellow")}  # fmt: skip


def campaign_lines(result: CampaignResult) -> list[Line]:
    """Counts, coverage, refusals, findings and the verdict."""
    data = result.to_json()
    rates = f"{data['cases_per_second']}/s, {data['cases_per_second_per_core']}/s per core at work"
    rows = [
        ("cases", f"{result.cases:,} in {result.seconds:.1f} s: {rates}"),
        ("outcomes", ", ".join(f"{n:,} {kind}" for kind, n in data["kinds"].items()) or "none"),
        ("oracles", ", ".join(f"{n:,} {name}" for name, n in data["oracles"].items()) or "none"),
        ("coverage", f"{len(result.cells)} cells of op x layout x dtype x grid"
         + ("" if result.focus == "plan" else f", of {data['cells']['of']}")),
        ("overhead", f"{100 * result.overhead:.0f} % over compiler, golden, simulator and judge"),
        ("seed", f"{result.seed}, {count(result.jobs, 'worker')}, {result.ended}"),
    ]  # fmt: skip
    if not result.pipeline:  # plans have no compiler whose time it could be held against
        rows = [row for row in rows if row[0] != "overhead"]
    lines = section("Campaign", columns(rows))
    if result.refusals:
        most = [(f"{n:,}", code) for code, n in result.refusals.most_common(SHOWN)]
        lines += section("Refused or not judged", columns(most, align=">"))
    found = sorted(result.findings.values(), key=lambda f: -f.count)
    if found:
        lines += section("Findings", [line for one in found[:SHOWN] for line in _finding(one)])
    if len(found) > SHOWN:
        lines.append(
            text(f"  and {count(len(found) - SHOWN, 'more finding')}; --json has them all")
        )
    word, style = _WORDS[result.verdict]
    head = text(word, style)
    head.append(f"  {result.claim()}", "")
    return [*lines, text(), head]


def _finding(found: Found) -> list[Line]:
    kind, code, bad_pass, op = found.key
    head = heading(f"{kind} {code}".strip())
    where = ", ".join(part for part in (bad_pass and f"first bad pass {bad_pass}", op) if part)
    head.append(f"  {where}  {count(found.count, 'case')}", "")
    lines = [head, text(f"  {found.message[:WIDE]}")]
    note = "" if found.shrunk else "  (not shrunk)"
    return [*lines, text(f"  again: tt-harness replay {found.file}{note}")]


def replay_lines(case: Any, seen: Outcome, same: bool) -> list[Line]:
    """A replayed case: its kernel, what was expected and what came."""
    lines: list[Line] = []
    if case.note:
        lines += [text(case.note), text()]
    body = case.kernel.strip().splitlines() or [str(dict(case.plan))]
    lines += section("Kernel" if case.kernel else "Plan", [text(line) for line in body])
    rows = [("expected", _words(case.expect)), ("seen", _words(seen.expectation()))]
    if seen.message:
        rows.append(("message", seen.message))
    rows.append(("time", f"{seen.seconds:.2f} s"))
    lines += section("Verdict", columns(rows))
    head = text("SAME" if same else "DIFFERENT", "bold green" if same else "bold red")
    head.append("  verdict as the case expects" if same else "  verdict from the case's", "")
    return [*lines, text(), head]


def _words(expect: Any) -> str:
    parts = [str(expect.get("verdict", "nothing stated"))]
    parts += [str(expect[k]) for k in ("code", "op") if expect.get(k)]
    if expect.get("pass"):
        parts.append(f"in {expect['pass']}")
    return " ".join(parts)
