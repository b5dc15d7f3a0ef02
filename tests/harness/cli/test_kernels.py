"""``source`` and ``lint-kernels``: the C++ kernels of an artifact."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.codegen.gate.wheel import find_headers
from tests.harness.cli.conftest import Command


@pytest.fixture
def no_headers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without ttnn's headers that cannot fetch them."""
    monkeypatch.setenv("TT_HARNESS_TTNN_WHEEL", str(tmp_path / "nowhere"))


@pytest.mark.parametrize("program", ["reader", "compute", "writer"])
def test_source_prints_the_kernel(command: Command, artifact: Path, program: str) -> None:
    """Protects pipes: what goes to no terminal is the text and nothing else."""
    reply = command("source", artifact, program, "--json", "out.json")
    assert reply.status == 0
    assert reply.out.startswith(f"// {program} of main: runs on ")
    assert "void kernel_main()" in reply.out
    assert "\x1b" not in reply.out
    assert json.loads(Path("out.json").read_text())["text"] == reply.out


def test_source_prints_what_is_on_disk(command: Command, artifact: Path) -> None:
    """Protects edited kernels from being shown as they were."""
    (artifact / "kernels").mkdir(exist_ok=True)
    (artifact / "kernels" / "writer.cpp").write_text("int edited;\n")
    assert command("source", artifact, "writer").out == "int edited;\n"


def test_source_is_coloured_on_a_terminal(
    command: Command, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the highlighting: the same text, with colours, where they can show."""
    plain = command("source", artifact, "reader").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = command("source", artifact, "reader").out
    import re

    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


def test_source_refuses_what_is_not_there(command: Command, artifact: Path) -> None:
    """Protects 2 for a program, directory or text that does not exist."""
    reply = command("source", artifact, "mixer")
    assert reply.status == 2
    assert "reader, compute, writer" in reply.complaint()
    assert command("source", "nowhere", "reader").status == 2
    (artifact / "kernels").mkdir(exist_ok=True)
    (artifact / "kernels" / "reader.cpp").write_bytes(b"\xff\xfe")
    assert command("source", artifact, "reader").status == 2
    (artifact / "tt.plan.json").write_text("{}")
    assert command("source", artifact, "reader").status == 1


@pytest.mark.usefixtures("no_headers")
def test_lint_without_headers_is_no_pass(command: Command, artifact: Path) -> None:
    """Protects scripts: kernels nobody compiled are neither clean nor broken."""
    reply = command("lint-kernels", artifact, "--json", "out.json")
    assert reply.status == 2
    assert "not checked" in reply.complaint()
    assert "holds no ttnn headers" in reply.err
    report = json.loads(Path("out.json").read_text())
    assert report["verdict"] == "skip"
    assert report["skipped"]


@pytest.mark.usefixtures("no_headers")
def test_lint_finds_a_removed_name(command: Command, artifact: Path) -> None:
    """Protects 1 for a problem, with kernel and line, headers or not."""
    text = command("source", artifact, "compute").out
    (artifact / "kernels").mkdir(exist_ok=True)
    path = artifact / "kernels" / "compute.cpp"
    path.write_text(text.replace("matmul_init(", "mm_init(", 1))
    reply = command("lint-kernels", artifact, "--json", "out.json")
    assert reply.status == 1
    assert "compute.cpp:" in reply.out
    assert "mm_init is removed" in reply.out
    report = json.loads(Path("out.json").read_text())
    assert report["verdict"] == "fail"
    assert report["problems"][0]["kernel"] == "compute"


def test_lint_refuses_what_is_no_artifact(command: Command, artifact: Path) -> None:
    """Protects D34: 2 for what is missing or no text, 1 for what is invalid."""
    assert command("lint-kernels", "nowhere", "--no-fetch").status == 2
    (artifact / "kernels").mkdir(exist_ok=True)
    (artifact / "kernels" / "reader.cpp").write_bytes(b"\xff\xfe")
    assert command("lint-kernels", artifact, "--no-fetch").status == 2
    (artifact / "programs.json").write_text("{}")
    assert command("lint-kernels", artifact, "--no-fetch").status == 1


@pytest.mark.nightly
def test_lint_compiles_for_both_architectures(command: Command, artifact: Path) -> None:
    """Protects the whole way: five threads, two architectures, real headers."""
    if (reason := find_headers(fetch=False).reason) is not None:
        pytest.skip(reason)
    reply = command("lint-kernels", artifact)
    assert reply.status == 0, reply.err
    assert "clean; 10 units compiled" in reply.out
