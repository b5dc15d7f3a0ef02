"""``tt-harness execute``: an artifact alone, without TVM and without a golden."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import DirArg, JsonOpt, NumbersOpt, SecondsOpt, StepsOpt
from harness.cli.session import Outcome, Session, check_writable, finding_json


def execute(
    directory: DirArg,
    inputs: Annotated[Path, typer.Option("--inputs", metavar="NPZ", help="arrays by tensor name")],
    outputs: Annotated[Path, typer.Option("--outputs", metavar="NPZ", help="where arrays go")],
    json: JsonOpt = None,
    numbers: NumbersOpt = "fast",
    max_steps: StepsOpt = None,
    max_seconds: SecondsOpt = None,
) -> int:
    """Execute a compiled artifact on the simulated device; nothing is judged."""

    def body(session: Session) -> Outcome:
        from harness.report.findings import finding_lines
        from harness.report.machine import machine_lines
        from harness.report.terminal import section, text
        from simulator.job import execute_files

        check_writable(outputs)
        options = run_options(numbers, max_steps, max_seconds)
        session.progress.stage("simulating")
        job = execute_files(directory, inputs, outputs, options)
        report = {**job.report, "findings": [finding_json(item) for item in job.findings]}
        view = finding_lines(job.findings)
        if job.report.get("stats"):
            lines = machine_lines(job.report["stats"], job.report.get("determinate"))
            view += section("Simulator", lines)
        if job.exit_status == 0:
            return Outcome(0, "", report, [*view, text(), text(job.message, "green")])
        message = job.message
        if (job.report.get("error") or {}).get("code") == "InvalidInput":
            message = f"{inputs}: {message.removeprefix(str(inputs) + ': ')}"
        return Outcome(job.exit_status, message, report, view)

    return Session("execute", json).conduct(body)


def run_options(numbers: str, max_steps: int | None, max_seconds: float | None) -> Any:
    """The simulator's options of a command line.

    Raises:
        InputError: an unknown number model.
    """
    from simulator.errors import InputError
    from simulator.run import RunOptions

    if numbers not in ("fast", "exact"):
        raise InputError(f"unknown number model {numbers!r}", location="numbers",
                         next_step="use fast or exact")  # fmt: skip
    options = RunOptions(numbers="exact" if numbers == "exact" else "fast", max_seconds=max_seconds)
    return options if max_steps is None else replace(options, max_steps=max_steps)
