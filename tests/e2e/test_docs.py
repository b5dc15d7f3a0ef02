"""The documents hold: every command in them runs and prints what they show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from simulator.plan.load import load_plan
from simulator.plan.validate import validate_plan
from tests.e2e.transcript import ROOT, Step, blocks, difference, run, stable, steps

DOCUMENTS = ("README.md", "docs/cli.md", "docs/plan.md")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """An empty directory that sees the packaged kernels where a checkout has them."""
    (tmp_path / "harness").symlink_to(ROOT / "harness")
    return tmp_path


@pytest.mark.parametrize("name", DOCUMENTS)
def test_transcripts_are_what_happens(name: str, checkout: Path) -> None:
    """Protects readers: each command of a document prints what is shown, durations apart."""
    found = [step for block in blocks(ROOT / name, "console") for step in steps(block)]
    assert found
    for step, printed in zip(found, run(found, checkout), strict=True):
        apart = difference(step.shown, printed)
        text = "\n".join(printed)
        assert apart is None, f"{name}: $ {step.command}\n{apart}\n\nin full:\n{text}"


@pytest.mark.parametrize("name", [*DOCUMENTS, "docs/layouts.md"])
def test_python_in_documents_runs(name: str, checkout: Path) -> None:
    """Protects the Python shown: it runs as it stands, with warnings as errors."""
    for block in blocks(ROOT / name, "python"):
        made = subprocess.run(
            [sys.executable, "-W", "error", "-c", block], cwd=checkout, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr


def test_the_first_commands_of_the_readme_exist() -> None:
    """Protects the opening: make demo runs the transcribed command, make test this suite."""
    text = (ROOT / "README.md").read_text()
    first = blocks(ROOT / "README.md", "sh")[0].splitlines()
    assert text.index("make demo") < text.index("\n## ")
    assert [line.split("#")[0].strip() for line in first] == ["make demo", "make test"]
    makefile = (ROOT / "Makefile").read_text()
    assert "\ndemo: $(STAMP)" in makefile
    assert "$(BIN)/tt-harness demo $(DEMO_ARGS)" in makefile
    assert "\ntest: $(STAMP)" in makefile


def test_the_example_plan_is_valid() -> None:
    """Protects docs/plan.md from showing a plan that would be refused."""
    (example,) = blocks(ROOT / "docs" / "plan.md", "json")
    assert validate_plan(load_plan(example.encode())) == ()


def test_links_between_documents_lead_somewhere() -> None:
    """Protects readers from links to files that are not there."""
    import re

    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_a_changed_output_is_noticed() -> None:
    """Protects the comparison itself: durations may differ, words may not."""
    assert difference(["took 1.2 ms", "end"], ["took 34.5 ms", "end"]) is None
    assert difference(["a", "..."], ["a", "b", "c"]) is None
    assert difference(["a"], ["b"]) is not None
    assert difference(["a"], ["a", "b"]) is not None
    assert stable("x   1.25 s  y") == "x TIME y"
    assert steps("$ one\nout\n$ two <<'E'\n> in\n> E\n") == [
        Step("one", ["out"]), Step("two <<'E'\nin\nE"),
    ]  # fmt: skip
