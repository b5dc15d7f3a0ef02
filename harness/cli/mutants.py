"""``tt-harness mutants``: seeded faults against the whole chain, and how many it notices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as o
from harness.cli.failure import UsageError
from harness.cli.session import Outcome, Session, check_writable
from harness.report.mutants import mutant_lines, mutants_markdown
from simulator.files import write_atomic

if TYPE_CHECKING:
    from harness.mutants import Registry


def mutants(
    family: Annotated[
        str | None, typer.Option("--family", metavar="NAME", help="one family, or one mutant")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="processes")] = 1,
    time: Annotated[
        str | None, typer.Option("--time", metavar="T", help="of the whole run, e.g. 90s or 10m")
    ] = None,
    examples: Annotated[int, typer.Option("--examples", min=1, help="for each mutant")] = 200,
    listing: Annotated[bool, typer.Option("--list", help="name the mutants, run none")] = False,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="write the report as a page")
    ] = None,
    json: o.JsonOpt = None,
) -> int:
    """Seed faults into every part and report how many are noticed, how fast, and who noticed."""

    def body(session: Session) -> Outcome:
        from harness.mutants import Budget, registry, run_mutants

        known = registry()
        chosen = _chosen(known, family)
        if listing:
            return _listed(known, family)
        if markdown is not None:
            check_writable(markdown)
        session.progress.stage("preparing cases")
        report = run_mutants(
            [known[name] for name in chosen],
            budget=Budget(examples),
            jobs=jobs,
            seconds=None if time is None else o.duration(time),
            progress=lambda name, done, total: session.progress.stage(f"{done} of {total} {name}"),
        ).to_json()
        if markdown is not None:
            write_atomic(markdown, mutants_markdown(report).encode())
        figures = report["figures"]
        open_ends = [*figures["survived"], *figures["crashed"], *figures["claim_wrong"]]
        left = len(chosen) - len(report["outcomes"])
        message = f"{figures['killed']} killed, {len(open_ends)} not"
        status = 1 if open_ends else 4 if left else 0
        late = f"; {left} not reached in time" if left else ""
        return Outcome(status, message + late, report, mutant_lines(report))

    return Session("mutants", json).conduct(body)


def _chosen(known: Registry, family: str | None) -> list[str]:
    names = [m.name for m in known if family in (None, m.family, m.name)]
    if not names:
        raise UsageError(f"no family and no mutant {family!r}",
                         next_step=f"one of {', '.join(known.families())}")  # fmt: skip
    return names


def _listed(known: Registry, family: str | None) -> Outcome:
    from harness.report.terminal import columns

    rows = [(m.name, m.family, m.where.value, m.breaks)
            for m in known if family in (None, m.family, m.name)]  # fmt: skip
    keys = ("name", "family", "where", "breaks")
    report = {"mutants": [dict(zip(keys, row, strict=True)) for row in rows]}
    return Outcome(0, "", report, columns(rows))
