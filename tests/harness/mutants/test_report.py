"""Figures, the terminal view, the page and the command, all drawn from one report."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli.app import main
from harness.mutants import Outcome, Report
from harness.report.mutants import mutant_lines, mutants_markdown


def _report() -> Report:
    killed = Outcome("a", "f", "golden", "killed", "exact", "WrongAnswer", case="c", tiles=1,
                     cores=1, examples=3, seconds=0.05, blamed="golden")  # fmt: skip
    return Report((
        killed,
        replace(killed, name="b", seconds=2.0, blamed="simulator"),
        Outcome("c", "f", "golden", "survived", examples=200),
        Outcome("d", "g", "simulator", "equivalent", exhausted=90, reason="same"),
        Outcome("e", "g", "simulator", "crashed", crashes=("E: boom",)),
    ), examples=200, cases=10, seconds=3.0)  # fmt: skip


def test_rates_leave_the_equivalent_out() -> None:
    """Rates are over the mutants that can be told apart, crashes among them."""
    report = _report()
    assert report.kill_rate == 0.5
    assert report.killed_within(0.1) == 0.25
    assert report.blame_rate == 0.5
    assert list(report.median_size) == [1, 1]
    assert report.by_family() == {"f": (2, 3), "g": (0, 1)}


def test_the_view_names_survivors_crashes_and_wrong_blame() -> None:
    """A person sees the rates and every mutant that needs a look."""
    text = "\n".join(str(line) for line in mutant_lines(_report().to_json()))
    for part in ("50.0%", "Survived", "Crashed", "E: boom", "same", "Blamed elsewhere"):
        assert part in text


def test_the_page_lists_every_mutant() -> None:
    """The Markdown page has the figures and a row per mutant."""
    page = mutants_markdown(_report().to_json())
    assert page.startswith("# How strong the checks are")
    for name in "abcde":
        assert f"| `{name}` |" in page


def test_a_report_is_plain_data() -> None:
    """The JSON form survives a round trip."""
    figures = json.loads(json.dumps(_report().to_json()))["figures"]
    assert figures["survived"] == ["c"]


def test_the_command_runs_one_mutant_and_writes_json(tmp_path: Path) -> None:
    """``tt-harness mutants --family NAME --json FILE`` runs, passes and says so."""
    out = tmp_path / "out.json"
    assert main(["mutants", "--family", "missing-push-reader", "--json", str(out)]) == 0
    data = json.loads(out.read_text())
    assert data["figures"]["killed"] == 1
    assert data["outcomes"][0]["status"] == "killed"


def test_the_command_lists_mutants(capsys: pytest.CaptureFixture[str]) -> None:
    """``--list`` names mutants without running them."""
    assert main(["mutants", "--list", "--family", "semaphores"]) == 0
    assert "semaphore-value" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--family", "nonsense"], ["--time", "soon"]])
def test_wrong_use_exits_2(wrong: list[str]) -> None:
    """An unknown family or a time that is none is the user's error."""
    assert main(["mutants", *wrong]) == 2
