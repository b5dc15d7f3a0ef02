"""``tt-harness explain CODE``: what a code means, on hardware too, and how to mend it."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import JsonOpt
from harness.cli.session import Outcome, Session


def explain(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="a code; none lists them all")
    ] = None,
    json: JsonOpt = None,
) -> int:
    """Explain a finding or an error by its code."""

    def body(_: Session) -> Outcome:
        from harness.cli.failure import UsageError
        from harness.codes import CODES, nearest
        from harness.report.explained import code_lines, code_list

        if code is None:
            listed = [item.to_json() for item in CODES.values()]
            return Outcome(0, "", {"codes": listed, "findings": []}, code_list(CODES.values()))
        found = {name.lower(): item for name, item in CODES.items()}.get(code.lower())
        if found is None:
            alike = nearest(code)
            advice = f"is it {' or '.join(alike)}?" if alike else "tt-harness explain lists them"
            raise UsageError(f"there is no code {code!r}", location="CODE", next_step=advice)
        report = {"explanation": found.to_json(), "findings": []}
        return Outcome(0, "", report, code_lines(found))

    return Session("explain", json).conduct(body)
