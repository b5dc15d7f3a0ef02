"""The journal: one writer, nothing found is lost, and what cannot be used is refused in place."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError, OptionError
from harness.fuzz.campaigns.campaign import Campaign, Settings
from harness.fuzz.campaigns.journal import Journal, read
from harness.fuzz.case import load_case
from simulator.errors import UnreadableError

WRONG = """
from harness.fuzz.campaigns import worker
from harness.fuzz.outcome import Outcome

true = worker.run_case
def faulty(case):
    if case.plan.get("tiles", 0) >= 6:
        return Outcome("wrong", "exact", "GridToPersistentTT", "copy", "planted")
    return true(case)
worker.run_case = faulty
raise SystemExit(worker.main())
"""

HANG = """
import os, sys, time
from harness.fuzz.campaigns import worker
def hang(case):
    open(sys.argv[1], "w").write(str(os.getpid()))
    time.sleep(600)
worker.run_case = hang
raise SystemExit(worker.main())
"""

PARENT = """
import subprocess, sys
from pathlib import Path
from harness.fuzz.campaigns.campaign import Campaign, Settings
true = subprocess.Popen
subprocess.Popen = lambda words, **more: true([words[0], "-c", sys.argv[2], sys.argv[3]], **more)
Campaign(Settings(examples=5, focus="plan", corpus=Path(sys.argv[1]))).run()
"""


def settings(tmp_path: Path, **fields: Any) -> Settings:
    """A short campaign of plans."""
    return Settings(**{"focus": "plan", "corpus": tmp_path / "corpus", **fields})


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that find many cases wrong."""
    true = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda words, **more: true([words[0], "-c", WRONG], **more)
    )


@pytest.mark.usefixtures("wrong")
def test_a_campaign_killed_at_any_line_loses_no_finding(tmp_path: Path) -> None:
    """Whatever line of the journal was the last, going on ends with what one run finds."""
    whole = Campaign(settings(tmp_path, examples=20, shrink_seconds=0.0)).run()
    path = tmp_path / "corpus" / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    events = [json.loads(line)["event"] for line in lines]
    first = events.index("finding")
    for kept in (first, first + 1):
        path.write_bytes(b"".join(lines[:kept]))
        again = Campaign(settings(tmp_path, examples=20, shrink_seconds=0.0, resume=True)).run()
        assert again.kinds == whole.kinds
        assert {k: f.count for k, f in again.findings.items()} == {
            k: f.count for k, f in whole.findings.items()
        }


def test_one_campaign_at_a_time_writes(tmp_path: Path) -> None:
    """A second one is refused before it takes the first one's lines away."""
    first = Journal(tmp_path, resume=False)
    first.write("start", seed=0)
    for resume in (False, True):
        with pytest.raises(OptionError, match="another campaign"):
            Journal(tmp_path, resume=resume)
    first.write("stop")
    first.close()
    assert len(first.path.read_text().splitlines()) == 2
    Journal(tmp_path, resume=False).close()
    assert first.path.read_text() == ""


@pytest.mark.parametrize("other", [{"seed": 1}, {"focus": "gemm"}])
def test_another_campaigns_journal_is_not_gone_on_with(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    """Its cases are others, so none of this one may count as done."""
    Campaign(settings(tmp_path, examples=1)).run()
    with pytest.raises(OptionError, match="another campaign") as error:
        Campaign(settings(tmp_path, **{"examples": 1, "resume": True, **other})).run()
    assert "--seed 0 --focus plan" in str(error.value.next_step)


@pytest.mark.parametrize(
    "line", [b'{"event": "end", "shard": 0}', b"[1, 2]", b'{"event": "finding"}', b"3"]
)
def test_what_is_no_journal_is_refused_at_its_line(tmp_path: Path, line: bytes) -> None:
    """Never a traceback, and the file stays as it is."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"event": "start", "seed": 0}\n{"cut o\n\xff\xfe\n' + line + b"\n")
    before = path.read_bytes()
    with pytest.raises(UnreadableError) as error:
        Journal(tmp_path, resume=True)
    assert error.value.location == f"{path}:4"
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file for a directory, a directory for the journal, and a disc that is full."""
    (tmp_path / "file").write_text("")
    (tmp_path / "taken" / "journal.jsonl").mkdir(parents=True)
    for name in ("file", "taken"):
        with pytest.raises(UnreadableError, match="cannot be"):
            Journal(tmp_path / name, resume=False)
    if not Path("/dev/full").exists():
        pytest.skip("no full device here")
    journal = Journal(tmp_path / "full", resume=False)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._file.fileno())
    os.close(full)
    with pytest.raises(UnreadableError, match="No space left"):
        journal.write("start")
    journal.close()


def test_a_case_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """A finding's case that cannot be written names its place and leaves no half of it."""
    Campaign(settings(tmp_path, examples=1)).run()
    case = load_case(Path(__file__).parents[4] / "cases" / "half-infinity.json")
    (tmp_path / "taken").write_text("")
    with pytest.raises((UnreadableError, HarnessError)):
        case.save(tmp_path / "taken" / "case.json")
    place = tmp_path / "new" / "case.json"
    case.save(place)
    assert [p.name for p in place.parent.iterdir()] == ["case.json"]
    assert load_case(place) == case


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's prctl")
def test_a_hanging_worker_does_not_outlive_its_supervisor(tmp_path: Path) -> None:
    """A supervisor killed outright leaves no process behind that eats the machine."""
    mark = tmp_path / "pid"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "corpus"), HANG, str(mark)]
    )
    try:
        end = time.monotonic() + 60
        while not (mark.exists() and mark.read_text()):
            assert time.monotonic() < end
            assert parent.poll() is None
            time.sleep(0.05)
    finally:
        parent.kill()
        parent.wait()
    worker = int(mark.read_text())
    try:
        assert _gone(worker)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


def _gone(pid: int) -> bool:
    """Whether a process ends within seconds; a zombie nobody collects has ended."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        status = Path(f"/proc/{pid}/stat")
        try:
            if status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_no_journal_is_an_empty_past(tmp_path: Path) -> None:
    """Going on where nothing was begun is to begin."""
    assert read(tmp_path / "journal.jsonl").ends == []


def _end(index: int) -> dict[str, Any]:
    return {"shard": 0, "round": 0, "index": index, "outcome": {"verdict": "pass"}}


def test_what_follows_a_line_that_was_cut_off_is_a_line_of_its_own(tmp_path: Path) -> None:
    """Appended to the rest of the other, it would be lost with it."""
    journal = Journal(tmp_path, resume=False)
    journal.write("start", seed=7)
    journal.write("end", **_end(0))
    journal.close()
    whole = journal.path.read_bytes()
    for kept in range(len(whole) + 1):
        journal.path.write_bytes(whole[:kept])
        again = Journal(tmp_path, resume=True)
        again.write("end", **_end(5))
        again.write("finding", key=["wrong", "exact", "", ""], count=1)
        again.write("finding", key=["wrong", "exact", "", ""], count=2)
        again.close()
        past = read(journal.path)
        assert past.done == {(0, 0): 6}, kept
        assert [one["count"] for one in past.findings] == [2]


def test_a_unit_goes_on_behind_its_last_case(tmp_path: Path) -> None:
    """A lost worker's case counts as done, and what began a journal is not what went on with it."""
    journal = Journal(tmp_path, resume=False)
    journal.write("start", seed=7)
    journal.write("end", **_end(0))
    journal.write("quarantine", **_end(1))
    journal.write("start", seed=8)
    journal.write("end", **_end(2) | {"round": 1})
    journal.close()
    past = read(journal.path)
    assert past.done == {(0, 0): 2, (0, 1): 3}
    assert past.started["seed"] == 7
    assert past.counts["pass", "", "", ""] == 3


def test_findings_are_on_the_disk_before_anything_else_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What took hours to find survives a power cut; every case is not worth the wait."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    journal = Journal(tmp_path, resume=False)
    told = []
    for event in ("start", "end", "finding", "quarantine", "stop"):
        before = len(synced)
        journal.write(event)
        told += [event] * (len(synced) - before)
    journal.close()
    assert told == ["finding", "quarantine"]


def test_a_line_of_which_the_system_takes_a_part_is_written_whole(tmp_path: Path) -> None:
    """Nothing else says that the rest of it is lost."""
    journal: Any = Journal(tmp_path, resume=False)
    taken = journal._file

    class Short:
        def write(self, data: bytes) -> int:
            return int(taken.write(data[:7]))

    journal._file = Short()
    journal.write("end", **_end(3))
    taken.close()
    assert read(journal.path).done == {(0, 0): 4}
