"""A worker as its supervisor sees it: a process with a deadline that can be killed at any time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from harness.fuzz.campaigns.worker_env import environment


class Worker:
    """One process. ``busy`` is the command it works on, ``current`` the case it runs.

    ``since`` is when its current step began, on the monotonic clock.
    """

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.busy: dict[str, Any] | None = None
        self.current: dict[str, Any] | None = None
        self.deadline: float | None = None
        self.since = time.monotonic()
        self.ready = False
        self._rest = b""
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        made = subprocess.Popen(
            [sys.executable, "-m", "harness.fuzz.campaigns.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(self.memory),
            start_new_session=True,
        )
        self.out = made.stdout.fileno() if made.stdout is not None else -1
        os.set_blocking(self.out, False)
        return made

    def fileno(self) -> int:
        """Of the events."""
        return self.out

    def send(self, command: Mapping[str, Any]) -> None:
        """Give it work."""
        self.busy, self.current, self.since = dict(command), None, time.monotonic()
        if self.process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(command).encode() + b"\n")
            self.process.stdin.flush()

    def events(self) -> tuple[list[dict[str, Any]], bool]:
        """What it said since, and whether it is still there."""
        out: list[dict[str, Any]] = []
        while True:
            try:
                data = os.read(self.fileno(), 1 << 16)
            except BlockingIOError:
                return out, True
            except OSError:
                return out, False
            if not data:
                return out, False
            *lines, self._rest = (self._rest + data).split(b"\n")
            out += [json.loads(line) for line in lines if line]

    def kill(self) -> int:
        """End it and everything it started; its exit status."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        status = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        return status
