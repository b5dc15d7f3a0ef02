"""The commands fuzz and replay: status, report and files."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.cli.failure import UsageError
from harness.cli.options import duration
from harness.fuzz.case import Case, CaseError, load_case

ROOT = Path(__file__).resolve().parents[3]
CASE = ROOT / "cases" / "unread-gemm.json"


def call(tmp_path: Path, *words: object) -> tuple[int, dict[str, Any]]:
    """Exit status and report of a command."""
    path = tmp_path / "report.json"
    status = main([*map(str, words), "--json", str(path)])
    report: dict[str, Any] = json.loads(path.read_text())
    return status, report


def test_fuzz_reports_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A campaign without findings ends with status 0, a claim and its coverage."""
    status, report = call(tmp_path, "fuzz", "--examples", 64, "--focus", "plan", "--corpus",
                          tmp_path / "corpus")  # fmt: skip
    assert (status, report["verdict"], report["cases"]) == (0, "pass", 64)
    assert report["claim"].startswith("0 findings in 64 cases")
    assert report["cells"]["seen"] > 5
    assert "PASS  0 findings in 64 cases" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--focus", "speed"], ["--time", "soon"], ["--time", "0s"]])
def test_wrong_use_is_status_2(tmp_path: Path, words: list[str]) -> None:
    """An unknown focus or duration is the user's to mend."""
    status, report = call(tmp_path, "fuzz", *words, "--corpus", tmp_path)
    assert (status, report["verdict"]) == (2, "error")


def test_durations() -> None:
    """Budgets are written as people write them."""
    assert [duration(t) for t in ("90", "1.5m", "2h", "7s")] == [90, 90, 7200, 7]
    with pytest.raises(UsageError):
        duration("-1s")


def test_replay_agrees_or_says_how_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0 where the verdict is the file's, 1 where it is another."""
    status, report = call(tmp_path, "replay", CASE, "--py", tmp_path / "kernel.py")
    assert (status, report["same"]) == (0, True)
    assert "T.gemm(b, a, d)" in (tmp_path / "kernel.py").read_text()
    other = load_case(CASE).expecting({"verdict": "wrong", "code": "exact"})
    status, report = call(tmp_path, "replay", other.save(tmp_path / "other.json"))
    assert (status, report["same"], report["verdict"]) == (1, False, "pass")
    assert "DIFFERENT" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"kernel": 3}', '{"kernel": "x", "more": 1}', "[" * 100_000,
     '{"kernel": ["x"], "plan": {"tiles": 1}}', '{"kernel": "x", "options": []}'],
)  # fmt: skip
def test_a_file_that_is_no_case_is_refused(tmp_path: Path, text: str) -> None:
    """A broken case file is a located error with status 2, never a traceback."""
    path = tmp_path / "case.json"
    path.write_text(text)
    with pytest.raises(CaseError):
        load_case(path)
    status, report = call(tmp_path, "replay", path)
    assert (status, report["error"]["code"]) == (2, "InvalidCase")


def test_the_document_shows_the_example_and_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Keeps docs/testing.md true: its Python is the example's, its options exist."""
    text = (ROOT / "docs" / "testing.md").read_text()
    example = (ROOT / "tests" / "e2e" / "plugin_example" / "test_kernels.py").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    assert all(block.strip() in example for block in blocks)
    assert main(["fuzz", "--help"]) == 0
    known = capsys.readouterr().out
    for option in re.findall(r"tt-harness fuzz (.*)", text):
        assert all(word in known for word in re.findall(r"--[a-z]+", option))


def test_a_plan_case_fits_its_file(tmp_path: Path) -> None:
    """Plans made without the compiler replay from a file too."""
    recipe = {"tiles": 2, "block": 1, "depths": [1, 2], "cores": [1, 1], "dtype": "bfloat16"}
    path = Case(plan=recipe, expect={"verdict": "pass"}).save(tmp_path / "plan.json")
    assert call(tmp_path, "replay", path)[0] == 0
