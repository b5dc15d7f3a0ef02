"""``doctor`` and ``smoke`` on a machine that has no interpreter with ttnn, and on any."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.harness.cli.conftest import Command

FIRST = ("--plan", "copy-one-core")


@pytest.fixture
def no_ttnn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine whose named interpreter does not exist."""
    monkeypatch.setenv("TT_HARNESS_TTNN_PYTHON", str(tmp_path / "nowhere" / "python"))


@pytest.mark.usefixtures("no_ttnn")
def test_doctor_says_what_each_gap_takes(command: Command) -> None:
    """Protects the one screen: a gap is not an error, and has a remedy beside it."""
    reply = command("doctor", "--json", "out.json")
    assert reply.status == 0
    assert "takes: python3.12 -m venv DIR" in reply.out
    report = json.loads(Path("out.json").read_text())
    assert report["executes"] is False
    assert [item["name"] for item in report["tiers"]][-1] == "run on a device"
    assert all(item["takes"] for item in report["items"] if item["state"] == "missing")


@pytest.mark.usefixtures("no_ttnn")
def test_smoke_without_ttnn_is_no_pass(command: Command) -> None:
    """Protects reports: what did not run is a counted skip with its reason, never a pass."""
    reply = command("smoke", *FIRST, "-o", "made", "--json", "out.json")
    assert reply.status == 0
    assert "nothing ran on a device" in reply.complaint()
    report = json.loads(Path("out.json").read_text())
    assert (report["verdict"], report["status"], report["executed"]) == ("skip", "skip", False)
    assert report["counts"]["skip"] >= 3
    assert report["counts"]["fail"] == 0
    suites = ET.parse("made/junit.xml").getroot()
    assert len(suites.findall(".//skipped")) == report["counts"]["skip"]
    assert "<html" in Path("made/smoke.html").read_text()


@pytest.mark.usefixtures("no_ttnn")
def test_a_required_device_that_is_missing_is_a_failure(command: Command) -> None:
    """Protects a schedule on a dev board from a board that went away."""
    reply = command("smoke", *FIRST, "-o", "made", "--require-device", "--json", "out.json")
    assert reply.status == 1
    assert json.loads(Path("out.json").read_text())["status"] == "fail"


def test_smoke_keeps_records_that_can_be_checked_again(command: Command) -> None:
    """Protects the record's way: written by one run, held against the simulator by another."""
    reply = command("smoke", "--backend", "simulator", *FIRST, "-o", "made", "--json", "out.json")
    assert reply.status == 0, reply.err
    assert json.loads(Path("out.json").read_text())["verdict"] == "pass"
    records = sorted(Path("made/records").glob("*.json"))
    assert len(records) == 2
    again = command("smoke", "--recheck", "made/records", "--json", "again.json")
    assert again.status == 0
    assert [r["status"] for r in json.loads(Path("again.json").read_text())["records"]] == [
        "pass", "pass",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--device", "foo"), "unknown device 'foo'"),
        (("--plan", "foo"), "no smoke plan 'foo'"),
        (("--backend", "foo"), "no backend 'foo'"),
        (("--recheck", "."), "holds no records"),
        (("--recheck", "nowhere"), "holds no records"),
        (("--budget", "soon"), "--budget"),
        (("-o", "file.txt"), "file.txt"),
    ],
)
def test_smoke_refuses_what_it_does_not_know(
    command: Command, words: tuple[str, ...], said: str
) -> None:
    """Protects 2 for usage, before anything runs."""
    Path("file.txt").write_text("in the way")
    reply = command("smoke", *words)
    assert reply.status == 2
    assert said in reply.complaint()


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"record_version": 1}'])
def test_a_record_that_is_none_is_named(command: Command, content: str) -> None:
    """Protects re-checks from a stray file: it is neither a pass nor a traceback."""
    Path("records").mkdir()
    Path("records/stray.json").write_text(content)
    reply = command("smoke", "--recheck", "records")
    assert reply.status == 2
    assert "stray.json: is no record" in reply.complaint()
