"""ci/nightly: its exit status, its budget and what it leaves behind."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

NIGHTLY = str(Path(__file__).resolve().parent.parent / "ci" / "nightly")

PASSES = "def test_it():\n    pass\n"
FAILS = "def test_it():\n    assert 1 == 2\n"
GOES_ON = "\ndef test_long():\n    import time\n    time.sleep(600)\n"
SUITES = {
    "passing": PASSES,
    "failing": FAILS,
    "endless": PASSES + GOES_ON,
    "failing then endless": FAILS + GOES_ON,
    "empty": "",
    "seeded": "def test_it(request):\n    assert request.config.option.hypothesis_seed == '42'\n",
    "profile": (
        "import os\n\ndef test_it():\n    assert os.environ['HYPOTHESIS_PROFILE'] == 'nightly'\n"
    ),
}


def nightly(tmp_path: Path, suite: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Run ci/nightly over a small suite; its exit status and its summary."""
    tests = tmp_path / "suite"
    tests.mkdir()
    (tests / "test_small.py").write_text(SUITES[suite])
    out = tmp_path / "out"
    command = [sys.executable, NIGHTLY, "--python", sys.executable, "--jobs=0"]
    command += [f"--output={out}", *options, str(tests)]
    command = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command]  # as a job in the background
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    summary = out / "nightly.json"
    assert summary.exists(), done.stdout + done.stderr
    return done.returncode, json.loads(summary.read_text())


@pytest.mark.parametrize(
    ("suite", "status"),
    [("passing", 0), ("profile", 0), ("failing", 1), ("empty", 3)],
)
def test_exit_status_tells_how_the_run_ended(tmp_path: Path, suite: str, status: int) -> None:
    """Protects whoever scripts the nightly run: each end has its own exit status."""
    exit_status, summary = nightly(tmp_path, suite)
    assert exit_status == status == summary["exit_status"]


@pytest.mark.parametrize(
    ("suite", "jobs", "status"), [("endless", 0, 4), ("failing then endless", 1, 1)]
)
def test_budget_ends_the_run_and_keeps_the_report(
    tmp_path: Path, suite: str, jobs: int, status: int
) -> None:
    """Protects the report of a run that was cut short, and a failure found before the cut."""
    exit_status, summary = nightly(tmp_path, suite, "--budget=15s", f"--jobs={jobs}")
    assert exit_status == status
    assert summary["elapsed_seconds"] < 15 + 30
    assert summary["tests"] >= 1
    report = ET.parse(tmp_path / "out" / "junit.xml")
    assert report.find(".//testcase[@name='test_it']") is not None
    assert (tmp_path / "out" / "pytest.log").stat().st_size > 0


def test_seed_is_reported_and_honoured(tmp_path: Path) -> None:
    """Protects repeatability: the summary names the seed that was used."""
    exit_status, summary = nightly(tmp_path, "seeded", "--seed=42")
    assert exit_status == 0
    assert summary["seed"] == 42
    assert "--seed=42" in summary["repeat"]


@pytest.mark.parametrize("budget", ["0", "soon", "-5m"])
def test_senseless_budget_is_refused(budget: str) -> None:
    """Protects a schedule from a mistyped budget that would run nothing."""
    command = [sys.executable, NIGHTLY, f"--budget={budget}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "expected a duration" in done.stderr
