"""Starting the worker and hearing from it, whatever becomes of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from harness.backends.protocol import Array

_BOOTSTRAP: Final = (
    "import runpy, sys; sys.path.insert(0, {place!r});"
    " runpy.run_module('ttnn_worker', run_name='__main__', alter_sys=False)"
)
"""Runs the worker package without importing anything else of this project."""

LOG_LINES: Final = 12
"""Lines of the worker's log that are quoted when it fails."""


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        state: ``ok``; ``error``: the worker reported an exception; ``died``: it ended without an
            answer; ``timeout``: it was killed.
        result: the worker's JSON, where it answered.
        arrays: the outputs it wrote.
        message: what went wrong.
        seconds: how long it took.
    """

    state: Literal["ok", "error", "died", "timeout"]
    result: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict, repr=False)
    message: str = ""
    seconds: float = 0.0


def call(
    python: str,
    job: Mapping[str, Any],
    arrays: Mapping[str, Array] | None = None,
    *,
    timeout: float,
    environment: Mapping[str, str] | None = None,
) -> Answer:
    """Run one job in the interpreter ``python`` and wait for the answer, at most ``timeout`` s.

    The environment passes through untouched (``TT_METAL_*`` included) but for what ``environment``
    adds. Never raises for what the worker does.
    """
    with tempfile.TemporaryDirectory(prefix="tt-harness-worker-") as scratch:
        place = Path(scratch)
        (place / "job.json").write_text(json.dumps(job), encoding="utf-8")
        np.savez(place / "inputs.npz", **(arrays or {}))  # type: ignore[arg-type]
        began = time.perf_counter()
        state, text, log = _converse(python, place, timeout, dict(environment or {}))
        seconds = time.perf_counter() - began
        if state == "timeout":
            return Answer("timeout", message=_quote(log), seconds=seconds)
        try:
            said = json.loads(text)
        except ValueError:
            return Answer("died", message=f"{state}; {_quote(log)}", seconds=seconds)
        if not said["ok"]:
            message = f"{said['error']}: {said['message']}"
            return Answer("error", message=message, seconds=seconds)
        outputs: dict[str, Array] = {}
        if (place / "outputs.npz").exists():
            with np.load(place / "outputs.npz", allow_pickle=False) as held:
                outputs = {name: held[name] for name in held.files}
        return Answer("ok", said["result"], outputs, seconds=seconds)


def _converse(
    python: str, place: Path, timeout: float, extra: dict[str, str]
) -> tuple[str, str, str]:
    """(state, answer, log) of one worker; its whole process group is gone afterwards."""
    source = _BOOTSTRAP.format(place=str(Path(__file__).parent))
    # A file, not a pipe: an answer of any size is written without a reader.
    with (place / "log").open("wb") as log, tempfile.TemporaryFile() as answer:
        send = answer.fileno()
        worker = subprocess.Popen(  # noqa: S603  (an interpreter the user or the doctor named)
            [python, "-c", source, str(send), str(place)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(send,), cwd=place,
            env={**os.environ, **extra}, start_new_session=True,
        )  # fmt: skip
        state = "ended without an answer"
        try:
            worker.wait(timeout)
        except subprocess.TimeoutExpired:
            state = "timeout"
        finally:
            if worker.returncode != 0:
                _end(worker)
        answer.seek(0)
        text = answer.read().decode("utf-8", "replace")
    if worker.returncode and state != "timeout":
        state = _fate(worker.returncode)
    return state, text, (place / "log").read_text("utf-8", "replace")


def _end(worker: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the worker's own session: compilers it started, too."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def _fate(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with status {code}"


def _quote(log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip()]
    return " | ".join(lines[-LOG_LINES:])[:2000] or "it said nothing"
