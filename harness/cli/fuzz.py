"""``tt-harness fuzz``: a campaign of drawn kernels and plans within a budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from harness.cli import options as o
from harness.cli.failure import UsageError
from harness.cli.session import Outcome, Session
from simulator.job import BUDGET, FAIL, PASS

_STATUS: Final = {"pass": PASS, "fail": FAIL, "none": BUDGET}


def fuzz(
    time: Annotated[
        str | None, typer.Option("--time", metavar="T", help="budget: 90s, 30m, 2h (default: 60s)")
    ] = None,
    examples: Annotated[
        int | None, typer.Option("--examples", metavar="N", min=1, help="end after N cases")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", min=1, help="worker processes")] = 1,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="of the cases")] = 0,
    focus: Annotated[
        str | None,
        typer.Option("--focus", metavar="NAME",
                     help="gemm, elementwise, reduce, layout, schedule or plan"),
    ] = None,
    corpus: Annotated[
        Path, typer.Option("--corpus", metavar="DIR", help="journal and findings go here")
    ] = Path("out/fuzz"),
    resume: Annotated[
        bool, typer.Option("--resume", help="go on where the journal in the corpus ends")
    ] = False,
    case_seconds: Annotated[
        float, typer.Option("--case-seconds", metavar="S", min=1, help="longest time of one case")
    ] = 30.0,
    memory: Annotated[
        int, typer.Option("--memory", metavar="MIB", min=1024, help="per worker")
    ] = 4096,
    json: o.JsonOpt = None,
) -> int:  # fmt: skip
    """Draw kernels, compile, simulate and judge them; keep and shrink what fails."""

    def body(session: Session) -> Outcome:
        from harness.cli.interrupts import ending
        from harness.fuzz.campaigns.campaign import Campaign, Settings
        from harness.fuzz.campaigns.units import FOCI
        from harness.report.campaign import campaign_lines

        if focus is not None and focus not in FOCI:
            raise UsageError(f"unknown focus {focus!r}", location="--focus",
                             next_step=f"use one of {', '.join(FOCI)}")  # fmt: skip
        seconds = None if time is None else o.duration(time)
        if seconds is None and examples is None:
            seconds = 60.0
        chosen = Settings(
            seed, seconds, examples, jobs, focus, corpus, resume, case_seconds, memory
        )
        campaign = Campaign(chosen, session.progress.stage)
        with ending(campaign.stop) as asked:
            result = campaign.run()
        status, message = _STATUS[result.verdict], ""
        if result.verdict == "none":
            message = f"{result.ended} before the first case ended"
        if asked.number:
            status, message = asked.status, f"{result.ended}; --resume goes on from here"
        return Outcome(status, message, result.to_json(), campaign_lines(result))

    return Session("fuzz", json).conduct(body)
