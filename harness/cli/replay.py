"""``tt-harness replay``: the verdict of a case file, from the file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as o
from harness.cli.session import Outcome, Session
from simulator.job import FAIL, PASS

CaseArg = Annotated[
    Path, typer.Argument(metavar="CASE.json", help="a case file, as fuzz and cases/ hold them")
]


def replay(
    case: CaseArg,
    as_python: Annotated[
        Path | None, typer.Option("--py", metavar="FILE", help="also write the kernel as a module")
    ] = None,
    json: o.JsonOpt = None,
) -> int:
    """Run one case again and compare its verdict with the one the file expects."""

    def body(session: Session) -> Outcome:
        from harness.fuzz.case import load_case
        from harness.fuzz.judge import run_case
        from harness.fuzz.text import as_module
        from harness.report.campaign import replay_lines

        given = load_case(case)
        if as_python is not None and given.kernel:
            as_python.write_text(as_module(given.kernel, given.params), encoding="utf-8")
        session.progress.stage("replaying")
        seen = run_case(given)
        same = agrees(given.expect, seen.expectation())
        report = {"verdict": seen.kind, "same": same, "expected": dict(given.expect),
                  "seen": seen.to_json(), "case": given.to_json()}  # fmt: skip
        return Outcome(PASS if same else FAIL, "", report, replay_lines(given, seen, same))

    return Session("replay", json).conduct(body)


def agrees(expected: object, seen: object) -> bool:
    """Whether a verdict is the expected one; what a case does not state may be anything."""
    if not isinstance(expected, dict) or not isinstance(seen, dict):
        return False
    if not expected:
        return seen.get("verdict") == "pass"
    return all(seen.get(key, "") == value for key, value in expected.items())
