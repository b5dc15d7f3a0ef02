"""The commands, and ``main``: arguments in, exit status out, never a traceback."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import typer
from typer.main import get_command

from harness.cli.check import check
from harness.cli.compile import compile_kernel
from harness.cli.demo import demo
from harness.cli.device import doctor, smoke
from harness.cli.execute import execute
from harness.cli.explain import explain
from harness.cli.failure import Failure, UsageError, failure_of
from harness.cli.fuzz import fuzz
from harness.cli.kernels import lint_kernels, source
from harness.cli.mutants import mutants
from harness.cli.plan import plan_app
from harness.cli.replay import replay
from harness.cli.run import run
from harness.cli.session import Session, failed
from harness.report.terminal import tolerate_any_text

EPILOG: Final = (
    "Exit status: 0 pass; 1 a wrong answer, a finding or an invalid artifact; 2 usage, source,"
    " parameters or input files; 3 internal error; 4 a budget is spent."
)

app: Final = typer.Typer(
    help="Compile TileLang kernels for Tenstorrent chips, simulate them, judge the answer.",
    epilog=EPILOG,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("compile", epilog=EPILOG)(compile_kernel)
app.command("run", epilog=EPILOG)(run)
app.command("execute", epilog=EPILOG)(execute)
app.command("check", epilog=EPILOG)(check)
app.command("fuzz", epilog=EPILOG)(fuzz)
app.command("replay", epilog=EPILOG)(replay)
app.command("mutants", epilog=EPILOG)(mutants)
app.add_typer(plan_app, name="plan")
app.command("demo", epilog=EPILOG)(demo)
app.command("explain", epilog=EPILOG)(explain)
app.command("source", epilog=EPILOG)(source)
app.command("lint-kernels", epilog=EPILOG)(lint_kernels)
app.command("doctor", epilog=EPILOG)(doctor)
app.command("smoke", epilog=EPILOG)(smoke)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="print the version and exit"),
) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"tt-harness {version_of('tt-harness')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (see the epilog of ``--help``)."""
    tolerate_any_text()
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = get_command(app)
    try:
        status: Any = command.main(args=given, prog_name="tt-harness", standalone_mode=False)
    except BrokenPipeError:  # the reader of stdout left; what it wanted, it has
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # noqa: BLE001  (the last line of defence: no bare traceback)
        verb = next((word for word in given if not word.startswith("-")), "")
        return Session(verb, _json_target(given)).finish(failed(_wrong_use(error)))
    return status if isinstance(status, int) else 0


def _wrong_use(error: Exception) -> Failure:
    """An option or argument that typer refused; its exceptions moved between its versions."""
    form = getattr(error, "format_message", None)
    if form is None:
        return failure_of(error)
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "tt-harness")
    return failure_of(UsageError(form().strip().rstrip("."), next_step=f"see {path} --help"))


def _json_target(given: Sequence[str]) -> str | None:
    """Where ``--json`` points to in arguments that could not be parsed."""
    for position, word in enumerate(given):
        if word == "--json" and position + 1 < len(given):
            return given[position + 1]
        if word.startswith("--json="):
            return word.partition("=")[2]
    return None
