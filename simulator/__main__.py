"""``python -m simulator DIR --inputs in.npz --outputs out.npz``: an artifact alone, without TVM."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.errors import SimulatorError
from simulator.files import write_atomic
from simulator.job import USAGE, execute_files
from simulator.strict_json import render


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status (see :mod:`simulator.job`)."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Execute a compiled artifact on the simulated device.",
        epilog="Exit status: 0 pass, 1 findings or an invalid artifact, 2 usage or inputs, "
        "3 internal error, 4 budget spent.",
    )
    parser.add_argument("directory", type=Path, help="holds tt.plan.json and programs.json")
    parser.add_argument("--inputs", type=Path, required=True, help="npz keyed by tensor name")
    parser.add_argument("--outputs", type=Path, required=True, help="npz to write")
    parser.add_argument("--json", metavar="PATH", help="write the result as JSON; - is stdout")
    given = parser.parse_args(arguments)
    result = execute_files(given.directory, given.inputs, given.outputs)
    say = sys.stderr
    for item in result.findings:
        print(f"{item.severity}: {item.code}: {item.message}", file=say)
    status = result.exit_status
    if given.json is not None:
        try:
            write_report(given.json, result.report)
        except SimulatorError as error:
            print(str(error), file=say)
            status = status or USAGE
    where = say if status or given.json == "-" else sys.stdout
    print(result.message, file=where)
    return status


def write_report(target: str, report: dict[str, Any]) -> None:
    """Write ``report`` to stdout for ``-``, else to a file, all or nothing.

    Raises:
        UnreadableError: the file cannot be written.
    """
    data = render(report)
    if target == "-":
        sys.stdout.write(data.decode())
    else:
        write_atomic(Path(target), data)


if __name__ == "__main__":
    sys.exit(main())
