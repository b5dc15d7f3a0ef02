"""``tt-harness plan show|validate|schema``: plans without TVM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from harness.cli.options import JsonOpt
from harness.cli.session import Outcome, Session, check_writable, finding_json

if TYPE_CHECKING:
    from simulator.findings import Finding
    from simulator.plan.schema import Plan

plan_app: Final = typer.Typer(
    help="Show, validate or describe plans.", rich_markup_mode=None, no_args_is_help=False
)


@plan_app.command("show")
def show(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="an artifact, or its plan file")],
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="write core map and L1 map")
    ] = None,
    json: JsonOpt = None,
) -> int:
    """Draw a plan: grids, core map, tensors, circular buffers, L1, programs."""

    def body(_: Session) -> Outcome:
        from harness.report.compiled import plan_lines
        from harness.report.details import plan_details
        from harness.report.svg import plan_svg
        from simulator.files import write_atomic
        from simulator.plan.show import plan_summary

        if svg is not None:
            check_writable(svg)
        plan = _valid_plan(directory)[0]
        summary = plan_summary(plan)
        if svg is not None:
            write_atomic(svg, plan_svg(summary).encode())
        view = [*plan_lines(summary), *plan_details(summary)]
        return Outcome(0, "", {"plan": summary, "findings": []}, view)

    return Session("plan show", json).conduct(body)


@plan_app.command("validate")
def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a plan, or an artifact directory")],
    json: JsonOpt = None,
) -> int:
    """Check a plan's form and meaning; of a directory also its programs and their fit."""

    def body(_: Session) -> Outcome:
        from harness.report.findings import finding_lines
        from harness.report.terminal import text
        from simulator.artifact import load_artifact

        if file.is_dir():
            artifact = load_artifact(file)
            plan, findings = artifact.plan, artifact.warnings
        else:
            plan, findings = _valid_plan(file)
        line = text(f"{file}: valid plan of {plan.name} for {plan.device.name}", "green")
        report = {"valid": True, "findings": [finding_json(item) for item in findings]}
        return Outcome(0, "", report, [*finding_lines(findings), line])

    return Session("plan validate", json).conduct(body)


@plan_app.command("schema")
def schema(
    programs: Annotated[bool, typer.Option("--programs", help="of programs.json instead")] = False,
) -> int:
    """Print the JSON Schema of tt.plan.json."""

    def body(_: Session) -> Outcome:
        from harness.report.terminal import text
        from simulator.plan.load import plan_schema, programs_schema
        from simulator.strict_json import render

        data = render(programs_schema() if programs else plan_schema()).decode()
        return Outcome(0, "", {}, [text(line) for line in data.splitlines()])

    return Session("plan schema", None).conduct(body)


def _valid_plan(place: Path) -> tuple[Plan, tuple[Finding, ...]]:
    """The plan in a file or an artifact, and its warnings.

    Raises:
        UnreadableError, ArtifactError: there is none, or it is not valid.
    """
    from simulator.artifact import PLAN_FILE
    from simulator.errors import ArtifactError
    from simulator.plan.load import load_plan
    from simulator.plan.validate import validate_plan

    plan = load_plan(place / PLAN_FILE if place.is_dir() else place)
    findings = validate_plan(plan)
    if any(item.severity == "error" for item in findings):
        raise ArtifactError(findings)
    return plan, findings
