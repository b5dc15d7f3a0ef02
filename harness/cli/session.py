"""One command from start to exit status: its results, its messages, its JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from harness.cli.failure import Failure, failure_of
from harness.report.findings import finding_lines
from harness.report.progress import Progress
from harness.report.terminal import Line, console, show, text
from simulator.errors import SimulatorError, UnreadableError
from simulator.files import is_device, write_atomic
from simulator.findings import Finding
from simulator.job import STATUS, USAGE
from simulator.strict_json import render


@dataclass(frozen=True)
class Outcome:
    """What a command ends with.

    Attributes:
        status: exit status.
        message: one line for a person.
        report: plain data for ``--json``.
        view: lines for the terminal, drawn from the same object.
    """

    status: int
    message: str
    report: Mapping[str, Any] = field(default_factory=dict)
    view: Sequence[Line] = ()


class Session:
    """Where a running command writes to.

    Attributes:
        err: standard error, for progress and messages.
        progress: the stage in progress.
    """

    def __init__(self, command: str, json: str | None) -> None:
        self.command = command
        self.json = json
        self.err: Console = console(sys.stderr)
        self.progress = Progress(self.err)

    def conduct(self, body: Callable[[Session], Outcome]) -> int:
        """Run ``body``; show and write what it returns or raises. Never raises an error."""
        try:
            if self.json is not None and self.json != "-":
                check_writable(Path(self.json))
            with self.progress:
                outcome = body(self)
        except KeyboardInterrupt:
            outcome = failed(Failure(130, "Interrupted", "interrupted"))
        except Exception as error:  # noqa: BLE001  (the last line of defence: no bare traceback)
            outcome = failed(failure_of(error))
        return self.finish(outcome)

    def finish(self, outcome: Outcome) -> int:
        """Show the view, write the JSON, return the exit status."""
        status = outcome.status
        # Standard output is the JSON's alone where it goes there.
        show(self.err if self.json == "-" else console(sys.stdout), outcome.view)
        if outcome.message:
            show(self.err, [text(f"tt-harness {self.command}: {outcome.message}")])
        if self.json is not None:
            try:
                self._write(status, outcome)
            except SimulatorError as error:
                if not _same_complaint(error, outcome):
                    show(self.err, [text(f"tt-harness {self.command}: {error}")])
                status = status or USAGE
        return status

    def _write(self, status: int, outcome: Outcome) -> None:
        word = STATUS[status] if status < len(STATUS) else "interrupted"
        head = {"command": self.command, "status": word, "exit_status": status}
        data = render(plain({**head, "message": outcome.message, **outcome.report}))
        if self.json == "-":
            sys.stdout.write(data.decode())
            sys.stdout.flush()
        elif self.json is not None:
            write_atomic(Path(self.json), data)


def failed(failure: Failure) -> Outcome:
    """The outcome of a command that raised."""
    report = {
        "verdict": _verdict(failure),
        "error": failure.to_json(),
        "findings": [finding_json(item) for item in failure.findings],
    }
    view = finding_lines(failure.findings) if len(failure.findings) > 1 else ()
    return Outcome(failure.status, failure.line(), report, view)


def _verdict(failure: Failure) -> str:
    """A device that is not there is neither a pass nor a failure."""
    return "fail" if failure.status == 1 else "skip" if failure.code == "NotRun" else "error"


def check_writable(path: Path) -> None:
    """Refuse a file that could not be written at the end, before the work begins.

    Raises:
        UnreadableError: its directory is missing or closed, or it is a directory itself.
    """
    if path.is_dir():
        raise UnreadableError("cannot be written: is a directory", location=str(path))
    if is_device(path):
        return
    try:
        probe = path.with_name(f".{path.name}.probe")
        probe.open("xb").close()
        probe.unlink()
    except FileExistsError:
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableError(
            f"cannot be written: {reason}", location=str(path),
            next_step="Name a file in a directory that exists and can be written to.",
        ) from None  # fmt: skip


def finding_json(item: Finding) -> dict[str, Any]:
    """A finding with every field, absent ones as null."""
    return {name: getattr(item, name) for name in item.__struct_fields__}


def plain(value: Any) -> Any:
    """``value`` as JSON can hold it: NumPy scalars as numbers, what is not finite as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, str | int):
        return value
    return str(value)


def _same_complaint(error: SimulatorError, outcome: Outcome) -> bool:
    return str(error.location) in outcome.message
