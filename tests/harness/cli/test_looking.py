"""``run --profile``, ``--trace``, ``--break`` and ``--dump``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.cli.conftest import GEMM, SMALL, Command

Report = Callable[[], dict[str, Any]]


def test_a_profile_is_shown_and_written(command: Command, report: Report) -> None:
    """Protects --profile: the table drawn is the one in the JSON, both rounds of a check in it."""
    reply = command("run", GEMM, *SMALL, "--profile", "--json", "result.json")
    assert reply.status == 0
    profile = report()["profile"]
    assert profile["runs"] == 2
    slowest = profile["ops"][0]
    lines = reply.out[reply.out.index("Profile") :].splitlines()
    head = next(i for i, line in enumerate(lines) if line.split()[:2] == ["op", "program"])
    assert lines[head + 1].split()[0] == slowest["op"].split()[0]


def test_a_trace_is_written_beside_the_verdict(
    command: Command, report: Report, tmp_path: Path
) -> None:
    """Protects --trace: a file Perfetto reads, of the cores asked for, named in the report."""
    reply = command("run", GEMM, *SMALL, "--trace", "out.json", "--trace-cores", "1,0",
                    "--json", "result.json")  # fmt: skip
    assert reply.status == 0
    assert report()["verdict"] == "pass"
    trace = json.loads((tmp_path / "out.json").read_text())
    assert report()["trace"]["events"] == len(trace["traceEvents"]) > 20
    assert trace["otherData"]["cores"] == [[1, 0]]
    assert {e["pid"] for e in trace["traceEvents"]} == {2}


def test_a_breakpoint_shows_the_tile_and_its_writer(command: Command, report: Report) -> None:
    """Protects --break and --dump: values, validity, who wrote it and when, exit status 0."""
    reply = command("run", GEMM, *SMALL, "--break", "compute:7", "--dump", "cb0", "--dump", "dst",
                    "--json", "result.json")  # fmt: skip
    assert reply.status == 0
    assert reply.out.startswith("STOPPED  before matmul_tiles at compute:2.")
    assert "writer   ncrisc, noc_async_read_page at reader:" in reply.out
    assert "written  in step " in reply.out
    snapshot = report()["snapshot"]
    assert report()["verdict"] == "stopped"
    assert len(snapshot["tiles"][0]["values"]) == 32


def test_a_name_alone_lists_statements(command: Command) -> None:
    """Protects finding a place: every statement with its number, path and source line."""
    reply = command("run", GEMM, *SMALL, "--break", "compute")
    assert reply.status == 0
    row = next(line for line in reply.out.splitlines() if line.startswith("compute:7 "))
    assert row.split()[2] == "matmul_tiles"
    assert "gemm.py:" in row


def test_a_source_line_is_a_place(command: Command, report: Report) -> None:
    """Protects the spelling a kernel's author knows."""
    listed = command("run", GEMM, *SMALL, "--break", "compute").out
    line = next(row.split()[-1] for row in listed.splitlines() if "matmul_tiles" in row)
    place = line.rsplit(":", 1)[0]
    assert command("run", GEMM, *SMALL, "--break", place, "--json", "result.json").status == 0
    assert report()["snapshot"]["location"].startswith(place)


def test_a_place_never_reached_is_said(command: Command) -> None:
    """Protects against silence: the verdict stands and stderr says the run did not stop."""
    reply = command("run", GEMM, *SMALL, "--break", "compute:7@999")
    assert reply.status == 0
    assert "never came to compute:7@999" in reply.complaint()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--break", "compute:99", "--dump", "cb0"), "--break: compute has no statement"),
        (("--break", "nobody"), "--break: there is no program 'nobody'"),
        (("--break", "compute:7", "--dump", "A"), "--dump: 'A' cannot be dumped"),
        (("--break", "compute:7", "--dump", "cb31"), "--dump: there is no circular buffer 31"),
        (("--dump", "cb0"), "--dump: a dump needs a place to stop"),
        (("--trace", "no/where.json"), "no/where.json: cannot be written"),
        (("--trace", "t.json", "--trace-cores", "x"), "--trace-cores: 'x' is no list of cores"),
        (("--trace", "t.json", "--trace-cores", "40,0"), "--trace-cores: core 40,0 runs nothing"),
        (("--trace-cores", "0,0"), "--trace-cores: cores of a trace without a trace"),
    ],
)
def test_wrong_options_are_one_line(command: Command, words: tuple[str, ...], said: str) -> None:
    """Protects usage: exit status 2 and one line that names the option."""
    reply = command("run", GEMM, *SMALL, *words)
    assert reply.status == 2
    assert said in reply.complaint()
