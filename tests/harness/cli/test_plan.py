"""``plan show``, ``plan validate`` and ``plan schema``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from simulator.plan.load import plan_schema
from tests.harness.cli.conftest import GEMM, SMALL, Command


def test_show_draws_the_core_map(command: Command) -> None:
    """Protects the drawn map: one cell per core, idle cores and cores out of range told apart."""
    ranges = ("--grid", "4x3", "--core-ranges", "0,0:4x1;0,2:3x1")
    assert command("compile", GEMM, *SMALL, *ranges, "-o", "made").status == 0
    reply = command("plan", "show", "made")
    lines = reply.out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("blocks per core"))
    assert lines[start + 1 : start + 5] == [
        "   0 1 2 3",
        "0  1 1 1 1",
        "1  . . . .",
        "2  1 1 0 .",
    ]


def test_show_takes_directory_or_file_and_writes_json(command: Command, artifact: Path) -> None:
    """Protects scripts: the summary drawn is the one in the JSON, for both spellings."""
    command("plan", "show", artifact, "--json", "a.json")
    command("plan", "show", artifact / "tt.plan.json", "--json", "b.json")
    a, b = (json.loads(Path(name).read_text()) for name in ("a.json", "b.json"))
    assert a == b
    assert a["plan"]["cores"] == {"active": 6, "idle": 58, "least_blocks": 1, "most_blocks": 1}


def test_a_sound_artifact_validates(command: Command, artifact: Path) -> None:
    """Protects 0 for a sound plan, alone and with its programs."""
    assert command("plan", "validate", artifact).status == 0
    assert command("plan", "validate", artifact / "tt.plan.json").status == 0


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        (lambda text: text[: len(text) // 2], 2, "is not JSON"),
        (lambda text: text[:0], 2, "is not JSON"),
        (lambda text: text[:1] + "}", 1, "missing required field"),
        (lambda text: text.replace('"name": "main"', '"name": "main", "more": 1', 1), 1, "more"),
        (lambda text: re.sub('"depth": [0-9]+', '"depth": 0', text), 1, "$.circular_buffers["),
        (lambda text: text.replace("wormhole_n150", "wormhole_n15", 1), 1, "wormhole_n15"),
        (lambda text: text.replace("(0,0)", "(0, 0)"), 1, "(0, 0)"),
    ],
)
def test_a_broken_plan_is_named(
    command: Command, artifact: Path, change: object, status: int, words: str
) -> None:
    """Protects readers of broken plans: the JSON path is named; 1 for meaning, 2 for no JSON."""
    assert callable(change)
    path = artifact / "tt.plan.json"
    path.write_text(change(path.read_text()))
    for verb in ("validate", "show"):
        reply = command("plan", verb, path, "--json", "result.json")
        assert reply.status == status
        assert words in reply.err
        report = json.loads(Path("result.json").read_text())
        assert report["exit_status"] == status
        assert report["error"]["code"] in {"InvalidPlan", "PlanInconsistent", "Unreadable"}


def test_programs_are_judged_with_the_directory(command: Command, artifact: Path) -> None:
    """Protects against a sound plan beside programs it does not describe."""
    path = artifact / "programs.json"
    path.write_text(path.read_text().replace("matmul_tiles", "matmul_tilez"))
    assert command("plan", "validate", artifact / "tt.plan.json").status == 0
    reply = command("plan", "validate", artifact)
    assert reply.status == 1
    assert "matmul_tilez" in reply.out + reply.err


def test_schema_is_the_loader_s(command: Command) -> None:
    """Protects the printed schema from drifting away from what is loaded."""
    assert json.loads(command("plan", "schema").out) == json.loads(json.dumps(plan_schema()))
    assert json.loads(command("plan", "schema", "--programs").out)["title"] == "programs.json"
