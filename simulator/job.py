"""Executing an artifact from files to files, with the exit statuses scripts rely on.

0 completed without errors; 1 a finding of severity error, or an invalid artifact; 2 usage or input
files; 3 a defect of the simulator; 4 a budget spent (decision 34).
"""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from simulator.artifact import load_artifact
from simulator.errors import ArtifactError, SimulatorError
from simulator.files import read_npz, write_npz
from simulator.findings import Finding, finding
from simulator.plan.schema import Plan
from simulator.run import RunOptions, RunResult, execute

PASS: Final = 0
FAIL: Final = 1
USAGE: Final = 2
INTERNAL: Final = 3
BUDGET: Final = 4

STATUS: Final = ("pass", "fail", "usage", "internal error", "budget spent")
"""Words for the exit statuses, by number."""


@dataclass(frozen=True)
class JobResult:
    """What came of a job.

    Attributes:
        exit_status: see the module.
        message: one line for a person.
        findings: broken rules of the artifact or the run.
        report: the same and the run's figures as plain data, for ``--json``.
    """

    exit_status: int
    message: str
    findings: tuple[Finding, ...]
    report: dict[str, Any]


def execute_files(
    directory: Path, inputs: Path, outputs: Path, options: RunOptions | None = None
) -> JobResult:
    """Execute the artifact in ``directory`` on the arrays of ``inputs``; write ``outputs``.

    Outputs are written whenever the run completed, findings or not. Never raises: errors become a
    result, and a defect's traceback goes to a file that the message names.
    """
    try:
        return _execute(directory, inputs, outputs, options or RunOptions())
    except ArtifactError as error:
        return _result(FAIL, str(error), error.findings, error=_plain_error(error))
    except SimulatorError as error:
        return _result(USAGE, str(error), error=_plain_error(error))
    except Exception as error:  # noqa: BLE001  the last line of defence: no bare traceback
        path = write_traceback()
        message = f"internal error: {type(error).__name__}; traceback in {path}"
        return _result(INTERNAL, message, error={"code": "Internal", "message": message})


def _execute(directory: Path, inputs: Path, outputs: Path, options: RunOptions) -> JobResult:
    artifact = load_artifact(directory)
    result: RunResult = execute(artifact.plan, artifact.programs, read_npz(inputs), options)
    findings = (*artifact.warnings, *result.findings)
    if result.completed:
        findings += unwritten(artifact.plan, result.written)
        write_npz(outputs, result.outputs)
    status = PASS if result.completed else FAIL
    if any(item.severity == "error" for item in findings):
        status = FAIL
    if any(item.code == "BudgetSpent" for item in findings):
        status = BUDGET
    message = f"{artifact.plan.name}: {'completed' if result.completed else 'did not complete'}"
    message += f", {_count(findings)}" + (f", outputs in {outputs}" if result.completed else "")
    return _result(
        status,
        message,
        findings,
        completed=result.completed,
        determinate=result.determinate,
        reasons=list(result.reasons),
        stats=msgspec.to_builtins(result.stats),
        outputs=str(outputs) if result.completed else None,
    )


def unwritten(plan: Plan, written: Mapping[str, npt.NDArray[np.bool_]]) -> tuple[Finding, ...]:
    """A finding for every output the plan covers in full and the run did not."""
    out = []
    for name, known in written.items():
        block_map = plan.output_blocks.get(name)
        if block_map is None or block_map.coverage != "full" or known.all():
            continue
        first = [int(i) for i in np.argwhere(~known)[0]]
        missing = int(known.size - known.sum())
        text = f"{missing} of {known.size} elements of {name} were never written, e.g. {first}"
        out.append(finding("Unwritten", text, location=name))
    return tuple(out)


def _result(
    status: int, message: str, findings: Sequence[Finding] = (), **report: Any
) -> JobResult:
    head = {"status": STATUS[status], "exit_status": status, "message": message}
    held = {"findings": [msgspec.to_builtins(item) for item in findings]}
    return JobResult(status, message, tuple(findings), {**head, **held, **report})


def _count(findings: Sequence[Finding]) -> str:
    errors = sum(item.severity == "error" for item in findings)
    warnings = len(findings) - errors
    parts = [
        f"{n} {word}{'' if n == 1 else 's'}"
        for n, word in ((errors, "error"), (warnings, "warning"))
        if n
    ]
    return " and ".join(parts) or "no findings"


def _plain_error(error: SimulatorError) -> dict[str, Any]:
    fields = ("code", "message", "location", "next_step")
    return {name: getattr(error, name) for name in fields}


def write_traceback() -> str:
    """Write the traceback of the exception being handled to a file and return its path."""
    handle, path = tempfile.mkstemp(prefix="tt-harness-", suffix=".traceback.txt")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        traceback.print_exc(file=stream)
    return path
