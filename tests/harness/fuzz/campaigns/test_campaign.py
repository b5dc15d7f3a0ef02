"""Campaigns: budgets hold whatever a worker does, nothing found is lost, jobs change no case."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cli import main
from harness.fuzz.campaigns.campaign import Campaign, Settings
from harness.fuzz.campaigns.journal import read
from harness.fuzz.case import load_case
from harness.fuzz.judge import run_case

FAULT = """
import os, time
from harness.fuzz import judge
from harness.fuzz.campaigns import worker
from harness.fuzz.outcome import Outcome

if "{what}" == "sleep":
    time.sleep(600)
true = judge.run_case
def faulty(case):
    size = case.plan.get("tiles", 0) * len(case.plan.get("depths", ()))
    if "{what}" == "hang" and size == 12:
        time.sleep(600)
    if "{what}" == "die" and size == 12:
        os.kill(os.getpid(), 9)
    if "{what}" == "memory" and size == 12:
        blocks = [bytearray(1 << 28) for _ in range(1000)]
    if "{what}" == "wrong" and size >= 6:
        return Outcome("wrong", "exact", "GridToPersistentTT", "copy", "planted")
    return true(case)
worker.run_case = faulty
raise SystemExit(worker.main())
"""


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Workers with a fault in what judges a case."""
    true = subprocess.Popen

    def plant(what: str) -> None:
        script = tmp_path / f"{what}.py"
        script.write_text(FAULT.replace("{what}", what))

        def start(command: list[str], **keywords: Any) -> Any:
            return true([command[0], str(script)], **keywords)

        monkeypatch.setattr(subprocess, "Popen", start)

    return plant


def settings(tmp_path: Path, **fields: Any) -> Settings:
    """A short campaign of plans."""
    return Settings(**{"corpus": tmp_path / "corpus", "focus": "plan", "seed": 3, **fields})


def journal(tmp_path: Path) -> list[dict[str, Any]]:
    """The outcomes a campaign wrote, in the order of cases."""
    ends = read(tmp_path / "corpus" / "journal.jsonl").ends
    return sorted(ends, key=lambda e: (e["shard"], e["round"], e["index"]))


def test_plans_are_clean_and_counted(tmp_path: Path) -> None:
    """A campaign of valid and damaged plans ends with every case and without a finding."""
    result = Campaign(settings(tmp_path, examples=130)).run()
    assert result.clean, result.to_json()["findings"]
    assert result.cases == 130
    assert "at most 0.023" in result.claim()


@pytest.mark.parametrize("focus", ["plan", pytest.param(None, marks=pytest.mark.nightly)])
def test_cases_do_not_depend_on_jobs(tmp_path: Path, focus: str | None) -> None:
    """The same seed and number of examples give the same cases, whatever the number of workers."""
    seen = []
    for jobs in (1, 2):
        Campaign(settings(tmp_path, examples=40, jobs=jobs, focus=focus)).run()
        seen.append([(e["shard"], e["index"], e["outcome"]["verdict"], e["cells"])
                     for e in journal(tmp_path)])  # fmt: skip
    assert seen[0] == seen[1]
    assert len(seen[0]) == 40


@pytest.mark.parametrize("what", ["hang", "die", "memory"])
def test_a_lost_worker_names_its_case(tmp_path: Path, planted: Any, what: str) -> None:
    """A hang, a kill or exhausted memory costs one case, which is named; the rest goes on."""
    planted(what)
    # Short only where the clock is what finds the fault: elsewhere a busy machine would find more.
    seconds = 5.0 if what == "hang" else 60.0
    result = Campaign(settings(tmp_path, examples=40, case_seconds=seconds, memory=3072)).run()
    assert result.cases == 40
    assert {key[0] for key in result.findings} == {"quarantine"}
    assert len(result.findings) == 1, result.to_json()["findings"]
    (found,) = result.findings.values()
    case = load_case(Path(found.file))
    assert case.plan["tiles"] * len(case.plan["depths"]) == 12
    assert case.expect["verdict"] == "quarantine"
    lost = [e for e in journal(tmp_path) if e["outcome"]["verdict"] == "quarantine"]
    assert found.count == len(lost)


def test_the_budget_holds_while_workers_hang(tmp_path: Path, planted: Any) -> None:
    """The end comes within 2 s of the budget, also when the last case never returns."""
    planted("hang")
    started = time.monotonic()
    result = Campaign(settings(tmp_path, seconds=6.0, case_seconds=60, jobs=2)).run()
    assert time.monotonic() - started <= 6.0 + 2
    assert result.ended == "budget spent"


def test_a_finding_is_shrunk_to_the_least_case_of_its_key(tmp_path: Path, planted: Any) -> None:
    """Shrinking ends at a local minimum, and the file is the case."""
    planted("wrong")
    result = Campaign(settings(tmp_path, examples=64)).run()
    (found,) = result.findings.values()
    case = load_case(Path(found.file))
    assert found.shrunk
    assert case.plan["tiles"] * len(case.plan["depths"]) == 6
    assert case.plan["cores"] == [1, 1]
    assert found.count > 1
    assert run_case(case).kind == "pass"  # without the planted fault


def test_resume_goes_on_where_the_journal_ends(tmp_path: Path) -> None:
    """A campaign killed at any moment loses no case it had finished, and repeats none."""
    whole = Campaign(settings(tmp_path, examples=150)).run()
    path = tmp_path / "corpus" / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:90]) + lines[90][:20])  # cut within a line
    done = len(read(path).ends)
    assert done < 150
    again = Campaign(settings(tmp_path, examples=150, resume=True)).run()
    assert again.cases == whole.cases
    assert again.kinds == whole.kinds
    assert again.cells == whole.cells
    ends = [(e["shard"], e["round"], e["index"]) for e in journal(tmp_path)]
    assert len(ends) == len(set(ends)) == 150


@pytest.mark.parametrize(
    ("stop", "status", "word"), [(True, 130, "interrupted"), (False, 4, "budget spent")]
)
def test_no_case_is_no_pass(
    tmp_path: Path, planted: Any, capsys: pytest.CaptureFixture[str], stop: bool, status: int,
    word: str,
) -> None:  # fmt: skip
    """A campaign that ends before its first case says that nothing was judged, and never PASS."""
    planted("sleep")
    corpus, report = tmp_path / "corpus", tmp_path / "report.json"
    limit = ["--examples", "9"] if stop else ["--time", "1s"]

    def ask() -> None:
        path = corpus / "journal.jsonl"
        while not path.exists() or not path.stat().st_size:  # it began, and hears what is asked
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    if stop:
        threading.Thread(target=ask, daemon=True).start()
    words = ["fuzz", *limit, "--focus", "plan", "--corpus", str(corpus), "--json", str(report)]
    assert main(words) == status
    seen = json.loads(report.read_text())
    assert (seen["cases"], seen["verdict"], seen["ended"]) == (0, "none", word)
    shown = capsys.readouterr()
    assert "PASS" not in shown.out
    assert "NO VERDICT  no case ended" in shown.out
    assert word in shown.err


def test_an_interrupt_leaves_no_worker(tmp_path: Path) -> None:
    """Ctrl-C ends the workers and closes the journal."""
    campaign = Campaign(settings(tmp_path, seconds=60.0, jobs=2))
    timer = threading.Timer(4.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            campaign.run()
    finally:
        signal.signal(signal.SIGINT, before)
    assert all(w.process.poll() is not None for w in campaign.workers)
    assert json.loads(campaign.journal.path.read_text().splitlines()[-1])["event"] == "stop"


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")],
)
def test_a_signal_ends_a_campaign_in_order(
    tmp_path: Path, planted: Any, monkeypatch: pytest.MonkeyPatch, number: int, status: int,
    word: str,
) -> None:  # fmt: skip
    """Asked to end, ``fuzz`` leaves no worker, reports what it did, and can go on from there."""
    planted("wrong")
    workers, start = [], subprocess.Popen

    def recorded(*words: Any, **keywords: Any) -> Any:
        workers.append(start(*words, **keywords))
        return workers[-1]

    monkeypatch.setattr(subprocess, "Popen", recorded)
    corpus, report = tmp_path / "corpus", tmp_path / "report.json"
    path = corpus / "journal.jsonl"

    def ask() -> None:
        while not path.exists() or path.read_text().count('"event": "finding"') < 1:
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    threading.Thread(target=ask, daemon=True).start()
    words = ["fuzz", "--examples", "400", "--focus", "plan", "--jobs", "2", "--corpus", str(corpus),
             "--json", str(report)]  # fmt: skip
    assert main(words) == status
    assert all(worker.poll() is not None for worker in workers)
    seen = json.loads(report.read_text())
    assert (seen["exit_status"], seen["ended"], seen["verdict"]) == (status, word, "fail")
    assert Path(seen["findings"][0]["file"]).exists()
    last = json.loads(path.read_text().splitlines()[-1])
    assert (last["event"], last["ended"], last["cases"]) == ("stop", word, seen["cases"])
    assert 0 < len(read(path).ends) == seen["cases"] < 400
    assert main([*words, "--resume"]) == 1
    ends = [(e["shard"], e["round"], e["index"]) for e in journal(tmp_path)]
    assert len(ends) == len(set(ends)) == 400


@pytest.mark.parametrize("at", [None, 0, 1, 2])
def test_all_cases_behind_the_one_that_killed_a_worker_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int | None
) -> None:
    """The last one too; a worker lost while it drew begins where it was to begin."""
    monkeypatch.setattr("harness.fuzz.campaigns.campaign.Worker", lambda memory: memory)
    campaign = Campaign(settings(tmp_path))
    unit = {"seed": 3, "shard": 0, "round": 0, "count": 3, "focus": "plan"}
    lost: Any = SimpleNamespace(
        busy={"task": "batch", "unit": unit, "skip": 0}, kill=lambda: -9,
        current=None if at is None else {"i": at, "case": {"plan": {"tiles": 1}}},
    )  # fmt: skip
    campaign.workers = [lost]
    campaign._lost(lost, "died")
    campaign.journal.close()
    begins = 0 if at is None else at + 1
    assert [one["skip"] for one in campaign.again] == ([] if begins == 3 else [begins])
    assert [e["index"] for e in journal(tmp_path)] == ([] if at is None else [at])


@pytest.mark.parametrize(("verdict", "shrunk"), [("wrong", 1), ("quarantine", 0), ("budget", 0)])
def test_only_what_can_be_run_again_is_shrunk(tmp_path: Path, verdict: str, shrunk: int) -> None:
    """A case that takes its worker with it would take one for every attempt; once is enough."""
    outcome = {"verdict": verdict, "code": "x", "pass": "", "op": "", "message": "m"}
    campaign = Campaign(settings(tmp_path))
    campaign._finding({"plan": {"tiles": 1}}, outcome, (0, 0, 0))
    assert len(campaign.shrinking) == shrunk
    campaign._shrunk((verdict, "x", "", ""))
    campaign.journal.close()
    again = Campaign(settings(tmp_path, resume=True))
    again._recall()
    again.journal.close()
    assert len(again.result.findings) == 1
    assert not again.shrinking


def test_the_clock_of_a_worker_begins_anew_with_all_it_says(tmp_path: Path) -> None:
    """Else many short cases would be taken for one that hangs."""
    campaign = Campaign(settings(tmp_path))
    worker: Any = SimpleNamespace(since=-1.0, ready=False, current=None, busy=None)
    campaign._heard(worker, {"e": "ready"})
    campaign.journal.close()
    assert worker.ready
    assert worker.since > 0
