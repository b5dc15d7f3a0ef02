"""``tt-harness source`` and ``tt-harness lint-kernels``: an artifact's C++ kernels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import DirArg, JsonOpt
from harness.cli.session import Outcome, Session

if TYPE_CHECKING:
    from harness.codegen.gate import GateReport, Unit
    from harness.report.terminal import Line


def source(
    directory: DirArg,
    program: Annotated[str, typer.Argument(metavar="PROGRAM", help="reader, compute or writer")],
    json: JsonOpt = None,
) -> int:
    """Print one C++ kernel of an artifact, highlighted on a terminal."""

    def body(_: Session) -> Outcome:
        from harness.cli.failure import UsageError
        from simulator.artifact import load_artifact

        artifact = load_artifact(directory)
        names = [kernel.program for kernel in artifact.plan.kernels]
        if program not in names:
            raise UsageError(f"there is no program {program!r}", location=str(directory),
                             next_step=f"name one of {', '.join(names)}")  # fmt: skip
        text = _text(directory, artifact, program)
        return Outcome(0, "", {"program": program, "text": text, "findings": []}, _coloured(text))

    return Session("source", json).conduct(body)


def _text(directory: Path, artifact: Any, program: str) -> str:
    """The kernel as it was written, else as it would be.

    Raises:
        UnreadableError: the file is there and cannot be read as text.
        CodegenError: a program without a tt-metal spelling.
    """
    from harness.codegen import KERNEL_DIRECTORY, print_kernels
    from simulator.errors import UnreadableError

    path = directory / KERNEL_DIRECTORY / f"{program}.cpp"
    if not path.is_file():
        return print_kernels(artifact)[program]
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableError(f"cannot be read: {reason}", location=str(path)) from None


def _coloured(text: str) -> list[Line]:
    """The lines of a C++ file; colours show on a terminal only."""
    from rich.syntax import Syntax

    marked = Syntax("", "cpp", theme="ansi_dark", background_color="default").highlight(text)
    return list(marked.split("\n", allow_blank=False))


def lint_kernels(
    directory: DirArg,
    fetch: Annotated[
        bool, typer.Option("--fetch/--no-fetch", help="get ttnn's headers (100 MB, once)")
    ] = True,
    json: JsonOpt = None,
) -> int:
    """Check an artifact's kernels against ttnn's headers, for Wormhole and Blackhole."""

    def body(session: Session) -> Outcome:
        from harness.codegen.gate import lint_kernels as lint

        def told(unit: Unit) -> None:
            session.progress.stage(f"compiled {unit.kernel} for {unit.family} {unit.thread}")

        session.progress.stage("looking for ttnn's headers")
        try:
            report = lint(directory, fetch=fetch, progress=told)
        except UnicodeDecodeError as error:
            from simulator.errors import UnreadableError

            raise UnreadableError(f"a kernel is not text: {error}",
                                  location=str(directory)) from None  # fmt: skip
        return _linted(report)

    return Session("lint-kernels", json).conduct(body)


def _linted(report: GateReport) -> Outcome:
    """1 for problems; 2 where the compiler did not run, which is no pass."""
    from harness.report.terminal import text

    *problems, summary = str(report).splitlines()
    style = "red" if report.problems else "yellow" if report.skipped else "green"
    view = [*(text(line) for line in problems), text(summary, style)]
    data = {**report.to_json(), "findings": []}
    if report.problems:
        return Outcome(1, "", {**data, "verdict": "fail"}, view)
    if report.skipped is not None:
        return Outcome(2, f"not checked: {report.skipped}", {**data, "verdict": "skip"}, view)
    return Outcome(0, "", {**data, "verdict": "pass"}, view)
