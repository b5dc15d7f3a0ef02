"""The command as a whole: help, version, wrong verbs, the last line of defence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import options
from tests.harness.cli.conftest import GEMM, SMALL, Command

VERBS = ("compile", "run", "execute", "check", "demo", "plan show", "plan validate", "plan schema")


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_explains_itself(command: Command, verb: str) -> None:
    """Protects --help of every command: it succeeds and names its arguments."""
    reply = command(*verb.split(), "--help")
    assert reply.status == 0
    assert f"Usage: tt-harness {verb}" in reply.out


def test_without_a_command_help_is_shown(command: Command) -> None:
    """Protects the bare command: help for a person, exit 2 for a script."""
    reply = command()
    assert reply.status == 2
    assert "Usage: tt-harness" in reply.out


def test_version_is_the_distribution_s(command: Command) -> None:
    """Protects bug reports: the version printed is the one installed."""
    from importlib.metadata import version

    assert command("--version").out == f"tt-harness {version('tt-harness')}\n"


@pytest.mark.parametrize("words", [["fly"], ["plan"], ["plan", "fly"], ["run"], ["--fly"]])
def test_wrong_use_is_one_line(command: Command, words: list[str]) -> None:
    """Protects users from boxes and stack traces when a word is mistyped."""
    reply = command(*words)
    assert reply.status == 2
    assert reply.out == ""
    assert "--help" in reply.complaint()


def test_a_wrong_option_still_writes_the_json(command: Command) -> None:
    """Protects scripts: result.json exists on every exit, wrong usage included."""
    assert command("run", GEMM, "--frobnicate", "--json", "result.json").status == 2
    report = json.loads(Path("result.json").read_text())
    assert report["exit_status"] == 2
    assert report["verdict"] == "error"
    assert report["error"]["code"] == "Usage"


def test_a_defect_leaves_its_traceback_in_a_named_file(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Protects users from raw tracebacks and developers from losing them: exit 3, one line."""

    def explode(_: object) -> object:
        raise RuntimeError("wires crossed")

    monkeypatch.setattr(options.Build, "kernel", explode)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reply = command("run", GEMM, "--json", "result.json")
    assert reply.status == 3
    path = Path(reply.complaint().partition("traceback in ")[2].split()[0])
    assert "wires crossed" in path.read_text()
    assert json.loads(Path("result.json").read_text())["error"]["code"] == "Internal"


def test_an_interrupt_is_no_traceback(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects Ctrl-C: one line and the shell's customary status."""

    def interrupt(_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(options.Build, "kernel", interrupt)
    reply = command("run", GEMM)
    assert reply.status == 130
    assert "interrupted" in reply.complaint()


def test_spent_memory_is_a_spent_budget(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects exit 4: running out of memory is a budget, not a defect."""

    def exhaust(_: object) -> object:
        raise MemoryError

    monkeypatch.setattr(options.Build, "kernel", exhaust)
    assert command("run", GEMM).status == 4


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    """Protects ``tt-harness ... | head``: a closed pipe gives no traceback."""
    script = Path(sys.executable).with_name("tt-harness")
    with subprocess.Popen(
        [script, "plan", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_the_script_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Protects the entry point: status and streams of a real process."""
    script = Path(sys.executable).with_name("tt-harness")
    made = subprocess.run(
        [script, "run", GEMM, *SMALL, "--json", "-"], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["verdict"] == "pass"
