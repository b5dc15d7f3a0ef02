"""The worker's channel, with a stand-in for ttnn: answers, noise, errors, death, silence."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from harness.backends.channel import Answer, call

FAKE = """
import os, sys, time
print("C++ logs go to stdout")
behaviour = os.environ.get("FAKE_TTNN", "")
if behaviour == "die":
    os.kill(os.getpid(), 9)
if behaviour == "crash":
    os._exit(7)
if behaviour == "hang":
    time.sleep(600)
if behaviour == "child":
    import subprocess
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(os.environ["FAKE_NOTE"], "w").write(str(child.pid))
    time.sleep(600)
def GetNumAvailableDevices():
    if behaviour == "error":
        raise RuntimeError("TT_FATAL: no chips" + chr(10) + "backtrace:" + chr(10) + " --- frame")
    if behaviour == "value":
        raise ValueError("unexpected " + "x" * 5000)
    return 2
"""


@pytest.fixture
def fake(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``import ttnn`` finds the stand-in."""
    (tmp_path / "ttnn.py").write_text(FAKE)
    info = tmp_path / "ttnn-0.81.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ttnn\nVersion: 0.81.1\n")
    return {"PYTHONPATH": str(tmp_path)}


def probe(environment: dict[str, str], behaviour: str, timeout: float = 30.0) -> Answer:
    """Ask a stand-in that behaves so."""
    extra = {**environment, "FAKE_TTNN": behaviour}
    return call(sys.executable, {"mode": "probe"}, timeout=timeout, environment=extra)


def test_an_answer_arrives_through_the_noise(fake: dict[str, str]) -> None:
    """What ttnn prints does not get between the lines of the protocol."""
    answer = probe(fake, "")
    assert (answer.state, answer.message) == ("ok", "")
    assert answer.result["devices"] == 2
    assert answer.result["ttnn"] == "0.81.1"
    assert answer.result["kind"] == "board"


def test_a_device_error_is_quoted_without_its_backtrace(fake: dict[str, str]) -> None:
    """People read the first line, not forty frames."""
    answer = probe(fake, "error")
    assert answer.result["devices"] == 0
    assert answer.result["why"] == "TT_FATAL: no chips"


def test_an_exception_is_an_error_of_bounded_length(fake: dict[str, str]) -> None:
    """The worker survives and says what it was."""
    answer = probe(fake, "value")
    assert answer.state == "error"
    assert answer.message.startswith("ValueError: unexpected xxx")
    assert len(answer.message) < 700


@pytest.mark.parametrize(("behaviour", "said"), [("die", "SIGKILL"), ("crash", "status 7")])
def test_a_death_is_told_with_its_cause_and_the_log(
    fake: dict[str, str], behaviour: str, said: str
) -> None:
    """A crash inside ttnn is the device's, not this project's."""
    answer = probe(fake, behaviour)
    assert answer.state == "died"
    assert said in answer.message


def test_silence_ends_at_the_timeout(fake: dict[str, str]) -> None:
    """A deadlocked kernel never returns."""
    began = time.monotonic()
    answer = probe(fake, "hang", 1.0)
    assert answer.state == "timeout"
    assert time.monotonic() - began < 10


def test_processes_the_worker_started_end_with_it(fake: dict[str, str], tmp_path: Path) -> None:
    """Compilers, say: the whole session is killed."""
    note = tmp_path / "pid"
    probe({**fake, "FAKE_NOTE": str(note)}, "child", 2.0)
    pid = int(note.read_text())
    for _ in range(50):
        if _gone(pid):
            return
        time.sleep(0.1)
    raise AssertionError(f"process {pid} is still there")


def _gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_an_unknown_interpreter_is_an_exception_of_the_caller(fake: dict[str, str]) -> None:
    """Interpreters are probed before they are used, so this is a mistake in the caller."""
    with pytest.raises(FileNotFoundError):
        call("/no/such/python", {"mode": "probe"}, timeout=5, environment=fake)


def test_large_answers_do_not_block(fake: dict[str, str], tmp_path: Path) -> None:
    """Descriptors of hundreds of plans are megabytes; nobody reads while the worker writes."""
    (tmp_path / "ttnn.py").write_text(
        "def GetNumAvailableDevices():\n    return ['x' * 1000] * 500\n"
    )
    answer = call(sys.executable, {"mode": "probe"}, timeout=30, environment=fake)
    assert len(answer.result["devices"]) == 500


def test_the_environment_passes_through(
    fake: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's TT_METAL_SIMULATOR reaches ttnn as it is."""
    monkeypatch.setitem(os.environ, "TT_METAL_SIMULATOR", "/some/libttsim.so")
    assert probe(fake, "").result["kind"] == "simulator"


def test_arrays_of_any_order_are_accepted(fake: dict[str, str]) -> None:
    """Inputs travel as npz."""
    arrays = {"A": np.asfortranarray(np.ones((3, 4)))}
    answer = call(sys.executable, {"mode": "probe"}, arrays, timeout=30, environment=fake)
    assert answer.state == "ok"
