"""The command, called in this process: arguments in, exit status and both streams out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main

KERNELS = Path(__file__).resolve().parents[3] / "harness" / "kernels"
GEMM = f"{KERNELS / 'gemm.py'}:matmul"
SMALL = ("--param", "M=96", "--param", "N=64", "--param", "K=64",
         "--param", "block_M=32", "--param", "block_N=32")  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """What a command answered."""

    status: int
    out: str
    err: str

    def complaint(self) -> str:
        """The one line on stderr that says what is wrong."""
        lines = [line for line in self.err.splitlines() if line.startswith("tt-harness ")]
        assert len(lines) == 1, self.err
        return lines[0]


Command = Callable[..., Reply]


def edit_programs(artifact: Path, change: Callable[[str], str]) -> None:
    """Change an artifact's programs and seal the plan again, as a faulty compiler would have."""
    path, plan = artifact / "programs.json", artifact / "tt.plan.json"
    old = path.read_text()
    new = change(old)
    assert new != old
    path.write_text(new)
    before, after = (hashlib.sha256(text.encode()).hexdigest() for text in (old, new))
    plan.write_text(plan.read_text().replace(before, after))


def add_endless_loop(text: str) -> str:
    """Programs whose reader counts for a very long time before it does anything."""
    loop = (
        '  {"kind": "for", "var": "turn", "start": 0, "stop": 1000000000, "body": [\n'
        '    {"kind": "let", "var": "idle", "value": "turn"}\n'
        "  ]},\n"
    )
    first = text.index('"body": [\n') + len('"body": [\n')
    return text[:first] + loop + text[first:]


@pytest.fixture
def command(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """Run ``tt-harness`` in an empty directory; a traceback on either stream is a failure."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> Reply:
        capfd.readouterr()
        status = main([str(word) for word in words])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Reply(status, out, err)

    return call


@pytest.fixture
def artifact(command: Command, tmp_path: Path) -> Path:
    """A small GEMM's artifact."""
    reply = command("compile", GEMM, *SMALL, "-o", tmp_path / "artifact")
    assert reply.status == 0, reply.err
    return tmp_path / "artifact"


@pytest.fixture
def report(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """Reads ``result.json`` of the test's directory."""

    def read() -> dict[str, Any]:
        value: dict[str, Any] = json.loads((tmp_path / "result.json").read_text())
        return value

    return read
